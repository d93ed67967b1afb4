"""HTTP in and out: dialects, streaming, identity, error mapping."""
