"""Batches: many requests from a file, answered into files, by Gemini's Batch API or request by request."""
