"""HTTP archives (HAR 1.2), as browsers, mitmproxy, Polly.JS and Playwright write them."""

import base64
import binascii
from collections.abc import Iterator
from typing import Any

import orjson

from adapter.report.readers.base import Reader, locate_piece, request, value_below
from adapter.report.records import Location, RecordedPiece, Unreadable


def _matches(document: Any) -> bool:
    return isinstance(value_below(document, "log", "entries"), list)


def _read(document: Any, place: Location) -> Iterator[RecordedPiece]:
    for number, entry in enumerate(document["log"]["entries"], 1):
        at = locate_piece(place, "entry", number)
        url = value_below(entry, "request", "url")
        text = value_below(entry, "request", "postData", "text")
        if value_below(entry, "request", "method") != "POST" or not text:
            yield Unreadable(at, "not a POST with a body")
        else:
            status = value_below(entry, "response", "status")
            answer = _answer(value_below(entry, "response", "content"))
            yield request(text, at, str(url or ""), answer=answer, status=status if isinstance(status, int) else 0)


def _answer(content: Any) -> Any:
    """Return the answer's JSON; None for a stream, for other types, and where the archive kept none."""
    text = value_below(content, "text")
    if not isinstance(text, str):
        return None
    try:
        raw = base64.b64decode(text, validate=True) if value_below(content, "encoding") == "base64" else text.encode()
        return orjson.loads(raw)
    except (binascii.Error, orjson.JSONDecodeError, UnicodeEncodeError):
        return None


HAR = Reader("HAR", _matches, _read)
