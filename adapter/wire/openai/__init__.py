"""OpenAI's messages."""
