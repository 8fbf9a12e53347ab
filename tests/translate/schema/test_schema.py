"""JSON Schemas on their way to Gemini: what stays, what becomes something else, what is told."""

import collections
import json
from typing import Any

import jsonschema
import msgspec
import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from adapter.emulator.validation.json_schema import refusal
from adapter.emulator.validation.tools import schema_violations
from adapter.translate.schema import node as schema_node
from adapter.translate.schema.json_schema import MAX_BYTES, UnusableSchema, to_json_schema
from adapter.translate.schema.openapi import restore, to_openapi_schema
from tests.support.recordings import ROOT, drawn_records
from tests.support.size import IS_LARGE


def raw(value):
    return msgspec.Raw(json.dumps(value).encode())


def as_json(value):
    """The schema in the json dialect, and its notes by path."""
    converted = to_json_schema(raw(value))
    return json.loads(bytes(converted.schema)), {note.path: note.fate.value for note in converted.notes}


def as_openapi(value):
    """The schema in the openapi dialect, and its notes by path."""
    converted = to_openapi_schema(raw(value))
    return json.loads(bytes(converted.schema)), {note.path: note.fate.value for note in converted.notes}


def properties(**inner):
    return {"type": "object", "properties": inner}


def deep(levels):
    return {"type": "string"} if levels == 0 else properties(d=deep(levels - 1))


NODE = {"$ref": "#/$defs/N", "$defs": {"N": properties(kids={"type": "array", "items": {"$ref": "#/$defs/N"}})}}


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
    "too large": b'{"default":"' + b"x" * MAX_BYTES + b'"}',
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


def test_names_that_no_property_has_are_told_if_they_are_short():
    for names, told in ((["a"], '["a"]'), (["a" * 300], "these")):
        [note] = to_json_schema(raw({"type": "object", "properties": {}, "required": names})).notes
        assert note.reason == f"Gemini takes only names of properties, not {told}"


def test_references_that_stay_cost_nothing_until_they_are_written_out():
    kept = bomb({})
    assert as_json(kept) == (kept, {})
    with pytest.raises(UnusableSchema):
        to_openapi_schema(raw(kept))


def test_eleven_levels_are_not_too_deep():
    assert as_json(deep(11))[1] == {}


TWO = properties(a={"type": "string"}, b={"type": "string"})
TWO_SENT = {
    "type": "OBJECT",
    "properties": {"a": {"type": "STRING"}, "b": {"type": "STRING"}},
    "propertyOrdering": ["a", "b"],
}
ANY = {"anyOf": [{"type": kind} for kind in ("STRING", "NUMBER", "BOOLEAN", "OBJECT")]}

