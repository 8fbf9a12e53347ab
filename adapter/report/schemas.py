"""Schemas of tools and answers that lose something, and their replacements.

A linted schema is in the client's own language, JSON Schema, and loses nothing any more: what Gemini does not enforce
stands in its descriptions, and what has an equivalent is it.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import msgspec
import orjson

from adapter.translate.core.notes import Note
from adapter.translate.schema.json_schema import ConvertedSchema, UnusableSchema, to_json_schema
from adapter.translate.schema.openapi import to_openapi_schema

Dialect = Literal["json", "openapi"]

Accepts = Callable[[bytes], bool]
"""A function that says whether Gemini takes a schema, in its dialect, for a function's parameters."""

LONGEST_SCHEMA = 65_536
"""Bytes of a schema that is remembered; a longer one is neither counted nor linted."""

_ROOT = re.compile(r"(.*?\.(?:parameters|schema))(?=[.\[]|$)(.*)")
_STEP = re.compile(r"[^.\[\]]+")


class SchemaLoss(NamedTuple):
    """The loss at one keyword of a schema; `path` starts at the schema's root."""

    path: str
    code: str
    severity: str
    reason: str


class LossySchema(NamedTuple):
    """A schema of one request with its losses. `field` has no indexes; `name` is the tool's or the format's."""

    key: str
    name: str
    field: str
    schema: bytes
    losses: tuple[SchemaLoss, ...]


def lossy_schemas(body: bytes, notes: Sequence[Note]) -> Iterator[LossySchema]:
    """Yield the schemas of a request that the ledger has notes on, each once. `body` is the client's request."""
    by_place: dict[str, list[SchemaLoss]] = {}
    for note in notes:
        root = _ROOT.match(note.path) if note.code.startswith("schema-") else None
        if root is not None and note.severity is not None:
            loss = SchemaLoss(root[2].lstrip("."), note.code, str(note.severity), note.reason)
            by_place.setdefault(root[1], []).append(loss)
    request = orjson.loads(body) if by_place else None
    for place, losses in by_place.items():
        *parents, _ = _values_along(request, place)
        schema = orjson.dumps(_values_along(request, place)[-1])
        if len(schema) <= LONGEST_SCHEMA:
            field = re.sub(r"\[\d+\]", "", place)
            key = blake2b(field.encode() + schema, digest_size=16).hexdigest()
            yield LossySchema(key, _name(parents), field, schema, tuple(losses))


def _values_along(value: Any, path: str) -> list[Any]:
    """Return the values along a path, from the request to what stands there."""
    values = [value]
    for step in _STEP.findall(path):
        value = value[int(step)] if isinstance(value, list) else value[step]
        values.append(value)
    return values


def _name(parents: Sequence[Any]) -> str:
    named = (parent["name"] for parent in reversed(parents) if isinstance(parent, dict) and "name" in parent)
    return str(next(named, ""))


def lint(schema: bytes, dialect: Dialect, accepts: Accepts) -> Any:
    """Return the schema to send in place of this one; None if every form of it loses something."""
    try:
        rewritten = _in_json_schema(_convert(schema, dialect), dialect)
        sent = _convert(orjson.dumps(rewritten), dialect)
    except UnusableSchema:
        return None
    is_clean = not sent.notes and _in_json_schema(sent, dialect) == rewritten
    return rewritten if is_clean and accepts(bytes(sent.schema)) else None


def _convert(schema: bytes, dialect: Dialect) -> ConvertedSchema:
    raw = msgspec.Raw(schema)
    return to_json_schema(raw) if dialect == "json" else to_openapi_schema(raw)


def _in_json_schema(converted: ConvertedSchema, dialect: Dialect) -> Any:
    schema = orjson.loads(bytes(converted.schema))
    return schema if dialect == "json" else _from_openapi(schema)


def _from_openapi(schema: Any) -> Any:
    """Return Gemini's Schema message as JSON Schema: types in lower case, null as one of them."""
    if not isinstance(schema, dict):
        return schema
    converted = {name: value for name, value in schema.items() if name != "nullable"}
    if "type" in converted:
        kind = converted["type"].lower()
        converted["type"] = [kind, "null"] if schema.get("nullable") else kind
    elif schema.get("nullable") and "anyOf" in converted:
        converted["anyOf"] = [*converted["anyOf"], {"type": "null"}]
    if "properties" in converted:
        converted["properties"] = {name: _from_openapi(one) for name, one in converted["properties"].items()}
    if "items" in converted:
        converted["items"] = _from_openapi(converted["items"])
    if "anyOf" in converted:
        converted["anyOf"] = [_from_openapi(one) for one in converted["anyOf"]]
    return converted
