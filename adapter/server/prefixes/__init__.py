"""What one process remembers of histories, so that the next turn of an agent costs what is new."""
