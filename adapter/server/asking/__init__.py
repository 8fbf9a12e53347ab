"""Calls to one model of one upstream: also further calls that continue an answer, and parallel ones for choices."""
