"""Gemini's messages."""
