"""What became of requests that came with an Idempotency-Key, kept for an hour."""
