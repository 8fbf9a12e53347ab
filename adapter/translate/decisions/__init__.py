"""/v1/decisions and /v1/moderations, both on Gemini's Decisions API."""
