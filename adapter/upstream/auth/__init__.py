"""Authentication of calls: API keys, clients' own keys, Google Cloud access tokens."""
