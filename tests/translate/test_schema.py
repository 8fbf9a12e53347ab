"""JSON Schemas on their way to Gemini: what stays, what becomes something else, what is told."""

import collections
import json
import os
from pathlib import Path

import jsonschema
import msgspec
import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.translate import schema_node
from adapter.translate.schema import JSON_KEYWORDS, UnusableSchema, to_json_schema
from adapter.translate.schema_openapi import restore, to_openapi_schema


def raw(value):
    return msgspec.Raw(json.dumps(value).encode())


def as_json(value):
    """The schema in the json dialect, and its notes by path."""
    converted = to_json_schema(raw(value))
    return json.loads(bytes(converted.schema)), {note.path: note.fidelity.value for note in converted.notes}


def as_openapi(value):
    """The schema in the openapi dialect, and its notes by path."""
    converted = to_openapi_schema(raw(value))
    return json.loads(bytes(converted.schema)), {note.path: note.fidelity.value for note in converted.notes}


def properties(**inner):
    return {"type": "object", "properties": inner}


def deep(levels):
    return {"type": "string"} if levels == 0 else properties(d=deep(levels - 1))


NODE = {"$ref": "#/$defs/N", "$defs": {"N": properties(kids={"type": "array", "items": {"$ref": "#/$defs/N"}})}}

