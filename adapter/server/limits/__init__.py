"""Access, admission control, and rate limits."""
