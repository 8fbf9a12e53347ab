"""The conversion of JSON Schema to Gemini's dialects."""
