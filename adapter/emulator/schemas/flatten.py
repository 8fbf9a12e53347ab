"""A conjunction of schemas as one flat level, with the choices of `anyOf`, `oneOf`, `if` and `enum` made.

`flatten` yields one `Level` per combination of choices, simplest first. A level keeps child schemas apart (a property
that three schemas speak about has three nodes), so nothing has to be merged that cannot be.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from adapter.emulator.schemas.references import LinkedSchema, Node, own_base
from adapter.emulator.schemas.validator import TYPES, legacy, required_names, same

Nodes = tuple[Node, ...]

MAX_LEVELS = 60
MAX_NESTING = 40


@dataclass(frozen=True)
class Level:
    """The requirements of several schemas for a value on one level, without its inner values."""

    types: tuple[str, ...] = tuple(TYPES)
    values: tuple[Any, ...] | None = None
    schemas: tuple[Node, ...] = ()
    """Every schema that applies here, for the keywords that are looked up by name."""
    pending: tuple[tuple[Node, ...], ...] = field(default=(), repr=False)
    """Alternatives not chosen yet."""

    def numbers(self, word: str) -> list[float]:
        """Return all numeric values of a keyword."""
        found = [node.schema[word] for node in self.schemas if word in node.schema]
        return [value for value in found if TYPES["number"](value)]

    def largest(self, word: str, default: float = 0) -> int:
        """Return the largest number of a keyword: the strictest lower limit."""
        return int(max(self.numbers(word), default=default))

    def smallest(self, word: str, default: float) -> int:
        """Return the smallest number of a keyword: the strictest upper limit."""
        return int(min(self.numbers(word), default=default))

    def strings(self, word: str) -> list[str]:
        """Return all textual values of a keyword."""
        return [node.schema[word] for node in self.schemas if isinstance(node.schema.get(word), str)]

    @property
    def required(self) -> list[str]:
        """Names in order, each once."""
        return list(dict.fromkeys(name for node in self.schemas for name in required_names(node.schema)))

    @property
    def properties(self) -> list[str]:
        """Declared names in order, each once."""
        return list(dict.fromkeys(name for node in self.schemas for name in node.schema.get("properties", {})))


def flatten(document: LinkedSchema, nodes: Nodes) -> Iterator[Level]:
    """Yield the levels of a conjunction, at most `MAX_LEVELS`."""
    waiting = [join_level(document, Level(), nodes, 0)]
    for _ in range(MAX_LEVELS * 4):
        if not waiting:
            return
        level = waiting.pop(0)
        if level is None:
            continue
        if not level.pending:
            yield level
            continue
        first, *rest = level.pending
        opened = replace(level, pending=tuple(rest))
        waiting = [*(join_level(document, opened, (choice,), 0) for choice in first), *waiting]


def join_level(document: LinkedSchema, level: Level, nodes: Nodes, depth: int) -> Level | None:
    """Add schemas to the level; return nothing if they contradict each other."""
    for node in nodes:
        if node.schema is False or depth > MAX_NESTING:
            return None
        if not isinstance(node.schema, dict):
            continue
        combined = with_schema(document, level, node, depth)
        if combined is None:
            return None
        level = combined
    return level


def with_schema(document: LinkedSchema, level: Level, node: Node, depth: int) -> Level | None:
    """Add one schema: its own keywords, then those of its reference."""
    schema = node.schema
    targets = document.targets(node)
    if not ("$ref" in schema and legacy(document.root.schema)):
        narrowed = with_values(with_types(level, schema), schema)
        if narrowed is None:
            return None
        inner = Node(schema, own_base(schema, node.base))
        level = replace(
            narrowed,
            schemas=(*narrowed.schemas, inner),
            pending=(*narrowed.pending, *choices(inner)),
        )
        targets += [Node(child, inner.base) for child in schema.get("allOf", [])]
    return join_level(document, level, tuple(targets), depth + 1)


def with_types(level: Level, schema: dict[str, Any]) -> Level | None:
    """Return the types both allow; an integer is a number."""
    wanted = schema.get("type")
    if wanted is None:
        return level
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    if "number" in names and "integer" not in names:
        names.append("integer")
    types = [name for name in names if name in level.types]
    return replace(level, types=tuple(types)) if types else None


def with_values(level: Level | None, schema: dict[str, Any]) -> Level | None:
    """Return the enumerated values both allow."""
    if level is None:
        return None
    listed = [schema["const"]] if "const" in schema else schema.get("enum")
    if listed is None:
        return level
    values = tuple(
        value for value in listed if level.values is None or any(same(value, other) for other in level.values)
    )
    return replace(level, values=values) if values else None


def choices(node: Node) -> list[tuple[Node, ...]]:
    """Return one tuple of alternatives for each keyword that offers some."""
    schema, base = node
    alternatives = [tuple(Node(child, base) for child in schema[word]) for word in ("anyOf", "oneOf") if word in schema]
    if "if" in schema:
        holds = {"allOf": [schema["if"], schema.get("then", True)]}
        fails = {"allOf": [{"not": schema["if"]}, schema.get("else", True)]}
        alternatives.append((Node(holds, base), Node(fails, base)))
    return alternatives
