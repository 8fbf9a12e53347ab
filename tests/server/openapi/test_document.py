"""The description of the API at /openapi.json: valid, complete, and true."""

import datetime
import json
from typing import Annotated, Literal

import msgspec
import openapi_spec_validator
import pytest
from jsonschema import Draft202012Validator

from adapter.server.openapi.document import document
from adapter.server.openapi.schemas import Schemas
from adapter.server.routes import ENDPOINTS
from adapter.wire.openai.chat_request import ChatCompletionRequest
from tests.support.scripted import adapter, run_upstream, says_hello

DOCUMENT = json.loads(document(ENDPOINTS))


def schema(name):
    return {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}


def test_the_description_is_valid():
    openapi_spec_validator.validate(DOCUMENT)
    for one in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(one)


def test_an_invalid_description_would_be_found():
    with pytest.raises(openapi_spec_validator.validation.exceptions.OpenAPIValidationError):
        openapi_spec_validator.validate(DOCUMENT | {"paths": {"/x": {"get": {"responses": 1}}}})


def test_what_is_not_described_is_not_openais_or_not_served():
    undescribed = {
        endpoint.path
        for endpoint in ENDPOINTS
        if not endpoint.is_described and not endpoint.is_native and endpoint.method == "GET"
    }
    assert undescribed == {"/metrics", "/", *(path for path in undescribed if path.startswith("/inspector/"))}


def test_every_field_of_a_request_is_described():
    described = DOCUMENT["components"]["schemas"]["ChatCompletionRequest"]
    assert list(described["properties"]) == [
        field.encode_name for field in msgspec.structs.fields(ChatCompletionRequest)
    ]
    assert described["required"] == ["model", "messages"]


async def test_it_is_served_to_everybody():
    async with run_upstream(says_hello) as upstream, adapter(upstream, client_keys=("k",)) as client:
        answer = await client.get("/openapi.json")
    assert (answer.status_code, answer.json()) == (200, DOCUMENT)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        (Annotated[str, msgspec.Meta(min_length=1, max_length=2, pattern="^a")], "ab", "abc"),
        (Annotated[int, msgspec.Meta(ge=1, le=2)], 2, 3),
        (Annotated[float, msgspec.Meta(gt=1, lt=2)], 1.5, 2),
        (Annotated[list[int], msgspec.Meta(min_length=1, max_length=2)], [1], []),
        (dict[str, int], {"a": 1}, {"a": "b"}),
        (Literal["a", 1] | None, None, "b"),
        (bool | int, True, "x"),
        (msgspec.Raw, {"anything": []}, None),
    ],
)
def test_a_schema_says_what_its_type_takes(type_, good, bad):
    made = Draft202012Validator(Schemas().of(type_))
    assert made.is_valid(good)
    decoded = msgspec.json.decode(json.dumps(good), type=type_)
    assert (json.loads(bytes(decoded)) if type_ is msgspec.Raw else decoded) == good
    if type_ is not msgspec.Raw:
        assert not made.is_valid(bad)
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(bad, type_)


def test_what_a_field_adds_to_its_schema_is_kept():
    assert Schemas().of(Annotated[int, msgspec.Meta(extra_json_schema={"format": "x"})]) == {
        "type": "integer",
        "format": "x",
    }


def test_bytes_are_base64():
    assert Schemas().of(bytes) == {"type": "string", "contentEncoding": "base64"}


def test_a_type_that_the_wire_does_not_have_is_refused():
    with pytest.raises(TypeError, match="no schema"):
        Schemas().of(datetime.time)


def test_a_struct_with_a_tag_has_it():
    tagged = msgspec.defstruct("Tagged", [("a", int)], tag_field="type", tag="one")
    schemas = Schemas()
    schemas.of(tagged)
    described = schemas.components["Tagged"]
    assert described["properties"] == {"type": {"enum": ["one"]}, "a": {"type": "integer"}}
    assert described["required"] == ["type", "a"]


def test_structs_of_one_name_are_told_apart():
    one, two = (msgspec.defstruct("Same", [(name, int)], module=f"somewhere.{name}") for name in ("one", "two"))
    schemas = Schemas()
    assert schemas.of(one) == schemas.of(one) != schemas.of(two)
    assert list(schemas.components) == ["Same", "two.Same"]
