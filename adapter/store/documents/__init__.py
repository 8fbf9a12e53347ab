"""Stores of documents (responses, conversations), one file per backend."""
