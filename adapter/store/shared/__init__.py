"""What the stores of both kinds share: limits, names, SQLite's threads, the link to Redis."""
