"""The field table, and how strictly requests are read by it."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from adapter.emulator.core.errors import Refusal
from adapter.emulator.parsing.discovery import derive
from adapter.emulator.parsing.field_table import PACKAGE, additions, snake, table
from adapter.emulator.parsing.parser import parse, read_json
from tests.emulator.asking import ask, ask_refused, call, message, model_content, request, result, user
from tests.support.paths import REPOSITORY

FIELDS = REPOSITORY / "adapter" / "emulator" / "parsing" / "fields.json"


@pytest.mark.corpus
def test_the_field_table_is_what_the_discovery_document_says() -> None:
    if "ADAPTER_CORPUS" not in os.environ:
        pytest.skip("ADAPTER_CORPUS is not set")
    document = next((Path(os.environ["ADAPTER_CORPUS"]).parent / "schema").glob("generativelanguage*.json"))
    assert derive(json.loads(document.read_bytes())) == json.loads(FIELDS.read_bytes())


def test_every_type_of_the_table_is_known() -> None:
    scalars = {"string", "bool", "int32", "int64", "float", "double", "bytes", "duration", "timestamp", "any", "struct"}
    for fields in table().messages.values():
        for field in fields.values():
            assert field.type in scalars or field.type in table().messages or field.enum in table().enums


def test_additions_say_where_and_when_they_were_published() -> None:
    for entry in additions():
        assert entry["source"]
        assert entry["date"] >= "2026-03"


def test_nothing_is_an_addition_that_the_discovery_document_already_has() -> None:
    known = json.loads(FIELDS.read_bytes())["messages"]
    for entry in additions():
        for name, fields in entry["messages"].items():
            assert not set(fields) & set(known.get(name, {})), name


UNKNOWN_AT_EACH_LEVEL = {
    "": {"max_tokens": 1},
    "contents[0]": {"contents": [{"name": "x", "parts": [{"text": "a"}]}]},
    "contents[0].parts[0]": {"contents": [{"parts": [{"text": "a", "txt": 1}]}]},
    "contents[0].parts[0].inline_data": {"contents": [{"parts": [{"inlineData": {"mimetype": "a/b"}}]}]},
    "contents[0].parts[0].function_call": {"contents": [{"parts": [{"functionCall": {"arguments": "{}"}}]}]},
    "system_instruction": {"systemInstruction": {"content": "x"}},
    "generation_config": {"generationConfig": {"max_tokens": 1}},
    "generation_config.thinking_config": {"generationConfig": {"thinkingConfig": {"effort": "low"}}},
    "generation_config.response_schema": {"generationConfig": {"responseSchema": {"additionalProperties": False}}},
    "tools[0]": {"tools": [{"functions": []}]},
    "tools[0].function_declarations[0]": {"tools": [{"functionDeclarations": [{"strict": True}]}]},
    "tools[0].function_declarations[0].parameters.properties[1].value.any_of[0]": {
        "tools": [
            {
                "functionDeclarations": [
                    {"parameters": {"properties": {"a": {"type": "STRING"}, "b": {"anyOf": [{"$ref": "#"}]}}}}
                ]
            }
        ]
    },
    "tool_config.function_calling_config": {"toolConfig": {"functionCallingConfig": {"modes": "ANY"}}},
    "safety_settings[0]": {"safetySettings": [{"level": "OFF"}]},
}


@pytest.mark.parametrize(("path", "body"), UNKNOWN_AT_EACH_LEVEL.items(), ids=UNKNOWN_AT_EACH_LEVEL)
def test_an_unknown_name_at_any_level_is_refused_with_its_snake_case_path(path: str, body: dict[str, Any]) -> None:
    refusal = ask_refused(body)
    violations = refusal.details[0]["fieldViolations"]
    place = f" at '{path}'" if path else ""
    assert refusal.code == 400
    assert refusal.message.startswith('Invalid JSON payload received. Unknown name "')
    assert refusal.message.endswith(f'"{place}: Cannot find field.')
    assert violations == [{**({"field": path} if path else {}), "description": refusal.message}]


def test_all_violations_of_a_body_come_in_one_answer_in_its_order() -> None:
    body = {
        "contents": [{"parts": [{"text": 1}], "extra": 1}],
        "generationConfig": {"seed": 2**31, "temperature": "warm", "n": 2},
        "toolConfig": {"functionCallingConfig": {"mode": "required"}},
        "logit_bias": {},
    }
    lines = message(body).split("\n")
    assert lines == [
        "Invalid value at 'contents[0].parts[0].text' (TYPE_STRING), 1",
        "Invalid JSON payload received. Unknown name \"extra\" at 'contents[0]': Cannot find field.",
        "Invalid value at 'generation_config.seed' (TYPE_INT32), 2147483648",
        "Invalid value at 'generation_config.temperature' (TYPE_FLOAT), \"warm\"",
        "Invalid JSON payload received. Unknown name \"n\" at 'generation_config': Cannot find field.",
        "Invalid value at 'tool_config.function_calling_config.mode' "
        f'(type.googleapis.com/{PACKAGE}.FunctionCallingConfig.Mode), "required"',
        'Invalid JSON payload received. Unknown name "logit_bias": Cannot find field.',
    ]
    assert [entry["description"] for entry in ask_refused(body).details[0]["fieldViolations"]] == lines


def part_of(**part: Any) -> dict[str, Any]:
    return request(user(part))


BAD_VALUES = {
    "bytes": (
        part_of(text="a", thoughtSignature="==="),
        "Invalid value at 'contents[0].parts[0].thought_signature' (TYPE_BYTES), Base64 decoding failed for \"===\"",
    ),
    "inline data": (
        part_of(inlineData={"mimeType": "image/png", "data": "*"}),
        "Invalid value at 'contents[0].parts[0].inline_data.data' (TYPE_BYTES), Base64 decoding failed for \"*\"",
    ),
    "list for one": (
        {"tools": [{"functionDeclarations": [{"parameters": {"type": ["string", "null"]}}]}]},
        "Invalid JSON payload received. Unknown name \"type\" at 'tools[0].function_declarations[0].parameters': "
        "Proto field is not repeating, cannot start list.",
    ),
    "schema type": (
        {"tools": [{"functionDeclarations": [{"parameters": {"properties": {"a": {"type": ""}}}}]}]},
        "Invalid value at 'tools[0].function_declarations[0].parameters.properties[0].value.type' "
        '(type.googleapis.com/google.ai.generativelanguage.v1beta.Type), ""',
    ),
    "numeric enum value": (
        {"generationConfig": {"responseSchema": {"enum": [1]}}},
        "Invalid value at 'generation_config.response_schema.enum[0]' (TYPE_STRING), 1",
    ),
    "struct": (
        request(user({"functionResponse": {"name": "a", "response": "text"}})),
        "Invalid value at 'contents[0].parts[0].function_response.response' "
        '(type.googleapis.com/google.protobuf.Struct), "text"',
    ),
    "message": (
        {"contents": ["hello"]},
        f"Invalid value at 'contents[0]' (type.googleapis.com/{PACKAGE}.Content), \"hello\"",
    ),
    "parts as an object": (
        {"contents": [{"parts": {"role": "user"}}]},
        "Invalid JSON payload received. Unknown name \"role\" at 'contents[0].parts': Cannot find field.",
    ),
    "two members of a oneof": (
        part_of(text="a", inlineData={"mimeType": "image/png", "data": ""}),
        "Invalid value at 'contents[0].parts[0]' (oneof), oneof field 'data' is already set. Cannot set 'inlineData'",
    ),
    "object for text": (
        part_of(text={"a": 1}),
        "Invalid JSON payload received. Unknown name \"text\" at 'contents[0].parts[0]': "
        "Starting an object on a scalar field.",
    ),
    "fraction": (
        {"generationConfig": {"topK": 1.5}},
        "Invalid value at 'generation_config.top_k' (TYPE_INT32), 1.5",
    ),
    "boolean": (
        {"store": "yes"},
        "Invalid value at 'store' (TYPE_BOOL), \"yes\"",
    ),
    "not an object": ([], 'Invalid JSON payload received. Unknown name "": Root element must be a message.'),
}


@pytest.mark.parametrize(("body", "expected"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_value_that_does_not_fit_is_refused_in_the_servers_words(body: Any, expected: str) -> None:
    assert message(body) == expected


ACCEPTED = {
    "snake case": {
        "contents": [{"parts": [{"inline_data": {"mime_type": "text/plain", "data": "YQ"}}]}],
        "generation_config": {"max_output_tokens": 900, "thinking_config": {"include_thoughts": True}},
    },
    "single objects": {"contents": {"parts": {"text": "a"}}, "tools": {"googleSearch": {}}},
    "upper case role": {"contents": {"role": "USER", "parts": {"text": "a"}}},
    "null": {"contents": [{"parts": [{"text": "a", "thought": None}]}], "tools": None, "generationConfig": None},
    "numbers as text": {"contents": {"parts": {"text": "a"}}, "generationConfig": {"topK": "40", "seed": 1.0}},
    "topK 40.0": {"contents": {"parts": {"text": "a"}}, "generationConfig": {"topK": 40.0}},
    "enum in lower case": {
        "contents": {"parts": {"text": "a"}},
        "generationConfig": {"thinkingConfig": {"thinkingLevel": "low"}},
    },
    "enum by number": {
        "contents": {"parts": {"text": "a"}},
        "safetySettings": [{"category": 7, "threshold": 4}],
    },
    "free inside values": {
        "contents": {"parts": {"text": "a", "partMetadata": {"any": {"thing": 1}}}},
        "labels": {"team": "a"},
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"whatever": {"$ref": "#"}}}]}],
    },
    "additions": {
        "contents": {"parts": {"text": "a", "mediaProcessing": "STATIC"}},
        "serviceTier": "flex",
        "store": False,
        "continuationToken": "YQ==",
    },
    "responseFormat as an object": {
        "contents": {"parts": {"text": "a"}},
        "generationConfig": {"responseFormat": {"text": {"mimeType": "application/json", "schema": {}}}},
    },
    "responseFormat as a list": {
        "contents": {"parts": {"text": "a"}},
        "generationConfig": {"responseFormat": [{"text": {"mimeType": "APPLICATION_JSON", "schema": {}}}]},
    },
}


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED)
def test_what_real_clients_send_is_taken(body: dict[str, Any]) -> None:
    assert ask(body)["candidates"]


def test_free_form_values_may_hold_any_name() -> None:
    contents = [
        user("hi"),
        model_content(call("f", args={"strange": {"$ref": 1}})),
        user(result("f", response={"x": [1]})),
    ]
    assert ask({"contents": contents}, "gemini-2.5-flash")


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padded", [True, False])
def test_both_base64_alphabets_are_read_padded_or_not(encode: Any, padded: bool) -> None:
    data = bytes(range(200, 256)) + b"\xff\xfe"
    sent = encode(data).decode() if padded else encode(data).decode().rstrip("=")
    parsed = parse({"contents": [{"parts": [{"inlineData": {"data": sent}}]}]}, "GenerateContentRequest")
    assert parsed["contents"][0]["parts"][0]["inlineData"]["data"] == data


def test_a_misspelling_of_any_field_is_refused() -> None:
    for name, fields in table().messages.items():
        for field in fields.values():
            misspelled = field.name + "x"
            if misspelled not in fields:
                with pytest.raises(Refusal, match="Cannot find field"):
                    parse({misspelled: {}}, name)


def test_both_spellings_of_every_field_are_known() -> None:
    for fields in table().messages.values():
        for field in list(fields.values()):
            assert fields[snake(field.name)] == fields[field.name] == field


@pytest.mark.parametrize("body", [b'{"a": 1', b"{'a': 1}", b"nonsense", b'{"a": NaN}', b'{"a": "\xff"}'])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal, match="Invalid JSON payload received") as caught:
        read_json(body)
    assert caught.value.code == 400


def test_an_empty_body_is_an_empty_message() -> None:
    assert message(read_json(b"")) == "* GenerateContentRequest.contents: contents is not specified\n"


def test_nesting_beyond_what_protobuf_reads_is_refused_without_a_crash() -> None:
    deep = orjson.loads(b'{"a":' * 150 + b"1" + b"}" * 150)
    body = {"contents": [user("a"), model_content(call(args=deep))]}
    assert "too deep" in message(body)
