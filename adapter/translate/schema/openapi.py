"""JSON Schema to the Schema message of Gemini's `parameters` and `responseSchema`, and values back.

For relays that take nothing else (discovery revision 20260325, Schema). The message has no references, no unions, no
typed maps and no tuples, and its enums hold only texts. So the arguments of calls have numbers of enums as texts,
which are converted in both directions. A structured answer is not converted: its schema describes such enums in words.
"""

from collections.abc import Callable
from itertools import chain, repeat
from typing import Any, NamedTuple

import msgspec
import orjson

from adapter.translate.core.notes import Fate, Note
from adapter.translate.schema import pointers
from adapter.translate.schema.json_schema import (
    MAX_DEPTH,
    MAX_NODES,
    OPENAPI,
    ConvertedSchema,
    UnusableSchema,
    load,
    normalise,
)
from adapter.translate.schema.node import Schema, words

_WORDS = ("title", "description")
_KEYWORDS = {
    "string": ("minLength", "maxLength", "pattern", "enum"),
    "integer": ("minimum", "maximum", "enum"),
    "number": ("minimum", "maximum", "enum"),
    "array": ("minItems", "maxItems", "items", "prefixItems"),
    "object": (
        "minProperties", "maxProperties", "properties", "required", "propertyOrdering", "additionalProperties",
    ),
}  # fmt: skip
"""The keywords of each type. The server refuses them on another type: `properties: only allowed for OBJECT
type` (github.com/anomalyco/opencode/issues/11889, 2026-02)."""

_LIMITS = tuple(name for names in _KEYWORDS.values() for name in names if name[:3] in ("min", "max", "pat"))
_FORMATS = {"string": {"date-time"}, "integer": {"int32", "int64"}, "number": {"float", "double", "int32", "int64"}}
_ANY = ("string", "number", "boolean", "object")


def to_openapi_schema(schema: msgspec.Raw, *, restored: bool = True) -> ConvertedSchema:
    """Return the schema as Gemini's Schema message. Raises `UnusableSchema`.

    `restored`: the schema is for a function's arguments. `restore` converts their values; their root is an object.
    """
    root, notes = normalise(load(schema), OPENAPI)
    message = _Message(root, root.pop("$defs", {}), restored=restored)
    result = message.root_of_arguments() if restored else message.schema(root, _Spot())
    return ConvertedSchema(msgspec.Raw(orjson.dumps(result)), (*notes, *message.notes))


class _Spot(NamedTuple):
    """A place in the schema: its path, its depth, and the definitions that are being written out."""

    path: str = ""
    depth: int = 0
    following: tuple[str, ...] = ()

    def inner(self, piece: str) -> "_Spot":
        """Return the schema one level further in."""
        path = f"{self.path}.{piece}" if self.path else piece
        return _Spot(path, self.depth + 1, self.following)


