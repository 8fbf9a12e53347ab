"""/v1/embeddings: the client's inputs become calls to Gemini, and its vectors become OpenAI's answer."""
