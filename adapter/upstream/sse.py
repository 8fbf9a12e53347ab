r"""Decoder of server-sent events: takes bytes, returns payloads. It does no I/O.

Lines end with LF, CR or CRLF and nothing else (html.spec.whatwg.org, section 9.2, 2026). So bytes are split, never
text: `str.splitlines` would also split at U+2028, which is an ordinary character of a JSON string.

A stream of Gemini may also contain plain JSON: an error over several lines after some events, maybe in a list of one,
or the array of a server that ignores `alt=sse`: `[{...}\n,\r\n{...}\n]`.

States:

    events   lines of server-sent events
    tail     plain JSON, until the stream ends (`_JsonTail`)

A line that starts with a brace or a bracket leads from events to tail; nothing leads back. Each JSON value of the tail
is a payload. `Upstream` calls `feed` for each chunk and `close` at the end.
"""

import msgspec

from adapter.upstream.errors import UpstreamProtocolError

_BOM = b"\xef\xbb\xbf"
_DATA, _END = b"data: ", b"\r\n\r\n"
_CR, _LF = b"\r\n"
_BEFORE = len(_DATA)
"""The number of bytes in front of the payload of one of Gemini's events."""


class EventDecoder(msgspec.Struct, eq=False):
    """Decodes one stream.

    `feed` and `close` raise `UpstreamProtocolError` when an event grows beyond `max_event` bytes.
    """

    _max_event: int
    _first: bool = True
    # Whether what came last was not the end of an event, or may go on in any other way.
    _is_within: bool = False
    _after_cr: bool = False
    _line: list[bytes] = []
    _line_size: int = 0
    _data: list[bytes] = []
    _data_size: int = 0
    _tail: "_JsonTail | None" = None

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the payloads that `chunk` completes."""
        if self._is_within:
            return self._feed_lines(chunk, [])
        payloads: list[bytes] = []
        *events, rest = chunk.split(_END)
        for event in events:
            # The fast path: nearly all events of Gemini are one line and a blank line, and come whole.
            payload = event[_BEFORE:]
            if event[:_BEFORE] != _DATA or _CR in payload or _LF in payload or not 0 < len(payload) < self._max_event:
                return self._feed_lines(_END.join([*events[len(payloads) :], rest]), payloads)
            payloads.append(payload)
            self._first = False
        return self._feed_lines(rest, payloads) if rest else payloads

    def _feed_lines(self, chunk: bytes, payloads: list[bytes]) -> list[bytes]:
        """Append the payloads that `chunk` completes, by the general rules."""
        # The chunk before ended with CR. If this one begins with LF, both are one line end, not two.
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if b"\n" not in chunk and b"\r" not in chunk:
            self._buffer_piece(chunk)
            self._is_within = True
            return payloads
        lines = self._take_buffered(chunk).splitlines(keepends=True)
        last = lines[-1]
        if last.endswith((b"\n", b"\r")):
            self._after_cr = last.endswith(b"\r")
        else:
            self._buffer_piece(lines.pop())
        for line in lines:
            self._read_line(line.rstrip(b"\r\n"), payloads)
        self._is_within = self._after_cr or bool(self._line or self._data or self._tail)
        return payloads

    def close(self) -> list[bytes]:
        """Return the payloads that only the end of the stream completes."""
        if not self._is_within:
            return []
        payloads: list[bytes] = []
        rest = self._take_buffered(b"")
        if rest:
            self._read_line(rest, payloads)
        self._read_line(b"", payloads)
        if self._tail is not None:
            payloads += self._tail.close()
        return payloads

    def _buffer_piece(self, piece: bytes) -> None:
        self._line.append(piece)
        self._line_size += len(piece)
        self._check_size(self._line_size)

    def _take_buffered(self, chunk: bytes) -> bytes:
        """Return the buffered beginning of a line and `chunk` as one."""
        if not self._line:
            return chunk
        whole = b"".join([*self._line, chunk])
        self._line.clear()
        self._line_size = 0
        return whole

    def _check_size(self, more: int) -> None:
        if self._data_size + more > self._max_event:
            raise UpstreamProtocolError(f"One event of Gemini's stream is larger than {self._max_event} bytes.")

    def _read_line(self, line: bytes, payloads: list[bytes]) -> None:
        if self._first:
            line = line.removeprefix(_BOM)
            self._first = False
        if self._tail is not None:
            self._tail.read(line, payloads)
        elif line.startswith(b"data:"):
            self._add_data(line[6:] if line.startswith(b" ", 5) else line[5:])
        elif not line:
            self._dispatch(payloads)
        # A field without a colon has an empty value (html.spec.whatwg.org, 9.2.6).
        elif line == b"data":
            self._add_data(b"")
        elif line.startswith((b"{", b"[")):
            self._dispatch(payloads)
            self._tail = _JsonTail(self._max_event)
            self._tail.read(line, payloads)

    def _add_data(self, data: bytes) -> None:
        self._check_size(len(data) + 1)
        self._data.append(data)
        self._data_size += len(data) + 1

    def _dispatch(self, payloads: list[bytes]) -> None:
        if self._data:
            payload = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            self._data.clear()
            self._data_size = 0
            if payload:
                payloads.append(payload)


class _JsonTail:
    """Plain JSON, by lines: one value, or an array whose values are returned one by one."""

    def __init__(self, max_event: int) -> None:
        self._max_event = max_event
        self._text = bytearray()
        self._array: bool | None = None
        self._try_from = 0

    def read(self, line: bytes, payloads: list[bytes]) -> None:
        """Take a line without its end. In an array a comma alone on a line may end a value, as Google writes it."""
        if self._array is None:
            self._array = line.startswith(b"[")
            line = line[1:] if self._array else line
        if self._array and line == b"," and len(self._text) >= self._try_from:
            if _is_json(self._text):
                payloads.append(bytes(self._text))
                self._text.clear()
                self._try_from = 0
                return
            # Not a complete value yet. Trying again only at twice the size keeps the total work linear.
            self._try_from = 2 * len(self._text)
        self._text += line + b"\n"
        if len(self._text) > self._max_event:
            raise UpstreamProtocolError(f"One event of Gemini's stream is larger than {self._max_event} bytes.")

    def close(self) -> list[bytes]:
        """Return the remaining values. Truncated text is returned as it is: the reader reports it as invalid JSON."""
        text = bytes(self._text).strip()
        if not self._array:
            return [text]
        try:
            return [bytes(value) for value in msgspec.json.decode(b"[" + text, type=list[msgspec.Raw])]
        except (msgspec.DecodeError, RecursionError):
            return [text]


def _is_json(text: bytearray) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
