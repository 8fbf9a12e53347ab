"""Converts JSON Schema to Gemini's dialect, with a note for each keyword that does not arrive.

Two dialects. `json` is the subset of JSON Schema that `parametersJsonSchema` and `responseJsonSchema` read
(ai.google.dev, structured output, 2026-06-23; other keywords are ignored there, which is a loss that must be told).
`openapi` is the Schema message of `parameters` and `responseSchema`, see `schema_openapi`. Both begin here: keywords
with an equivalent become it (`const` an enum of one, `oneOf` an `anyOf`, `allOf` one merged schema), validation that
has none is put into the description, where the model still reads it, and what is left is dropped.

References inside the document stay where they point into `$defs`; others are written out, as often as they are met on
one way down at most once, so that the result is finite. Nothing here runs a regular expression of the caller's.
"""

from typing import Any, NamedTuple

import msgspec
import orjson

from adapter.translate.core.notes import Fate, Note
from adapter.translate.schema import pointers
from adapter.translate.schema.node import BESIDE_REFERENCE, Dialect, Schema, SchemaNode, words

MAX_DEPTH = 11
"""Levels of schemas inside schemas. Gemini refuses deep nesting without telling its limit
(github.com/google-gemini/gemini-cli/issues/6031); published tools reach 11."""

MAX_NODES = 5_000
"""Schemas in one schema, references written out: a small text can stand for a huge one."""

MAX_JSON_DEPTH = 100
"""Levels of a schema's JSON, of whatever kind: what reads it later calls itself for each."""

MAX_BYTES = 1024 * 1024
"""Size of one schema, all of which is read and walked; real ones reach some hundred kilobytes."""

COMMON = {"title", "description", "minItems", "maxItems", "propertyOrdering"}

JSON = Dialect(frozenset(COMMON | {"$id", "$anchor"}), joins_branches=False)
"""Keywords that stay as they are in the `json` dialect; `SchemaNode` has methods for the others."""

OPENAPI = Dialect(
    frozenset(COMMON | {"minLength", "maxLength", "pattern", "minProperties", "maxProperties"}), joins_branches=True
)
"""Keywords that the second step of the `openapi` dialect reads (discovery revision 20260325, Schema)."""


class ConvertedSchema(NamedTuple):
    """A schema for Gemini as JSON, and notes with paths that start at its root."""

    schema: msgspec.Raw
    notes: tuple[Note, ...]


