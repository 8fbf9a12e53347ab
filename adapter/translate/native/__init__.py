"""Requests and answers in Gemini's own form, which pass through as bytes."""
