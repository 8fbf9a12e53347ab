"""The base of all messages of both APIs: declaring, decoding and encoding them.

`null` means absent on every field (protobuf JSON says so for Gemini; OpenAI clients send explicit nulls for nearly
every parameter), so optional fields are `T | None = None` and are left out when encoded. msgspec cannot decode
`Raw | None`: a free-form field is `Raw` with the default `ABSENT`, and `present()` also reads `null` as absent.

Structs name every documented field and forbid the rest. Decoding them is the fast path. Only when a body holds a
field that no Struct names is it walked a second time, level by level along the Structs' own fields, so that the
unknown paths are known and the rest decodes as if they had not been there.
"""

import re
import types
from collections.abc import Callable, Container, Sequence
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec

from adapter.wire import json_counts, surrogates
from adapter.wire.limits import DEFAULTS, TooDeep, TooManyUnknownFields

T = TypeVar("T")

ABSENT = msgspec.Raw(b"")
"""A free-form JSON field that was not sent."""

MAX_DEPTH = 64
"""The most levels of Structs, lists and maps that `decode` searches for unknown fields."""

WHOLE = msgspec.Raw(b"0")
"""The value that `decode` gives for a whole number that was written as 100.0; compare it by identity."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_WHOLE_AS_FLOAT = re.compile(r"Expected `int[^`]*`, got `float` - at `\$\.(.*)`$")

_UTF8_SLICE = 1024 * 1024
"""Bytes that are checked at once: as a string a body may take four times its size of memory."""

MAX_NESTING = 64
"""The most levels of lists and objects in a free-form value that goes on to Gemini."""


class Wire(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """The base of every message; trees only, never cycles, hence no garbage collection tracking."""


def present(raw: msgspec.Raw) -> bool:
    """Return whether a free-form field was sent with a value other than `null`."""
    return raw is not ABSENT and (len(memoryview(raw)) > 4 or bytes(raw) not in (b"", b"null"))


def too_deep(text: str) -> bool:
    """Return whether a free-form value, by its JSON text, has more levels than `MAX_NESTING`."""
    if len(text) <= 2 * MAX_NESTING or text.count("{") + text.count("[") <= MAX_NESTING:
        return False
    return json_counts.is_deeper(text.encode("utf-8", "surrogatepass"), MAX_NESTING)


@cache
def decoder(type_: Any) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a type; it is built once."""
    return msgspec.json.Decoder(type_)


def decode(
    body: bytes | msgspec.Raw, type_: type[T], max_unknown: int = DEFAULTS.unknown_fields
) -> tuple[T, dict[str, msgspec.Raw]]:
    """Decode JSON into `type_`; also return the unknown fields, path (`messages[0].cache_control`) to value.

    What a client sends is decoded by `reader.read`, which bounds the time.

    Raises `msgspec.ValidationError` (its text ends in the JSON path) for a wrong shape, `msgspec.DecodeError` for
    text that is not JSON, `UnicodeDecodeError`, `TooDeep`, `TooManyUnknownFields`.
    """
    if isinstance(body, bytes):
        if not body.isascii():
            check_utf8(body)
        body = body.removeprefix(BYTE_ORDER_MARK)
    shape: Any = type_
    try:
        return decoder(shape).decode(body), {}
    except (msgspec.MsgspecError, RecursionError) as error:
        if isinstance(body, bytes):
            # No decoder takes half a character: so only what is refused is searched for some.
            fixed, repairs = surrogates.repair(body)
            if repairs:
                value, unknown = decode(msgspec.Raw(fixed), type_, max_unknown)
                return value, unknown | repairs
        # How many levels a decoder can go down, and so which fault it meets first, is the interpreter's matter: 3.11
        # stops at a thousand, 3.13 goes on and finds that the text is cut. The same text has the same error with all.
        json_counts.check_depth(bytes(body))
        if isinstance(error, RecursionError):
            raise TooDeep("nested too deeply") from None
        if "unknown field" not in str(error) and _WHOLE_AS_FLOAT.search(str(error)) is None:
            raise
    return _decode_known(body, shape, max_unknown)


def _decode_known(body: bytes | msgspec.Raw, shape: Any, max_unknown: int) -> tuple[Any, dict[str, msgspec.Raw]]:
    """Decode what has unknown fields, or whole numbers that are written with a point."""
    walk = _Walk(max_unknown)
    text = walk.strip_unknown(body, shape, "", 0)
    try:
        return decoder(shape).decode(text), walk.unknown
    except msgspec.ValidationError as error:
        if (match := _WHOLE_AS_FLOAT.search(str(error))) is None:
            raise
    # Other kinds of values are not looked at again: the body was good up to here.
    return _lenient_decoder(shape).decode(text), walk.unknown | {match[1]: WHOLE}


