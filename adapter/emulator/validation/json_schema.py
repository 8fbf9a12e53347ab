"""JSON Schemas must be ones: every keyword has a value of its kind, at every level.

The API takes `parametersJsonSchema` and `responseJsonSchema` as any JSON (google.protobuf.Value). Three refusals are on
record, each of the whole request (`refusal`); for other nonsense the text here only names the place (`misshapen`).
"""

from collections.abc import Callable, Iterator
from typing import Any

from adapter.emulator.schemas.references import LinkedSchema, own_base

LONGEST = 100_000
"""Lengths and counts that the emulator is ready to make up an answer for."""


def _is_schema(value: Any) -> bool:
    return isinstance(value, (dict, bool))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LONGEST


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_schemas(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_schema, value))


def _are_named_schemas(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_schema, value.values()))


_KINDS: dict[Callable[[Any], bool], tuple[str, ...]] = {
    lambda value: _is_text(value) or _are_names(value): ("type",),
    _is_text: ("$ref", "$id", "$anchor", "title", "description", "format", "pattern"),
    _is_number: ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    _is_count: ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"),
    _are_names: ("required", "propertyOrdering"),
    lambda value: isinstance(value, list): ("enum",),
    _is_schema: ("items", "additionalProperties", "not"),
    _are_schemas: ("anyOf", "oneOf", "allOf", "prefixItems"),
    _are_named_schemas: ("properties", "$defs", "definitions"),
}
_CHECKS = {keyword: check for check, keywords in _KINDS.items() for keyword in keywords}


def misshapen_paths(schema: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of keywords whose value is of another kind, and of schemas that are none."""
    if not _is_schema(schema):
        yield path
    if not isinstance(schema, dict):
        return
    for keyword, value in schema.items():
        at = f"{path}.{keyword}" if path else keyword
        if keyword in _CHECKS and not _CHECKS[keyword](value):
            yield at
        elif keyword in ("properties", "$defs", "definitions"):
            for name, inner in value.items():
                yield from misshapen_paths(inner, f"{at}.{name}")
        elif keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
            for index, inner in enumerate(value):
                yield from misshapen_paths(inner, f"{at}[{index}]")
        elif keyword in ("items", "additionalProperties", "not"):
            yield from misshapen_paths(value, at)


def refusal(schema: Any) -> str | None:
    """Return the server's words for the first schema in a document that it refuses, if it refuses one.

    `requires unspecified property`: github.com/google-gemini/gemini-cli/issues/23382 (2026-06). `undefined schema` with
    dotted paths such as `$defs.A.properties.range` and `properties.a.anyOf.0`: a live test of 2026-10-04, which found
    that percent-encoded references, `$anchor`, a relative `$id`, `#`, recursion and roots without a type are taken.
    """
    document = LinkedSchema(schema)
    faults = (_fault(document, at, inner, base) for at, inner, base in _schemas(schema, "", ""))
    return next(filter(None, faults), None)


def _fault(document: LinkedSchema, path: str, schema: Any, base: str) -> str | None:
    at = path or "top-level"
    if not _is_schema(schema):
        return f"schema at {at} must be a boolean or an object"
    if not isinstance(schema, dict):
        return None
    reference = schema.get("$ref")
    if isinstance(reference, str) and document.find(reference, own_base(schema, base)) is None:
        return f"reference to undefined schema at {at}"
    names, declared = schema.get("required"), schema.get("properties")
    properties = declared if isinstance(declared, dict) else {}
    missing = (
        [name for name in names if name not in properties] if isinstance(names, list) and _are_names(names) else []
    )
    return f"schema at {at} requires unspecified property '{missing[0]}'" if missing else None


def _schemas(schema: Any, path: str, base: str) -> Iterator[tuple[str, Any, str]]:
    """Yield every schema that the server reads, with path and base address; ignored keywords are not entered."""
    yield path, schema, base
    if not isinstance(schema, dict):
        return
    inner_base = own_base(schema, base)
    for keyword, value in schema.items():
        for name, inner in _children(keyword, value):
            at = ".".join(filter(None, (path, keyword, name)))
            yield from _schemas(inner, at, inner_base)


def _children(keyword: str, value: Any) -> list[tuple[str, Any]]:
    """Return the schemas that a keyword holds, each with its step of the path."""
    if keyword in ("properties", "$defs", "definitions") and isinstance(value, dict):
        return list(value.items())
    if keyword in ("anyOf", "oneOf", "prefixItems") and isinstance(value, list):
        return [(str(index), inner) for index, inner in enumerate(value)]
    return [("", value)] if keyword in ("items", "additionalProperties") else []
