"""Readers of recorded traffic, one file per format. Formats are recognised by shape, never by a file's name."""
