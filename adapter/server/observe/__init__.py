"""Observability: the request log, metrics, traces, and the exchange log of the page at /."""
