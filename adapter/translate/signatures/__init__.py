"""Thought signatures: under which keys they are stored, what carries them, and which ones an answer issues."""
