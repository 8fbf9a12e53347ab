"""A small JSON Schema validator, so that generated values can be checked before they are sent.

It knows the keywords of draft 4 to 2020-12 that decide whether a value is valid, except content* and formats. It is
not shared with the tests, which validate the same values with the `jsonschema` package.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from adapter.emulator.schemas.references import LinkedSchema, Node, own_base

MAX_DEPTH = 120


def is_integer(value: Any) -> bool:
    """Return whether a value is an integer: `2.0` is one, `true` is not."""
    return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": is_integer,
}

CONVERSIONS = (
    (re.compile(r"\\p\{(?:L|Letter|Alphabetic)\}"), r"(?u:[^\\W\\d_])"),
    (re.compile(r"\\p\{[^}]*\}"), r"(?u:\\w)"),
    (re.compile(r"\(\?<([A-Za-z_]\w*)>"), r"(?P<\1>"),
)
"""ECMA's spellings for Python; its `\\d` and `\\w` are ASCII, hence the flag."""

CLASS_IN_SET = re.compile(r"\[[^\]]*\\p\{")


def to_python(pattern: str) -> str | None:
    """Return an ECMA pattern in Python's spelling, or nothing if Python cannot read it."""
    if CLASS_IN_SET.search(pattern):
        return None
    for found, replacement in CONVERSIONS:
        pattern = found.sub(replacement, pattern)
    try:
        re.compile(pattern, re.ASCII)
    except re.error:
        return None
    return pattern


@cache
def compile_pattern(pattern: str) -> re.Pattern[str] | None:
    """Compile a pattern, once."""
    readable = to_python(pattern)
    return None if readable is None else re.compile(readable, re.ASCII)


def matches(pattern: str, text: str) -> bool:
    """Return whether a pattern is found in a text; an unreadable pattern matches everything."""
    expression = compile_pattern(pattern)
    return expression is None or bool(expression.search(text))