# name: (schema, what it becomes, notes); the conformance cases hold what a function in a request shows
OPENAPI_CASES = {
    "required names what is declared": (
        {"type": "object", "required": ["b"]},
        {"type": "OBJECT"},
        {"required": "approximated"},
    ),
    "a branch may require what stands around it, since it is sent with that": (
        properties(x={**TWO, "anyOf": [{"required": ["a"]}, {"required": ["c"]}]}),
        {
            "type": "OBJECT",
            "properties": {"x": {"anyOf": [{**TWO_SENT, "required": ["a"]}, TWO_SENT]}},
            "propertyOrdering": ["x"],
        },
        {"properties.x.anyOf[1].required": "approximated"},
    ),
    "the root is an object where it was anything": ({"description": "D"}, {"type": "OBJECT", "description": "D"}, {}),
    "the root is an object where it was a list": (
        {"type": "array", "items": {"type": "string"}},
        {"type": "OBJECT", "description": '(the arguments: {"type":"array","items":{"type":"string"}})'},
        {"type": "approximated"},
    ),
    "the root is one object where it was one of several": (
        {"anyOf": [{**TWO, "required": ["a", "b"]}, {**properties(c={"type": "string"}), "required": ["c"]}]},
        {
            "type": "OBJECT",
            "properties": {"a": {"type": "STRING"}, "b": {"type": "STRING"}, "c": {"type": "STRING"}},
            "propertyOrdering": ["a", "b", "c"],
            "description": '(required, one of: [["a","b"],["c"]])',
        },
        {"anyOf": "approximated"},
    ),
    "a nodes own type wins over its enum": (
        properties(a={"type": ["array", "null"], "items": {"type": "string"}, "enum": ["x"]}),
        {
            "type": "OBJECT",
            "properties": {
                "a": {
                    "type": "ARRAY",
                    "items": {"type": "STRING"},
                    "nullable": True,
                    "description": '(enum: ["x"])',
                }
            },
            "propertyOrdering": ["a"],
        },
        {"properties.a.enum": "approximated"},
    ),
    "a nodes own type wins over limits of another": (
        properties(a={"type": "string", "minItems": 1, "maximum": 3, "minLength": 2, "required": ["b"]}),
        {"type": "OBJECT", "properties": {"a": {"type": "STRING", "minLength": 2}}, "propertyOrdering": ["a"]},
        {
            "properties.a.minItems": "approximated",
            "properties.a.maximum": "approximated",
            "properties.a.required": "approximated",
        },
    ),
    "texts are no enum of an integer": (
        properties(a={"type": "integer", "enum": ["1", "2"]}),
        {
            "type": "OBJECT",
            "properties": {"a": {"type": "INTEGER", "description": '(enum: ["1","2"])'}},
            "propertyOrdering": ["a"],
        },
        {"properties.a.enum": "approximated"},
    ),
    "each of several types has its own keywords": (
        properties(a={"type": ["string", "array"], "minLength": 1, "minItems": 2, "enum": ["x"]}),
        {
            "type": "OBJECT",
            "properties": {
                "a": {
                    "anyOf": [
                        {"type": "STRING", "minLength": 1, "enum": ["x"]},
                        {"type": "ARRAY", "minItems": 2, "items": ANY},
                    ]
                }
            },
            "propertyOrdering": ["a"],
        },
        {"properties.a.anyOf[1].items.type": "approximated"},
    ),
    "a reference to the root is followed once": (
        properties(kids={"type": "array", "items": {"$ref": "#"}}),
        {
            "type": "OBJECT",
            "properties": {
                "kids": {
                    "type": "ARRAY",
                    "items": {
                        "type": "OBJECT",
                        "properties": {"kids": {"type": "ARRAY", "items": {"type": "OBJECT"}}},
                        "propertyOrdering": ["kids"],
                    },
                }
            },
            "propertyOrdering": ["kids"],
        },
        {"properties.kids.items.properties.kids.items.$ref": "approximated"},
    ),
    "a map is told": (
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "OBJECT"},
        {"additionalProperties": "approximated"},
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
    deeply: dict[str, Any] = {"d": "1"}
    for _ in range(900):
        deeply = {"d": deeply}
    assert restore(deeply, raw(NODE)) == deeply


KEYWORDS_BY_TYPE: dict[str, dict[str, Any]] = {
    "string": {"minLength": 1, "maxLength": 2, "pattern": "x"},
    "number": {"minimum": 1, "maximum": 2},
    "array": {"minItems": 1, "maxItems": 2, "items": {"type": "string"}, "prefixItems": [{"type": "string"}]},
    "object": {
        "minProperties": 1, "maxProperties": 2, "properties": {"a": {"type": "string"}}, "required": ["a"],
        "propertyOrdering": ["a"], "additionalProperties": False,
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", [*KEYWORDS_BY_TYPE, "integer", "boolean"])
def test_a_keyword_of_another_type_is_left_out_and_noted_in_the_openapi_dialect(kind):
    """The server refuses them: `properties: only allowed for OBJECT type`."""
    bare = to_openapi_schema(raw(properties(p={"type": kind})))
    for owner, keywords in KEYWORDS_BY_TYPE.items():
        for keyword, value in keywords.items():
            if owner != kind and (owner, kind) != ("number", "integer"):
                converted = to_openapi_schema(raw(properties(p={"type": kind, keyword: value})))
                assert bytes(converted.schema) == bytes(bare.schema), keyword
                [note] = [note for note in converted.notes if note not in bare.notes]
                assert (note.path, note.reason) == (f"properties.p.{keyword}", f"says nothing about {kind}s")


@given(st.permutations(["enum", "items", "minItems", "minimum", "pattern", "maximum"]))
def test_keywords_of_other_types_are_noted_in_the_schemas_order(keywords):
    values = {"enum": [1], "items": {"type": "string"}, "pattern": "a"}
    schema = {"type": "object", **{keyword: values.get(keyword, 1) for keyword in keywords}}
    _, notes, *_ = to_openapi_schema(raw(schema))
    assert [note.path.removeprefix(".") for note in notes if note.path.removeprefix(".") in keywords] == keywords


def test_a_large_enum_costs_no_more_than_its_size():
    members = [f"value {number}" for number in range(50_000)]
    assert as_json({"enum": members})[0]["enum"] == members


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text("ab", max_size=2))
DIALECT = {
    "type", "format", "title", "description", "enum", "items", "prefixItems", "minItems", "maxItems", "minimum",
    "maximum", "anyOf", "properties", "additionalProperties", "required", "propertyOrdering", "$id", "$defs", "$ref",
    "$anchor",
}  # fmt: skip
KEYWORDS = sorted(
    DIALECT
    | schema_node._VALIDATION
    | {"const", "oneOf", "allOf", "nullable", "exclusiveMinimum", "definitions", "default", "a", "b"}
)
POINTERS = ["#", "#/$defs/a", "#/properties/a", "#/%24defs/a", "#a", "a", "a#/%24defs/b", "#/$defs/%61"]
LEAVES = st.one_of(SCALARS, st.sampled_from(["string", "object", "array", *POINTERS]))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=5),
    max_leaves=25,
)


