"""Parts of a message's content, as parts of Gemini's: texts, and media by their types."""