class _Message:
    """Builds the message. Definitions are written out; a recursive one is written out once more at most."""

    def __init__(self, root: Schema, definitions: dict[str, Schema], *, restored: bool) -> None:
        self.root = root
        self.definitions = definitions
        self.restored = restored
        self.notes: list[Note] = []
        self.nodes = 0

    def note(self, place: _Spot, keyword: str, code: str, reason: str) -> None:
        """Add a note on one keyword."""
        self.notes.append(Note(place.inner(keyword).path, Fate.APPROXIMATED, code, reason))

    def schema(self, node: Schema, place: _Spot) -> Schema:
        """Convert one schema and all below it."""
        self.nodes += 1
        if self.nodes > MAX_NODES or place.depth > 2 * MAX_DEPTH:
            raise UnusableSchema(place.path, f"written out, the schema is more than {MAX_NODES} schemas")
        if "$ref" in node:
            return self._reference(node, place)
        kinds, nullable = _kinds(node)
        branches = [one for one in node.get("anyOf", ()) if one != {"type": "null"}]
        nullable = nullable or len(branches) < len(node.get("anyOf", ()))
        if branches:
            return self._union(node, [self._add_outer_keywords(branch, node) for branch in branches], nullable, place)
        if len(kinds) != 1:
            if not kinds:
                self.note(
                    place,
                    "type",
                    "schema-loosened",
                    "the upstream wants a type: a text, a number, a boolean or an object",
                )
            alternatives = [_select_kind(node, kind) for kind in kinds or _ANY]
            return self._union({}, alternatives, nullable, place)
        return self._one_type(node, kinds[0], nullable, place)

    def _reference(self, node: Schema, place: _Spot) -> Schema:
        if node["$ref"] in place.following:
            self.note(place, "$ref", "schema-loosened", "the schema repeats itself: any object is allowed here")
            return {"type": "OBJECT"}
        following = (*place.following, node["$ref"])
        return self.schema(self._written_out(node), place._replace(following=following))

    def _written_out(self, node: Schema) -> Schema:
        """Return a node with what it refers to in place of its reference."""
        if "$ref" not in node:
            return node
        siblings = {key: value for key, value in node.items() if key != "$ref"}
        return {**pointers.definition_of(self.definitions, self.root, node["$ref"]), **siblings}

    def root_of_arguments(self) -> Schema:
        """Return a function's parameters with an object as their root: Vertex AI refuses all else."""
        root, place = self.root, _Spot()
        while "$ref" in root and root["$ref"] not in place.following:
            place = place._replace(following=(*place.following, root["$ref"]))
            root = self._written_out(root)
        return self.schema(self._pin_root({key: one for key, one in root.items() if key != "$ref"}), place)

    def _pin_root(self, root: Schema) -> Schema:
        if "anyOf" in root:
            return self._one_object(root, [self._written_out(one) for one in root["anyOf"]])
        kinds, _ = _kinds(root)
        if "object" in kinds or not kinds:
            return {**root, "type": "object"}
        self.note(
            _Spot(),
            "type",
            "schema-loosened",
            "the parameters of a function are an object: any object is allowed",
        )
        hint = f"(the arguments: {words({key: root[key] for key in root if key not in _WORDS}) or kinds})"
        described = f"{root.get('description', '')} {hint}".lstrip()
        return {"type": "object", "description": described}

    def _one_object(self, root: Schema, branches: list[Schema]) -> Schema:
        """Join alternatives at the root to one object with the properties of all; say in words what each requires."""
        objects = [branch for branch in branches if "object" in _kinds(branch)[0] or "required" in branch] or [{}]
        properties = {name: one for each in (root, *objects) for name, one in each.get("properties", {}).items()}
        needed = [[*root.get("required", []), *one.get("required", [])] for one in objects]
        required = [name for name in dict.fromkeys(needed[0]) if all(name in names for names in needed)]
        reason = "the upstream's roots have no alternatives: one object with the properties of all"
        self.note(_Spot(), "anyOf", "schema-loosened", reason)
        hint = f"(required, one of: {words([[n for n in names if n not in required] for names in needed])})"
        described = f"{root.get('description', '')} {hint if any(needed) else ''}".strip()
        rest = {key: value for key, value in root.items() if key not in ("anyOf", "description", "type")}
        joined: Schema = {**rest, "type": "object", "properties": properties, "required": required}
        return {**joined, "description": described} if described else joined

    def _add_outer_keywords(self, branch: Schema, node: Schema) -> Schema:
        """Add the keywords around an alternative to it, since Gemini's message has one or the other."""
        outer = {key: value for key, value in node.items() if key not in ("anyOf", "title", "description", "nullable")}
        if not outer:
            return branch
        branch = self._written_out(branch)
        properties = {**outer.get("properties", {}), **branch.get("properties", {})}
        required = [*outer.get("required", []), *branch.get("required", [])]
        both = {"properties": properties, "required": list(dict.fromkeys(required))}
        return {**outer, **branch, **{key: value for key, value in both.items() if value}}

    def _union(self, node: Schema, branches: list[Schema], nullable: bool, place: _Spot) -> Schema:
        """Return alternatives; a single one is the schema itself.

        Vertex AI takes nothing beside them: "When using any_of, it must be the only field set"
        (github.com/vercel/ai/issues/19000, github.com/anomalyco/opencode/issues/15795).
        """
        inner = [self.schema(one, place.inner(f"anyOf[{i}]")) for i, one in enumerate(branches)]
        outer: Schema = {name: node[name] for name in _WORDS if name in node}
        if len(inner) == 1:
            result: Schema = {**inner[0], **outer}
            return {**result, "nullable": True} if nullable else result
        return {"anyOf": [_in_branch(outer, one, nullable=nullable) for one in inner]}

    def _one_type(self, node: Schema, kind: str, nullable: bool, place: _Spot) -> Schema:
        result: Schema = {"type": kind.upper()}
        own = _KEYWORDS.get(kind, ())
        result |= {name: node[name] for name in (*_WORDS, *own) if name in node and name in (*_WORDS, *_LIMITS)}
        for name in filter(_FOREIGN[kind].__contains__, node):
            self._foreign(name, node[name], kind, result, place)
        node = {name: value for name, value in node.items() if name not in _FOREIGN[kind]}
        if node.get("format") in _FORMATS.get(kind, ()):
            result["format"] = node["format"]
        elif "format" in node:
            result["description"] = f"{node.get('description', '')} (format: {node['format']})".lstrip()
            self.note(
                place,
                "format",
                "schema-constraint-described",
                "the upstream's schemas do not know it: told in the description",
            )
        if "enum" in node:
            self._enum(node["enum"], kind, result, place)
        if kind == "object":
            self._object(node, result, place)
        if kind == "array":
            self._array(node, result, place)
        return {**result, "nullable": True} if nullable else result

    def _foreign(self, keyword: str, value: Any, kind: str, result: Schema, place: _Spot) -> None:
        """Drop a keyword that says nothing about values of this type; an enum may be meant all the same."""
        if keyword == "enum":
            self.note(
                place,
                keyword,
                "schema-constraint-described",
                f"the upstream's {kind}s have no enum: told in the description",
            )
            _describe(result, f"enum: {words(value) or 'too long to tell'}")
        else:
            self.note(place, keyword, "schema-annotation-dropped", f"says nothing about {kind}s")

    def _enum(self, values: list[Any], kind: str, result: Schema, place: _Spot) -> None:
        """Write an enum's members as texts; arguments are restored to the declared type."""
        texts = [value if isinstance(value, str) else orjson.dumps(value).decode() for value in values]
        if not all(_KIND_OF.get(type(value)) in (kind, _WIDER.get(kind)) for value in values):
            self._foreign("enum", values, kind, result, place)
            return
        if texts != values and not self.restored:
            reason = "the upstream's enums hold texts only: told in the description"
            self.note(place, "enum", "schema-constraint-described", reason)
            _describe(result, f"enum: {orjson.dumps(values).decode()}")
            return
        if texts != values:
            self.note(place, "enum", "schema-enum-as-text", f"sent as texts, and restored to {kind} in arguments")
            result["type"] = "STRING"
            for limit in ("minimum", "maximum", "format"):
                result.pop(limit, None)
        result["enum"] = texts

    def _object(self, node: Schema, result: Schema, place: _Spot) -> None:
        properties = {
            name: self.schema(one, place.inner(f"properties.{name}"))
            for name, one in node.get("properties", {}).items()
        }
        if properties:
            result["properties"] = properties
            result["propertyOrdering"] = node.get("propertyOrdering", list(properties))
        required = [name for name in node.get("required", ()) if name in properties]
        if required:
            result["required"] = required
        if required != node.get("required", []):
            self.note(place, "required", "schema-keyword-invalid", "names properties that are not declared")
        if node.get("additionalProperties", True) is not True:
            self.note(place, "additionalProperties", "schema-loosened", "the upstream's schemas cannot say it")

    def _array(self, node: Schema, result: Schema, place: _Spot) -> None:
        items = node.get("items")
        prefix = node.get("prefixItems")
        if prefix:
            self.note(
                place,
                "prefixItems",
                "schema-loosened",
                "the upstream's schemas have no tuples: any of the members' schemas",
            )
            alternatives = [one for i, one in enumerate(prefix) if one not in prefix[:i]]
            items = alternatives[0] if len(alternatives) == 1 else {"anyOf": alternatives}
        result["items"] = self.schema(items or {}, place.inner("items"))


