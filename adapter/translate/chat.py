"""/v1/chat/completions: to Gemini by the rules of the request's fields, back whole or as a stream."""

from adapter.translate.answer.completion import from_gemini
from adapter.translate.answer.stream import ChatStream, empty_chunk
from adapter.translate.request.fields import RULES, to_gemini

__all__ = ["RULES", "ChatStream", "empty_chunk", "from_gemini", "to_gemini"]
