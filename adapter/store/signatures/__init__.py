"""Stores of thought signatures, one file per backend."""
