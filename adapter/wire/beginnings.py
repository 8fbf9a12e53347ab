"""Reads only the new part of a body whose list of messages begins with bytes that were read before.

An agent sends its whole history with every turn. If a body's list begins with the same bytes as an earlier one, up to
the end of an item, its first items are the same: JSON is read from left to right. So these bytes are cut out and only
the rest is decoded; the first items are decoded when somebody asks for them (`PartlyDecoded`).

A search in the text only guesses where the list begins. Decoding proves it: a mark, which is nowhere else in the body,
takes the place of the bytes, and must then be the first item of the list.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar, overload

import msgspec

from adapter.wire.base import BYTE_ORDER_MARK, WHOLE, check_utf8, decode, decoder, list_of
from adapter.wire.json_counts import values_at_most
from adapter.wire.limits import DEFAULTS, LISTS, LimitExceeded, Limits
from adapter.wire.reader import assemble, check_items, outline, read_items

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)


class Beginning(msgspec.Struct, frozen=True, gc=False):
    """The first `count` items of a list, as the `text` after the list's bracket.

    `values` is at least the number of JSON values in them. `unknown` has the unknown fields, by path.
    """

    text: bytes
    count: int
    values: int
    unknown: dict[str, msgspec.Raw]


class PartlyDecoded(Sequence[T], Generic[T]):
    """A list whose first `count` items are decoded only when somebody asks for one of them."""

    __slots__ = ("_all", "_count", "_decode_first", "_rest")

    def __init__(self, count: int, rest: list[T], decode_first: Callable[[], list[T]]) -> None:
        self._count = count
        self._rest = rest
        self._decode_first = decode_first
        self._all: list[T] | None = None

    def __len__(self) -> int:
        return self._count + len(self._rest)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: int | slice) -> T | list[T]:
        """Return an item, or a list of items; only those of the beginning must be decoded first."""
        count = self._count
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if start >= count and step > 0:
                return self._rest[start - count : max(stop - count, 0) : step]
            return self._whole()[index]
        at = index + len(self) if index < 0 else index
        return self._rest[at - count] if at >= count else self._whole()[index]

    def __iter__(self) -> Iterator[T]:
        return iter(self._whole())

    def _whole(self) -> list[T]:
        if self._all is None:
            self._all = self._decode_first() + self._rest
        return self._all


def partly_decode(beginning: Beginning, rest: list[T], type_: type[T]) -> PartlyDecoded[T]:
    """Return the list that has the items of a beginning first."""
    shape: Any = list[type_]  # type: ignore[valid-type]
    text = beginning.text
    return PartlyDecoded(beginning.count, rest, lambda: decode(b"[%b]" % text, shape, _ANY)[0])


_ANY = 2**31
"""Unknown fields of a beginning were counted when it was read first."""


class PartialRead(NamedTuple, Generic[S]):
    """A request whose list was read behind a beginning; `pieces` are the raw items that are new."""

    request: S
    unknown: dict[str, msgspec.Raw]
    pieces: list[msgspec.Raw]


def start_of_list(body: bytes, field: str) -> int:
    """Guess the offset of a list's first item, after the bracket; 0 if the field is not in the body as a list."""
    name = b'"%b"' % field.encode()
    at = body.find(name)
    while at > 0:
        # A tool may have a parameter of this name, but its value is not a list.
        if (match := _BRACKET.match(body, at + len(name))) is not None:
            return match.end()
        at = body.find(name, at + len(name))
    return 0


