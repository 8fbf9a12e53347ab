"""JSON Schema to what Gemini takes, with a note for each keyword that does not arrive.

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

from adapter.translate import pointers
from adapter.translate.notes import Fidelity, Note

MAX_DEPTH = 11
"""Levels of schemas inside schemas. Gemini refuses deep nesting without telling its limit
(github.com/google-gemini/gemini-cli/issues/6031); published tools reach 11."""

MAX_NODES = 5_000
"""Schemas in one schema, references written out: a small text can stand for a huge one."""

MAX_JSON_DEPTH = 100
MAX_WORDS = 200

Schema = dict[str, Any]

COMMON = {
    "type",
    "format",
    "title",
    "description",
    "enum",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "anyOf",
    "properties",
    "additionalProperties",
    "required",
    "propertyOrdering",
}

JSON_KEYWORDS = frozenset(COMMON | {"$id", "$defs", "$ref", "$anchor"})
"""What stays in the `json` dialect."""

OPENAPI_KEYWORDS = frozenset(
    COMMON | {"$defs", "$ref", "minLength", "maxLength", "pattern", "minProperties", "maxProperties"}
)
"""What stays for the second step of the `openapi` dialect (discovery revision 20260325, Schema)."""


_FORMATS = {"date-time", "date", "time", "enum", "int32", "int64", "float", "double"}
_TYPES = {"string", "number", "integer", "boolean", "object", "array", "null"}


class Converted(NamedTuple):
    """A schema for Gemini as JSON, and notes with paths that start at its root."""

    schema: msgspec.Raw
    notes: tuple[Note, ...]


class UnusableSchema(ValueError):
    """No schema, or one that is too deep or too large. `path` starts at its root."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


def to_json_schema(schema: msgspec.Raw) -> Converted:
    """The schema for `parametersJsonSchema`; byte for byte the same where nothing has to change."""
    root = load(schema)
    result, notes = normalised(root, JSON_KEYWORDS)
    unchanged = bool(root) and result == root
    return Converted(schema if unchanged else msgspec.Raw(orjson.dumps(result)), tuple(notes))


def normalised(root: Schema, keywords: frozenset[str]) -> tuple[Schema, list[Note]]:
    """The schema in these keywords, its definitions under `$defs`. Raises `UnusableSchema`."""
    document = _Document(root, keywords)
    names = [name for name in ("$defs", "definitions") if isinstance(root.get(name), dict)]
    body = {key: value for key, value in root.items() if key not in names}
    result = document.schema(body, "", 0)
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
    """The schema as a dict; `true` is the empty one. Raises `UnusableSchema`."""
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


def _check_depth(value: Any) -> None:
    """Bound the nesting of the JSON itself, before anything recurses into it."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_JSON_DEPTH:
            raise UnusableSchema("", f"the schema is nested over {MAX_JSON_DEPTH} levels")
        inner = [item for item in level if isinstance(item, (dict, list))]
        level = [child for item in inner for child in (item.values() if isinstance(item, dict) else item)]


def words(value: Any) -> str:
    """A keyword's value for a description; "" where it is too long for one."""
    text = orjson.dumps(value).decode()
    return text if len(text) <= MAX_WORDS else ""


