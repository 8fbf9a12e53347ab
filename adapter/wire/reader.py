"""Reading a request's body so that no body keeps the others waiting.

A decoder holds the interpreter until it returns, so what it may be given is bounded first:

    small, or few values    one typed decode, as for every usual request
    more than the limit     counted exactly (`json_counts.check`) and refused
    else                    read as an outline: the request with its lists of messages or items as raw JSON, each list
                            as a list of raw slices whose number is checked, each slice decoded by itself, in the same
                            way where it is large

Both ways give the same request, the same unknown fields and the same errors with the same paths. A list of slices is
what stored items come as too, so whoever keeps or compares histories works on bytes.
"""

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec

from adapter.wire import json_counts, surrogates
from adapter.wire.base import ABSENT, BYTE_ORDER_MARK, check_utf8, decode, decoder, list_of
from adapter.wire.limits import DEFAULTS, LISTS, MAX_DEPTH, LimitExceeded, Limits, TooManyUnknownFields

T = TypeVar("T")

SMALL = 128 * 1024
"""A body of so many bytes is decoded in one call, which takes 0.15 s at worst (empty items of a response)."""

FEW = 40_000
"""A larger body, or a piece, is too, if it has at most so many values: these are long texts and media."""


class Outline(NamedTuple):
    """A request whose lists of messages or items are raw slices, by field; `unknown` are the unknown fields beside."""

    head: Any
    lists: dict[str, list[msgspec.Raw]]
    unknown: dict[str, msgspec.Raw]


def read(
    body: bytes, type_: type[T], limits: Limits = DEFAULTS, *, has_few: bool = False
) -> tuple[T, dict[str, msgspec.Raw]]:
    """Decode a body as `base.decode` does, within the limits. Also raises `LimitExceeded`.

    `has_few`: `is_small` was asked already, and it is.
    """
    body = body.removeprefix(BYTE_ORDER_MARK)
    most_values = len(body) if len(body) <= SMALL else FEW if has_few else limits.values + 1
    if most_values <= limits.values or check_values(body, limits) <= FEW:
        value, unknown = decode(body, type_, limits.unknown_fields)
        # Each item takes two bytes or more, so no list of a short body is too long.
        if len(body) > 2 * min(limits.messages, limits.items, limits.parts, limits.calls, limits.images):
            check_lists(value, limits)
    else:
        value, unknown, _ = _read_in_pieces(body, type_, limits)
    if len(body) > 2 * MAX_DEPTH:
        _check_free_form(value, unknown, limits)
    return value, unknown


class OutlinedRequest(NamedTuple, Generic[T]):
    """A request that was read by way of its outline, whose raw lists are kept, by field."""

    request: T
    unknown: dict[str, msgspec.Raw]
    lists: dict[str, list[msgspec.Raw]]


def read_outlined(body: bytes, type_: type[T], limits: Limits, values: int) -> OutlinedRequest[T]:
    """Read a body of at most so many values as `read` does, and keep the items of its lists as they were written."""
    if values > limits.values:
        json_counts.check(body, limits.values, "values")
    body = body.removeprefix(BYTE_ORDER_MARK)
    request, unknown, lists = _read_in_pieces(body, type_, limits, has_few=values <= FEW)
    if len(body) > 2 * MAX_DEPTH:
        _check_free_form(request, unknown, limits)
    return OutlinedRequest(request, unknown, lists)


def check_values(body: bytes, limits: Limits) -> int:
    """Return an upper bound of the number of a body's values. Raises `LimitExceeded`, `TooDeep`."""
    most_values = json_counts.values_at_most(body)
    if most_values > limits.values:
        json_counts.check(body, limits.values, "values")
    return most_values


def is_small(body: bytes) -> bool:
    """Return whether one call may decode a text."""
    return len(body) <= SMALL or json_counts.values_at_most(body) <= FEW


def outline(body: msgspec.Raw, type_: Any, limits: Limits = DEFAULTS) -> Outline:
    """Split a body; its values must have been counted. Raises as `read` does."""
    head, unknown = decode(body, _head(type_), limits.unknown_fields)
    lists: dict[str, list[msgspec.Raw]] = {}
    for name in _lists(type_):
        value = getattr(head, name)
        if type(value) is list:
            lists[name] = value
        elif type(value) is msgspec.Raw and _is_list(value):
            lists[name] = decoder(list[msgspec.Raw]).decode(value)
    for name, items in lists.items():
        _check_length(name, len(items), limits)
    return Outline(head, lists, unknown)