def _kinds(node: Schema) -> tuple[list[str], bool]:
    """Return the types of a schema without null, and whether null is one of them."""
    declared = node.get("type", [])
    kinds = [declared] if isinstance(declared, str) else list(declared)
    if kinds == ["null"]:
        return kinds, False
    rest = [kind for kind in kinds if kind != "null"]
    return rest or _guess_types(node), "null" in kinds


def _guess_types(node: Schema) -> list[str]:
    if "properties" in node:
        return ["object"]
    return ["array"] if {"items", "prefixItems"} & set(node) else []


def _select_kind(node: Schema, kind: str) -> Schema:
    """Return one type of several, with the members of the enum that are of it."""
    values = [one for one in node.get("enum", ()) if _KIND_OF.get(type(one)) in (kind, _WIDER.get(kind))]
    own = {name: value for name, value in node.items() if name != "enum" and name not in _FOREIGN[kind]}
    return {**own, "type": kind, **({"enum": values} if values else {})}


def _in_branch(words_around: Schema, branch: Schema, *, nullable: bool) -> Schema:
    """Return an alternative with the words that stood around all of them."""
    result = {**words_around, **branch}
    texts = [one["description"] for one in (words_around, branch) if "description" in one]
    if texts:
        result["description"] = " ".join(dict.fromkeys(texts))
    return {**result, "nullable": True} if nullable else result


