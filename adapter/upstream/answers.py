"""Reading what an upstream answers: one decode for what Gemini sends, and a second look where a relay differs.

    as Gemini writes it                          decoded once
    a byte order mark, a list of one answer,     read as the answer that it is
    {"response": ...}, names in snake_case,
    numbers and booleans as texts
    an error in any shape                        raises `UpstreamError` with its words
    nothing that is known                        raises `UpstreamProtocolError`: never an empty success

Shapes of relays: github.com/symfony/ai/issues/1988 and others (2026). Protobuf's JSON itself writes NaN as a text.
"""

import re
from typing import TypeVar

import msgspec

from adapter.upstream.errors import UpstreamProtocolError, from_event, google_status
from adapter.upstream.relay_errors import relay_status
from adapter.wire.base import decode, decode_leniently, decoder
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.limits import LimitExceeded

T = TypeVar("T")

_MARK = b"\xef\xbb\xbf"
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LimitExceeded)
_NOTHING = GenerateContentResponse()

_OPEN_HALF = re.compile(rb'\\u[dD][89abAB][0-9a-fA-F]{2}(?=")')
_OTHER_HALF = re.compile(rb'"(?=\\u[dD][c-fC-F][0-9a-fA-F]{2})')
_TEXT = re.compile(rb'"(?:text|stringValue)"\s*:\s*"')


class Reply(msgspec.Struct, frozen=True, gc=False):
    """An answer or one event of a stream, and the fields that nobody knows, path to value.

    `more`: the next event is here already, so that both can be passed on together. `continued`: an earlier call began
    this answer.
    """

    response: GenerateContentResponse
    unknown: dict[str, msgspec.Raw]
    more: bool = False
    continued: bool = False


class EventReader:
    """Reads the events of one stream; a character whose halves are in two events is joined again."""

    __slots__ = ("_half",)

    def __init__(self) -> None:
        self._half = b""

    def read(self, payload: bytes, *, more: bool = False) -> Reply:
        """One event. Raises `UpstreamError`."""
        if self._half or b"\\ud" in payload or b"\\uD" in payload:
            payload = self._without_open_half(self._joined(payload))
        return read_reply(payload, more=more, is_event=True)

    def _joined(self, payload: bytes) -> bytes:
        """An event with the half that the one before ended with, which waits for a text."""
        match = _OTHER_HALF.search(payload) or _TEXT.search(payload)
        if not self._half or match is None:
            return payload
        half, self._half = self._half, b""
        return payload[: match.end()] + half + payload[match.end() :]

    def _without_open_half(self, payload: bytes) -> bytes:
        """An event without a first half at the end of its text, which is kept for the next one, if there is one."""
        match = _OPEN_HALF.search(payload)
        if match is None or b'"finishReason"' in payload or payload[: match.start()].endswith(b"\\"):
            return payload
        self._half += match[0]
        return payload[: match.start()] + payload[match.end() :]


def read_reply(payload: bytes, *, more: bool = False, is_event: bool = False) -> Reply:
    """A whole answer, or an event. Raises `UpstreamError`."""
    response, unknown = read(payload, GenerateContentResponse)
    if unknown and "error" in unknown:
        raise from_event(payload)
    if unknown and response == _NOTHING:
        _refuse(payload, is_event=is_event)
    return Reply(response, unknown, more)


def _refuse(payload: bytes, *, is_event: bool) -> None:
    """Raise `UpstreamError` for an answer of which nothing is known; an event may be a relay's own."""
    told = relay_status(payload)
    if told is not None and told.message:
        raise from_event(payload)
    if not is_event:
        raise UpstreamProtocolError("No part of the upstream's answer is one of Gemini's.")


def read(body: bytes, type_: type[T]) -> tuple[T, dict[str, msgspec.Raw]]:
    """A body as one of Gemini's messages, and what is unknown in it. Raises `UpstreamError`."""
    try:
        answer, unknown = decode(body, type_)
        return _second_look(body, type_) if _is_foreign(unknown) else (answer, unknown)
    except msgspec.ValidationError:
        return _second_look(body, type_)
    except _NOT_JSON as error:
        if body.startswith(_MARK):
            return read(body[len(_MARK) :], type_)
        raise UpstreamProtocolError("Gemini's answer is not JSON.") from error


def _is_foreign(unknown: dict[str, msgspec.Raw]) -> bool:
    """Whether unknown fields may be known ones in another spelling, or hold the answer."""
    return bool(unknown) and any(path == "response" or "_" in path for path in unknown)


def _second_look(body: bytes, type_: type[T]) -> tuple[T, dict[str, msgspec.Raw]]:
    """What a relay meant. Raises `UpstreamError`."""
    if google_status(body) is not None:
        raise from_event(body)
    try:
        return decode_leniently(_unwrapped(body), type_)
    except msgspec.ValidationError as error:
        raise UpstreamProtocolError(f"Gemini's answer has another shape than documented: {error}") from None
    except _NOT_JSON as error:
        raise UpstreamProtocolError("Gemini's answer is not JSON.") from error


def _unwrapped(body: bytes) -> bytes:
    """The answer in a list of one, or under `response`."""
    if body.lstrip()[:1] == b"[":
        items = decoder(list[msgspec.Raw]).decode(body)
        return bytes(items[0]) if len(items) == 1 else body
    members = decoder(dict[str, msgspec.Raw]).decode(body)
    inner = members.get("response")
    return bytes(inner) if inner is not None and "candidates" not in members else body
