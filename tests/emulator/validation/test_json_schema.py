"""Whatever stands where a JSON Schema belongs is answered or refused, never a crash."""

import contextlib

import pytest

from adapter.emulator import EmulatorSettings
from adapter.emulator.core.errors import Refusal
from adapter.emulator.service import find_model, generate
from adapter.emulator.validation.json_schema import misshapen_paths, refusal

MODEL = find_model("gemini-3.5-flash", "v1beta", "generateContent")
VALUES = [3, "x", None, [], {}, [3], {"a": 3}, True, 1e308, -1, [None], {"$ref": "#"}, {"$ref": 3}, [{}], [True]]
KEYWORDS = [
    "type",
    "properties",
    "items",
    "enum",
    "anyOf",
    "oneOf",
    "allOf",
    "$ref",
    "$defs",
    "required",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "format",
    "description",
    "additionalProperties",
    "prefixItems",
    "pattern",
    "const",
    "minLength",
    "multipleOf",
    "not",
    "title",
]
ASKED = [{"role": "user", "parts": [{"text": "call f"}]}]
FORCED = {"functionCallingConfig": {"mode": "ANY"}}


def ask(body):
    with contextlib.suppress(Refusal):
        generate(body, MODEL, EmulatorSettings())


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_a_keyword_with_any_value_is_answered_or_refused(keyword):
    for value in VALUES:
        inner = {"type": "object", "properties": {"p": {keyword: value}}}
        for schema in (inner, {"type": "object", keyword: value}):
            function = {"name": "f", "description": "f", "parametersJsonSchema": schema}
            ask({"contents": ASKED, "tools": [{"functionDeclarations": [function]}], "toolConfig": FORCED})
            wanted = {"responseMimeType": "application/json", "responseJsonSchema": schema}
            ask({"contents": ASKED, "generationConfig": wanted})


def test_the_place_of_each_fault_is_told():
    schema = {
        "type": ["object", 3],
        "properties": {"a": {"minimum": "1"}, "b": {"anyOf": [{"enum": "x"}, {"items": {"required": "a"}}]}},
        "additionalProperties": {"pattern": 1},
        "$defs": {"S": {"minLength": 10**9}},
    }
    places = ["type", "properties.a.minimum", "properties.b.anyOf[0].enum", "properties.b.anyOf[1].items.required"]
    assert list(misshapen_paths(schema)) == [*places, "additionalProperties.pattern", "$defs.S.minLength"]


def test_a_schema_that_is_no_schema_is_told_by_its_own_path():
    function = {"name": "f", "parametersJsonSchema": 3}
    with pytest.raises(Refusal) as refused:
        generate({"contents": ASKED, "tools": [{"functionDeclarations": [function]}]}, MODEL, EmulatorSettings())
    assert refused.value.message == "schema at top-level must be a boolean or an object"


REFUSED = {
    "required at the root": ({"required": ["type"]}, "schema at top-level requires unspecified property 'type'"),
    "required in items": (
        {"properties": {"a": {"items": {"required": ["x"]}}}},
        "schema at properties.a.items requires unspecified property 'x'",
    ),
    "required in a branch": (
        {"properties": {"a": {}}, "anyOf": [{"required": ["a"]}]},
        "schema at anyOf.0 requires unspecified property 'a'",
    ),
    "required in a definition": (
        {"$defs": {"S": {"properties": {"a": True}, "required": ["a", "b"]}}},
        "schema at $defs.S requires unspecified property 'b'",
    ),
    "a reference to nothing": (
        {"properties": {"a": {"$ref": "#/$defs/No"}}},
        "reference to undefined schema at properties.a",
    ),
    "a reference out of the document": (
        {"anyOf": [{"$ref": "https://example.com/s.json"}]},
        "reference to undefined schema at anyOf.0",
    ),
    "no schema": ({"properties": {"a": None}}, "schema at properties.a must be a boolean or an object"),
}
"""github.com/google-gemini/gemini-cli/issues/23382, github.com/Gitlawb/openclaude/issues/82 (2026)."""


@pytest.mark.parametrize("name", REFUSED)
def test_the_servers_three_refusals_name_the_first_schema(name):
    schema, text = REFUSED[name]
    assert refusal(schema) == text


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"$ref": "#/definitions/Bar%3Cstring%3E"}}, "definitions": {"Bar<string>": {}}},
        {"properties": {"a": {"$ref": "#/%24defs/S"}}, "$defs": {"S": {"$ref": "#"}}},
        {"properties": {"a": {"$ref": "#here"}}, "$defs": {"S": {"$anchor": "here"}}},
        {"$id": "https://x.test/a", "properties": {"a": {"$ref": "b"}}, "$defs": {"S": {"$id": "b"}}},
        {"not": {"required": ["a"]}, "if": {"required": ["a"]}, "allOf": [{"required": ["a"]}]},
    ],
)
def test_references_of_every_spelling_and_ignored_keywords_are_taken(schema):
    assert refusal(schema) is None