def _describe(result: Schema, text: str) -> None:
    result["description"] = f"{result.get('description', '')} ({text})".lstrip()


_FOREIGN = {
    kind: {name for names in _KEYWORDS.values() for name in names} - set(_KEYWORDS.get(kind, ()))
    for kind in (*_KEYWORDS, "boolean", "null")
}
"""Keywords that say nothing about values of a type."""

_KIND_OF = {str: "string", int: "integer", float: "number"}
_WIDER = {"number": "integer"}

MAX_RESTORED = 64
"""Levels of arguments that are restored; what is deeper stays as Gemini wrote it."""


Leaf = Callable[[Any, list[Any]], Any]
"""A scalar, and the enum that it may be a member of, as the scalar that it stands for."""


def restore(arguments: dict[str, Any], declared: msgspec.Raw) -> dict[str, Any]:
    """Return arguments with their declared types: enums of numbers travel as texts; at most `MAX_RESTORED` levels."""
    return _arguments(arguments, declared, _number)


def as_texts(arguments: dict[str, Any], declared: msgspec.Raw) -> dict[str, Any]:
    """Return arguments as Gemini wrote them, before they were restored."""
    return _arguments(arguments, declared, _text)


def _arguments(arguments: dict[str, Any], declared: msgspec.Raw, leaf: Leaf) -> dict[str, Any]:
    root, _ = normalise(load(declared), OPENAPI)
    walked = _walk(arguments, root, root, leaf, 0)
    return walked if isinstance(walked, dict) else arguments


def _walk(value: Any, node: Schema, root: Schema, leaf: Leaf, depth: int) -> Any:
    """Change each member of an enum in a value; of several alternatives, the first that changes something counts."""
    if depth > MAX_RESTORED:
        return value
    if "$ref" in node:
        return _walk(value, pointers.definition_of(root.get("$defs", {}), root, node["$ref"]), root, leaf, depth + 1)
    if isinstance(value, dict):
        properties = node.get("properties", {})
        changed: Any = {key: _walk(item, properties.get(key, {}), root, leaf, depth + 1) for key, item in value.items()}
    elif isinstance(value, list):
        schemas = chain(node.get("prefixItems", ()), repeat(node.get("items", {})))
        changed = [_walk(item, one, root, leaf, depth + 1) for item, one in zip(value, schemas, strict=False)]
    else:
        changed = leaf(value, node.get("enum", []))
    for branch in node.get("anyOf", ()):
        if changed == value:
            changed = _walk(value, branch, root, leaf, depth + 1)
    return changed


def _number(value: Any, members: list[Any]) -> Any:
    """Return the member for a text."""
    if not isinstance(value, str) or value in members:
        return value
    return next((member for member in members if orjson.dumps(member).decode() == value), value)


def _text(value: Any, members: list[Any]) -> Any:
    """Return the text for a member; a client may write 1 as 1.0, and true is not 1."""
    same = (member for member in members if member == value and isinstance(member, bool) is isinstance(value, bool))
    return value if isinstance(value, str) else next((orjson.dumps(one).decode() for one in same), value)
