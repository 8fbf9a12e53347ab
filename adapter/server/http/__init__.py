"""HTTP: bare ASGI for the hot path, and the changes to uvicorn."""
