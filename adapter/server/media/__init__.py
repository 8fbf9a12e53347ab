"""Files that come in forms, and the encoders of what goes out."""
