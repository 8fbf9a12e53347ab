"""A decoder that is fed bytes and gives the payloads of server-sent events.

Lines end with LF, CR or CRLF and nothing else (html.spec.whatwg.org, server-sent events; U+2028 and its like are
ordinary characters of a JSON string), so bytes are cut, never text.

Gemini's streams may also hold what is not SSE: an error as raw JSON after some events, over several lines and maybe
in a list of one, or the JSON array that a server sends which ignores `alt=sse`: `[{...}\\n,\\r\\n{...}\\n]`. A line
that starts with a brace or a bracket begins such a tail; each of its values is a payload.
"""

import msgspec

from adapter.upstream.errors import UpstreamProtocolError

_BOM = b"\xef\xbb\xbf"
_DATA, _END = b"data: ", b"\r\n\r\n"
_CR, _LF = b"\r\n"
_BEFORE, _BEHIND = len(_DATA), len(_END)
"""What is around the one line of Gemini's events."""


class EventDecoder:
    """`feed` gives the payloads that have become complete, `close` those that the end of the body completes.

    Both raise `UpstreamProtocolError` when an event grows beyond `max_event` bytes.
    """

    def __init__(self, max_event: int) -> None:
        self._max_event = max_event
        self._first = True
        self._after_cr = False
        self._line: list[bytes] = []
        self._line_size = 0
        self._data: list[bytes] = []
        self._data_size = 0
        self._tail: _JsonTail | None = None

    def feed(self, chunk: bytes) -> list[bytes]:
        """The payloads that `chunk` completes."""
        if self._line or self._data or self._tail or self._after_cr:
            return self._by_line(chunk, [])
        if chunk[-_BEHIND:] == _END and chunk[:_BEFORE] == _DATA:
            # One event, as most come.
            payload = chunk[_BEFORE:-_BEHIND]
            if _CR not in payload and _LF not in payload and 0 < len(payload) < self._max_event:
                self._first = False
                return [payload]
        payloads: list[bytes] = []
        at, size = 0, len(chunk)
        while at < size and chunk.startswith(_DATA, at):
            # An event as Gemini writes it: one line and a blank one.
            start, end = at + _BEFORE, chunk.find(b"\r", at)
            if not chunk.startswith(_END, end) or chunk.find(b"\n", at, end) > 0:
                break
            if not 0 < end - start < self._max_event:
                break
            payloads.append(chunk[start:end])
            at = end + _BEHIND
            self._first = False
        return payloads if at == size else self._by_line(chunk[at:], payloads)

    def _by_line(self, chunk: bytes, payloads: list[bytes]) -> list[bytes]:
        """Add the payloads that `chunk` completes, whatever it is."""
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if b"\n" not in chunk and b"\r" not in chunk:
            self._keep(chunk)
            return payloads
        lines = self._taken(chunk).splitlines(keepends=True)
        last = lines[-1]
        if last.endswith((b"\n", b"\r")):
            self._after_cr = last.endswith(b"\r")
        else:
            self._keep(lines.pop())
        for line in lines:
            self._read(line.rstrip(b"\r\n"), payloads)
        return payloads

    def close(self) -> list[bytes]:
        """The payloads that were waiting for a line end or a blank line."""
        payloads: list[bytes] = []
        rest = self._taken(b"")
        if rest:
            self._read(rest, payloads)
        self._read(b"", payloads)
        if self._tail is not None:
            payloads += self._tail.close()
        return payloads

    def _keep(self, piece: bytes) -> None:
        self._line.append(piece)
        self._line_size += len(piece)
        self._check(self._line_size)

    def _taken(self, chunk: bytes) -> bytes:
        """What was kept of the line that `chunk` goes on with, and `chunk`."""
        if not self._line:
            return chunk
        whole = b"".join([*self._line, chunk])
        self._line.clear()
        self._line_size = 0
        return whole

    def _check(self, more: int) -> None:
        if self._data_size + more > self._max_event:
            raise UpstreamProtocolError(f"One event of Gemini's stream is larger than {self._max_event} bytes.")

    def _read(self, line: bytes, payloads: list[bytes]) -> None:
        if self._first:
            line = line.removeprefix(_BOM)
            self._first = False
        if self._tail is not None:
            self._tail.read(line, payloads)
        elif line.startswith(b"data:"):
            self._add(line[6:] if line.startswith(b" ", 5) else line[5:])
        elif not line:
            self._dispatch(payloads)
        elif line == b"data":
            self._add(b"")
        elif line.startswith((b"{", b"[")):
            self._dispatch(payloads)
            self._tail = _JsonTail(self._max_event)
            self._tail.read(line, payloads)

    def _add(self, data: bytes) -> None:
        self._check(len(data) + 1)
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
    """Lines of JSON: a value, or an array whose values are wanted one by one."""

    def __init__(self, max_event: int) -> None:
        self._max_event = max_event
        self._text = bytearray()
        self._array: bool | None = None
        self._try_from = 0

    def read(self, line: bytes, payloads: list[bytes]) -> None:
        """One line without its end. A comma alone on a line, as Google writes it, ends a value of an array."""
        if self._array is None:
            self._array = line.startswith(b"[")
            line = line[1:] if self._array else line
        if self._array and line == b"," and len(self._text) >= self._try_from:
            if _is_json(self._text):
                payloads.append(bytes(self._text))
                self._text.clear()
                self._try_from = 0
                return
            self._try_from = 2 * len(self._text)
        self._text += line + b"\n"
        if len(self._text) > self._max_event:
            raise UpstreamProtocolError(f"One event of Gemini's stream is larger than {self._max_event} bytes.")

    def close(self) -> list[bytes]:
        """The values that are left; text that is cut is given as it is, for the reader to fail on."""
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
