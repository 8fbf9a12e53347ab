"""The two vocabularies: OpenAI's and Gemini's messages as msgspec Structs. No logic beyond decoding."""
