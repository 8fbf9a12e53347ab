"""Remembered histories of one process, so that an agent's next turn costs only its new messages."""
