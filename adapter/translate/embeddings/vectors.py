"""Writes vectors in OpenAI's forms, from the JSON of Gemini's answer.

The vectors of a hundred inputs are a megabyte of JSON, and decoding it would be most of the work for such a request. So
the vectors are cut out of the answer, and only the few kilobytes around them are decoded.

- A vector that the client wants as numbers is passed on as bytes. To check it, all characters of numbers are removed:
  exactly the brackets and the commas of a vector of this length must be left.
- A vector that is renormalised or wanted as base64 is decoded, one at a time: its numbers are then still in the
  processor's cache.
"""

import math
import re
import struct
from collections.abc import Iterator, Sequence

import msgspec
import orjson

from adapter.translate.core.errors import AnswerError
from adapter.wire.base import encode

_UNIT = 1e-3
"""The difference from length 1 that a vector may have without being scaled: inner products change by no more."""

_WHITE_SPACE = b" \t\r\n"
_OF_NUMBERS = b"0123456789+-.eE" + _WHITE_SPACE
_NAME = b'"values"'
_COLON = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*(?=\[)")
OUT = msgspec.Raw(b"[]")
"""Takes the place of a vector that was cut out of an answer."""


def cut_vectors(answer: bytes) -> tuple[bytes, list[bytes]]:
    """Cut the lists named `values` out of Gemini's JSON; return what is left of it, and the lists as JSON.

    Only a list that holds neither texts nor other lists is cut out, so the first bracket that closes is its own.
    """
    around, vectors, behind, searched = list[bytes](), list[bytes](), 0, 0
    while (name := answer.find(_NAME, searched)) >= 0:
        searched = name + len(_NAME)
        colon = _COLON.match(answer, searched)
        if colon is None:
            continue
        begin, end = colon.end(), answer.find(b"]", colon.end()) + 1
        vector = answer[begin:end]
        if _is_flat(vector):
            around.append(answer[behind:begin])
            vectors.append(vector)
            behind = end
        searched = end or len(answer)
    around.append(answer[behind:])
    return bytes(OUT).join(around), vectors


def paste_vectors(values: Sequence[msgspec.Raw], vectors: Sequence[bytes]) -> list[bytes]:
    """Return the values of a decoded answer, with the vectors that were cut out back in their places."""
    left = iter(vectors)
    return [next(left, bytes(one)) if one == OUT else bytes(one) for one in values]


def write_vectors(
    vectors: Sequence[bytes], dimensions: int, *, renormalise: bool, as_base64: bool
) -> Iterator[msgspec.Raw | bytes]:
    """Write each vector as JSON, or as little-endian 32-bit floats. Raises `AnswerError` for one of another length."""
    floats = struct.Struct(f"<{dimensions}f")
    commas = b"[%b]" % (b"," * (dimensions - 1))
    for index, text in enumerate(vectors):
        if not renormalise and not as_base64:
            # Only the first vector is decoded: an upstream that writes malformed numbers would do so in all of them.
            if index == 0 or dimensions == 1 or text.translate(None, _OF_NUMBERS) != commas:
                _read(text, index, dimensions)
            yield _paste(text)
            continue
        values = _read(text, index, dimensions)
        if renormalise:
            values = _normalise(values)
        yield _pack(floats, values, index) if as_base64 else msgspec.Raw(encode(values))


def _paste(text: bytes) -> msgspec.Raw:
    """Return a vector as it was written; if each number has its own line, without white space, which is half of it."""
    return msgspec.Raw(text.translate(None, _WHITE_SPACE) if b"\n" in text else text)


def _is_flat(text: bytes) -> bool:
    """Return whether a piece of JSON begins a list, and ends it before any text, object or other list."""
    # `find` is faster than `in`, which tries to read bytes as a number first, and raises and catches an error.
    return text.endswith(b"]") and text.rfind(b"[") == 0 and text.find(b'"') < 0 and text.find(b"{") < 0


def _is_of_numbers(text: bytes) -> bool:
    """Return whether JSON is a list of numbers: without `u` there is no `true` or `null`, without `a` no `false`."""
    return _is_flat(text) and text.find(b"u") < 0 and text.find(b"a") < 0


def _read(text: bytes, index: int, dimensions: int) -> list[float]:
    """Read the numbers of a vector. Raises `AnswerError`."""
    try:
        # orjson is a fifth faster; where the text is at fault, the typed decoder has the better error message.
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