# name: (schema, what it becomes, notes)
JSON_CASES = {
    "nothing to change": (properties(a={"type": "string"}), properties(a={"type": "string"}), {}),
    "const is an enum of one": ({"const": "x"}, {"enum": ["x"], "type": "string"}, {}),
    "const beside an enum adds nothing": ({"enum": ["x"], "const": "x"}, {"enum": ["x"], "type": "string"}, {}),
    "oneOf is anyOf": (
        {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        {},
    ),
    "oneOf beside anyOf is told": (
        {"anyOf": [{"type": "string"}], "oneOf": [{"type": "integer"}]},
        {"anyOf": [{"type": "string"}]},
        {"oneOf": "approximated"},
    ),
    "alternatives that are none": ({"anyOf": [], "oneOf": 3}, {}, {"anyOf": "dropped", "oneOf": "approximated"}),
    "a oneOf that is none": ({"oneOf": {}}, {}, {"oneOf": "dropped"}),
    "nullable is one more type": ({"type": "string", "nullable": True}, {"type": ["string", "null"]}, {}),
    "nullable false changes nothing": ({"type": "string", "nullable": False}, {"type": "string"}, {}),
    "an enum has a type": ({"enum": ["a"]}, {"enum": ["a"], "type": "string"}, {}),
    "an enum of two types has both": ({"enum": ["a", 1]}, {"enum": ["a", 1], "type": ["string", "integer"]}, {}),
    "an empty member leaves the enum": (
        {"type": "string", "enum": ["a", ""]},
        {"type": "string", "enum": ["a"], "description": '(also allowed: [""])'},
        {"enum": "approximated"},
    ),
    "a null member is a type": (
        {"type": "string", "enum": ["x", None]},
        {"anyOf": [{"type": "string", "enum": ["x"]}, {"type": "null"}]},
        {},
    ),
    "a null member beside several types": (
        {"type": ["string", "integer", "null"], "enum": ["x", None]},
        {"anyOf": [{"type": ["string", "integer"], "enum": ["x"]}, {"type": "null"}]},
        {},
    ),
    "a null member without a type": (
        {"enum": ["x", None]},
        {"anyOf": [{"type": "string", "enum": ["x"]}, {"type": "null"}]},
        {},
    ),
    "both booleans are no enum": ({"type": "boolean", "enum": [True, False]}, {"type": "boolean"}, {}),
    "one boolean is told": (
        {"enum": [True], "description": "D"},
        {"type": "boolean", "description": "D (one of: [true])"},
        {"enum": "approximated"},
    ),
    "an enum of objects is told": (
        {"enum": [{"a": 1}, [2]]},
        {"type": ["object", "array"], "items": {}, "description": '(one of: [{"a":1},[2]])'},
        {"enum": "approximated"},
    ),
    "true is no 1": (
        {"enum": [1, True]},
        {"enum": [1], "type": ["integer", "boolean"], "description": "(also allowed: [true])"},
        {"enum": "approximated"},
    ),
    "null beside anyOf is told": (
        {"enum": ["a", None], "anyOf": [{"type": "string"}]},
        {"enum": ["a"], "anyOf": [{"type": "string"}], "type": ["string", "null"]},
        {"enum": "approximated"},
    ),
    "nullable alternatives have one more": (
        {"anyOf": [{"type": "string"}, False], "nullable": True},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {},
    ),
    "the tighter bound holds": (
        {"type": "integer", "minimum": 10, "exclusiveMinimum": 3, "maximum": 5, "exclusiveMaximum": 9},
        {"type": "integer", "minimum": 10, "maximum": 5},
        {},
    ),
    "a bound that is too large to count from is told": (
        {"type": "integer", "exclusiveMinimum": 2**60},
        {"type": "integer", "minimum": 2**60, "description": f"(exclusiveMinimum: {2**60})"},
        {"exclusiveMinimum": "approximated"},
    ),
    "keywords of another kind are told": (
        {"minItems": "3", "title": 3, "minimum": "x", "propertyOrdering": [1], "additionalProperties": "x"},
        {},
        dict.fromkeys(["minItems", "title", "minimum", "propertyOrdering", "additionalProperties"], "dropped"),
    ),
    "a name that is defined twice is told": (
        {"$defs": {"S": {"type": "string"}}, "definitions": {"S": {"type": "integer"}, "T": {}}},
        {"$defs": {"S": {"type": "integer"}, "T": {}}},
        {"$defs.S": "approximated"},
    ),
    "an anchor is not followed": ({"$ref": "#here", "type": "string"}, {"type": "string"}, {"$ref": "dropped"}),
    "allOf of true and a schema": (
        {"allOf": [True, {"type": "string"}, {"description": "A"}, {"description": "B"}]},
        {"type": "string", "description": "A B"},
        {},
    ),
    "a property of two parts has both": (
        {
            "allOf": [
                properties(a={"type": "string"}, b=True),
                properties(a={"title": "T"}, b={}, c=False),
                {"x-y": {"a": 1}},
            ],
            "x-y": {"b": 2},
        },
        properties(a={"type": "string", "title": "T"}, b={}, c={}),
        {"properties.c": "approximated", "x-y": "dropped"},
    ),
    "an enum that is no list": ({"enum": "a"}, {"enum": ["a"]}, {}),
    "integers keep their exclusive bounds": (
        {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9},
        {"type": "integer", "minimum": 1, "maximum": 8},
        {},
    ),
    "numbers keep them in words": (
        {"type": "number", "exclusiveMinimum": 0.5},
        {"type": "number", "minimum": 0.5, "description": "(exclusiveMinimum: 0.5)"},
        {"exclusiveMinimum": "approximated"},
    ),
    "draft 4 says exclusive with a boolean": (
        {"type": "integer", "minimum": 3, "exclusiveMinimum": True},
        {"type": "integer", "minimum": 4},
        {},
    ),
    "an exclusive bound goes before an inclusive one": (
        {"type": "integer", "exclusiveMinimum": 3, "minimum": 3},
        {"type": "integer", "minimum": 4},
        {},
    ),
    "draft 4 may also not say it": (
        {"type": "integer", "maximum": 3, "exclusiveMaximum": False},
        {"type": "integer", "maximum": 3},
        {"exclusiveMaximum": "dropped"},
    ),
    "a known format stays": (
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date-time"},
        {},
    ),
    "another is told": (
        {"type": "string", "format": "uri", "description": "D"},
        {"type": "string", "description": 'D (format: "uri")'},
        {"format": "approximated"},
    ),
    "validation is told where the model reads it": (
        {"type": "string", "minLength": 3, "pattern": "^a"},
        {"type": "string", "description": '(minLength: 3; pattern: "^a")'},
        {"minLength": "approximated", "pattern": "approximated"},
    ),
    "what is too long to tell is dropped": ({"not": {"enum": ["x" * 300]}}, {}, {"not": "dropped"}),
    "annotations are dropped": (
        {"$comment": "x", "x-y": 1, "$schema": "s"},
        {},
        {"$comment": "dropped", "x-y": "dropped", "$schema": "dropped"},
    ),
    "a default is told": (
        {"type": "integer", "default": 1},
        {"type": "integer", "description": "(default: 1)"},
        {"default": "approximated"},
    ),
    "true allows anything": (properties(a=True), properties(a={}), {}),
    "false cannot be said": (properties(a=False), properties(a={}), {"properties.a": "approximated"}),
    "what is no schema is told": (properties(a=3), properties(a={}), {"properties.a": "approximated"}),
    "an array has items": ({"type": ["array", "null"]}, {"type": ["array", "null"], "items": {}}, {}),
    "a tuple stays": (
        {"type": "array", "prefixItems": [{"type": "number"}]},
        {"type": "array", "prefixItems": [{"type": "number"}]},
        {},
    ),
    "a tuple of older drafts": (
        {"type": "array", "items": [{"type": "number"}]},
        {"type": "array", "prefixItems": [{"type": "number"}]},
        {},
    ),
    "tuples that are none": (
        {"items": [], "prefixItems": 3},
        {},
        {"items": "dropped", "prefixItems": "dropped"},
    ),
    "a map keeps its type": (
        {"type": "object", "additionalProperties": {"const": 1}},
        {"type": "object", "additionalProperties": {"enum": [1], "type": "integer"}},
        {},
    ),
    "an unknown type is left open": ({"type": "any"}, {}, {"type": "approximated"}),
    "upper case types are types": ({"type": "STRING"}, {"type": "string"}, {}),
    "properties that are none": ({"properties": []}, {}, {"properties": "dropped"}),
    "required of draft 3": (properties(a={"required": True}), properties(a={}), {"properties.a.required": "dropped"}),
    "recursion stays": (NODE, NODE, {}),
    "definitions are $defs": (
        {"$ref": "#/definitions/S", "definitions": {"S": {"type": "string"}}},
        {"$ref": "#/$defs/S", "$defs": {"S": {"type": "string"}}},
        {},
    ),
    "beside a $ref stands only a description": (
        properties(s={"$ref": "#/$defs/S", "title": "T", "description": "D", "default": 1}) | {"$defs": {"S": {}}},
        properties(s={"$ref": "#/$defs/S", "description": "D (default: 1)"}) | {"$defs": {"S": {}}},
        {"properties.s.title": "dropped", "properties.s.default": "approximated"},
    ),
    "other siblings are merged into it": (
        properties(s={"$ref": "#/$defs/S", "maximum": 3}) | {"$defs": {"S": {"type": "integer"}}},
        properties(s={"type": "integer", "maximum": 3}) | {"$defs": {"S": {"type": "integer"}}},
        {},
    ),
    "a pointer to elsewhere is written out": (
        properties(a=properties(x={"type": "string"}), b={"$ref": "#/properties/a"}),
        properties(a=properties(x={"type": "string"}), b=properties(x={"type": "string"})),
        {},
    ),
    "a pointer into a list": (
        properties(a={"anyOf": [{"type": "string"}]}, b={"$ref": "#/properties/a/anyOf/0"}),
        properties(a={"anyOf": [{"type": "string"}]}, b={"type": "string"}),
        {},
    ),
    "a pointer with escapes": (
        {"properties": {"a/b": {"type": "string"}, "c": {"$ref": "#/properties/a~1b"}}},
        {"properties": {"a/b": {"type": "string"}, "c": {"type": "string"}}},
        {},
    ),
    "a pointer to true": (properties(a=True, b={"$ref": "#/properties/a"}), properties(a={}, b={}), {}),
    "a recursion outside of definitions ends": (
        properties(x={"$ref": "#"}),
        properties(x=properties(x={"type": "object"})),
        {"properties.x.properties.x.$ref": "approximated"},
    ),
    "a pointer to nothing": (
        {"$ref": "#/$defs/none", "type": "string"},
        {"type": "string"},
        {"$ref": "dropped"},
    ),
    "a pointer to another document": ({"$ref": "https://e.x/s"}, {}, {"$ref": "dropped"}),
    "a pointer that is none": ({"$ref": 3}, {}, {"$ref": "dropped"}),
    "allOf is one schema": (
        {"allOf": [properties(a={"type": "string"}), {"properties": {"b": {}}, "required": ["b"]}], "required": ["a"]},
        properties(a={"type": "string"}, b={}) | {"required": ["b", "a"]},
        {},
    ),
    "allOf of one reference keeps it": (
        {"allOf": [{"$ref": "#/$defs/S"}], "description": "D", "$defs": {"S": {"type": "string"}}},
        {"$ref": "#/$defs/S", "description": "D", "$defs": {"S": {"type": "string"}}},
        {},
    ),
    "allOf follows its references": (
        {"allOf": [{"$ref": "#/$defs/S", "title": "T"}, {"type": "object"}], "$defs": {"S": properties(a={})}},
        properties(a={}) | {"title": "T", "$defs": {"S": properties(a={})}},
        {},
    ),
    "allOf with a reference to nothing": (
        {"allOf": [{"$ref": "#/none", "title": "T"}, {"type": "string"}]},
        {"title": "T", "type": "string"},
        {"allOf": "approximated"},
    ),
    "parts that differ are told": (
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "string"},
        {"type": "approximated"},
    ),
    "an allOf that is none": ({"allOf": "x", "type": "string"}, {"type": "string"}, {"allOf": "dropped"}),
    "definitions below the root are written out": (
        properties(a={"$ref": "#/properties/b/$defs/S"}, b={"$defs": {"S": {"type": "string"}}}),
        properties(a={"type": "string"}, b={}),
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", JSON_CASES)
def test_the_json_dialect(name):
    given_schema, becomes, notes = JSON_CASES[name]
    result, told = as_json(given_schema)
    assert result == becomes
    assert told == notes


def test_a_schema_that_needs_no_change_is_the_same_bytes():
    text = msgspec.Raw(b'{"type" : "object",\n "properties":{"a":{"type":"string"}}}')
    assert to_json_schema(text).schema is text


def test_keys_keep_their_order():
    result, _ = as_json({"$defs": {"S": {}}, "type": "object", "properties": {"z": {"const": 1}, "a": {}}})
    assert list(result) == ["$defs", "type", "properties"]
    assert list(result["properties"]) == ["z", "a"]


def bomb(beside):
    """A small schema whose references stand for a huge one."""
    levels = range(1, 10)
    steps = {f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i - 1}", **beside} for _ in range(9)]} for i in levels}
    return {"properties": {"a": {"$ref": "#/$defs/d9"}}, "$defs": {"d0": {"type": "string"}, **steps}}


BOMB = bomb({"minimum": 1})

UNUSABLE = {
    "not JSON": b"{",
    "no schema": b"3",
    "false": b"false",
    "a list": b"[]",
    "too deep": json.dumps(deep(12)).encode(),
    "JSON that is too deep": b'{"default":' + b"[" * 200 + b"]" * 200 + b"}",
    "allOf of too many": json.dumps({"allOf": [{"type": "string"}, *[{} for _ in range(6_000)]]}).encode(),
    "allOf in allOf": json.dumps({"allOf": [{"$ref": "#"}, {"type": "object"}]}).encode(),
    "a bomb": json.dumps(BOMB).encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.parametrize("convert", [to_json_schema, to_openapi_schema])
def test_what_cannot_be_used_is_told_with_its_path(name, convert):
    with pytest.raises(UnusableSchema) as caught:
        convert(msgspec.Raw(UNUSABLE[name]))
    assert caught.value.reason
    if name == "too deep":
        assert caught.value.path.startswith("properties.d.properties.d")


def test_references_that_stay_cost_nothing_until_they_are_written_out():
    kept = bomb({})
    assert as_json(kept) == (kept, {})
    with pytest.raises(UnusableSchema):
        to_openapi_schema(raw(kept))


def test_eleven_levels_are_not_too_deep():
    assert as_json(deep(11))[1] == {}


OPENAPI_CASES = {
    "types are upper case": ({"type": "string"}, {"type": "STRING"}, {}),
    "a union with null is nullable": ({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}, {}),
    "null alone is a type": ({"type": "null"}, {"type": "NULL"}, {}),
    "a union of types is anyOf": (
        {"type": ["string", "integer"], "description": "D"},
        {"anyOf": [{"type": "STRING", "description": "D"}, {"type": "INTEGER", "description": "D"}]},
        {},
    ),
    "anyOf with null": (
        {"anyOf": [{"type": "integer"}, {"type": "null"}], "title": "T"},
        {"type": "INTEGER", "title": "T", "nullable": True},
        {},
    ),
    "alternatives keep what stands around them": (
        {"anyOf": [{"type": "string"}, {"type": "integer"}], "description": "D"},
        {"description": "D", "anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]},
        {},
    ),
    "anything is one of four": (
        {},
        {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}, {"type": "BOOLEAN"}, {"type": "OBJECT"}]},
        {"type": "approximated"},
    ),
    "what stands around alternatives is in each of them": (
        {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "anyOf": [{"required": ["a"]}, {"$ref": "#/$defs/B"}],
        }
        | {"$defs": {"B": {"properties": {"b": {"type": "integer"}}}}},
        {
            "anyOf": [
                {
                    "type": "OBJECT",
                    "properties": {"a": {"type": "STRING"}},
                    "propertyOrdering": ["a"],
                    "required": ["a"],
                },
                {
                    "type": "OBJECT",
                    "properties": {"a": {"type": "STRING"}, "b": {"type": "INTEGER"}},
                    "propertyOrdering": ["a", "b"],
                },
            ]
        },
        {},
    ),
    "names with escapes are found": (
        {"properties": {"s": {"$ref": "#/$defs/a~1b"}}, "$defs": {"a/b": {"type": "integer"}}},
        {"type": "OBJECT", "properties": {"s": {"type": "INTEGER"}}, "propertyOrdering": ["s"]},
        {},
    ),
    "each type of several has its own members": (
        {"type": ["string", "integer", "number"], "enum": ["a", 1, 0.5]},
        {
            "anyOf": [
                {"type": "STRING", "enum": ["a"]},
                {"type": "STRING", "enum": ["1"]},
                {"type": "STRING", "enum": ["1", "0.5"]},
            ]
        },
        {"anyOf[1].enum": "approximated", "anyOf[2].enum": "approximated"},
    ),
    "an enum of numbers is one of texts": (
        {"type": "integer", "enum": [1, 2], "minimum": 1},
        {"type": "STRING", "enum": ["1", "2"]},
        {"enum": "approximated"},
    ),
    "limits of texts stay": (
        {"type": "string", "minLength": 2, "pattern": "^a"},
        {"type": "STRING", "minLength": 2, "pattern": "^a"},
        {},
    ),
    "properties have an order": (
        {"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "string"}}, "required": ["a"]},
        {
            "type": "OBJECT",
            "properties": {"z": {"type": "STRING"}, "a": {"type": "STRING"}},
            "propertyOrdering": ["z", "a"],
            "required": ["a"],
        },
        {},
    ),
    "an object without properties has none": (
        {"type": "object", "properties": {}, "minProperties": 1},
        {"type": "OBJECT", "minProperties": 1},
        {},
    ),
    "required names what is declared": (
        {"type": "object", "required": ["b"]},
        {"type": "OBJECT"},
        {"required": "approximated"},
    ),
    "a map is told": (
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "OBJECT"},
        {"additionalProperties": "approximated"},
    ),
    "a tuple is a list of any of its members": (
        {"type": "array", "prefixItems": [{"type": "number"}, {"type": "string"}, {"type": "number"}]},
        {"type": "ARRAY", "items": {"anyOf": [{"type": "NUMBER"}, {"type": "STRING"}]}},
        {"prefixItems": "approximated"},
    ),
    "a tuple of equals is a list": (
        {"prefixItems": [{"type": "number"}, {"type": "number"}]},
        {"type": "ARRAY", "items": {"type": "NUMBER"}},
        {"prefixItems": "approximated"},
    ),
    "a date is told": (
        {"type": "string", "format": "date"},
        {"type": "STRING", "description": "(format: date)"},
        {"format": "approximated"},
    ),
    "a date with a time stays": (
        {"type": "string", "format": "date-time"},
        {"type": "STRING", "format": "date-time"},
        {},
    ),
    "references are written out": (
        {"properties": {"s": {"$ref": "#/$defs/S", "description": "D"}}, "$defs": {"S": {"type": "integer"}}},
        {
            "type": "OBJECT",
            "properties": {"s": {"type": "INTEGER", "description": "D"}},
            "propertyOrdering": ["s"],
        },
        {},
    ),
    "recursion ends": (
        NODE,
        {
            "type": "OBJECT",
            "properties": {"kids": {"type": "ARRAY", "items": {"type": "OBJECT"}}},
            "propertyOrdering": ["kids"],
        },
        {"properties.kids.items.$ref": "approximated"},
    ),
}


@pytest.mark.parametrize("name", OPENAPI_CASES)
def test_the_openapi_dialect(name):
    given_schema, becomes, notes = OPENAPI_CASES[name]
    result, told = as_openapi(given_schema)
    assert result == becomes
    assert told == notes
    types.Schema.model_validate(result)


DECLARED = {
    "type": "object",
    "properties": {
        "level": {"type": "integer", "enum": [1, 2]},
        "share": {"enum": [0.5, 1.5]},
        "name": {"type": "string", "enum": ["1", "2"]},
        "list": {"type": "array", "items": {"$ref": "#/$defs/L"}},
        "free": {"type": "string"},
    },
    "$defs": {"L": {"type": "integer", "enum": [7]}},
}


def test_arguments_come_back_with_their_declared_types():
    given_arguments = {"level": "1", "share": "1.5", "name": "1", "list": ["7", "8"], "free": "2", "other": "1"}
    restored = {"level": 1, "share": 1.5, "name": "1", "list": [7, "8"], "free": "2", "other": "1"}
    assert restore(given_arguments, raw(DECLARED)) == restored


def test_arguments_deep_inside_alternatives_and_recursions_are_restored_or_left():
    nullable = {"type": "object", "properties": {"a": {"anyOf": [{"type": "integer", "enum": [1]}, {"type": "null"}]}}}
    assert restore({"a": "1"}, raw(nullable)) == {"a": 1}
    assert restore({"a": "7", "b": 3}, raw(nullable)) == {"a": "7", "b": 3}
    endless = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}
    assert restore({"a": "1"}, raw(endless)) == {"a": "1"}
    deeply = {"d": "1"}
    for _ in range(900):
        deeply = {"d": deeply}
    assert restore(deeply, raw(NODE)) == deeply


def test_a_large_enum_costs_no_more_than_its_size():
    members = [f"value {number}" for number in range(50_000)]
    assert as_json({"enum": members})[0]["enum"] == members


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text("ab", max_size=2))
KEYWORDS = sorted(
    JSON_KEYWORDS
    | schema_node._VALIDATION
    | {"const", "oneOf", "allOf", "nullable", "exclusiveMinimum", "definitions", "default", "a", "b"}
)
LEAVES = st.one_of(SCALARS, st.sampled_from(["string", "object", "array", "#", "#/$defs/a", "#/properties/a"]))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=400, deadline=None)
@given(TREES)
def test_whatever_comes_the_result_is_within_the_dialect_and_stays_so(tree):
    try:
        once = to_json_schema(raw(tree))
        message = to_openapi_schema(raw(tree))
    except UnusableSchema:
        return
    assert keywords_of(json.loads(bytes(once.schema))) <= JSON_KEYWORDS
    types.Schema.model_validate_json(bytes(message.schema))


