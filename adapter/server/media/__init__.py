"""Files that come in forms, the encoders of what goes out, and tokens in place of texts."""
