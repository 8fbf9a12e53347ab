"""What signature and document stores share: limits, names, SQLite's threads, the link to Redis."""
