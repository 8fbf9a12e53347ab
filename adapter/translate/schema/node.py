"""Converts one schema without references, keyword by keyword."""

from typing import Any, NamedTuple, Protocol

import orjson

from adapter.translate.core.notes import Fate
from adapter.translate.schema import pointers

Schema = dict[str, Any]

MAX_WORDS = 200
"""The longest value that a description can tell."""

BESIDE_REFERENCE = {"description", "title", "default", "$defs", "definitions"}
"""Keywords that a `$ref` does not have to be written out for."""

_FORMATS = {"date-time", "date", "time", "enum", "int32", "int64", "float", "double"}
_TYPES = {"string", "number", "integer", "boolean", "object", "array", "null"}


def words(value: Any) -> str:
    """Return a keyword's value for a description; "" where it is too long for one."""
    text = orjson.dumps(value).decode()
    return text if len(text) <= MAX_WORDS else ""


class Dialect(NamedTuple):
    """A kind of schema that Gemini reads: which keywords stay as they are.

    `joins_branches`: alternatives are sent together with what stands around them, so they may require what only that
    declares.
    """

    keywords: frozenset[str]
    joins_branches: bool


class SchemaDocument(Protocol):
    """The schema as a whole: it converts schemas inside this one, and keeps the notes."""

    @property
    def dialect(self) -> Dialect:
        """The kind of schema that is made."""
        ...

    def note(self, path: str, keyword: str, fate: Fate, code: str, reason: str) -> None:
        """Add a note on one keyword."""
        ...

    def schema(self, value: Any, path: str, depth: int) -> Schema:
        """Return one schema, anywhere in the document."""
        ...


