"""The Responses API as a view of chat."""
