"""An OpenAI-compatible server in front of the Gemini API."""

__version__ = "0.2.0"
