"""JSON Schema to the Schema message of Gemini's `parameters` and `responseSchema`, and values back.

For relays that take nothing else (discovery revision 20260325, Schema). It has no references, no unions of types, no
typed maps and no tuples, and its enums hold texts only. In arguments numbers travel as texts, there and back; the text
of an answer is not read, so its schema tells such enums in words.
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
    Converted,
    UnusableSchema,
    load,
    normalised,
)
from adapter.translate.schema.node import Schema

_SCALARS = ("title", "description", "minItems", "maxItems", "minimum", "maximum", "minLength", "maxLength", "pattern")
_OBJECT_LIMITS = ("minProperties", "maxProperties")
_FORMATS = {"string": {"date-time"}, "integer": {"int32", "int64"}, "number": {"float", "double", "int32", "int64"}}
_ANY = ("string", "number", "boolean", "object")


def to_openapi_schema(schema: msgspec.Raw, *, restored: bool = True) -> Converted:
    """The schema as Gemini's Schema message; `restored`: for values that `restore` reads. Raises `UnusableSchema`."""
    root, notes = normalised(load(schema), OPENAPI)
    message = _Message(root.pop("$defs", {}), restored=restored)
    result = message.schema(root, _Place())
    return Converted(msgspec.Raw(orjson.dumps(result)), (*notes, *message.notes))


class _Place(NamedTuple):
    """Where in the schema: the path, how deep, and which definitions are being written out."""

    path: str = ""
    depth: int = 0
    following: tuple[str, ...] = ()

    def inner(self, piece: str) -> "_Place":
        """One level further in."""
        path = f"{self.path}.{piece}" if self.path else piece
        return _Place(path, self.depth + 1, self.following)


class _Message:
    """Builds the message; definitions are written out, a recursion once more at the most."""

    def __init__(self, definitions: dict[str, Schema], *, restored: bool) -> None:
        self.definitions = definitions
        self.restored = restored
        self.notes: list[Note] = []
        self.nodes = 0

    def note(self, place: _Place, keyword: str, code: str, reason: str) -> None:
        """Tell of one keyword."""
        self.notes.append(Note(place.inner(keyword).path, Fate.APPROXIMATED, code, reason))

    def schema(self, node: Schema, place: _Place) -> Schema:
        """One schema and all below it."""
        self.nodes += 1
        if self.nodes > MAX_NODES or place.depth > 2 * MAX_DEPTH:
            raise UnusableSchema(place.path, f"written out, the schema is more than {MAX_NODES} schemas")
        if "$ref" in node:
            return self._reference(node, place)
        kinds, nullable = _kinds(node)
        branches = [one for one in node.get("anyOf", ()) if one != {"type": "null"}]
        nullable = nullable or len(branches) < len(node.get("anyOf", ()))
        if branches:
            return self._union(node, [self._around(one, node) for one in branches], nullable, place)
        if len(kinds) != 1:
            if not kinds:
                self.note(
                    place,
                    "type",
                    "schema-loosened",
                    "the upstream wants a type: a text, a number, a boolean or an object",
                )
            alternatives = [_of_kind(node, kind) for kind in kinds or _ANY]
            return self._union({}, alternatives, nullable, place)
        return self._one_type(node, kinds[0], nullable, place)

    def _reference(self, node: Schema, place: _Place) -> Schema:
        name = pointers.unescaped(node["$ref"].rsplit("/", 1)[-1])
        if name in place.following:
            self.note(place, "$ref", "schema-loosened", "the schema repeats itself: any object is allowed here")
            return {"type": "OBJECT"}
        siblings = {key: value for key, value in node.items() if key != "$ref"}
        return self.schema({**self.definitions[name], **siblings}, place._replace(following=(*place.following, name)))

    def _around(self, branch: Schema, node: Schema) -> Schema:
        """An alternative with what stands around it, since the message has one or the other."""
        outer = {key: value for key, value in node.items() if key not in ("anyOf", "title", "description", "nullable")}
        if not outer:
            return branch
        if "$ref" in branch:
            name = pointers.unescaped(branch["$ref"].rsplit("/", 1)[-1])
            branch = {**self.definitions[name], **{key: one for key, one in branch.items() if key != "$ref"}}
        properties = {**outer.get("properties", {}), **branch.get("properties", {})}
        required = [*outer.get("required", []), *branch.get("required", [])]
        both = {"properties": properties, "required": list(dict.fromkeys(required))}
        return {**outer, **branch, **{key: value for key, value in both.items() if value}}

    def _union(self, node: Schema, branches: list[Schema], nullable: bool, place: _Place) -> Schema:
        """Alternatives; a single one is the schema itself."""
        inner = [self.schema(one, place.inner(f"anyOf[{i}]")) for i, one in enumerate(branches)]
        outer: Schema = {name: node[name] for name in ("title", "description") if name in node}
        result: Schema = {**inner[0], **outer} if len(inner) == 1 else {**outer, "anyOf": inner}
        return {**result, "nullable": True} if nullable else result

    def _one_type(self, node: Schema, kind: str, nullable: bool, place: _Place) -> Schema:
        result: Schema = {"type": kind.upper()}
        result |= {name: node[name] for name in _SCALARS if name in node}
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

    def _enum(self, values: list[Any], kind: str, result: Schema, place: _Place) -> None:
        """Enums hold texts; arguments are restored to the declared type."""
        texts = [value if isinstance(value, str) else orjson.dumps(value).decode() for value in values]
        if texts != values and not self.restored:
            self.note(
                place,
                "enum",
                "schema-constraint-described",
                "the upstream's enums hold texts only: told in the description",
            )
            told = f"(enum: {orjson.dumps(values).decode()})"
            result["description"] = f"{result.get('description', '')} {told}".lstrip()
            return
        if texts != values:
            self.note(place, "enum", "schema-enum-as-text", f"sent as texts, and restored to {kind} in arguments")
            result["type"] = "STRING"
            for limit in ("minimum", "maximum", "format"):
                result.pop(limit, None)
        result["enum"] = texts

    def _object(self, node: Schema, result: Schema, place: _Place) -> None:
        properties = {
            name: self.schema(one, place.inner(f"properties.{name}"))
            for name, one in node.get("properties", {}).items()
        }
        result |= {name: node[name] for name in _OBJECT_LIMITS if name in node}
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

    def _array(self, node: Schema, result: Schema, place: _Place) -> None:
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
    """The types of a schema without null, and whether null is one of them."""
    declared = node.get("type", [])
    kinds = [declared] if isinstance(declared, str) else list(declared)
    if kinds == ["null"]:
        return kinds, False
    rest = [kind for kind in kinds if kind != "null"]
    return rest or _guessed(node), "null" in kinds


