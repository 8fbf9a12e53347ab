"""The tools of a request: declarations, names, the tool choice."""
