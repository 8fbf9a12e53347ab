"""Server-sent events as OpenAI writes them: `data:` lines, on /v1/responses after a name (WHATWG HTML, 9.2)."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from msgspec import Struct

from adapter.wire.base import encode

DONE = b"data: [DONE]\n\n"
COMMENT = b": keep-alive\n\n"


def event(value: Any) -> bytes:
    """Frame one message as an event."""
    return b"data: " + encode(value) + b"\n\n"


def events(values: Iterable[Any]) -> list[bytes]:
    """Frame each message as an event."""
    return [b"data: " + encode(value) + b"\n\n" for value in values]


BLANK = "\0"
"""A text in whose place another one comes."""


def split_at_blank(value: Any) -> tuple[bytes, bytes]:
    """Return the bytes of an event before and after its last text, which is BLANK.

    Quotes inside a text are escaped, so what is found is a whole text.
    """
    before, _, behind = event(value).rpartition(encode(BLANK))
    return before, behind


def named_event(value: Struct) -> bytes:
    """Frame one message with its own type as the event's name, as /v1/responses does; the type is the Struct's tag."""
    return _head(type(value)) + encode(value) + b"\n\n"


@cache
def _head(kind: type[Struct]) -> bytes:
    return b"event: %s\ndata: " % str(kind.__struct_config__.tag).encode()
