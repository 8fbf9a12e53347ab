"""A chat request as Gemini's request: one rule per field."""
