"""/v1/embeddings: inputs to the methods of Gemini that embed, and their vectors back."""
