"""What outlives a request: thought signatures."""