class SchemaNode:
    """One schema without references: each keyword has its method, or is kept, described or dropped."""

    def __init__(self, document: SchemaDocument, source: Schema, path: str, depth: int) -> None:
        self.document = document
        self.source = source
        self.path = path
        self.depth = depth
        self.result: Schema = {}
        self.remarks: list[str] = []

    def convert(self) -> Schema:
        """Return the schema for Gemini."""
        for keyword, value in self.source.items():
            method = _METHODS.get(keyword)
            if method is not None:
                getattr(self, method)(value)
            elif keyword in self.document.dialect.keywords:
                self.plain(keyword, value)
            elif keyword in _VALIDATION:
                self.say(keyword, value)
            else:
                self.drop(keyword)
        self._complete()
        if self.remarks:
            described = self.result.get("description") or ""
            self.result["description"] = f"{described} ({'; '.join(self.remarks)})".lstrip()
        return self.result

    def plain(self, keyword: str, value: Any) -> None:
        """Keep a keyword as it is, if its value is of its kind."""
        kinds = _KINDS.get(keyword, ("string",))
        if _type_of(value) in kinds and (not isinstance(value, list) or all(isinstance(one, str) for one in value)):
            self.result[keyword] = value
        else:
            self.note(keyword, Fate.DROPPED, "schema-keyword-invalid", f"is not of the kind that {keyword} is")

    def note(self, keyword: str, fate: Fate, code: str, reason: str) -> None:
        """Add a note on one keyword of this schema."""
        self.document.note(self.path, keyword, fate, code, reason)

    def drop(self, keyword: str) -> None:
        """Leave a keyword out: an annotation for people and programs, or something that the model would read."""
        is_annotation = keyword in _ANNOTATIONS or keyword.startswith("x-")
        code = "schema-annotation-dropped" if is_annotation else "schema-keyword-dropped"
        self.note(keyword, Fate.DROPPED, code, "not a keyword that Gemini's schemas have")

    def say(self, keyword: str, value: Any) -> None:
        """Put a keyword that Gemini ignores where the model reads it."""
        text = words(value)
        if not text:
            reason = "Gemini does not know it, and it is too long to describe"
            self.note(keyword, Fate.DROPPED, "schema-keyword-dropped", reason)
            return
        self.remarks.append(f"{keyword}: {text}")
        code = "schema-annotation-described" if keyword == "default" else "schema-constraint-described"
        self.note(keyword, Fate.APPROXIMATED, code, "Gemini does not enforce it: told in the description")

    def inner(self, value: Any, *path: str) -> Schema:
        """Return a schema inside this one."""
        at = self.path
        for piece in path:
            at = pointers.join(at, piece)
        return self.document.schema(value, at, self.depth + 1)

    def read_schemas(self, keyword: str, value: Any) -> list[Schema] | None:
        """Read a list of schemas inside this one."""
        if isinstance(value, list) and value:
            adds_nothing = keyword in ("anyOf", "oneOf")
            branches = [(index, one) for index, one in enumerate(value) if not (adds_nothing and one is False)]
            return [self.inner(one, f"{keyword}[{index}]") for index, one in branches]
        self.note(keyword, Fate.DROPPED, "schema-keyword-invalid", "is not a list of schemas")
        return None

    def _complete(self) -> None:
        """Add what Gemini requires and JSON Schema leaves open: the type of an enum, the items of an array."""
        if "type" not in self.result and (kinds := _types_of(self.source)):
            self.result["type"] = kinds[0] if len(kinds) == 1 else kinds
        if "enum" in self.result and None in _members(self.source):
            self._null_beside_enum()
        kinds = self.result.get("type", ())
        if "array" in kinds and not {"items", "prefixItems"} & set(self.result):
            self.result["items"] = {}

    def _null_beside_enum(self) -> None:
        """Make null an alternative of its own beside an enum: Gemini's enums hold none."""
        if "anyOf" in self.result:
            self.note(
                "enum",
                Fate.APPROXIMATED,
                "schema-loosened",
                "null stands beside anyOf, where Gemini's enums cannot say it",
            )
            return
        kinds = self.result.pop("type")
        rest = [kind for kind in kinds if kind != "null"] if isinstance(kinds, list) else [kinds]
        values = {"type": rest[0] if len(rest) == 1 else rest, "enum": self.result.pop("enum")}
        self.result["anyOf"] = [values, {"type": "null"}]

    def type(self, value: Any) -> None:
        """Convert one type or several; OpenAPI's `nullable` is one more."""
        names = value if isinstance(value, list) else [value]
        types = [name.lower() for name in names if isinstance(name, str) and name.lower() in _TYPES]
        if len(types) < len(names):
            self.note(
                "type", Fate.APPROXIMATED, "schema-loosened", f"{words(value)} is no type of JSON Schema: left open"
            )
        if types and self.source.get("nullable") is True and "null" not in types:
            types.append("null")
        if types:
            self.result["type"] = types if len(types) > 1 or isinstance(value, list) else types[0]

    def enum(self, value: Any) -> None:
        """Keep non-empty texts and numbers; null becomes a type, and the rest goes into the description."""
        members = value if isinstance(value, list) else [value]
        accepted = [member for member in members if _fits_enum(member)]
        others = [member for member in members if member is not None and not _fits_enum(member)]
        if accepted:
            self.result["enum"] = accepted
        if not accepted and sorted(map(repr, others)) == ["False", "True"]:
            return
        if others:
            self.remarks.append(f"{'also allowed' if accepted else 'one of'}: {words(others)}")
            self.note(
                "enum",
                Fate.APPROXIMATED,
                "schema-constraint-described",
                "Gemini's enums hold numbers and texts that are not empty",
            )

    def const(self, value: Any) -> None:
        """Convert a constant to an enum of one."""
        if "enum" not in self.source:
            self.enum([value])

    def any_of(self, value: Any) -> None:
        """Convert alternatives."""
        self._choice("anyOf", value)

    def one_of(self, value: Any) -> None:
        """Convert `oneOf` to `anyOf`, as Gemini reads it."""
        if "anyOf" in self.source:
            self.note("oneOf", Fate.APPROXIMATED, "schema-loosened", "stands beside anyOf, which alone is sent")
        else:
            self._choice("oneOf", value)

    def _choice(self, keyword: str, value: Any) -> None:
        """Put alternatives that say only `required` into words: they are about the properties around them."""
        if not self.document.dialect.joins_branches and _only_require(value):
            self.say(keyword, value)
        else:
            self._alternatives(self.read_schemas(keyword, value))

    def _alternatives(self, branches: list[Schema] | None) -> None:
        """Convert branches; OpenAPI's `nullable` adds null."""
        if branches:
            nullable = self.source.get("nullable") is True and "type" not in self.source
            extra = [{"type": "null"}] if nullable and {"type": "null"} not in branches else []
            self.result["anyOf"] = branches + extra

    def properties(self, value: Any) -> None:
        """Convert an object's members."""
        if isinstance(value, dict):
            self.result["properties"] = {name: self.inner(one, "properties", name) for name, one in value.items()}
        else:
            self.note("properties", Fate.DROPPED, "schema-keyword-invalid", "is not an object of schemas")

    def required(self, value: Any) -> None:
        """Keep the names; the boolean of draft 3 is not one.

        Gemini refuses the whole request for a name that this very schema's `properties` lack, by "schema at top-level
        requires unspecified property" (github.com/google-gemini/gemini-cli/issues/23382, 2026-06). A branch may speak
        of the properties around it, so its names are told in words.
        """
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            self.note("required", Fate.DROPPED, "schema-keyword-invalid", "is not a list of names")
            return
        declared = self.source.get("properties")
        names = declared if isinstance(declared, dict) else {}
        missing = [] if self.document.dialect.joins_branches else [name for name in value if name not in names]
        if len(missing) < len(value) or not value:
            self.result["required"] = [name for name in value if name not in missing] if missing else value
        if missing and pointers.is_branch(self.path):
            self.say("required", missing)
        elif missing:
            reason = f"Gemini takes only names of properties, not {words(missing) or 'these'}"
            self.note("required", Fate.APPROXIMATED, "schema-loosened", reason)

    def items(self, value: Any) -> None:
        """Convert an array's members; a list is a tuple (drafts before 2020-12)."""
        if not isinstance(value, list):
            self.result["items"] = self.inner(value, "items")
        elif items := self.read_schemas("items", value):
            self.result["prefixItems"] = items

    def prefix_items(self, value: Any) -> None:
        """Convert a tuple."""
        if items := self.read_schemas("prefixItems", value):
            self.result["prefixItems"] = items

    def additional(self, value: Any) -> None:
        """Translate `additionalProperties`."""
        if isinstance(value, bool):
            self.result["additionalProperties"] = value
        elif isinstance(value, dict):
            self.result["additionalProperties"] = self.inner(value, "additionalProperties")
        else:
            self.note("additionalProperties", Fate.DROPPED, "schema-keyword-invalid", "is no schema")

    def exclusive_minimum(self, value: Any) -> None:
        """Convert an exclusive bound; for integers it is the next one, inclusive."""
        self._exclusive("exclusiveMinimum", "minimum", value, 1)

    def exclusive_maximum(self, value: Any) -> None:
        """Convert an exclusive bound; for integers it is the one before, inclusive."""
        self._exclusive("exclusiveMaximum", "maximum", value, -1)

    def _exclusive(self, keyword: str, limit: str, value: Any, step: int) -> None:
        """Convert a bound; `true` (draft 4) makes the other keyword's bound exclusive."""
        inclusive = self.source.get(limit)
        bound = inclusive if isinstance(value, bool) else value
        if value is False or _type_of(bound) not in ("integer", "number"):
            self.note(keyword, Fate.DROPPED, "schema-keyword-invalid", "bounds nothing")
        elif self.source.get("type") == "integer" and isinstance(bound, int) and abs(bound) < 2**53:
            tighter = max if step > 0 else min
            beside = inclusive if isinstance(inclusive, (int, float)) and not isinstance(value, bool) else bound + step
            self.result[limit] = tighter(bound + step, beside)
        else:
            self.result.setdefault(limit, inclusive if _type_of(inclusive) in ("integer", "number") else bound)
            self.say(keyword, bound)

    def limit(self, keyword: str, value: Any) -> None:
        """Keep a bound unless an exclusive one replaces it."""
        if keyword not in self.result:
            self.plain(keyword, value)

    def minimum(self, value: Any) -> None:
        """Convert an inclusive bound."""
        self.limit("minimum", value)

    def maximum(self, value: Any) -> None:
        """Convert an inclusive bound."""
        self.limit("maximum", value)

    def format(self, value: Any) -> None:
        """Translate `format`: Gemini has a few, others are put into the description."""
        if isinstance(value, str) and value in _FORMATS:
            self.result["format"] = value
        else:
            self.say("format", value)

    def default(self, value: Any) -> None:
        """Put the default value into the description."""
        self.say("default", value)

    def nullable(self, value: Any) -> None:
        """Read with the type; without one every value is allowed, null too."""

    def skip_definitions(self, value: Any) -> None:
        """Skip definitions below the root: they are written out where they are used."""


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
    "$defs": "skip_definitions",
    "definitions": "skip_definitions",
}
"""Keywords that become something; all others stay, are described, or are dropped."""


