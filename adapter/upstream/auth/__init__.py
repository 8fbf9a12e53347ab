"""With whose key or token a call goes out."""
