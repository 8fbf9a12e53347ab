"""Reads a body without decoding again a field's value that an earlier body had.

An agent declares the same tools with every turn. If a body contains the bytes of tools that were decoded before:

1. the bytes are cut out, and a mark takes their place (`cut_out`);
2. the rest is decoded like any other body;
3. the field must now hold the mark, which is nowhere else in the body. This proves that the bytes were the field's
   value, and not a part of a text. Then the known value replaces the mark (`put_back`).

Equal bytes have equal faults, so only values without faults are remembered.

The search compares a few bytes of the value's end and beginning, and only near the two ends of the body: an agent's
tools come after its history or before it, and the other fields there are short.
"""

import re
from collections.abc import Mapping
from functools import cache
from itertools import islice
from typing import Any

import msgspec

from adapter.wire.json_counts import values_at_most
from adapter.wire.limits import Limits
from adapter.wire.surrogates import REPLACED

NEAR = 4_096
"""Bytes at each end of a body that are searched for the beginning or the end of a known value."""

_PROBE_BYTES = 64
"""Bytes of a value that are searched for; where they are found, the whole value is compared."""

_MOST_PLACES = 16
"""Members of the field's name that are tried: objects inside other fields may have members of the same name."""

_RARE_BYTE = b"\x7f"
"""A byte that a JSON text may have, but hardly any has: a search for one byte runs at the speed of memory."""

_MARK = b'"(what stands here was read before)%b"' % _RARE_BYTE


class KnownValue(msgspec.Struct, frozen=True, gc=False):
    """The JSON of a list or an object that was decoded before.

    `values` is at least the number of JSON values in it. `raw` is the same text as requests hold it: all requests share
    this object.
    """

    text: bytes
    values: int
    raw: msgspec.Raw

    @classmethod
    def of(cls, text: bytes) -> "KnownValue":
        """Return the known value for the JSON of a list or an object."""
        return cls(text, values_at_most(text), msgspec.Raw(text))


def value_in(body: bytes, field: str, raw: msgspec.Raw) -> KnownValue | None:
    """Return the known value of a body's field; None if it is no list or object, or is not in the body as it is."""
    text = bytes(raw)
    places = islice(_name_of(field).finditer(body), _MOST_PLACES)
    if not text.startswith((b"[", b"{")) or not any(body.startswith(text, place.end()) for place in places):
        return None
    return KnownValue.of(text)


@cache
def _name_of(field: str) -> re.Pattern[bytes]:
    return re.compile(rb'"%b"[ \t\r\n]*:[ \t\r\n]*' % field.encode())


def place_of(body: bytes, value: KnownValue) -> int:
    """Return the offset of a known value near one of the ends of a body; 0 if it is not there."""
    text = value.text
    last = body.rfind(text[-_PROBE_BYTES:], max(len(body) - NEAR, 0))
    end = last + min(_PROBE_BYTES, len(text))
    if last >= 0 and end >= len(text) and body.startswith(text, end - len(text)):
        return end - len(text)
    first = body.find(text[:_PROBE_BYTES], 0, NEAR)
    return first if first > 0 and body.startswith(text, first) else 0


def cut_out(body: bytes, at: int, value: KnownValue, limits: Limits) -> tuple[bytes, Limits] | None:
    """Return the body with a mark in the place of a known value, and the limits for the rest of it.

    None if the body contains the mark already: then it must be read as a whole.
    """
    end, whole = at + len(value.text), memoryview(body)
    has_byte = body.find(_RARE_BYTE, 0, at) >= 0 or body.find(_RARE_BYTE, end) >= 0
    if has_byte and (body.find(_MARK, 0, at) >= 0 or body.find(_MARK, end) >= 0):
        return None
    left = msgspec.structs.replace(limits, values=limits.values - value.values)
    return b"".join((whole[:at], _MARK, whole[end:])), left


def put_back(request: Any, unknown: Mapping[str, msgspec.Raw], field: str, value: KnownValue) -> bool:
    """Replace the mark in a field with the known value; return False if the body must be read as a whole instead.

    That is so if the field does not hold the mark, or if lone surrogates were replaced: whether their paths are known
    exactly depends on everything before them, also on what was cut out.
    """
    if bytes(getattr(request, field)) != _MARK or any(one is REPLACED for one in unknown.values()):
        return False
    setattr(request, field, value.raw)
    return True
