"""When a call is sent again, and when an upstream is left alone."""
