"""Decodes answers: first strictly, as Gemini sends them, then leniently, for the dialects of relays.

    body                                         result
    as Gemini writes it                          decoded once
    a byte order mark, a list of one answer,     decoded leniently
    {"response": ...}, names in snake_case,
    numbers and booleans as strings
    an error in any shape                        raises `UpstreamError` with its message
    no known field at all                        raises `UpstreamProtocolError`: never an empty success

Dialects of relays: github.com/symfony/ai/issues/1988 and others (2026). Protobuf's JSON itself writes NaN as a string.
"""

import re
from typing import TypeVar

import msgspec

from adapter.upstream.errors import UpstreamProtocolError, from_event, parse_google_status
from adapter.upstream.relay_errors import parse_relay_status
from adapter.wire.base import check_utf8, decode, decode_leniently, decoder
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.limits import LimitExceeded

T = TypeVar("T")

_MARK = b"\xef\xbb\xbf"
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LimitExceeded)
_NOTHING = GenerateContentResponse()
_decode_usual = decoder(GenerateContentResponse).decode

_LEADING_SURROGATE = re.compile(rb'\\u[dD][89abAB][0-9a-fA-F]{2}(?=")')
_TRAILING_SURROGATE = re.compile(rb'"(?=\\u[dD][c-fC-F][0-9a-fA-F]{2})')
_TEXT = re.compile(rb'"(?:text|stringValue)"\s*:\s*"')


class Reply(msgspec.Struct, frozen=True, gc=False):
    """A whole answer or one event of a stream, and its unknown fields by path.

    `more`: the next event has arrived, too, so both can be written at once. `is_continued`: an earlier call began this
    answer, and this one continues it.
    """

    response: GenerateContentResponse
    unknown: dict[str, msgspec.Raw]
    more: bool = False
    is_continued: bool = False


class EventReader(msgspec.Struct, eq=False):
    """Reads the events of one stream, and joins a character that is split over two of them.

    JSON may escape an emoji as a surrogate pair, two escapes. Some relays cut text between the two, and half a pair
    is no character: the first half is held, and put in front of the next event's text.
    """

    _held_half: bytes = b""

    def read(self, payload: bytes, *, more: bool = False) -> Reply:
        """Read one event. Raises `UpstreamError`."""
        if not self._held_half:
            try:
                if not payload.isascii():
                    check_utf8(payload)
                return Reply(_decode_usual(payload), {}, more)
            except _NOT_JSON:
                # Half a character, as no decoder takes any; or the long way finds out what is wrong with it.
                pass
        payload = self._hold_open_half(self._prepend_half(payload))
        return read_reply(payload, more=more, is_event=True)

    def _prepend_half(self, payload: bytes) -> bytes:
        """Put the held half in front of the first text of an event; without a text it stays held."""
        match = _TRAILING_SURROGATE.search(payload) or _TEXT.search(payload)
        if not self._held_half or match is None:
            return payload
        half, self._held_half = self._held_half, b""
        return payload[: match.end()] + half + payload[match.end() :]

    def _hold_open_half(self, payload: bytes) -> bytes:
        """Remove a first half at the end of a text and hold it, unless this is the last event."""
        match = _LEADING_SURROGATE.search(payload)
        if match is None or b'"finishReason"' in payload or payload[: match.start()].endswith(b"\\"):
            return payload
        self._held_half += match[0]
        return payload[: match.start()] + payload[match.end() :]


def read_reply(payload: bytes, *, more: bool = False, is_event: bool = False) -> Reply:
    """Read a whole answer, or one event. Raises `UpstreamError`."""
    response, unknown = read_message(payload, GenerateContentResponse)
    if unknown and "error" in unknown:
        raise from_event(payload)
    if unknown and response == _NOTHING:
        _raise_unknown(payload, is_event=is_event)
    return Reply(response, unknown, more)


def _raise_unknown(payload: bytes, *, is_event: bool) -> None:
    """Raise `UpstreamError` for an answer without a known field. An event may pass: relays send events of their own."""
    status = parse_relay_status(payload)
    if status is not None and status.message:
        raise from_event(payload)
    if not is_event:
        raise UpstreamProtocolError("The upstream's answer is JSON, but has none of the fields of Gemini's answers.")


def read_message(body: bytes, type_: type[T]) -> tuple[T, dict[str, msgspec.Raw]]:
    """Decode one of Gemini's messages; return it with its unknown fields. Raises `UpstreamError`."""
    try:
        answer, unknown = decode(body, type_)
        return _read_relay_dialect(body, type_) if unknown and _is_foreign(unknown) else (answer, unknown)
    except msgspec.ValidationError:
        return _read_relay_dialect(body, type_)
    except _NOT_JSON as error:
        if body.startswith(_MARK):
            return read_message(body[len(_MARK) :], type_)
        raise UpstreamProtocolError("Gemini's answer is not JSON.") from error


def _is_foreign(unknown: dict[str, msgspec.Raw]) -> bool:
    """Return whether unknown fields may be known ones in another spelling, or a wrapper around the answer."""
    return any(path == "response" or "_" in path for path in unknown)


def _read_relay_dialect(body: bytes, type_: type[T]) -> tuple[T, dict[str, msgspec.Raw]]:
    """Decode leniently. Raises `UpstreamError`."""
    if parse_google_status(body) is not None:
        raise from_event(body)
    try:
        return decode_leniently(_unwrap(body), type_)
    except msgspec.ValidationError as error:
        raise UpstreamProtocolError(f"Gemini's answer has another shape than documented: {error}") from None
    except _NOT_JSON as error:
        raise UpstreamProtocolError("Gemini's answer is not JSON.") from error


def _unwrap(body: bytes) -> bytes:
    """Take the answer out of a list of one, or out of `response`."""
    if body.lstrip()[:1] == b"[":
        items = decoder(list[msgspec.Raw]).decode(body)
        return bytes(items[0]) if len(items) == 1 else body
    members = decoder(dict[str, msgspec.Raw]).decode(body)
    inner = members.get("response")
    return bytes(inner) if inner is not None and "candidates" not in members else body