def keywords_of(node):
    """All keywords of a schema and the schemas in it."""
    if not isinstance(node, dict):
        return set()
    found = set(node)
    for keyword in ("properties", "$defs"):
        for inner in node.get(keyword, {}).values():
            found |= keywords_of(inner)
    for keyword in ("anyOf", "prefixItems"):
        for inner in node.get(keyword, []):
            found |= keywords_of(inner)
    return found | keywords_of(node.get("items")) | keywords_of(node.get("additionalProperties"))


CORPUS = os.environ.get("ADAPTER_CORPUS")


def recorded_schemas():
    with (Path(CORPUS) / "tool_schemas.jsonl").open() as lines:
        yield from map(json.loads, lines)


@pytest.mark.corpus
@pytest.mark.skipif(CORPUS is None, reason="ADAPTER_CORPUS is not set: no recorded schemas")
def test_every_recorded_schema_converts_and_its_instances_stay_valid():
    counts = collections.Counter()
    for record in recorded_schemas():
        text = raw(record["schema"])
        try:
            once, message = to_json_schema(text), to_openapi_schema(text)
        except UnusableSchema as error:
            counts[f"unusable: {error.reason}"] += 1
            assert record["schema"] is False, record["id"]
            continue
        counts["converted"] += 1
        assert bytes(to_json_schema(once.schema).schema) == bytes(once.schema), record["id"]
        types.Schema.model_validate_json(bytes(message.schema))
        if once.notes:
            counts["with notes"] += 1
        lost = {note.path.rpartition(".")[2] for note in once.notes} - {"$schema", "$comment"}
        if lost or record["dialect"] != "draft2020-12":
            continue
        for test in record.get("tests", ()):
            if test["valid"]:
                counts["instances"] += 1
                jsonschema.validate(test["data"], json.loads(bytes(once.schema)))
    print(dict(counts))
    assert counts["converted"] > 4_000