def decode_leniently(body: bytes, type_: type[T]) -> tuple[T, dict[str, msgspec.Raw]]:
    """Decode as `decode` does, with numbers and booleans that are written as texts, and names in snake_case."""
    check_utf8(body)
    body, repairs = surrogates.repair(body)
    walk = _Walk(DEFAULTS.unknown_fields, is_lenient=True)
    shape: Any = type_
    text = walk.strip_unknown(body, shape, "", 0)
    return _lenient_decoder(shape).decode(text), walk.unknown | repairs


@cache
def _lenient_decoder(type_: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(type_, strict=False)


def check_utf8(body: bytes) -> None:
    """Check a body. Raises `UnicodeDecodeError`: msgspec does not look inside a `Raw`, its readers trust it."""
    if body.isascii():
        return
    start = 0
    while start < len(body):
        end = start + _UTF8_SLICE
        while end < len(body) and body[end] & 0xC0 == 0x80 and end > start + _UTF8_SLICE - 4:
            end -= 1
        body[start:end].decode()
        start = end


class _Walk:
    """One pass through a body along the fields of its type, which takes out unknown fields."""

    def __init__(self, max_unknown: int, *, is_lenient: bool = False) -> None:
        self.unknown: dict[str, msgspec.Raw] = {}
        self._max_unknown = max_unknown
        self._is_lenient = is_lenient

    def strip_unknown(self, body: bytes | msgspec.Raw, type_: Any, path: str, depth: int) -> bytes:
        """Return `body` without fields that `type_` does not name; these are collected."""
        if depth > MAX_DEPTH:
            raise TooManyUnknownFields(f"fields are nested over more than {MAX_DEPTH} levels", path)
        shape = _shape(type_, _first_byte(body))
        if shape is None:
            return bytes(body)
        kind, inner = shape
        if kind == "list":
            items = decoder(list[msgspec.Raw]).decode(body)
            return (
                b"["
                + b",".join([self.strip_unknown(one, inner, f"{path}[{i}]", depth + 1) for i, one in enumerate(items)])
                + b"]"
            )
        members = decoder(dict[str, msgspec.Raw]).decode(body)
        fields = dict.fromkeys(members, inner) if kind == "map" else inner
        pairs: list[bytes] = []
        for name, value in members.items():
            key = _alias(name, members, fields) if self._is_lenient else name
            at = f"{path}.{name}" if path else name
            if key in fields:
                pairs.append(msgspec.json.encode(key) + b":" + self.strip_unknown(value, fields[key], at, depth + 1))
            elif kind == "struct" and present(value):
                self._collect(at, value)
        return b"{" + b",".join(pairs) + b"}"

    def _collect(self, path: str, value: msgspec.Raw) -> None:
        self.unknown[path] = msgspec.Raw(bytes(value))
        if len(self.unknown) > self._max_unknown:
            raise TooManyUnknownFields.of("unknown_fields", self._max_unknown, "unknown fields", "request", path)


def _alias(name: str, members: Container[str], fields: Container[str]) -> str:
    """Return the field that a name in snake_case stands for, if it is not there under its own name."""
    head, *rest = name.split("_")
    camel = head + "".join(word.capitalize() for word in rest)
    return camel if name not in fields and camel in fields and camel not in members else name


def _first_byte(body: bytes | msgspec.Raw) -> bytes:
    return bytes(memoryview(body)[:64]).lstrip()[:1]


def list_of(type_: Any) -> type[msgspec.Struct] | None:
    """Return the Struct of a list's items, if a type allows a list of Structs."""
    shape = _shape(type_, b"[")
    inner = shape[1] if shape else None
    return inner if isinstance(inner, type) and issubclass(inner, msgspec.Struct) else None


@cache
def _shape(type_: Any, first: bytes) -> tuple[str, Any] | None:
    """Return how to walk a value that starts with `first`: its kind and inner types; None if nothing is typed."""
    origin = get_origin(type_)
    if origin in (Union, types.UnionType):
        shapes = (_shape(member, first) for member in get_args(type_))
        return next((shape for shape in shapes if shape), None)
    if first == b"{" and isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        # A type that takes any field has no unknown fields, on the fast path and here.
        kind = "struct" if type_.__struct_config__.forbid_unknown_fields else "open"
        return kind, {field.encode_name: field.type for field in msgspec.structs.fields(type_)}
    if first == b"{" and origin is dict:
        return "map", get_args(type_)[1]
    if first == b"[" and origin in (list, Sequence):
        return "list", get_args(type_)[0]
    return None


encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode
"""Encodes a message as compact JSON."""
