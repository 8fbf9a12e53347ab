"""Vectors as OpenAI writes them, from the JSON that Gemini wrote them in.

A hundred inputs are a megabyte of numbers, and this is most of what such a request costs. So numbers that the client
wants as numbers are passed on as they were written, and others are read one vector at a time: what was just read is
still in the processor's cache.
"""

import math
import struct
from collections.abc import Iterator, Sequence

import msgspec
import orjson

from adapter.translate.core.errors import AnswerError
from adapter.wire.base import encode

_UNIT = 1e-3
"""How far a vector's length may be from 1: a database that compares by inner product sees no difference."""

_WHITE_SPACE = b" \t\r\n"
_NO_NUMBER = (b'"', b"{", b"u", b"a")
"""What only values other than numbers have: texts, objects, `true` and `null`, `false`."""


def write_vectors(
    vectors: Sequence[msgspec.Raw], dimensions: int, *, renormalise: bool, as_base64: bool
) -> Iterator[msgspec.Raw | bytes]:
    """Write each vector as JSON, or as little-endian 32-bit floats. Raises `AnswerError` for one of another length."""
    floats = struct.Struct(f"<{dimensions}f")
    for index, raw in enumerate(vectors):
        if not renormalise and not as_base64:
            yield _paste(raw, index, dimensions)
            continue
        values = _read(bytes(raw), index, dimensions)
        if renormalise:
            values = _normalise(values)
        yield _pack(floats, values, index) if as_base64 else msgspec.Raw(encode(values))


def _paste(raw: msgspec.Raw, index: int, dimensions: int) -> msgspec.Raw:
    """Return the numbers as they were written, but where each has a line: half of that is white space."""
    text = bytes(raw)
    if dimensions == 1 or text.count(b",") + 1 != dimensions or not _is_of_numbers(text):
        _read(text, index, dimensions)
    return msgspec.Raw(text.translate(None, _WHITE_SPACE)) if b"\n" in text else raw


def _is_of_numbers(text: bytes) -> bool:
    """Return whether JSON is a list of numbers."""
    return text[:1] == b"[" and text.rfind(b"[") == 0 and not any(one in text for one in _NO_NUMBER)


def _read(text: bytes, index: int, dimensions: int) -> list[float]:
    """Read the numbers of a vector. Raises `AnswerError`."""
    try:
        # A fifth faster than a typed decoder, which has the better words for what is wrong.
        values: list[float] = orjson.loads(text) if _is_of_numbers(text) else _decode(text or b"null")
    except (msgspec.DecodeError, orjson.JSONDecodeError) as error:
        raise AnswerError(502, "malformed_response", f"Vector {index} is no list of numbers: {error}") from None
    if len(values) != dimensions:
        why = f"Vector {index} has {len(values)} dimensions, not {dimensions}."
        raise AnswerError(502, "malformed_response", why)
    return values


def _decode(text: bytes) -> list[float]:
    return msgspec.json.decode(text, type=list[float])


def _normalise(values: list[float]) -> list[float]:
    length = math.sqrt(math.fsum(value * value for value in values))
    return [value / length for value in values] if length and abs(length - 1) > _UNIT else values


def _pack(floats: struct.Struct, values: list[float], index: int) -> bytes:
    try:
        return floats.pack(*values)
    except OverflowError:
        text = f"Vector {index} has a number that no 32-bit float holds."
        raise AnswerError(502, "malformed_response", text) from None