class _Document:
    """One schema on its way: what it may hold, what is lost, how large it has become."""

    def __init__(self, root: Schema, keywords: frozenset[str]) -> None:
        self.root = root
        self.keywords = keywords
        self.notes: list[Note] = []
        self.nodes = 0
        self.following: list[str] = []

    def note(self, path: str, keyword: str, fidelity: Fidelity, reason: str) -> None:
        """Tell of one keyword."""
        self.notes.append(Note(pointers.join(path, keyword), fidelity, reason))

    def schema(self, value: Any, path: str, depth: int) -> Schema:
        """One schema, anywhere in the document."""
        self.nodes += 1
        if depth > MAX_DEPTH:
            raise UnusableSchema(path, f"schemas are nested over {MAX_DEPTH} levels")
        if self.nodes > MAX_NODES:
            raise UnusableSchema(path, f"the schema stands for more than {MAX_NODES} schemas")
        if not isinstance(value, dict):
            return self._not_an_object(value, path)
        source = self.flat(value, path, depth)
        return self._reference(source, path, depth) if "$ref" in source else _Node(self, source, path, depth).convert()

    def _not_an_object(self, value: Any, path: str) -> Schema:
        if value is not True:
            reason = "allows no value, which Gemini's schemas cannot say" if value is False else "is no schema"
            self.notes.append(Note(path, Fidelity.APPROXIMATED, f"{reason}: any value is allowed"))
        return {}

    def _reference(self, source: Schema, path: str, depth: int) -> Schema:
        pointer = source["$ref"]
        siblings = {key: value for key, value in source.items() if key != "$ref"}
        target = pointers.target(self.root, pointer)
        name = pointers.definition(pointer)
        if target is None:
            self.note(path, "$ref", Fidelity.DROPPED, f"{words(pointer)} points to nothing in this schema")
            return _Node(self, siblings, path, depth).convert()
        if name is not None and not set(siblings) - _BESIDE_REFERENCE:
            return self._kept_reference(name, siblings, path)
        if pointer in self.following:
            self.note(path, "$ref", Fidelity.APPROXIMATED, "stands inside what it points to: any object is allowed")
            return {"type": "object"}
        self.following.append(pointer)
        result = self.schema(self.merged([target, siblings], path), path, depth)
        self.following.pop()
        return result

    def _kept_reference(self, name: str, siblings: Schema, path: str) -> Schema:
        """A `$ref` node; Gemini takes nothing but a description beside it."""
        node = _Node(self, siblings, path, 0)
        if "title" in siblings:
            self.note(path, "title", Fidelity.DROPPED, "Gemini takes no title beside a $ref")
            del node.source["title"]
        return {"$ref": f"#/$defs/{name}", **node.convert()}

    def flat(self, source: Schema, path: str, depth: int) -> Schema:
        """A schema with the parts of its `allOf`, and the references of those, merged into it."""
        parts = source.get("allOf")
        if parts is None:
            return source
        rest = {key: value for key, value in source.items() if key != "allOf"}
        if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
            self.note(path, "allOf", Fidelity.DROPPED, "is not a list of schemas")
            return rest
        if len(parts) == 1 and not set(rest) - _BESIDE_REFERENCE:
            return self.flat({**parts[0], **rest}, path, depth)
        return self.merged([*(self._followed(part, path, depth) for part in parts), rest], path)

    def _followed(self, part: Schema, path: str, depth: int) -> Schema:
        """A part of an `allOf`, written out."""
        if depth > MAX_DEPTH:
            raise UnusableSchema(path, f"schemas are nested over {MAX_DEPTH} levels")
        part = self.flat(part, path, depth + 1)
        if "$ref" not in part:
            return part
        rest = {key: value for key, value in part.items() if key != "$ref"}
        target = pointers.target(self.root, part["$ref"])
        if target is None:
            self.note(path, "allOf", Fidelity.APPROXIMATED, f"{words(part['$ref'])} points to nothing in this schema")
            return rest
        return self.merged([self._followed(target, path, depth + 1), rest], path)

    def merged(self, parts: list[Schema], path: str) -> Schema:
        """Several schemas that hold together, as one."""
        total: Schema = {}
        for part in parts:
            for keyword, value in part.items():
                before = total.get(keyword)
                if before is None or keyword in _BESIDE_REFERENCE:
                    total[keyword] = value
                elif isinstance(value, dict) and isinstance(before, dict):
                    total[keyword] = {**before, **value}
                elif keyword == "required" and isinstance(value, list) and isinstance(before, list):
                    total[keyword] = [*before, *(name for name in value if name not in before)]
                elif value != before:
                    self.note(path, keyword, Fidelity.APPROXIMATED, "two schemas hold and differ: the first is sent")
        return total


_BESIDE_REFERENCE = {"description", "title", "default", "$defs", "definitions"}


