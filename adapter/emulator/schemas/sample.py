"""A value for a JSON Schema: built from the schema, checked, and built another way when the check fails.

Deterministic. Required properties are filled, and optional ones that the text names; when nothing is required, the
first property. Values come from the user's text where they fit (see `hints.py`), else from the schema's `default`,
else they are plain: the property's name, the smallest number, one item. A variant starts further on in all of these.
"""

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

from adapter.emulator.schemas.flatten import Level, Nodes, flatten
from adapter.emulator.schemas.hints import Hints
from adapter.emulator.schemas.references import LinkedSchema, Node
from adapter.emulator.schemas.strings import by_format, by_pattern
from adapter.emulator.schemas.validator import Validator, dependencies, for_item, for_property, is_integer

MAX_CANDIDATES = 400
MAX_DEPTH = 24
MAX_VALUES = 20_000
"""The most values that one sample may try to build; a schema that needs more is a puzzle."""
MAX_ITEMS = 1_000
NOTHING = object()
"""No value was found; `None` is a value."""

ORDER = ("object", "array", "string", "integer", "number", "boolean", "null")
"""The order in which types are tried where a schema leaves the choice."""

PLAIN: tuple[Any, ...] = (0, 1, -1, 1.5, True, False, None, "", "a", [], {}, {"property": 0}, 1_000_000)
"""Tried last."""


def sample(schema: Any, hints: Hints | None = None, variant: int = 0) -> Any:
    """Return a value that the schema allows; `{}` when none was found."""
    value = Sampler(schema, hints or Hints(), variant).value((), "")
    return {} if value is NOTHING else value


def satisfies(schema: Any, value: Any) -> bool:
    """Return whether the emulator itself holds the value to be valid."""
    document = LinkedSchema(schema)
    return Validator(document).valid(value, document.root)


