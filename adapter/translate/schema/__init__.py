"""JSON Schema to what Gemini takes."""