class _Node:
    """One schema without references: each keyword has its method, or is kept, described or dropped."""

    def __init__(self, document: _Document, source: Schema, path: str, depth: int) -> None:
        self.document = document
        self.source = source
        self.path = path
        self.depth = depth
        self.result: Schema = {}
        self.said: list[str] = []

    def convert(self) -> Schema:
        """The schema for Gemini."""
        for keyword, value in self.source.items():
            method = _METHODS.get(keyword)
            if method is not None:
                getattr(self, method)(value)
            elif keyword in self.document.keywords:
                self.result[keyword] = value
            elif keyword in _VALIDATION:
                self.say(keyword, value)
            else:
                self.note(keyword, Fidelity.DROPPED, "not a keyword that Gemini's schemas have")
        self._complete()
        if self.said:
            described = self.result.get("description") or ""
            self.result["description"] = f"{described} ({'; '.join(self.said)})".lstrip()
        return self.result

    def note(self, keyword: str, fidelity: Fidelity, reason: str) -> None:
        """Tell of one keyword of this schema."""
        self.document.note(self.path, keyword, fidelity, reason)

    def say(self, keyword: str, value: Any) -> None:
        """Put a keyword that Gemini ignores where the model reads it."""
        text = words(value)
        if text:
            self.said.append(f"{keyword}: {text}")
            self.note(keyword, Fidelity.APPROXIMATED, "Gemini does not enforce it: told in the description")
        else:
            self.note(keyword, Fidelity.DROPPED, "Gemini does not know it, and it is too long to describe")

    def inner(self, value: Any, *path: str) -> Schema:
        """A schema inside this one."""
        at = self.path
        for piece in path:
            at = pointers.join(at, piece)
        return self.document.schema(value, at, self.depth + 1)

    def listed(self, keyword: str, value: Any) -> list[Schema] | None:
        """A list of schemas inside this one."""
        if isinstance(value, list) and value:
            return [self.inner(one, f"{keyword}[{index}]") for index, one in enumerate(value)]
        self.note(keyword, Fidelity.DROPPED, "is not a list of schemas")
        return None

    def _complete(self) -> None:
        """What Gemini wants and JSON Schema leaves open: the type of an enum, the items of an array."""
        if "type" not in self.result and (kinds := _types_of(self.source)):
            self.result["type"] = kinds[0] if len(kinds) == 1 else kinds
        if "enum" in self.result and None in _members(self.source):
            self._null_beside_enum()
        kinds = self.result.get("type", ())
        if "array" in kinds and not {"items", "prefixItems"} & set(self.result):
            self.result["items"] = {}

    def _null_beside_enum(self) -> None:
        """An enum that holds null besides: an alternative of its own, since Gemini's enums hold none."""
        kinds = self.result.pop("type")
        rest = [kind for kind in kinds if kind != "null"] if isinstance(kinds, list) else [kinds]
        values = {"type": rest[0] if len(rest) == 1 else rest, "enum": self.result.pop("enum")}
        self.result.setdefault("anyOf", [values, {"type": "null"}])

    def type(self, value: Any) -> None:
        """One type or several; OpenAPI's `nullable` is one more."""
        names = value if isinstance(value, list) else [value]
        known = [name.lower() for name in names if isinstance(name, str) and name.lower() in _TYPES]
        if len(known) < len(names):
            self.note("type", Fidelity.APPROXIMATED, f"{words(value)} is no type of JSON Schema: left open")
        if known and self.source.get("nullable") is True and "null" not in known:
            known.append("null")
        if known:
            self.result["type"] = known if len(known) > 1 or isinstance(value, list) else known[0]

    def enum(self, value: Any) -> None:
        """Texts that are not empty, and numbers; null is a type, and the rest goes into the description."""
        members = value if isinstance(value, list) else [value]
        kept = [
            one for one in members if one != "" and isinstance(one, (str, int, float)) and not isinstance(one, bool)
        ]
        others = [one for one in members if one is not None and one not in kept]
        if kept:
            self.result["enum"] = kept
        if len(others) == 2 and True in others and False in others:
            return
        if others:
            self.said.append(f"{'also allowed' if kept else 'one of'}: {words(others)}")
            self.note("enum", Fidelity.APPROXIMATED, "Gemini's enums hold numbers and texts that are not empty")

    def const(self, value: Any) -> None:
        """An enum of one."""
        if "enum" not in self.source:
            self.enum([value])

    def any_of(self, value: Any) -> None:
        """Alternatives."""
        branches = self.listed("anyOf", value)
        if branches:
            self.result["anyOf"] = branches

    def one_of(self, value: Any) -> None:
        """Gemini reads `oneOf` as `anyOf`."""
        if "anyOf" in self.source:
            self.note("oneOf", Fidelity.APPROXIMATED, "stands beside anyOf, which alone is sent")
        elif branches := self.listed("oneOf", value):
            self.result["anyOf"] = branches

    def properties(self, value: Any) -> None:
        """An object's members."""
        if isinstance(value, dict):
            self.result["properties"] = {name: self.inner(one, "properties", name) for name, one in value.items()}
        else:
            self.note("properties", Fidelity.DROPPED, "is not an object of schemas")

    def required(self, value: Any) -> None:
        """Names; the boolean of draft 3 is not one."""
        if isinstance(value, list) and all(isinstance(name, str) for name in value):
            self.result["required"] = value
        else:
            self.note("required", Fidelity.DROPPED, "is not a list of names")

    def items(self, value: Any) -> None:
        """An array's members; a list is a tuple (drafts before 2020-12)."""
        if not isinstance(value, list):
            self.result["items"] = self.inner(value, "items")
        elif items := self.listed("items", value):
            self.result["prefixItems"] = items

    def prefix_items(self, value: Any) -> None:
        """A tuple."""
        if items := self.listed("prefixItems", value):
            self.result["prefixItems"] = items

    def additional(self, value: Any) -> None:
        """What members an object may have beside its own."""
        is_schema = isinstance(value, dict)
        self.result["additionalProperties"] = self.inner(value, "additionalProperties") if is_schema else value is True

    def exclusive_minimum(self, value: Any) -> None:
        """For integers the next one."""
        self._exclusive("exclusiveMinimum", "minimum", value, 1)

    def exclusive_maximum(self, value: Any) -> None:
        """For integers the one before."""
        self._exclusive("exclusiveMaximum", "maximum", value, -1)

    def _exclusive(self, keyword: str, limit: str, value: Any, step: int) -> None:
        """A bound; `true` (draft 4) makes the other keyword's bound exclusive."""
        bound = self.source.get(limit) if isinstance(value, bool) else value
        if value is False or isinstance(bound, bool) or not isinstance(bound, (int, float)):
            self.note(keyword, Fidelity.DROPPED, "bounds nothing")
        elif self.source.get("type") == "integer" and isinstance(bound, int):
            self.result[limit] = bound + step
        else:
            self.result.setdefault(limit, bound)
            self.say(keyword, bound)

    def limit(self, keyword: str, value: Any) -> None:
        """A bound that no exclusive one replaces."""
        if keyword not in self.result:
            self.result[keyword] = value

    def minimum(self, value: Any) -> None:
        """An inclusive bound."""
        self.limit("minimum", value)

    def maximum(self, value: Any) -> None:
        """An inclusive bound."""
        self.limit("maximum", value)

    def format(self, value: Any) -> None:
        """Gemini knows a few."""
        if isinstance(value, str) and value in _FORMATS:
            self.result["format"] = value
        else:
            self.say("format", value)

    def default(self, value: Any) -> None:
        """What holds when nothing is said."""
        self.say("default", value)

    def nullable(self, value: Any) -> None:
        """Read with the type; without one every value is allowed, null too."""

    def elsewhere(self, value: Any) -> None:
        """Definitions below the root are written out where they are used."""


