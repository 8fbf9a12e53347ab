"""Measures how long the event loop is kept from its next turn."""

LONGEST = 0.25
"""Seconds of CPU between two turns."""


HEADERS = [(b"content-type", b"application/json"), (b"host", b"127.0.0.1")]
