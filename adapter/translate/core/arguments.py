"""A call's arguments as the text of a JSON object, whatever a client or a model wrote.

R and PHP write an empty map as `[]` (github.com/nextcloud/integration_openai/issues/243), some clients encode arguments
twice (github.com/WordPress/php-ai-client/issues/80), and an index bug of another gateway joins two calls' arguments
(github.com/NousResearch/hermes-agent/issues/57939). A history is not executed, so it is mended rather than refused.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import orjson

from adapter.wire.base import MAX_NESTING, encode, too_deep
from adapter.wire.surrogates import repair

RAW = "_raw"
"""The key under which arguments that are no object are sent."""

MAX_ENCODINGS = 3

_SHAPE = bytes(ord("0") if 48 <= byte < 58 else ord("e") if byte in b"eE" else ord(" ") for byte in range(256))
"""Makes every digit a zero, and leaves of other characters only that of exponents."""

_LONG_NUMBER = b"0" * 16
"""Sixteen digits, in such a text: to look for them so costs less than a regular expression."""

_LARGE_NUMBER = b"0e000"
"""A number of fewer digits that is beyond a double's range has three digits or more in its exponent."""

_END = re.compile(r"\}\s*\{")
MAX_ENDS = 16

_TOGETHER = 8 * 1024 * 1024
"""The number of characters of texts that are checked together."""


class Arguments(NamedTuple):
    """The object as a text and as a value; `code` and `reason` of the note if it differs from the written text."""

    text: str
    value: dict[str, Any]
    code: str = ""
    reason: str = ""


class _AnyObject(msgspec.Struct, frozen=True, gc=False):
    """Any JSON object: decoding it checks its syntax and makes no values."""


_check_object = msgspec.json.Decoder(_AnyObject).decode


def plain_object(text: str, most: int) -> msgspec.Raw | None:
    """Return a text that is a JSON object with nothing that must be looked at, as it is; None for any other text.

    Nothing unusual: at most `most` values, no long numbers, no deep nesting. Nearly all arguments and many results are
    such, and to find that out costs less than to tell what else they are.
    """
    plain = plain_objects([text], most)[0]
    return None if plain is None else msgspec.Raw(plain)


def plain_objects(texts: Sequence[str], most: int) -> list[bytes | None]:
    """Return what `plain_object` does for each of many texts.

    They are looked at all at once, by few calls: nearly always all of them are plain, or most are.
    """
    longest = max(map(len, texts), default=0)
    if longest > most or longest * len(texts) > _TOGETHER:
        return [_encode_if_plain(text, most) for text in texts]
    try:
        data = list(map(str.encode, texts))
        for _ in map(_check_object, data):
            pass
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return [_encode_if_plain(text, most) for text in texts]
    is_odd = _has_odd_number(b"".join(data))
    if not is_odd and longest <= 2 * MAX_NESTING:
        return list(data)
    return [
        None if (is_odd and _has_odd_number(one)) or too_deep(text) else one
        for text, one in zip(texts, data, strict=True)
    ]


def _encode_if_plain(text: str, most: int) -> bytes | None:
    if len(text) > most:
        return None
    try:
        data = text.encode()
        _check_object(data)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return None
    return None if _has_odd_number(data) or too_deep(text) else data


def _has_odd_number(data: bytes) -> bool:
    """Return whether JSON may have a number that a double cannot hold."""
    shape = data.translate(_SHAPE, b"+")
    # From the end it is searched twice as fast: Python's search from the start looks at each character's neighbours.
    return shape.rfind(_LONG_NUMBER) >= 0 or shape.rfind(_LARGE_NUMBER) >= 0


def read_arguments(text: str) -> Arguments:
    """Read the object that a text stands for; under `_raw` if it stands for none."""
    if not text.strip():
        return Arguments("{}", {})
    value = _parse(text)
    if isinstance(value, dict):
        return Arguments(text, value)
    mended, changed = repair(text.encode("utf-8", "replace"))
    if changed and isinstance(whole := _parse(mended.decode()), dict):
        return Arguments(mended.decode(), whole, "character-replaced", "half of a character became U+FFFD")
    return _within(value) or _first_object(text) or _raw(text)


def _parse(text: str) -> Any:
    """Return a text's JSON value; itself if it is none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _within(value: Any) -> Arguments | None:
    """Return the object in a text that was encoded several times, or the empty one for a language's null."""
    for _ in range(MAX_ENCODINGS):
        if isinstance(value, str):
            value = _parse(value)
    if isinstance(value, dict):
        return Arguments(
            encode(value).decode(), value, "arguments-normalised", "the arguments were encoded twice: the object within"
        )
    if value is None or value == []:
        return Arguments("{}", {}, "arguments-normalised", "no object: an empty one stands for it")
    return None


def _first_object(text: str) -> Arguments | None:
    """Return the first of several objects in one text."""
    for number, match in enumerate(_END.finditer(text)):
        if number >= MAX_ENDS:
            return None
        first = text[: match.start() + 1]
        if isinstance(value := _parse(first), dict):
            return Arguments(first, value, "arguments-unreadable", "several objects: the first one is sent")
    return None


def _raw(text: str) -> Arguments:
    value = {RAW: text}
    reason = f"the arguments are not a JSON object: they are sent as text under {RAW}"
    return Arguments(encode(value).decode(), value, "arguments-unreadable", reason)


def has_long_number(value: object, text: str) -> bool:
    """Return whether a value, with the text that it was read from, holds a number that a double cannot hold exactly."""
    return _LONG_NUMBER in text.encode("utf-8", "replace").translate(_SHAPE) and _is_long(value)


def _is_long(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_is_long, value.values()))
    if isinstance(value, list):
        return any(map(_is_long, value))
    return isinstance(value, (int, float)) and abs(value) > 2**53