def same(one: Any, other: Any) -> bool:
    """Return whether values are equal as JSON: `1` is `1.0`, but not `true`."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


class Validator:
    """Validates values against nodes of one document."""

    def __init__(self, document: LinkedSchema) -> None:
        self.document = document

    def valid(self, value: Any, node: Node, depth: int = 0) -> bool:
        """Return whether the value fits; too deep means no."""
        schema = node.schema
        if isinstance(schema, bool) or not isinstance(schema, dict):
            return schema is not False
        if depth > MAX_DEPTH:
            return False
        inner = Node(schema, own_base(schema, node.base))
        if "$ref" in schema and legacy(self.document.root.schema):
            return all(self.valid(value, target, depth + 1) for target in self.document.targets(node))
        return (
            general(value, schema)
            and self.fits_logic(value, inner, depth + 1)
            and (not isinstance(value, dict) or self.object(value, inner, depth + 1))
            and (not isinstance(value, list) or self.array(value, inner, depth + 1))
            and self.nothing_left(value, inner, depth + 1)
        )

    def fits_logic(self, value: Any, node: Node, depth: int) -> bool:
        """Check references and the logical keywords."""
        schema, base = node

        def valid(child: Any) -> bool:
            return self.valid(value, Node(child, base), depth)

        if not all(self.valid(value, target, depth) for target in self.document.targets(node)):
            return False
        if not all(map(valid, schema.get("allOf", []))):
            return False
        if "anyOf" in schema and not any(map(valid, schema["anyOf"])):
            return False
        if "oneOf" in schema and sum(map(valid, schema["oneOf"])) != 1:
            return False
        if "not" in schema and valid(schema["not"]):
            return False
        if "if" in schema:
            return valid(schema.get("then" if valid(schema["if"]) else "else", True))
        return True

    def object(self, value: dict[str, Any], node: Node, depth: int) -> bool:
        """Check the keywords for objects."""
        schema, base = node
        if not sizes(len(value), schema, "Properties") or any(name not in value for name in required_names(schema)):
            return False
        names = schema.get("propertyNames", True)
        return (
            all(self.valid(name, Node(names, base), depth) for name in value)
            and all(
                self.valid(item, Node(child, base), depth)
                for name, item in value.items()
                for child in for_property(name, schema)
            )
            and self.dependent(value, node, depth)
        )

    def dependent(self, value: dict[str, Any], node: Node, depth: int) -> bool:
        """Return whether the properties that are there have those beside them that they ask for."""
        for name, wanted in dependencies(node.schema):
            if name not in value:
                continue
            if isinstance(wanted, list) and any(other not in value for other in wanted):
                return False
            if not isinstance(wanted, list) and not self.valid(value, Node(wanted, node.base), depth):
                return False
        return True

    def array(self, value: list[Any], node: Node, depth: int) -> bool:
        """Check the keywords for arrays."""
        schema, base = node
        if not sizes(len(value), schema, "Items"):
            return False
        if schema.get("uniqueItems") is True and any(
            same(item, other) for index, item in enumerate(value) for other in value[:index]
        ):
            return False
        fitting = all(self.valid(item, Node(for_item(index, schema), base), depth) for index, item in enumerate(value))
        return fitting and self.fits_contains(value, node, depth)

    def fits_contains(self, value: list[Any], node: Node, depth: int) -> bool:
        """Check `contains` and its counts."""
        schema, base = node
        if "contains" not in schema:
            return True
        count = sum(self.valid(item, Node(schema["contains"], base), depth) for item in value)
        return bool(schema.get("minContains", 1) <= count <= schema.get("maxContains", count))

    def nothing_left(self, value: Any, node: Node, depth: int) -> bool:
        """Check `unevaluatedProperties` and `unevaluatedItems`."""
        schema, base = node
        if isinstance(value, dict) and "unevaluatedProperties" in schema:
            left = value.keys() - self.seen_properties(value, node, depth)
            return all(self.valid(value[name], Node(schema["unevaluatedProperties"], base), depth) for name in left)
        if isinstance(value, list) and "unevaluatedItems" in schema:
            left_items = [item for index, item in enumerate(value) if index not in self.seen_items(value, node, depth)]
            return all(self.valid(item, Node(schema["unevaluatedItems"], base), depth) for item in left_items)
        return True

    def seen_properties(self, value: dict[str, Any], node: Node, depth: int) -> set[str]:
        """Return the properties that a keyword of this schema, or of one that applies in place, has checked."""
        own = {name for name in value if for_property(name, node.schema)}
        for child in self.in_place(value, node, depth):
            own |= self.seen_properties(value, child, depth + 1)
            if "unevaluatedProperties" in child.schema:
                return set(value)
        return own

    def seen_items(self, value: list[Any], node: Node, depth: int) -> set[int]:
        """Return the indexes of items that such a keyword has checked."""
        schema = node.schema
        prefix = len(schema.get("prefixItems", []))
        covers_all = "items" in schema and not isinstance(schema["items"], list)
        seen = set(range(len(value) if covers_all else prefix))
        if "contains" in schema:
            contained = Node(schema["contains"], node.base)
            seen |= {index for index, item in enumerate(value) if self.valid(item, contained, depth)}
        for child in self.in_place(value, node, depth):
            seen |= self.seen_items(value, child, depth + 1)
            if "unevaluatedItems" in child.schema:
                return set(range(len(value)))
        return seen

    def in_place(self, value: Any, node: Node, depth: int) -> list[Node]:
        """Return the schemas that apply to this value itself and that it satisfies."""
        schema, base = node
        children = [*schema.get("allOf", []), *schema.get("anyOf", []), *schema.get("oneOf", [])]
        if "if" in schema:
            holds = self.valid(value, Node(schema["if"], base), depth)
            children += [schema["if"], schema.get("then", True)] if holds else [schema.get("else", True)]
        if isinstance(value, dict):
            children += [child for name, child in dependencies(schema) if name in value]
        nodes = [*self.document.targets(node), *(Node(child, base) for child in children)]
        return [
            Node(child.schema, own_base(child.schema, child.base))
            for child in nodes
            if isinstance(child.schema, dict) and depth < MAX_DEPTH and self.valid(value, child, depth + 1)
        ]


def legacy(root: Any) -> bool:
    """Return whether `$ref` hides its siblings, as up to draft 7."""
    dialect = root.get("$schema", "") if isinstance(root, dict) else ""
    return isinstance(dialect, str) and any(f"draft-0{number}" in dialect for number in (3, 4, 6, 7))


def general(value: Any, schema: dict[str, Any]) -> bool:
    """Check type, enumeration, and the keywords for strings and numbers."""
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(TYPES.get(type_, bool)(value) for type_ in types):
        return False
    if "const" in schema and not same(value, schema["const"]):
        return False
    if "enum" in schema and not any(same(value, item) for item in schema["enum"]):
        return False
    if isinstance(value, str):
        return sizes(len(value), schema, "Length") and matches(schema.get("pattern", ""), value)
    return not TYPES["number"](value) or in_range(value, schema)


def in_range(value: float, schema: dict[str, Any]) -> bool:
    """Check the bounds of a number, in both spellings of exclusive ones."""
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and (value <= low if above is True else value < low):
        return False
    if high is not None and (value >= high if below is True else value > high):
        return False
    if above is not None and not isinstance(above, bool) and value <= above:
        return False
    if below is not None and not isinstance(below, bool) and value >= below:
        return False
    step = schema.get("multipleOf")
    return not step or is_integer(value / step)


def sizes(size: int, schema: dict[str, Any], what: str) -> bool:
    """Check `minLength`, `maxItems` and their like."""
    return bool(schema.get(f"min{what}", 0) <= size <= schema.get(f"max{what}", size))


def required_names(schema: dict[str, Any]) -> list[str]:
    """Return the required names; draft 3 had a boolean there."""
    names = schema.get("required")
    return names if isinstance(names, list) else []


def for_property(name: str, schema: dict[str, Any]) -> list[Any]:
    """Return the schemas for one property's value."""
    schemas = [schema["properties"][name]] if name in schema.get("properties", {}) else []
    schemas += [child for pattern, child in schema.get("patternProperties", {}).items() if matches(pattern, name)]
    if not schemas and "additionalProperties" in schema:
        schemas = [schema["additionalProperties"]]
    return schemas


def for_item(index: int, schema: dict[str, Any]) -> Any:
    """Return the schema for one item; a list under `items` is the old `prefixItems`."""
    items = schema.get("items", True)
    prefix = items if isinstance(items, list) else schema.get("prefixItems", [])
    if index < len(prefix):
        return prefix[index]
    return schema.get("additionalItems", True) if isinstance(items, list) else items


def dependencies(schema: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return each dependency, whichever of the three spellings it has."""
    return [
        item
        for word in ("dependentRequired", "dependentSchemas", "dependencies")
        for item in schema.get(word, {}).items()
    ]
