"""Behaviour as data: each JSON file here proves the sentence that it is named after (see README.md)."""
