"""Reads only the new part of a body whose list of messages begins with bytes that were read before.

An agent sends its whole history with every turn. Where a body's list begins with the very bytes of an earlier one, up
to the end of an item, its first items are those of the earlier list: JSON is read from left to right. So they are cut
out, what is left is decoded, and the request's list has items that are decoded only if somebody asks for them.

What is found is a place in the text where the list seems to begin. That it does is proven by decoding: where the bytes
were cut out stands a mark, which is nowhere else in the body, and it must be the first item of the list.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar, overload

import msgspec

from adapter.wire.base import BYTE_ORDER_MARK, WHOLE, check_utf8, decode, list_of
from adapter.wire.json_counts import values_at_most
from adapter.wire.limits import DEFAULTS, LISTS, LimitExceeded, Limits
from adapter.wire.reader import assemble, check_items, outline, read_items

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)


class Beginning(msgspec.Struct, frozen=True, gc=False):
    """The first items of a list: their text, as it stood behind the list's bracket, and how many these are.

    `values` is a bound for the number of JSON values in them; `unknown` are the unknown fields, by path.
    """

    text: bytes
    count: int
    values: int
    unknown: dict[str, msgspec.Raw]


class PartlyDecoded(Sequence[T], Generic[T]):
    """A list of which the first items, `count` of them, are decoded only when somebody asks for them."""

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
        """Return an item, or a list of items; what stands behind the beginning is there without decoding it."""
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
    """Return where the items of a field's list seem to stand in a body, behind the bracket; 0: nowhere."""
    name = b'"%b"' % field.encode()
    at = body.find(name)
    while at > 0:
        # Tools may have a parameter of this name: what stands behind it is no list.
        if (found := _BRACKET.match(body, at + len(name))) is not None:
            return found.end()
        at = body.find(name, at + len(name))
    return 0


_BRACKET = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*\[")
_COMMA = re.compile(rb"[ \t\r\n]*,")


def begins_with(body: bytes, start: int, beginning: Beginning) -> bool:
    """Return whether the list whose items stand at this place has these first, and others behind them."""
    text, end = beginning.text, start + len(beginning.text)
    # Histories of one agent begin alike, and end apart.
    return body.startswith(text[-_TOLD_BY:], max(end - _TOLD_BY, start)) and (
        body.startswith(text, start) and _COMMA.match(body, end) is not None
    )


_TOLD_BY = 64
"""Bytes at the end of a beginning that are compared first: nearly always they tell whether it is another one."""


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
        # The error is told with the paths of the whole body.
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
    found = next(one for one in msgspec.structs.fields(type_) if one.name == field)
    item = list_of(found.type)
    assert item is not None, "the field is a list of Structs"
    return item


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
    """Return the index behind the last of some items that stand at this place, in a body that was read."""
    end = start
    for piece in pieces:
        text = memoryview(piece)
        end = body.index(b"{", end) + len(text)
    return end