class UnusableSchema(ValueError):
    """The error of a schema that is invalid, too deep or too large. `path` starts at its root."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


def to_json_schema(schema: msgspec.Raw) -> ConvertedSchema:
    """Return the schema for `parametersJsonSchema`; byte for byte the same where nothing has to change."""
    root = load(schema)
    result, notes = normalise(root, JSON)
    unchanged = bool(root) and result == root
    return ConvertedSchema(schema if unchanged else msgspec.Raw(orjson.dumps(result)), tuple(notes))


def normalise(root: Schema, dialect: Dialect) -> tuple[Schema, list[Note]]:
    """Return the schema in this dialect, its definitions under `$defs`. Raises `UnusableSchema`."""
    document = _Document(pointers.with_pointers(root), dialect)
    names = [name for name in ("$defs", "definitions") if isinstance(root.get(name), dict)]
    body = {key: value for key, value in root.items() if key not in names}
    result = document.schema(body, "", 0)
    for name in root["definitions"] if len(names) == 2 else ():
        if name in root["$defs"]:
            document.note(
                "$defs", name, Fate.APPROXIMATED, "schema-loosened", "is defined twice: the one in definitions is sent"
            )
    definitions = {
        name: document.schema(inner, pointers.join(keyword, name), 1)
        for keyword in names
        for name, inner in root[keyword].items()
    }
    if definitions:
        result["$defs"] = definitions
    order = dict.fromkeys([*root, *result])
    return {key: result[key] for key in order if key in result}, document.notes


def load(schema: msgspec.Raw) -> Schema:
    """Return the schema as a dict; `true` is the empty one. Raises `UnusableSchema`."""
    if len(memoryview(schema)) > MAX_BYTES:
        raise UnusableSchema("", f"the schema has more than {MAX_BYTES} bytes")
    try:
        value = orjson.loads(bytes(schema))
    except orjson.JSONDecodeError as error:
        raise UnusableSchema("", f"the schema is not JSON: {error}") from None
    _check_depth(value)
    if value is True:
        return {}
    if not isinstance(value, dict):
        raise UnusableSchema("", "a schema is an object")
    return value


def add_words(schema: msgspec.Raw, title: str | None, description: str | None) -> tuple[msgspec.Raw, bool]:
    """Add the client's words beside a schema to it; return whether its own title is in their way.

    Gemini reads `title` and `description` at the root (ai.google.dev, structured output, 2026-06). Raises
    `UnusableSchema`.
    """
    if not title and not description:
        return schema, False
    root = load(schema)
    own = root.get("description")
    if description and own != description:
        root = {**root, "description": f"{description} {own}" if isinstance(own, str) and own else description}
    if title and "$ref" not in root:
        root = {"title": title, **root}
    return msgspec.Raw(orjson.dumps(root)), bool(title) and root.get("title") != title


def _check_depth(value: Any) -> None:
    """Check the nesting of the JSON itself, before anything recurses into it."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_JSON_DEPTH:
            raise UnusableSchema("", f"the schema is nested over {MAX_JSON_DEPTH} levels")
        inner = [item for item in level if isinstance(item, (dict, list))]
        level = [child for item in inner for child in (item.values() if isinstance(item, dict) else item)]