def _guessed(node: Schema) -> list[str]:
    if "properties" in node:
        return ["object"]
    return ["array"] if {"items", "prefixItems"} & set(node) else []


def _of_kind(node: Schema, kind: str) -> Schema:
    """One type of several, with the members of the enum that are of it."""
    values = [one for one in node.get("enum", ()) if _KIND_OF.get(type(one)) in (kind, {"number": "integer"}.get(kind))]
    return {**node, "type": kind, **({"enum": values} if values else {})}


_KIND_OF = {str: "string", int: "integer", float: "number"}
MAX_RESTORED = 64


Leaf = Callable[[Any, list[Any]], Any]
"""A scalar, and the enum that it may be a member of, as the scalar that it stands for."""


def restore(arguments: dict[str, Any], declared: msgspec.Raw) -> dict[str, Any]:
    """Arguments with the declared types, where an enum of numbers travelled as texts; down to `MAX_RESTORED` levels."""
    return _arguments(arguments, declared, _number)


def as_texts(arguments: dict[str, Any], declared: msgspec.Raw) -> dict[str, Any]:
    """Arguments as Gemini wrote them, before they were restored."""
    return _arguments(arguments, declared, _text)


def _arguments(arguments: dict[str, Any], declared: msgspec.Raw, leaf: Leaf) -> dict[str, Any]:
    root, _ = normalised(load(declared), OPENAPI)
    walked = _walked(arguments, root, root.get("$defs", {}), leaf, 0)
    return walked if isinstance(walked, dict) else arguments


def _walked(value: Any, node: Schema, definitions: dict[str, Schema], leaf: Leaf, depth: int) -> Any:
    """A value with each member of an enum in it changed; the first alternative that changes something counts."""
    if depth > MAX_RESTORED:
        return value
    if "$ref" in node:
        name = pointers.unescaped(node["$ref"].rsplit("/", 1)[-1])
        return _walked(value, definitions.get(name, {}), definitions, leaf, depth + 1)
    if isinstance(value, dict):
        properties = node.get("properties", {})
        found: Any = {
            key: _walked(item, properties.get(key, {}), definitions, leaf, depth + 1) for key, item in value.items()
        }
    elif isinstance(value, list):
        schemas = chain(node.get("prefixItems", ()), repeat(node.get("items", {})))
        found = [_walked(item, one, definitions, leaf, depth + 1) for item, one in zip(value, schemas, strict=False)]
    else:
        found = leaf(value, node.get("enum", []))
    for branch in node.get("anyOf", ()):
        if found == value:
            found = _walked(value, branch, definitions, leaf, depth + 1)
    return found


def _number(value: Any, members: list[Any]) -> Any:
    """The member that a text stands for."""
    if not isinstance(value, str) or value in members:
        return value
    return next((one for one in members if orjson.dumps(one).decode() == value), value)


def _text(value: Any, members: list[Any]) -> Any:
    """The text that stands for a member; a client may write 1 as 1.0, and true is not 1."""
    same = (one for one in members if one == value and isinstance(one, bool) is isinstance(value, bool))
    return value if isinstance(value, str) else next((orjson.dumps(one).decode() for one in same), value)
