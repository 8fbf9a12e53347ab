"""Reading a body in which a field has a value that was read before, without reading that value again.

An agent declares the same tools with every turn. Where a body has the very bytes of tools that were read before, they
are cut out, a mark stands in their place, and what is left is read as any body is. That they are the field's value is
proven by reading it: the mark is nowhere else in the body, and it must be what the field holds. Equal bytes have equal
faults, and a value in which there were some is not remembered.

A known value is found by some bytes of its end or its beginning, near one of the body's ends: an agent's tools stand
behind its history or before it, and what else stands there is short.
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
"""Bytes at each end of a body among which a known value begins or ends."""

_TOLD_BY = 64
"""Bytes by which it is found there; then all of it is compared."""

_MOST_PLACES = 16
"""Places at which a value that was read is looked for: more members of the same name stand inside other fields."""

_MARK = b'"(what stands here was read before)"'


class KnownValue(msgspec.Struct, frozen=True, gc=False):
    """The JSON of a value, which is a list or an object; `values` is a bound for the number of values in it.

    `raw` is the same as a field holds it: one object for all requests.
    """

    text: bytes
    values: int
    raw: msgspec.Raw

    @classmethod
    def of(cls, text: bytes) -> "KnownValue":
        """Return a value that was read."""
        return cls(text, values_at_most(text), msgspec.Raw(text))


def value_in(body: bytes, field: str, raw: msgspec.Raw) -> KnownValue | None:
    """Return what a field holds in a body that was read; None where it does not stand there as it was read."""
    text = bytes(raw)
    places = islice(_name_of(field).finditer(body), _MOST_PLACES)
    if not text.startswith((b"[", b"{")) or not any(body.startswith(text, place.end()) for place in places):
        return None
    return KnownValue.of(text)


@cache
def _name_of(field: str) -> re.Pattern[bytes]:
    return re.compile(rb'"%b"[ \t\r\n]*:[ \t\r\n]*' % field.encode())


def place_of(body: bytes, value: KnownValue) -> int:
    """Return where a known value stands near one of the ends of a body; 0: nowhere."""
    text = value.text
    last = body.rfind(text[-_TOLD_BY:], max(len(body) - NEAR, 0))
    end = last + min(_TOLD_BY, len(text))
    if last >= 0 and end >= len(text) and body.startswith(text, end - len(text)):
        return end - len(text)
    first = body.find(text[:_TOLD_BY], 0, NEAR)
    return first if first > 0 and body.startswith(text, first) else 0


def cut_out(body: bytes, at: int, value: KnownValue, limits: Limits) -> tuple[bytes, Limits] | None:
    """Return a body with a mark in the place of a known value, and the limits of what is left.

    None where it must be read as a whole.
    """
    end, whole = at + len(value.text), memoryview(body)
    # From the end: Python's search from there takes a third of the time.
    if body.rfind(_MARK, 0, at) >= 0 or body.rfind(_MARK, end) >= 0:
        return None
    left = msgspec.structs.replace(limits, values=limits.values - value.values)
    return b"".join((whole[:at], _MARK, whole[end:])), left


def put_back(request: Any, unknown: Mapping[str, msgspec.Raw], field: str, value: KnownValue) -> bool:
    """Give the field of a request that was read without a known value that value; False: another one stands there.

    The request of the whole body is also another one where halves of characters were replaced in this one: how well
    their places are known depends on all that stands before them.
    """
    if bytes(getattr(request, field)) != _MARK or any(one is REPLACED for one in unknown.values()):
        return False
    setattr(request, field, value.raw)
    return True
