"""Parts of signature and document stores: limits, names, the SQLite file, the link to Redis."""
