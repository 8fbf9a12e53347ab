"""Histories and tools that this process remembers, so that an agent's next turn costs only its new messages."""