def read_items(
    pieces: Sequence[msgspec.Raw],
    type_: type[T],
    path: str,
    limits: Limits = DEFAULTS,
    *,
    first: int = 0,
    has_few: bool = False,
) -> tuple[list[T], dict[str, msgspec.Raw]]:
    """Decode slices of a list that stands at `path`; `first` is the index of the first. Raises as `read` does.

    `has_few`: all together have few values, so each may be decoded in one call.
    """
    shape: Any = type_
    decode_one = decoder(shape).decode
    if has_few or max(map(_size, pieces), default=0) <= SMALL:
        try:
            return list(map(decode_one, pieces)), {}
        except msgspec.ValidationError:
            # Read again below, where an unknown field is told from a wrong one.
            pass
    items: list[T] = []
    unknown: dict[str, msgspec.Raw] = {}
    for index, piece in enumerate(pieces, first):
        item, more = _at(f"{path}[{index}]", _read_piece, piece, type_, limits)
        items.append(item)
        if more:
            _collect(more, unknown, limits)
    return items, unknown


def _size(piece: msgspec.Raw) -> int:
    return len(memoryview(piece))


def _collect(more: dict[str, msgspec.Raw], unknown: dict[str, msgspec.Raw], limits: Limits) -> None:
    """Add unknown fields to those found before. Raises `TooManyUnknownFields`."""
    unknown |= more
    if len(unknown) > limits.unknown_fields:
        path = next(reversed(unknown))
        raise TooManyUnknownFields.of("unknown_fields", limits.unknown_fields, "unknown fields", "request", path)


def _read_piece(piece: msgspec.Raw, type_: type[T], limits: Limits) -> tuple[T, dict[str, msgspec.Raw]]:
    if len(memoryview(piece)) <= SMALL or is_small(bytes(piece)):
        return decode(piece, type_, limits.unknown_fields)
    return _in_pieces(piece, type_, limits)[:2]


_Pieces = tuple[Any, dict[str, msgspec.Raw], dict[str, list[msgspec.Raw]]]
"""A value, its unknown fields, and its raw lists."""


def _read_in_pieces(body: bytes, type_: Any, limits: Limits, *, has_few: bool = False) -> _Pieces:
    """Decode a body by way of its outline; where that fails, once more without the halves of characters in it."""
    check_utf8(body)
    try:
        return _in_pieces(msgspec.Raw(body), type_, limits, has_few=has_few)
    except msgspec.MsgspecError:
        fixed, repairs = surrogates.repair(body)
        if not repairs:
            raise
    value, unknown, lists = _in_pieces(msgspec.Raw(fixed), type_, limits, has_few=has_few)
    return value, unknown | repairs, lists


def _in_pieces(body: msgspec.Raw, type_: Any, limits: Limits, *, has_few: bool = False) -> _Pieces:
    """Decode a large value by way of its outline."""
    parts = outline(body, type_, limits)
    value, unknown = _assemble(parts, type_, {}, limits, has_few=has_few)
    check_lists(value, limits)
    return value, unknown, parts.lists


def _assemble(
    parts: Outline, type_: Any, given: Mapping[str, Any], limits: Limits, *, has_few: bool = False
) -> tuple[Any, dict[str, msgspec.Raw]]:
    """Decode what an outline leaves raw, but for lists that are given."""
    head, lists, unknown = parts
    fields = {name: getattr(head, name) for name in type_.__struct_fields__}
    for name, (whole, item) in _lists(type_).items():
        if name in given:
            fields[name] = given[name]
        elif name in lists:
            fields[name], more = read_items(lists[name], item, name, limits, has_few=has_few)
            _collect(more, unknown, limits)
        elif fields[name] is ABSENT:
            fields[name] = None
        elif fields[name] is not None:
            fields[name] = _at(name, decode, fields[name], whole, limits.unknown_fields)[0]
    return type_(**fields), unknown


def assemble(
    parts: Outline, type_: type[T], given: Mapping[str, Any], limits: Limits
) -> tuple[T, dict[str, msgspec.Raw]]:
    """Return the request of an outline, of which some lists were read already. Raises as `read` does."""
    value, unknown = _assemble(parts, type_, given, limits)
    check_lists(value, limits)
    _check_free_form(value, unknown, limits)
    return value, unknown


def _at(path: str, read_one: Callable[..., tuple[Any, dict[str, msgspec.Raw]]], *arguments: Any) -> Any:
    """Call a reader of what stands at `path`; its errors and unknown fields get paths that start at the body."""
    try:
        value, unknown = read_one(*arguments)
    except msgspec.ValidationError as error:
        text, _, inner = str(error).partition(" - at `$")
        raise msgspec.ValidationError(f"{text} - at `$.{path}{inner.rstrip('`')}`") from None
    except LimitExceeded as error:
        error.path = _join(path, error.path)
        raise
    return value, {_join(path, name): raw for name, raw in unknown.items()}


def _join(path: str, inner: str) -> str:
    return path + inner if inner.startswith("[") or not inner else f"{path}.{inner}"