_METHODS = {
    "type": "type",
    "enum": "enum",
    "const": "const",
    "anyOf": "any_of",
    "oneOf": "one_of",
    "properties": "properties",
    "required": "required",
    "items": "items",
    "prefixItems": "prefix_items",
    "additionalProperties": "additional",
    "exclusiveMinimum": "exclusive_minimum",
    "exclusiveMaximum": "exclusive_maximum",
    "minimum": "minimum",
    "maximum": "maximum",
    "format": "format",
    "default": "default",
    "nullable": "nullable",
    "$defs": "elsewhere",
    "definitions": "elsewhere",
}
"""Keywords that become something; all others stay, are described, or are dropped."""


def _members(source: Schema) -> list[Any]:
    """The values that a schema lists."""
    if isinstance(source.get("enum"), list):
        return list(source["enum"])
    return [source["const"]] if "const" in source else []


def _types_of(source: Schema) -> list[str]:
    """The types of the values that a schema lists."""
    return list(dict.fromkeys(_type_of(value) for value in _members(source)))


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "integer", float: "number", dict: "object", list: "array"}
    return names.get(type(value), "null")


_VALIDATION = {
    "pattern", "minLength", "maxLength", "multipleOf", "uniqueItems", "minProperties", "maxProperties", "contains",
    "minContains", "maxContains", "propertyNames", "patternProperties", "dependentRequired", "dependentSchemas",
    "dependencies", "if", "then", "else", "not", "unevaluatedProperties", "unevaluatedItems", "additionalItems",
    "contentEncoding", "contentMediaType", "contentSchema",
}  # fmt: skip
"""Keywords that limit values and that Gemini does not know."""
