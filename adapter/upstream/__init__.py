"""The only outgoing network: calls to Gemini, and the errors they can end in."""
