"""Google's paths, headers and framing, and failures on demand."""