_BRACKET = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*\[")
_COMMA = re.compile(rb"[ \t\r\n]*,")


def begins_with(body: bytes, start: int, beginning: Beginning) -> bool:
    """Return whether the list whose items start at `start` begins with these items, and has further ones."""
    text, end = beginning.text, start + len(beginning.text)
    # The end is compared first: histories of one agent have equal beginnings.
    return body.startswith(text[-_PROBE_BYTES:], max(end - _PROBE_BYTES, start)) and (
        body.startswith(text, start) and _COMMA.match(body, end) is not None
    )


_PROBE_BYTES = 64
"""Bytes at the end of a beginning that are compared first; they nearly always differ if it is another history."""


def read_rest(
    body: bytes, start: int, beginning: Beginning, type_: type[S], field: str, limits: Limits = DEFAULTS
) -> PartialRead[S] | None:
    """Read a body whose list begins so (`begins_with`).

    None where it must be read as a whole: it is at fault, or may be, or the list does not begin there.
    """
    before, behind = body[:start].removeprefix(BYTE_ORDER_MARK), body[start + len(beginning.text) :]
    short = before + _MARK + behind
    if before.rfind(_MARK) >= 0 or behind.rfind(_MARK) >= 0 or values_at_most(short) + beginning.values > limits.values:
        return None
    try:
        check_utf8(short)
        return _read(msgspec.Raw(short), beginning, type_, field, limits)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LimitExceeded):
        # Only an error of the whole body has the right offsets and paths.
        return None


_MARK = b'"(the beginning of the list was read before)"'


def _read(
    short: msgspec.Raw, beginning: Beginning, type_: type[S], field: str, limits: Limits
) -> PartialRead[S] | None:
    parts = outline(short, type_, limits)
    pieces = parts.lists.get(field)
    if not pieces or bytes(pieces[0]) != _MARK:
        return None
    item = list_of_items(type_, field)
    rest, unknown = read_items(pieces[1:], item, field, limits, first=beginning.count)
    items = partly_decode(beginning, rest, item)
    unknown = {**parts.unknown, **beginning.unknown, **unknown}
    most = getattr(limits, LISTS[field].limit)
    if len(items) > most or len(unknown) > limits.unknown_fields or any(one is WHOLE for one in unknown.values()):
        return None
    check_items(rest, limits)
    request, more = assemble(parts._replace(unknown=unknown), type_, {field: items}, limits)
    return PartialRead(request, more, pieces[1:])


@cache
def list_of_items(type_: type[msgspec.Struct], field: str) -> type[Any]:
    """Return the type of the items of a field's list."""
    list_field = next(one for one in msgspec.structs.fields(type_) if one.name == field)
    item = list_of(list_field.type)
    assert item is not None, "the field is a list of Structs"
    return item


def text_before(
    body: bytes,
    start: int,
    end: int,
    counts: tuple[int, int],
    type_: type[msgspec.Struct],
    field: str,
    limits: Limits = DEFAULTS,
) -> bytes | None:
    """Return the text between two offsets of a body that was read, if these are the first items of its list `field`.

    `counts` are the number of these items and that of all. Both offsets are guesses, and proven here: before the text
    the list begins, in it are so many items, and behind it are the others.
    """
    count, total = counts
    comma = body.rfind(b",", start, end)
    if comma < 0 or body[comma + 1 : end].strip(_SPACE):
        return None
    before, text, behind = body[:start].removeprefix(BYTE_ORDER_MARK), body[start:comma], body[comma:]
    if before.rfind(_MARK) >= 0 or behind.rfind(_MARK) >= 0:
        return None
    try:
        pieces = outline(msgspec.Raw(before + _MARK + behind), type_, limits).lists.get(field)
        first = decoder(list[msgspec.Raw]).decode(b"[%b]" % text)
    except (msgspec.MsgspecError, RecursionError, LimitExceeded):
        return None
    if not pieces or bytes(pieces[0]) != _MARK or (len(first), len(pieces) - 1) != (count, total - count):
        return None
    return text


def text_of_items(body: bytes, start: int, pieces: Sequence[msgspec.Raw]) -> bytes | None:
    """Return the text of these items as it stands at this place, if all of them have the same between them there."""
    first = body.find(b"{", start)
    end = first + len(memoryview(pieces[0]))
    between = body[end : body.find(b"{", end)] if len(pieces) > 1 else b","
    lead = body[start:first]
    if lead.strip(_SPACE) or between.strip(_SPACE) != b",":
        return None
    text = lead + between.join(map(memoryview, pieces))
    return text if body.startswith(text, start) else None


_SPACE = b" \t\r\n"


def end_of_items(body: bytes, start: int, pieces: Sequence[msgspec.Raw]) -> int:
    """Return the offset after the last of these items, which start at this offset of the body."""
    end = start
    for piece in pieces:
        text = memoryview(piece)
        end = body.index(b"{", end) + len(text)
    return end
