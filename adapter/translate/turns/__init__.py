"""The turns of a history: gathered, written, and remembered."""
