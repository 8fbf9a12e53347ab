"""Readers of recorded traffic; related formats share a file. Formats are recognised by shape, not by a file's name."""