_COUNT = ("integer",)
_KINDS = {
    **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"), _COUNT),
    **dict.fromkeys(("minimum", "maximum"), ("integer", "number")),
    "propertyOrdering": ("array",),
}
"""The types of keywords' values; all others are texts."""


_BESIDE_REQUIRED = {"required", "type", "title", "description"}


def _only_require(branches: Any) -> bool:
    """Return whether alternatives differ only in what they require of the properties around them."""
    return isinstance(branches, list) and branches != [] and all(
        isinstance(branch, dict) and "required" in branch and not set(branch) - _BESIDE_REQUIRED
        and branch.get("type", "object") == "object"
        for branch in branches
    )  # fmt: skip


def _fits_enum(value: Any) -> bool:
    """Return whether Gemini's enums can hold a value."""
    return _type_of(value) in ("string", "integer", "number") and value != ""


def _members(source: Schema) -> list[Any]:
    """Return the values that a schema lists."""
    if isinstance(source.get("enum"), list):
        return list(source["enum"])
    return [source["const"]] if "const" in source else []


def _types_of(source: Schema) -> list[str]:
    """Return the types of the values that a schema lists."""
    return list(dict.fromkeys(_type_of(value) for value in _members(source)))


def _type_of(value: Any) -> str:
    """Return the JSON Schema type of a value."""
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

_ANNOTATIONS = {
    *("$schema", "$comment", "$vocabulary", "deprecated", "readOnly", "writeOnly", "externalDocs", "xml"),
    "strict",
}
"""Keywords that neither limit a value nor tell the model what it means (JSON Schema 2020-12, OpenAPI 3.0).

`strict` stands beside a schema at OpenAI; clients that put it inside (RubyLLM) say nothing with it.
"""
