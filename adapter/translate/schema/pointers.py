"""Places in a schema: references as JSON pointers, and the dotted paths of notes."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_BRANCH = re.compile(r"(?:^|\.)(?:anyOf|oneOf)\[\d+\]$")

_NAMED_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_VALUES = frozenset({"enum", "const", "default", "example", "examples"})
"""Keywords that hold no schemas, whatever their value looks like."""


class _Place(NamedTuple):
    """A schema in a document: its JSON pointer from the root, and the address that references in it start from."""

    schema: dict[str, Any]
    pointer: str
    base: str


def with_pointers(root: dict[str, Any]) -> dict[str, Any]:
    """Replace each reference by a pointer from the root, however it was written: `#/$defs/A`, `#`.

    Gemini follows percent-encoded pointers, `$anchor` and `$id` (a live test of 2026-10-04), and the default of
    ts-json-schema-generator is the first (github.com/vega/ts-json-schema-generator/issues/273). References that lead
    nowhere stay as they are. `root` is changed; an `$id` below it would move what pointers start from, so it goes.
    """
    places = list(_places(root, "", ""))
    referring = [place for place in places if isinstance(place.schema.get("$ref"), str)]
    if not referring:
        return root
    addresses = _addresses(places)
    for place in referring:
        place.schema["$ref"] = _pointer(root, place, addresses)
    for place in places[1:]:
        place.schema.pop("$id", None)
    return root


def _places(node: Any, pointer: str, base: str) -> Iterator[_Place]:
    """Yield every schema in a document."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _places(item, f"{pointer}/{index}", base)
    if not isinstance(node, dict):
        return
    inner = _base(node, base)
    yield _Place(node, pointer, inner)
    for keyword, value in node.items():
        at = f"{pointer}/{escape(keyword)}"
        if keyword in _NAMED_SCHEMAS and isinstance(value, dict):
            for name, item in value.items():
                yield from _places(item, f"{at}/{escape(name)}", inner)
        elif keyword not in _VALUES:
            yield from _places(value, at, inner)


def _base(schema: dict[str, Any], base: str) -> str:
    """Return the address that references inside a schema start from."""
    identifier = schema.get("$id")
    if not isinstance(identifier, str) or identifier.startswith("#"):
        return base
    return _resolve(base, identifier).partition("#")[0]


def _resolve(base: str, reference: str) -> str:
    """Return the address that a reference names (RFC 3986, 5.2, as far as schemas use it)."""
    if reference.startswith("#"):
        return base + reference
    return reference if _SCHEME.match(reference) else base[: base.rfind("/") + 1] + reference


def _unquote(text: str) -> str:
    """Return a text without percent-encoding."""
    return _ENCODED.sub(lambda match: bytes.fromhex(match[0].replace("%", "")).decode(errors="replace"), text)


def _addresses(places: list[_Place]) -> dict[str, str]:
    """Return pointers by a schema's `$id`, `$anchor`, and the plain names of older drafts."""
    addresses = {"": ""}
    for schema, pointer, base in places:
        if isinstance(schema.get("$id"), str) and not schema["$id"].startswith("#"):
            addresses.setdefault(base, pointer)
        for name in ("$anchor", "$dynamicAnchor"):
            if isinstance(schema.get(name), str):
                addresses.setdefault(f"{base}#{schema[name]}", pointer)
        for name in ("$id", "id"):
            if isinstance(schema.get(name), str) and schema[name].startswith("#"):
                addresses.setdefault(f"{base}{schema[name]}", pointer)
    return addresses


def _pointer(root: dict[str, Any], place: _Place, addresses: dict[str, str]) -> str:
    """Return a schema's reference as a pointer from the root; unchanged if its target is not in the document."""
    reference: str = place.schema["$ref"]
    if target(root, reference) is not None and not place.base:
        return reference
    document, _, fragment = _resolve(place.base, reference).partition("#")
    start = addresses.get(document)
    if start is None:
        return reference
    if fragment and not fragment.startswith(("/", "%2F", "%2f")):
        named = addresses.get(f"{document}#{_unquote(fragment)}")
        return reference if named is None else f"#{named}"
    for spelling in (fragment, _unquote(fragment)):
        if target(root, f"#{start}{spelling}") is not None:
            return f"#{start}{spelling}"
    return reference


def target(root: dict[str, Any], pointer: Any) -> dict[str, Any] | None:
    """Return the schema that a JSON pointer into the document names (RFC 6901)."""
    if not isinstance(pointer, str) or (pointer != "#" and not pointer.startswith("#/")):
        return None
    value: Any = root
    for piece in pointer[1:].split("/")[1:]:
        key = unescape(piece)
        if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, dict) and key in value:
            value = value[key]
        else:
            return None
    return value if isinstance(value, dict) else {} if value is True else None


def escape(key: str) -> str:
    """Return a key as one step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def unescape(piece: str) -> str:
    """Return the key that one step of a JSON pointer stands for."""
    return piece.replace("~1", "/").replace("~0", "~")


def definition(pointer: Any) -> str | None:
    """Return the `$ref` to a definition or the root for a pointer, once all definitions are under `$defs`."""
    if pointer == "#":
        return "#"
    start = next((head for head in ("#/$defs/", "#/definitions/") if str(pointer).startswith(head)), None)
    name = str(pointer)[len(start) :] if start else ""
    return f"#/$defs/{name}" if name and "/" not in name else None


def definition_of(definitions: dict[str, Any], root: dict[str, Any], reference: str) -> Any:
    """Return the schema that a reference made by `definition` names."""
    return root if reference == "#" else definitions.get(unescape(reference.rsplit("/", 1)[-1]), {})


def join(path: str, piece: str) -> str:
    """Append one more piece to a path."""
    return f"{path}.{piece}" if path else piece


def is_branch(path: str) -> bool:
    """Return whether a path ends in one of several alternatives."""
    return _BRANCH.search(path) is not None
