"""JSON Schemas must be ones: every keyword has a value of its kind, at every level.

The API takes `parametersJsonSchema` and `responseJsonSchema` as any JSON (google.protobuf.Value); what the server says
of a nonsense schema is not on record, so the text here only names the place.
"""

from collections.abc import Callable, Iterator
from typing import Any

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


def misshapen(schema: Any, path: str = "") -> Iterator[str]:
    """The paths of all keywords whose value is of another kind, and of a schema that is none."""
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
                yield from misshapen(inner, f"{at}.{name}")
        elif keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
            for index, inner in enumerate(value):
                yield from misshapen(inner, f"{at}[{index}]")
        elif keyword in ("items", "additionalProperties", "not"):
            yield from misshapen(value, at)
