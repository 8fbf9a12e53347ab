"""Thought signatures: their keys in the store, their carriers, and the ones that an answer issues."""
