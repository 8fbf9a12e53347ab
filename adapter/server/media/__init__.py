"""Files in forms, encoders of sounds, and OpenAI's tokens."""