class _Document:
    """A schema that is being converted: its limits, its notes, its size so far."""

    def __init__(self, root: Schema, dialect: Dialect) -> None:
        self.root = root
        self.dialect = dialect
        self.notes: list[Note] = []
        self.nodes = 0
        self.following: list[str] = []

    def note(self, path: str, keyword: str, fate: Fate, code: str, reason: str) -> None:
        """Add a note on one keyword."""
        self.notes.append(Note(pointers.join(path, keyword), fate, code, reason))

    def schema(self, value: Any, path: str, depth: int) -> Schema:
        """Return one schema, anywhere in the document."""
        self._count(1, path)
        if depth > MAX_DEPTH:
            raise UnusableSchema(path, f"schemas are nested over {MAX_DEPTH} levels")
        if not isinstance(value, dict):
            return self._not_an_object(value, path)
        source = self.flat(value, path, depth)
        return (
            self._reference(source, path, depth)
            if "$ref" in source
            else SchemaNode(self, source, path, depth).convert()
        )

    def _count(self, schemas: int, path: str) -> None:
        self.nodes += schemas
        if self.nodes > MAX_NODES:
            raise UnusableSchema(path, f"the schema stands for more than {MAX_NODES} schemas")

    def _not_an_object(self, value: Any, path: str) -> Schema:
        if value is not True:
            reason = "allows no value, which Gemini's schemas cannot say" if value is False else "is no schema"
            self.notes.append(Note(path, Fate.APPROXIMATED, "schema-loosened", f"{reason}: any value is allowed"))
        return {}

    def _reference(self, source: Schema, path: str, depth: int) -> Schema:
        pointer = source["$ref"]
        siblings = {key: value for key, value in source.items() if key != "$ref"}
        target = pointers.target(self.root, pointer)
        definition = pointers.definition(pointer) if path or pointer != "#" else None
        if target is None:
            self.note(
                path, "$ref", Fate.DROPPED, "schema-loosened", f"{words(pointer)} points to nothing in this schema"
            )
            return SchemaNode(self, siblings, path, depth).convert()
        if definition is not None and not set(siblings) - BESIDE_REFERENCE:
            return self._kept_reference(definition, siblings, path)
        if pointer in self.following:
            self.note(
                path,
                "$ref",
                Fate.APPROXIMATED,
                "schema-loosened",
                "stands inside what it points to: any object is allowed",
            )
            return {"type": "object"}
        self.following.append(pointer)
        own = {key: value for key, value in target.items() if key not in BESIDE_REFERENCE or key not in siblings}
        result = self.schema(self.merge([own, siblings], path), path, depth)
        self.following.pop()
        return result

    def _kept_reference(self, reference: str, siblings: Schema, path: str) -> Schema:
        """Return a `$ref` node; Gemini takes nothing but a description beside it."""
        node = SchemaNode(self, siblings, path, 0)
        if "title" in siblings:
            self.note(path, "title", Fate.DROPPED, "schema-title-dropped", "Gemini takes no title beside a $ref")
            del node.source["title"]
        return {"$ref": reference, **node.convert()}

    def flat(self, source: Schema, path: str, depth: int) -> Schema:
        """Return a schema with the parts of its `allOf`, and the references of those, merged into it."""
        parts = source.get("allOf")
        if parts is None:
            return source
        rest = {key: value for key, value in source.items() if key != "allOf"}
        if not isinstance(parts, list) or not all(isinstance(part, dict) or part is True for part in parts):
            self.note(path, "allOf", Fate.DROPPED, "schema-keyword-invalid", "is not a list of schemas")
            return rest
        parts = [part for part in parts if part is not True]
        self._count(len(parts), path)
        if len(parts) == 1 and not set(rest) - BESIDE_REFERENCE:
            own = {key: value for key, value in parts[0].items() if key not in rest}
            return self.flat({**own, **rest}, path, depth)
        return self.merge([*(self._follow(part, path, depth) for part in parts), rest], path)

    def _follow(self, part: Schema, path: str, depth: int) -> Schema:
        """Return a part of an `allOf`, written out."""
        if depth > MAX_DEPTH:
            raise UnusableSchema(path, f"schemas are nested over {MAX_DEPTH} levels")
        part = self.flat(part, path, depth + 1)
        if "$ref" not in part:
            return part
        rest = {key: value for key, value in part.items() if key != "$ref"}
        target = pointers.target(self.root, part["$ref"])
        if target is None:
            self.note(
                path,
                "allOf",
                Fate.APPROXIMATED,
                "schema-loosened",
                f"{words(part['$ref'])} points to nothing in this schema",
            )
            return rest
        return self.merge([self._follow(target, path, depth + 1), rest], path)

    def merge(self, parts: list[Schema], path: str) -> Schema:
        """Return several schemas that hold together, as one."""
        total: Schema = {}
        for part in parts:
            for keyword, value in part.items():
                total[keyword] = self._both(keyword, total[keyword], value, path) if keyword in total else value
        return total

    def _both(self, keyword: str, first: Any, second: Any, path: str) -> Any:
        """Return one keyword of two schemas that hold together."""
        if first == second:
            return first
        if keyword == "properties" and isinstance(first, dict) and isinstance(second, dict):
            return {**first, **{name: self._property(name, first, one, path) for name, one in second.items()}}
        if keyword == "required" and isinstance(first, list) and isinstance(second, list):
            return [*first, *(name for name in second if name not in first)]
        if keyword == "description" and isinstance(first, str) and isinstance(second, str):
            return f"{first} {second}"
        if isinstance(first, dict) and isinstance(second, dict):
            return {**first, **second}
        self.note(path, keyword, Fate.APPROXIMATED, "schema-loosened", "two schemas hold and differ: the first is sent")
        return first

    def _property(self, name: str, first: Schema, second: Any, path: str) -> Any:
        before = first.get(name, True)
        if not isinstance(before, dict) or not isinstance(second, dict):
            return second if before is True else before
        return self.merge([before, second], pointers.join(pointers.join(path, "properties"), name))
