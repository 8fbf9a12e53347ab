"""The turns of a history: how they are gathered and written, and what of them is remembered."""
