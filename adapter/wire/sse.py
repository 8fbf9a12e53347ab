"""Server-sent events as OpenAI writes them: only `data:` lines, one event per write (WHATWG HTML, 9.2)."""

from typing import Any

from adapter.wire.base import encode

DONE = b"data: [DONE]\n\n"
COMMENT = b": keep-alive\n\n"


def event(value: Any) -> bytes:
    """Frame one message as an event."""
    return b"data: " + encode(value) + b"\n\n"