def check_lists(value: Any, limits: Limits) -> None:
    """Check the lengths of lists of messages, parts, calls and the like. Raises `LimitExceeded`."""
    kind: Any = type(value)
    names, inner = _lengths(kind)
    for name in names:
        items = getattr(value, name)
        if type(items) is not list:
            continue
        _check_length(name, len(items), limits)
        if name in inner:
            _check_inner(items, name, inner[name], limits)


def check_items(items: Sequence[Any], limits: Limits) -> None:
    """Raise `LimitExceeded` for a list that is too long inside one of these items."""
    for item in items:
        check_lists(item, limits)


def _check_inner(items: list[Any], name: str, lists: list[Callable[[Any], Any]], limits: Limits) -> None:
    """Check the lists inside many items; nearly always all of them are short, which costs a tenth of decoding them."""
    if any(_longest(map(one, items)) > min(limits.parts, limits.calls, limits.images) for one in lists):
        for index, item in enumerate(items):
            _at(f"{name}[{index}]", _check_sizes, item, limits)


def _longest(values: Iterator[Any]) -> int:
    """Return the length of the longest list among values; texts and absent values are skipped together."""
    found = list(values)
    kinds = set(map(type, found))
    if list not in kinds:
        return 0
    # Where there are texts too, only the lists count.
    lists = found if kinds <= _LISTS_OR_NOTHING else [one for one in found if type(one) is list]
    return max(map(len, filter(None, lists)), default=0)


_LISTS_OR_NOTHING = {list, type(None)}


def _check_sizes(value: Any, limits: Limits) -> tuple[None, dict[str, msgspec.Raw]]:
    check_lists(value, limits)
    return None, {}


def _check_length(name: str, length: int, limits: Limits) -> None:
    limit = LISTS.get(name)
    if limit is not None and length > (most := getattr(limits, limit.limit)):
        raise LimitExceeded.of(limit.limit, most, limit.things, limit.place, name)


def _check_free_form(value: Any, unknown: dict[str, msgspec.Raw], limits: Limits) -> None:
    """Check a free-form field. Raises `LimitExceeded` for too many values, `TooDeep`.

    A tool's schema is checked where it is converted, which equal tools are only once.
    """
    kind: Any = type(value)
    for name in _free_form(kind):
        raw = getattr(value, name)
        if raw is not ABSENT:
            _at(name, _check_json, bytes(raw), limits)
    for raw in unknown.values():
        json_counts.check_depth(bytes(raw))


def _check_json(raw: bytes, limits: Limits) -> tuple[None, dict[str, msgspec.Raw]]:
    if len(raw) > limits.json_values:
        json_counts.check(raw, limits.json_values, "json_values", "values", "field")
    else:
        json_counts.check_depth(raw)
    return None, {}


def _is_list(raw: msgspec.Raw) -> bool:
    return bytes(memoryview(raw)[:64]).lstrip()[:1] == b"["


@cache
def _free_form(type_: Any) -> tuple[str, ...]:
    fields = msgspec.structs.fields(type_)
    return tuple(one.name for one in fields if one.type is msgspec.Raw and one.name not in ("tools", "functions"))


@cache
def _lists(type_: Any) -> dict[str, tuple[Any, type[msgspec.Struct]]]:
    """Return the fields that are lists of Structs: the field's type, and its items'."""
    found = {field.name: (field.type, list_of(field.type)) for field in msgspec.structs.fields(type_)}
    return {name: (whole, item) for name, (whole, item) in found.items() if item is not None}


@cache
def _lengths(type_: Any) -> tuple[tuple[str, ...], dict[str, list[Callable[[Any], Any]]]]:
    """Return a Struct's limited lists, and for each the getters of its items' limited lists, if any."""
    lists = {name: item for name, (_, item) in _lists(type_).items() if name in LISTS}
    inner = {name: _lengths(item)[0] for name, item in lists.items()}
    return tuple(lists), {name: list(map(attrgetter, names)) for name, names in inner.items() if names}


_LISTS = (list, Sequence, types.NoneType)
"""Origins of a type that takes lists, or nothing."""


@cache
def _head(type_: Any) -> type[msgspec.Struct]:
    """Return the Struct with raw items in its lists of Structs; fields that take more than lists are raw."""
    lists = _lists(type_)
    fields: list[tuple[str, Any, Any]] = []
    for field in msgspec.structs.fields(type_):
        given = {"default": field.default, "default_factory": field.default_factory}
        kind = field.type
        members = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
        if field.name in lists and all((get_origin(member) or member) in _LISTS for member in members):
            kind = list[msgspec.Raw] | None if types.NoneType in members else list[msgspec.Raw]
        elif field.name in lists:
            kind, given = msgspec.Raw, {"default": msgspec.NODEFAULT if field.required else ABSENT}
        fields.append((field.name, kind, msgspec.field(**given, name=field.encode_name)))
    strict = type_.__struct_config__.forbid_unknown_fields
    return msgspec.defstruct(type_.__name__, fields, kw_only=True, gc=False, forbid_unknown_fields=strict)
