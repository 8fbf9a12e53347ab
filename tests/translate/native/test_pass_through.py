"""Gemini's own requests: where a signature is missing, and that nothing but it is added."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from adapter.translate.native.pass_through import (
    find_by_ids,
    models_in,
    name_in_path,
    names_in,
    names_made,
    names_of,
    records_of_answer,
    unsigned_calls,
    with_signatures,
)
from adapter.translate.signatures.keys import call_key
from adapter.translate.signatures.prefix_digest import call_digest, call_spelling
from adapter.wire.base import decode
from adapter.wire.gemini.content import Content, FileData, Part
from adapter.wire.gemini.generate import GenerateContentRequest, GenerateContentResponse
from adapter.wire.signatures import Signature

HI = {"role": "user", "parts": [{"text": "hi"}]}


def call(call_id, **more):
    return {"functionCall": {"id": call_id, "name": "f", "args": {"a": "functionCall"}}, **more}


def result(call_id):
    return {"role": "user", "parts": [{"functionResponse": {"id": call_id, "name": "f", "response": {}}}]}


def model(*parts):
    return {"role": "model", "parts": list(parts)}


def record(value, origin="studio", arguments='{"a":"functionCall"}'):
    """The record of a call."""
    return Signature(value=value, origin=origin, digest=call_digest("f", arguments))


def paste_signatures(body, **kept):
    found = {call_key(one): record(value) for one, value in kept.items()}
    calls = unsigned_calls(body)
    return with_signatures(body, calls, find_by_ids(calls, found), {}, "studio")


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("spelling", ["camel", "snake"])
def test_a_call_of_this_turn_gets_its_signature_and_nothing_else_changes(indent, spelling):
    contents = [HI, model({"text": "so"}, call("a"), call("b")), result("a")]
    text = json.dumps({"tools": [{"x": contents}], "contents": contents, "store": False}, indent=indent)
    if spelling == "snake":
        text = text.replace('"functionCall":', '"function_call":').replace(
            '"functionResponse":', '"function_response":'
        )
    body, notes = paste_signatures(text.encode(), a="c2ln")
    assert [(note.path, note.signature) for note in notes] == [("contents[1].parts[1]", "id")]
    assert body.replace(b'"thoughtSignature":"c2ln",', b"", 1) == text.encode()
    part = json.loads(body)["contents"][1]["parts"][1]
    assert part.pop("thoughtSignature") == "c2ln"
    assert json.loads(body)["tools"] == json.loads(text)["tools"]


@pytest.mark.parametrize(
    "contents",
    [
        [HI, model(call("a", thoughtSignature="mine")), result("a")],
        [HI, model(call("a", thought_signature="mine")), result("a")],
        [HI, model(call("a")), result("a"), model({"text": "done"}), HI],
        [HI, model({"functionCall": {"name": "f"}})],
        [HI, model({"text": "a functionCall"})],
        "functionCall",
        [["functionCall"]],
    ],
    ids=["signed", "signed in snake case", "an earlier turn", "no id", "a text", "no list", "no contents"],
)
def test_what_needs_no_signature_or_has_one_passes_as_it_is(contents):
    body = json.dumps({"contents": contents}).encode()
    assert paste_signatures(body, a="c2ln") == (body, [])


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"contents": "functionCall', b'["functionCall"]', b'{"\\u0063": "functionCall"}']
)
def test_what_is_no_request_passes_as_it_is(body):
    assert paste_signatures(body, a="c2ln") == (body, [])


@pytest.mark.parametrize("name", ["functionCall", "function_call"])
def test_a_call_is_seen_beside_an_image_of_any_size(name):
    """Bodies with few quotes, where the search for names goes from quote to quote."""
    for size, texts in itertools.product((0, 100, 100_000), (1, 300)):
        image = {"inlineData": {"mimeType": "image/png", "data": "QUJD" * size}}
        contents = [
            {"role": "user", "parts": [{"text": "hi"}] * texts + [image]},
            model({name: {"id": "a", "name": "f"}}),
        ]
        assert [one.id for one in unsigned_calls(json.dumps({"contents": contents}).encode())] == ["a"]
        assert unsigned_calls(json.dumps({"contents": contents[:1]}).encode()) == []


@pytest.mark.parametrize("other", [record("c2ln", origin="relay"), record("c2ln", arguments="{}")])
def test_the_signature_of_another_upstream_or_another_call_under_the_id_is_not_pasted(other):
    body = json.dumps({"contents": [HI, model(call("a"))]}).encode()
    calls = unsigned_calls(body)
    assert with_signatures(body, calls, find_by_ids(calls, {call_key("a"): other}), {}, "studio") == (body, [])


def test_the_calls_of_an_answer_are_kept_under_their_ids():
    answer = {"candidates": [{"content": model(call("a", thoughtSignature="c2ln"), call("b"), {"text": "x"})}]}
    response, _ = decode(json.dumps(answer).encode(), GenerateContentResponse)
    [issued] = records_of_answer(response, "studio")
    arguments = '{"a":"functionCall"}'
    assert issued.key == call_key("a")
    assert issued.signature == Signature(
        value="c2ln",
        id="a",
        origin="studio",
        digest=call_digest("f", arguments),
        spelling=call_spelling("f", '{"a": "functionCall"}'),
        position=0,
    )


def test_a_call_of_an_answer_without_a_name_or_arguments_is_kept_as_an_empty_one():
    answer = {"candidates": [{"content": model({"functionCall": {"id": "a"}, "thoughtSignature": "c2ln"})}, {}]}
    response, _ = decode(json.dumps(answer).encode(), GenerateContentResponse)
    [issued] = records_of_answer(response, "studio")
    assert (issued.signature.digest, issued.signature.spelling) == (call_digest("", "{}"), call_spelling("", "{}"))


STEPS = st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3), max_size=4)
JUNK = st.recursive(st.none() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=6)


@given(STEPS, STEPS, JUNK, st.sampled_from([None, 1]))
def test_exactly_the_kept_calls_of_the_last_turn_are_signed(earlier, steps, junk, indent):
    contents = [HI, *(one for ids in earlier for one in (model(*map(call, ids)), result(ids[0])))]
    start = len(contents) + 1
    contents += [HI, *(one for ids in steps for one in (model(*map(call, ids)), result(ids[0])))]
    request = {"functionCall": junk, "contents": contents, "tools": junk}
    body, notes = paste_signatures(json.dumps(request, indent=indent).encode(), a="QQ==", c="Qw==")
    kept = {"a": "QQ==", "c": "Qw=="}
    for content in contents[start:]:
        for part in content["parts"]:
            identity = part.get("functionCall", {}).get("id")
            if identity in kept:
                part["thoughtSignature"] = kept[identity]
    assert json.loads(body) == request
    assert len(notes) == body.count(b"thoughtSignature")


def test_a_request_whose_calls_stand_elsewhere_or_whose_contents_have_no_parts_passes_as_it_is():
    for request in (
        {"tools": [call("a")]},
        {"contents": [HI, {"role": "model"}, {"role": "user"}], "tools": [call("a")]},
    ):
        body = json.dumps(request).encode()
        assert paste_signatures(body, a="c2ln") == (body, [])


@pytest.mark.parametrize(
    ("body", "models"),
    [
        ({}, set()),
        ({"model": "a"}, {"a"}),
        ({"model": None, "requests": None}, set()),
        ({"model": "a", "requests": [{"model": "b"}, {}]}, {"a", "b"}),
        ({"requests": {"model": "b"}}, {"b"}),
        ({"generateContentRequest": {"model": "c"}}, {"c"}),
        ({"generate_content_request": {"model": "d", "contents": [{"model": "text"}]}}, {"d"}),
    ],
)
def test_the_models_that_a_body_names(body, models):
    assert models_in(json.dumps(body).encode()) == models


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"contents":[]}', set()),
        (b'{"contents":[{"parts":[{"text":"files/a"}]}]}', set()),
        (b'{"args":{"path":"files/a","name":"files/b"}}', set()),
        (b'{"fileData":{"fileUri":"gs://files/a"}}', set()),
        (b'{"file_data" : {"file_uri" : "https://relay.example/v1/files/a?x=1"}}', {"files/a"}),
        (b'{"type":"image","uri":"files/a"}', {"files/a"}),
        (b'{"cachedContent":"cachedContents/c"}', {"cachedContents/c"}),
        (
            b'{"fileSearchStoreNames":["fileSearchStores/s", "fileSearchStores/t"]}',
            {"fileSearchStores/s", "fileSearchStores/t"},
        ),
        (b'{"previous_interaction_id":"v1_x"}', {"interactions/v1_x"}),
        (rb'{"\u0066ileUri":"files\/a"}', {"files/a"}),
        (rb'{"fileUri":"files\/a"}', {"files/a"}),
        (rb'{"fileUri":"\u0066iles/a"}', {"files/a"}),
        (b'{"cached_content":"cachedContents/c"}', {"cachedContents/c"}),
        (b'{"fileName":"files/a","file_name":"files/b"}', {"files/a", "files/b"}),
        (b'{"file_search_store_names":["fileSearchStores/s"]}', {"fileSearchStores/s"}),
        (b'{"previousInteractionId":"v1_x"}', {"interactions/v1_x"}),
    ],
)
def test_the_names_at_the_places_where_a_request_takes_them(body, names):
    assert names_in(body) == names


def test_a_translated_request_names_the_same():
    asked = {
        "cachedContent": "cachedContents/c",
        "tools": [{"fileSearch": {"fileSearchStoreNames": ["fileSearchStores/d"]}}, {"codeExecution": {}}],
    }
    request, _ = decode(json.dumps(asked).encode(), GenerateContentRequest)
    named = Content(parts=[Part(text="files/a"), Part(file_data=FileData(file_uri="files/b"))])
    written: Any = Raw(b'{"role":"user","parts":[]}')
    request.contents = [named, Content(role="user"), written]
    assert names_of(request) == {"files/b", "cachedContents/c", "fileSearchStores/d"}
    assert names_of(GenerateContentRequest(contents=None)) == set()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("files", None),
        ("files/a", "files/a"),
        ("files/a:download", "files/a"),
        ("models/m", None),
        ("batches/b/x", "batches/b"),
    ],
)
def test_the_name_that_a_path_is_about(path, name):
    assert name_in_path(path) == name


@pytest.mark.parametrize(
    ("answer", "collection", "names"),
    [
        (b'{"name":"cachedContents/c","model":"models/m"}', "cachedContents", {"cachedContents/c"}),
        (b'{"file":{"name":"files/f"}}', "", {"files/f"}),
        (b'{"id":"i"}', "interactions", {"interactions/i"}),
        (b'{"id":"i"}', "", set()),
        (b'{"name":"models/m"}', "x", set()),
        (b"{}", "x", set()),
        (
            b'data: {"interaction":{"id":"i"}}\n\ndata: {"id": "j"}',
            "interactions",
            {"interactions/i", "interactions/j"},
        ),
        (b"no JSON", "", set()),
    ],
)
def test_the_names_that_an_answer_tells(answer, collection, names):
    assert names_made(answer, collection) == names
