"""Keeps only the two ends of a large body, and makes JSON of them when somebody opens the page.

Keeping them is cheap: two slices, whatever the body's size. The cut is not made at a bound of the JSON, since finding
one would cost as much as reading the body. So `readable` repairs it: it closes the lists and objects that the cut left
open, puts a mark there, and appends the members or items with which the body ends. Paths into the beginning stay valid.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar

import msgspec
import orjson

from adapter.wire.gemini.content import Content, FunctionResponsePart, Part
from adapter.wire.gemini.generate import GenerateContentRequest
from adapter.wire.gemini.pieces import Piece

DataHolder = TypeVar("DataHolder", Part, FunctionResponsePart)

HALF = 8 * 1024
"""Bytes of each end that are stored. A body of at most four times as many bytes is stored whole."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*("?)|[\[\]{},]', re.DOTALL)
_CLOSING = {b"{": b"}", b"[": b"]"}
_LONGEST_ESCAPE = len(rb"\ud83d\ude00")
# Each try is parsed in up to three forms, both ends of the body each time.
_MAX_TRIES = 200
"""The number of commas in the end that are tried as the place from which the end is appended."""

_ENDS = (b'"... a list ends so":[', b'"... a list ends so":[{"...":[', b"")
"""Prefixes that may complete the end: a list in the body, a list in an item of such a list, or nothing (members)."""


class BodyEnds(bytes):
    """The first `begun` bytes of a body and then its last ones; `left_out` is the number of bytes between them."""

    begun = 0
    left_out = 0


def ends_of(body: bytes, half: int = HALF) -> bytes:
    """Return the ends of a body, or the body if it is short."""
    if len(body) <= 4 * half or isinstance(body, BodyEnds):
        return body
    ends = BodyEnds(body[:half] + body[-half:])
    ends.begun, ends.left_out = half, len(body) - 2 * half
    return ends


def ends_of_pieces(pieces: Sequence[Piece], half: int = HALF) -> bytes:
    """Return the ends of a body that comes in pieces, or the body if it is short; what is between is not copied."""
    size = sum(map(len, pieces))
    if len(pieces) == 1 or size <= 4 * half:
        return ends_of(b"".join(pieces) if len(pieces) > 1 else bytes(pieces[0]), half)
    head, tail = b"", b""
    for piece in pieces:
        head += piece[: half - len(head)]
    for piece in reversed(pieces):
        tail = b"".join((piece[max(0, len(piece) - half + len(tail)) :], tail))
    ends = BodyEnds(head + tail)
    ends.begun, ends.left_out = half, size - 2 * half
    return ends


def without_data(sent: GenerateContentRequest) -> GenerateContentRequest:
    """Return Gemini's request with long data replaced by its length: encoding it would cost as much as sending it."""
    contents = [
        msgspec.structs.replace(content, parts=[_shorten_part(part) for part in content.parts])
        if isinstance(content, Content) and content.parts
        else content
        for content in sent.contents or ()
    ]
    return msgspec.structs.replace(sent, contents=sent.contents and contents)


def _shorten_part(part: Part) -> Part:
    """Return a part with the length of its long data, also of the data that a tool has returned."""
    answered = part.function_response
    if answered is not None and answered.parts:
        answered = msgspec.structs.replace(answered, parts=[_shorten_data(one) for one in answered.parts])
        part = msgspec.structs.replace(part, function_response=answered)
    return _shorten_data(part)


def _shorten_data(holder: DataHolder) -> DataHolder:
    blob = holder.inline_data
    if blob is None or blob.data is None or len(blob.data) < HALF:
        return holder
    short = msgspec.structs.replace(blob, data=length_mark(len(blob.data)))
    return msgspec.structs.replace(holder, inline_data=short)


def length_mark(size: int) -> str:
    """Return the text that stands for so many characters of data."""
    return f"... {size} characters ..."


def readable(ends: BodyEnds) -> bytes:
    """Return the ends as JSON with a mark at the cut; as plain text with a mark if the body is no JSON."""
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
    """Yield candidates: the closed beginning joined with the end, from each comma of the end on."""
    for comma in islice(re.finditer(b",", tail), _MAX_TRIES):
        for opening in _ENDS:
            yield b"%b,%b%b" % (begun[:-1], opening, tail[comma.end() :])


def _close(head: bytes, mark: bytes) -> bytes | None:
    """Return the beginning of a JSON text, closed, with the mark at the cut; None if it is no JSON."""
    closing, safe, end = b"", (0, b""), 0
    for match in _TOKEN.finditer(head):
        token = match[0]
        if token.startswith(b'"') and not match[1]:
            text = _close_text(head, head[end : match.start()], closing, mark)
            return text or _mark(head[: safe[0]], safe[1], mark)
        end = match.end()
        if token in _CLOSING:
            closing = _CLOSING[token] + closing
        elif token in (b"}", b"]"):
            closing = closing[1:]
        if not token.startswith(b'"'):
            # The text after a comma may be a part of a number, or a name without its value.
            safe = match.start() if token == b"," else end, closing
    return _mark(head[: safe[0]], safe[1], mark)


def _close_text(head: bytes, before: bytes, closing: bytes, mark: bytes) -> bytes | None:
    """Close JSON that was cut inside a string; None if the string is a member's name.

    `before` is what precedes the string since the last token: a colon, if the string is a member's value.
    """
    if not closing.startswith(b"]") and before.strip() != b":":
        return None
    # The cut may be inside an escape such as \u00e9: then less of the string is kept.
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