class Sampler:
    """Builds values for nodes of one document; strings and numbers of the text are used up in order."""

    def __init__(self, schema: Any, hints: Hints, variant: int) -> None:
        self.document = LinkedSchema(schema)
        self.validator = Validator(self.document)
        self.hints = hints
        self.variant = variant
        self.left = MAX_VALUES
        self.strings = list(hints.strings[variant:])
        self.numbers = list(hints.numbers[variant:])

    def value(self, nodes: Nodes, name: str, depth: int = 0, variant: int = 0) -> Any:
        """Return the first candidate that is valid."""
        nodes = nodes or (self.document.root,)
        self.left -= 1
        if depth > MAX_DEPTH or self.left < 0:
            return NOTHING
        for candidate in islice(self.candidates(nodes, name, depth, variant), MAX_CANDIDATES):
            if all(self.validator.valid(candidate, node) for node in nodes):
                return candidate
        return NOTHING

    def candidates(self, nodes: Nodes, name: str, depth: int, variant: int) -> Iterator[Any]:
        """Yield candidates from every alternative of the schema, then plain values."""
        for level in flatten(self.document, nodes):
            yield from self.level_candidates(level, name, depth, variant)
        if depth < 3:
            yield from PLAIN

    def level_candidates(self, level: Level, name: str, depth: int, variant: int) -> Iterator[Any]:
        """Yield enumerated values, defaults, then candidates of each type."""
        if level.values is not None:
            yield from self.order_values(level.values, variant)
            return
        if "object" not in level.types or not level.properties:
            yield from (node.schema["default"] for node in level.schemas if node.schema.get("default") is not None)
        for type_ in sorted(level.types, key=lambda type_: preference(type_, level)):
            yield from self.type_candidates(type_, level, name, depth, variant)

    def order_values(self, values: tuple[Any, ...], variant: int) -> Iterator[Any]:
        """Yield the values that the text names, then the others in order."""
        mentioned = [value for value in values if isinstance(value, str) and value.lower() in self.hints.words]
        start = (variant + self.variant) % len(values)
        yield from [*mentioned, *values[start:], *values[:start]]

    def type_candidates(self, type_: str, level: Level, name: str, depth: int, variant: int) -> Iterator[Any]:
        """Yield candidates of one type."""
        match type_:
            case "object":
                yield from self.objects(level, depth, variant)
            case "array":
                yield from self.arrays(level, name, depth)
            case "string":
                yield from self.texts(level, name, variant)
            case "integer" | "number":
                yield from self.amounts(level, type_, variant)
            case "boolean":
                yield from (True, False)
            case _:
                yield None

    def objects(self, level: Level, depth: int, variant: int) -> Iterator[dict[str, Any]]:
        """Yield objects with: required and named properties; required ones; enough of them; all of them."""
        needed = level.required
        named = [name for name in level.properties if name.lower() in self.hints.words]
        first = [] if needed or named or depth else level.properties[:1]
        fewest = level.largest("minProperties")
        extra = [*level.properties, *self.pattern_names(level), *(f"property_{number}" for number in range(fewest))]
        filled = list(dict.fromkeys([*needed, *extra]))[: max(fewest, len(needed))]
        wishes: list[list[str]] = [[*needed, *named, *first], needed, filled, [*needed, *extra[:8]]]
        tried: list[set[str]] = []
        for wish in wishes:
            names = self.close_under_requirements(list(dict.fromkeys(wish)), level)
            if set(names) not in tried:
                tried.append(set(names))
                yield from self.with_names(names, set(needed), level, depth, variant)

    def pattern_names(self, level: Level) -> list[str]:
        """Return names that `patternProperties` and `propertyNames` allow."""
        patterns = [pattern for node in level.schemas for pattern in node.schema.get("patternProperties", {})]
        names = [name for pattern in patterns for name in islice(by_pattern(pattern), 1)]
        for node in level.schemas:
            if "propertyNames" in node.schema:
                allowed = Node(node.schema["propertyNames"], node.base)
                values = (self.value((allowed,), "name", MAX_DEPTH - 2, number) for number in range(3))
                names += [name for name in values if isinstance(name, str)]
        return names

    def close_under_requirements(self, names: list[str], level: Level) -> list[str]:
        """Add the names that the presence of these requires."""
        for node in level.schemas:
            for name, wanted in dependencies(node.schema):
                if name in names and isinstance(wanted, list):
                    names = list(dict.fromkeys([*names, *wanted]))
        return names

    def with_names(
        self, names: list[str], needed: set[str], level: Level, depth: int, variant: int
    ) -> Iterator[dict[str, Any]]:
        """Yield one object. Optional properties without a value are left out; a required one ends the attempt."""
        built = {}
        for name in names:
            nodes = tuple(Node(child, node.base) for node in level.schemas for child in for_property(name, node.schema))
            value = self.value(nodes or (Node(True, ""),), name, depth + 1, variant)
            if value is NOTHING and name in needed:
                return
            if value is not NOTHING:
                built[name] = value
        yield built

    def arrays(self, level: Level, name: str, depth: int) -> Iterator[list[Any]]:
        """Yield an array of one item, unless the schema wants more, then an empty one, then longer ones."""
        least, most = level.largest("minItems"), level.smallest("maxItems", MAX_ITEMS)
        contained = level.largest("minContains", 1) if any("contains" in node.schema for node in level.schemas) else 0
        start = min(max(least, contained, 0 if depth > MAX_DEPTH // 3 else 1), most)
        for size in dict.fromkeys([start, least, start + 1, start + 2]):
            if size <= min(most, MAX_ITEMS):
                items = [self.item(level, index, index < contained, name, depth) for index in range(size)]
                if not any(item is NOTHING for item in items):
                    yield items

    def item(self, level: Level, index: int, contained: bool, name: str, depth: int) -> Any:
        """Return the item at an index; the first ones also satisfy `contains`."""
        nodes = [Node(for_item(index, node.schema), node.base) for node in level.schemas]
        if contained:
            nodes += [Node(node.schema["contains"], node.base) for node in level.schemas if "contains" in node.schema]
        return self.value(tuple(nodes) or (Node(True, ""),), name, depth + 1, index)

    def texts(self, level: Level, name: str, variant: int) -> Iterator[str]:
        """Yield texts by format, from the prompt, by pattern and by name, at allowed lengths."""
        least, most = level.largest("minLength"), level.smallest("maxLength", 10_000)
        for form in level.strings("format"):
            yield from by_format(form, variant + self.variant)
        if self.strings and not level.strings("format"):
            yield self.strings.pop(0) if len(self.strings) > 1 else self.strings[0]
        for pattern in level.strings("pattern"):
            yield from (text for text in by_pattern(pattern, least) if least <= len(text) <= most)
        for text in (self.plain(name, variant), "", "1", "value", "_1"):
            yield (text + "x" * max(0, least - len(text)))[:most]

    def plain(self, name: str, variant: int) -> str:
        """Return the property's name, numbered from the second on."""
        number = variant + self.variant
        return f"{name or 'value'} {number + 1}" if number else name or "value"

    def amounts(self, level: Level, type_: str, variant: int) -> Iterator[float]:
        """Yield numbers of the text, then some near the bounds, then multiples."""
        if self.numbers:
            mentioned = self.numbers.pop(0) if len(self.numbers) > 1 else self.numbers[0]
            yield int(mentioned) if is_integer(mentioned) else mentioned
        lows = [*level.numbers("minimum"), *level.numbers("exclusiveMinimum")]
        highs = [*level.numbers("maximum"), *level.numbers("exclusiveMaximum")]
        low, high = max(lows, default=-math.inf), min(highs, default=math.inf)
        first = low if lows else min(1.0, high)
        tries = [first + variant + self.variant, first, first + 1, high, high - 1]
        if math.isfinite(low) and math.isfinite(high):
            tries += [(low + high) / 2, low + (high - low) / 16]
        yield from (whole(number, type_) for number in tries if math.isfinite(number))
        for step in level.numbers("multipleOf"):
            start = math.ceil(first / step)
            yield from (whole((start + number) * step, type_) for number in range(4))


def whole(number: float, type_: str) -> float:
    """Write whole numbers as integers, within the 64 bits that JSON readers take."""
    return int(number) if abs(number) < 2**63 and (type_ == "integer" or is_integer(number)) else number


def preference(type_: str, level: Level) -> int:
    """Order types: those that the keywords are about come first."""
    words = {
        "object": ("properties", "required", "minProperties", "patternProperties", "propertyNames"),
        "array": ("items", "prefixItems", "minItems", "contains"),
        "string": ("pattern", "minLength", "format"),
        "number": ("minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"),
    }
    spoken = any(word in node.schema for node in level.schemas for word in words.get(type_, ()))
    return ORDER.index(type_) - (len(ORDER) if spoken else 0)
