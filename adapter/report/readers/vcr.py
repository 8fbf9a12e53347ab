"""Cassettes of VCR for Python (vcrpy) and of VCR for Ruby. Both are YAML or JSON; only their keys differ."""

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from adapter.report.readers.base import Reader, locate_piece, parse_json, request, value_below
from adapter.report.records import Location, RecordedPiece, Unreadable


def _is_python(document: Any) -> bool:
    return isinstance(value_below(document, "interactions"), list)


def _is_ruby(document: Any) -> bool:
    return isinstance(value_below(document, "http_interactions"), list)


def _read_python(document: Any, place: Location) -> Iterator[RecordedPiece]:
    yield from _read(document["interactions"], place)


def _read_ruby(document: Any, place: Location) -> Iterator[RecordedPiece]:
    yield from _read(document["http_interactions"], place)


def _read(interactions: list[Any], place: Location) -> Iterator[RecordedPiece]:
    for number, interaction in enumerate(interactions, 1):
        at = locate_piece(place, "interaction", number)
        sent = value_below(interaction, "request") or {}
        if str(sent.get("method", "")).upper() != "POST":
            yield Unreadable(at, "not a POST")
            continue
        body = _body(sent)
        if not body:
            yield Unreadable(at, "the request has no body")
            continue
        answer = value_below(interaction, "response") or {}
        code = value_below(answer, "status", "code")
        status = code if isinstance(code, int) else 0
        yield request(body, at, str(sent.get("uri", "")), answer=parse_json(_body(answer)), status=status)


def _body(message: dict[str, Any]) -> Any:
    """Return a body: its text, bytes or parsed JSON.

    vcrpy has the text itself, `{string}` or `parsed_body`; VCR for Ruby has `{string}` or `{base64_string}`.
    """
    if message.get("parsed_body") is not None:
        return message["parsed_body"]
    body = message.get("body")
    if not isinstance(body, dict):
        return body
    if "base64_string" in body:
        try:
            return base64.b64decode(body["base64_string"])
        except (binascii.Error, TypeError):
            return None
    return body.get("string")


PYTHON = Reader("VCR cassettes (Python)", _is_python, _read_python)
RUBY = Reader("VCR cassettes (Ruby)", _is_ruby, _read_ruby)
