"""Server-sent events, decoded from bytes as they come (WHATWG HTML, 9.2), and what upstreams send in their place.

Lines end with LF, CR or CRLF; a network read may end anywhere, inside CRLF and inside a character. Splitting text by
lines would also split at U+2028 inside JSON strings, hence bytes. Beside events an upstream may send: a raw JSON error
after the last event, over several lines (Vertex AI), and, where it does not know `alt=sse`, one JSON array.
"""

import re

import msgspec

_END = re.compile(rb"\r\n|\n|\r")


class EventTooLarge(ValueError):
    """An event exceeds the limit."""


class EventDecoder:
    """`feed` it the bytes as they come, then `close` it; both return the payloads of complete events."""

    def __init__(self, max_event: int) -> None:
        self._max_event = max_event
        self._buffer = b""
        self._data: list[bytes] = []
        self._foreign: list[bytes] = []
        self._size = 0
        self._started = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The payloads of the events that this chunk completes. Raises `EventTooLarge`."""
        self._buffer += chunk
        if not self._started:
            self._buffer = self._buffer.removeprefix(b"\xef\xbb\xbf")
            self._started = len(self._buffer) > 2
        if len(self._buffer) + self._size > self._max_event:
            raise EventTooLarge(f"an event of more than {self._max_event} bytes")
        lines = _END.split(self._whole_lines())
        return [event for line in lines[:-1] if (event := self._line(line)) is not None]

    def _whole_lines(self) -> bytes:
        """Take the complete lines out of the buffer; a CR at its end may be half of a CRLF."""
        end = max(self._buffer.rfind(b"\n"), self._buffer.rfind(b"\r", 0, -1)) + 1
        whole, self._buffer = self._buffer[:end], self._buffer[end:]
        return whole

    def _line(self, line: bytes) -> bytes | None:
        if not line:
            return self._dispatch()
        self._size += len(line)
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
        elif field not in (b"", b"event", b"id", b"retry"):
            self._foreign.append(line)
        return None

    def _dispatch(self) -> bytes | None:
        self._size = sum(map(len, self._foreign))
        if not self._data:
            return None
        event, self._data = b"\n".join(self._data), []
        return event

    def close(self) -> list[bytes]:
        """The last event where no blank line ended it, and JSON that came outside of events."""
        rest = self._line(self._buffer.rstrip(b"\r")) if self._buffer.strip() else None
        event = self._dispatch()
        events = [one for one in (rest, event) if one is not None]
        return events + _documents(b"\n".join(self._foreign))


def _documents(text: bytes) -> list[bytes]:
    """The JSON documents in text that is no event: one, or the members of an array."""
    if not text.strip():
        return []
    try:
        return [bytes(item) for item in msgspec.json.decode(text, type=list[msgspec.Raw])]
    except msgspec.MsgspecError:
        return [text]
