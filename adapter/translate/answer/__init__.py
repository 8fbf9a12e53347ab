"""Gemini's answer as a chat completion, whole or as a stream."""
