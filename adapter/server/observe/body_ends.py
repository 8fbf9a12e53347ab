"""The ends of large bodies, which are kept in their place, and made readable only when somebody looks.

To keep them takes two slices, whatever the body's size: to find its lists and texts would cost a part of the
request itself. What is shown is JSON again, so that paths lead into its beginning: what the cut left open is closed
there, with a mark, and behind it stand the members, or the items of a list, with which the body ends.
"""

import re
from collections.abc import Iterator
from itertools import islice

import orjson

HALF = 8 * 1024
"""Bytes that are kept of either end; a body up to four times as long is kept as it is."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*("?)|[\[\]{},]', re.DOTALL)
_CLOSING = {b"{": b"}", b"[": b"]"}
_LONGEST_ESCAPE = len(rb"\ud83d\ude00")
_MAX_TRIES = 200
"""Commas near the end behind which a whole member or item may begin."""

_ENDS = (b'"... a list ends so":[', b'"... a list ends so":[{"...":[', b"")
"""Where what is behind a comma may stand: in a list of the body, in a list of such a list's item, in the body."""


class BodyEnds(bytes):
    """The first and the last bytes of a body, `begun` of them its first; `left_out` are those between them."""

    begun = 0
    left_out = 0


def ends_of(body: bytes, half: int = HALF) -> bytes:
    """Return the ends of a body, or the body if it is short."""
    if len(body) <= 4 * half or isinstance(body, BodyEnds):
        return body
    ends = BodyEnds(body[:half] + body[-half:])
    ends.begun, ends.left_out = half, len(body) - 2 * half
    return ends


def readable(ends: BodyEnds) -> bytes:
    """Return the ends as JSON, or as text with a mark between them where the body was no JSON."""
    head, tail = ends[: ends.begun], ends[ends.begun :]
    mark = b"... %d bytes are left out ..." % ends.left_out
    begun = _close(head, mark)
    if begun is None:
        return b"%b\n%b\n%b" % (head, mark, tail)
    last = next(filter(_is_json, _endings(begun, tail)), None)
    if last is not None:
        return last
    name = b'"... and ends so":' if begun.endswith(b"}") else b""
    return b"%b,%b%b%b" % (begun[:-1], name, orjson.dumps(tail.decode(errors="replace")), begun[-1:])


def _endings(begun: bytes, tail: bytes) -> Iterator[bytes]:
    """Yield what the body may be with its end, which begins behind a comma."""
    for comma in islice(re.finditer(b",", tail), _MAX_TRIES):
        for opening in _ENDS:
            yield b"%b,%b%b" % (begun[:-1], opening, tail[comma.end() :])


def _close(head: bytes, mark: bytes) -> bytes | None:
    """Return the JSON that begins so, closed where it is cut, with the mark there; None for what is no JSON."""
    closing, safe, end = b"", (0, b""), 0
    for found in _TOKEN.finditer(head):
        token = found[0]
        if token.startswith(b'"') and not found[1]:
            text = _close_text(head, head[end : found.start()], closing, mark)
            return text or _mark(head[: safe[0]], safe[1], mark)
        end = found.end()
        if token in _CLOSING:
            closing = _CLOSING[token] + closing
        elif token in (b"}", b"]"):
            closing = closing[1:]
        if not token.startswith(b'"'):
            # The text after a comma may be a part of a number, or a name without its value.
            safe = found.start() if token == b"," else end, closing
    return _mark(head[: safe[0]], safe[1], mark)


def _close_text(head: bytes, before: bytes, closing: bytes, mark: bytes) -> bytes | None:
    """Return the JSON that ends in a text, if that is no name; `before` stands between it and what is before."""
    if not closing.startswith(b"]") and before.strip() != b":":
        return None
    # An escape may be cut, too.
    cuts = (b'%b %b"%b' % (head[: len(head) - less], mark, closing) for less in range(_LONGEST_ESCAPE + 1))
    return next(filter(_is_json, cuts), None)


def _mark(before: bytes, closing: bytes, mark: bytes) -> bytes | None:
    """Return the JSON with the mark as its last item or member."""
    comma = b"" if before.endswith((b"{", b"[")) else b","
    whole = b'%b%b%b"%b"%b' % (before, comma, b'"...":' if closing.startswith(b"}") else b"", mark, closing)
    return whole if closing and _is_json(whole) else None


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
