"""HTTP: bare ASGI for the hot path, and what uvicorn does differently here."""
