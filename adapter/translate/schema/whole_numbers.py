"""Whole numbers that Gemini spells with a point, written as the schema says.

Gemini's arguments are protobuf's doubles, which some servers write as 120000.0. Clients whose types are integers refuse
that (https://github.com/lidge-jun/opencodex/issues/1611, 2026).
"""

import json
import math
import re
from itertools import chain, repeat
from typing import Any

import msgspec

from adapter.translate.schema import pointers
from adapter.translate.schema.json_schema import JSON, UnusableSchema, load, normalise
from adapter.translate.schema.node import Schema

_POINT = re.compile(r"\d(?:\.0+(?![0-9])|[eE])")

MAX_LEVELS = 32
"""The most levels of arguments that are followed."""


def with_whole_numbers(text: str, declared: msgspec.Raw) -> str:
    """Write numbers that the schema calls integers without a point."""
    if _POINT.search(text) is None:
        return text
    try:
        root, _ = normalise(load(declared), JSON)
        before = json.loads(text)
    except (UnusableSchema, ValueError, RecursionError):
        return text
    after = _whole(before, root, root, 0)
    return text if after is before else json.dumps(after, ensure_ascii=False, separators=(",", ":"))


def _whole(value: Any, node: Schema, root: Schema, level: int) -> Any:
    """Return the value with this node's integers; the same object if nothing changes."""
    if level > MAX_LEVELS:
        return value
    if "$ref" in node:
        return _whole(value, pointers.definition_of(root.get("$defs", {}), root, node["$ref"]), root, level + 1)
    changed = value
    if isinstance(value, float):
        changed = int(value) if _is_integer(node) and math.isfinite(value) and value.is_integer() else value
    elif isinstance(value, dict):
        properties = node.get("properties", {})
        pairs = {key: _whole(item, _schema(properties.get(key)), root, level + 1) for key, item in value.items()}
        changed = pairs if any(pairs[key] is not item for key, item in value.items()) else value
    elif isinstance(value, list):
        schemas = chain(node.get("prefixItems", ()), repeat(_schema(node.get("items"))))
        items = [_whole(item, one, root, level + 1) for item, one in zip(value, schemas, strict=False)]
        changed = items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    for branch in node.get("anyOf", ()):
        if changed is value:
            changed = _whole(value, branch, root, level + 1)
    return changed


def _schema(node: Any) -> Schema:
    return node if isinstance(node, dict) else {}


def _is_integer(node: Schema) -> bool:
    types = node.get("type")
    names = types if isinstance(types, list) else [types]
    return "integer" in names and "number" not in names