@given(TREES)
def test_whatever_comes_the_result_is_within_the_dialect_and_stays_so(tree):
    try:
        once = to_json_schema(raw(tree))
        message = to_openapi_schema(raw(tree))
    except UnusableSchema:
        return
    assert keywords_of(json.loads(bytes(once.schema))) <= DIALECT
    assert refusal(json.loads(bytes(once.schema))) is None
    types.Schema.model_validate_json(bytes(message.schema))
    assert schema_violations(json.loads(bytes(message.schema)), "") == []


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


@pytest.mark.corpus
@pytest.mark.skipif(ROOT is None, reason="ADAPTER_CORPUS is not set: no recorded schemas")
def test_every_recorded_schema_converts_and_its_instances_stay_valid():
    counts = collections.Counter()
    for record in drawn_records("tool_schemas"):
        text = raw(record["schema"])
        try:
            once, message = to_json_schema(text), to_openapi_schema(text)
        except UnusableSchema as error:
            counts[f"unusable: {error.reason}"] += 1
            assert record["schema"] is False, record["id"]
            continue
        counts["converted"] += 1
        assert bytes(to_json_schema(once.schema).schema) == bytes(once.schema), record["id"]
        assert refusal(json.loads(bytes(once.schema))) is None, record["id"]
        types.Schema.model_validate_json(bytes(message.schema))
        assert schema_violations(json.loads(bytes(message.schema)), "") == [], record["id"]
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
    assert counts["converted"] > (4_000 if IS_LARGE else 300)


REFERENCES: dict[str, tuple[str, dict[str, Any]]] = {
    "percent-encoded": ("#/definitions/Bar%3Cstring%3E", {"definitions": {"Bar<string>": TWO}}),
    "percent-encoded keyword": ("#/%24defs/S", {"$defs": {"S": TWO}}),
    "an anchor": ("#here", {"$defs": {"S": {"$anchor": "here", **TWO}}}),
    "an address relative to the root's": ("s", {"$id": "https://x.test/r", "$defs": {"S": {"$id": "s", **TWO}}}),
    "an address and a pointer": ("s#/properties/a", {"$id": "https://x.test/r", "$defs": {"S": {"$id": "s", **TWO}}}),
    "an address relative to the root's folder": (
        "s",
        {"$id": "https://x.test/a/r", "$defs": {"S": {"$id": "https://x.test/a/s", **TWO}}},
    ),
    "a plain name of draft 7": ("#s", {"definitions": {"S": {"$id": "#s", **TWO}}}),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_is_followed_however_it_is_written(name):
    """ts-json-schema-generator encodes them by default (github.com/vega/ts-json-schema-generator/issues/273)."""
    reference, around = REFERENCES[name]
    given_schema = {**properties(x={"$ref": reference}), **around}
    result, told = as_json(given_schema)
    assert not [path for path in told if path.endswith("$ref")]
    value = {"x": {"a": "1"}} if "pointer" not in name else {"x": "1"}
    jsonschema.validate(value, result)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"x": {"a": 1}}, result)
    x = as_openapi(given_schema)[0]["properties"]["x"]
    assert x.get("properties", {"a": x})["a"]["type"] == "STRING"


def test_a_pointer_starts_at_the_schema_that_has_an_address_of_its_own():
    inner = {"$id": "s", **properties(a={"type": "string"}, b={"$ref": "#/properties/a"})}
    around = properties(a={"type": "integer"}, x={"$ref": "s"})
    result, _ = as_json({"$id": "https://x.test/r", **around, "$defs": {"S": inner}})
    jsonschema.validate({"a": 1, "x": {"b": "1"}}, result)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"x": {"b": 1}}, result)


def test_a_reference_to_the_root_stays():
    tree = properties(kids={"type": "array", "items": {"$ref": "#"}})
    assert as_json(tree) == (tree, {})
