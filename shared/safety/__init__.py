"""What keeps harm, tampering and personal data out of requests and answers (R2, R18.8, R18.9)."""
