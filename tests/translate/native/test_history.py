"""Signatures of clients of Gemini's own API that keep no ids: found by what was said, and by nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.native.history import UNREADABLE, AnswerParts, NativeHistory, keys_of, records_of
from adapter.translate.native.pass_through import unsigned_calls, with_signatures
from adapter.translate.signatures.history import History
from adapter.translate.signatures.prefix_digest import answer_form, call_digest
from adapter.wire.base import decode
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.signatures import AMBIGUOUS, Signature

Object = dict[str, Any]
PNG: Object = {"inlineData": {"mimeType": "image/png", "data": "QUJD"}}


def call(arguments: int, **more: Any) -> Object:
    return {"functionCall": {"name": "f", "args": {"a": arguments}}, **more}


def user(*parts: Object) -> Object:
    return {"role": "user", "parts": list(parts)}


def model(*parts: Object) -> Object:
    return {"role": "model", "parts": list(parts)}


def result(value: Any) -> Object:
    return {"functionResponse": {"name": "f", "response": value}}


def body_of(*contents: Object, **more: Any) -> bytes:
    return json.dumps({"contents": contents, **more}).encode()


def answer_of(*parts: Object) -> list[Any]:
    response, _ = decode(
        json.dumps({"candidates": [{"content": model(*parts), "finishReason": "STOP"}]}).encode(),
        GenerateContentResponse,
    )
    return list(AnswerParts().take(response))


def store_answer(body: bytes, *parts: Object) -> dict[str, Signature]:
    return {one.key: one.signature for one in NativeHistory(body).issue(answer_of(*parts), "studio")}


def paste_signatures(body: bytes, found: dict[str, Signature]) -> list[str | None]:
    """The signatures of all calls of the request, once what was found is in place."""
    calls = unsigned_calls(body)
    history = NativeHistory(body)
    known = {key: found[key] for key in keys_of(history, calls) if key in found}
    changed, notes = with_signatures(body, calls, {}, records_of(history, calls, known), "studio")
    assert all(note.signature == "hash" for note in notes)
    return [
        part.get("thoughtSignature")
        for content in json.loads(changed)["contents"]
        for part in content["parts"]
        if "functionCall" in part
    ]


ASKED = [user({"text": "go"}, PNG)]


@pytest.mark.parametrize("text", [[], [{"text": " so "}]], ids=["without the text", "with it"])
def test_a_call_without_an_id_gets_the_signature_of_its_place(text):
    found = store_answer(body_of(*ASKED), {"text": "so"}, call(1, thoughtSignature="QQ=="), call(2))
    again = body_of(*ASKED, model(*text, call(1), call(2)), user(result({"output": "x"})))
    assert paste_signatures(again, found) == ["QQ==", None]


def test_records_are_stored_by_words_alone_with_the_answers_text_and_without_it():
    """Another conversation may have the same words: what is stored under them is never replaced."""
    issued = list(
        NativeHistory(body_of(*ASKED)).issue(answer_of({"text": "so"}, call(1, thoughtSignature="QQ==")), "s")
    )
    assert [one.by_words for one in issued] == [True, True]
    assert len({one.key for one in issued}) == 2
    [record] = issued[0].signature.calls
    assert (record.value, record.origin, record.position) == ("QQ==", "s", 0)


def test_a_call_without_a_name_has_an_empty_one():
    """Protobuf's JSON leaves an empty text out."""
    unnamed, empty = {"functionCall": {"args": {}}}, {"functionCall": {"name": "", "args": {}}}
    assert NativeHistory(body_of(*ASKED, model(unnamed))).keys == NativeHistory(body_of(*ASKED, model(empty))).keys


@pytest.mark.parametrize(
    "again",
    [
        [user({"text": "went"}, PNG), model(call(1))],
        [user({"text": "go"}, {"inlineData": {"data": "RA=="}}), model(call(1))],
        [*ASKED, model(call(3))],
        [*ASKED, model({"text": "else"}, call(1))],
        [user({"text": "before"}), *ASKED, model(call(1))],
    ],
    ids=["another question", "another image", "another call", "another text", "a longer history"],
)
def test_what_was_said_otherwise_has_no_signature(again):
    found = store_answer(body_of(*ASKED), call(1, thoughtSignature="QQ=="))
    assert paste_signatures(body_of(*again), found) == [None]


def test_two_equal_calls_of_one_answer_get_each_its_own_and_an_ambiguous_place_none():
    found = store_answer(body_of(*ASKED), call(1, thoughtSignature="QQ=="), call(1, thoughtSignature="Qg=="))
    again = body_of(*ASKED, model(call(1), call(1), call(1)))
    assert paste_signatures(again, found) == [None, None, None], "three calls are another answer"
    again = body_of(*ASKED, model(call(1), call(1)))
    assert paste_signatures(again, found) == ["QQ==", "Qg=="]
    assert paste_signatures(again, dict.fromkeys(found, AMBIGUOUS)) == [None, None]


def test_a_chat_that_goes_on_natively_has_the_same_places():
    """The system text, a user's text and image, a call, its result: the digests of both APIs agree."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
    function = {"name": "f", "arguments": '{"a": 1}'}
    chat = {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "go"}, image]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c", "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "done"},
        ],
    }
    history = History(decode(json.dumps(chat).encode(), ChatCompletionRequest)[0])
    key = history.prefix_digest().key_of_next(answer_form("", (), [call_digest("f", '{"a":2}')]))
    native = body_of(
        *ASKED,
        model({"text": "a thought", "thought": True}, call(1)),
        user(result({"output": "done"})),
        model(call(2)),
        systemInstruction={"parts": [{"text": "Be brief."}]},
    )
    assert NativeHistory(native).keys[3] == key


def test_ids_are_kept_where_a_call_has_one():
    with_id = {"functionCall": {"id": "c", "name": "f", "args": {}}}
    assert NativeHistory(body_of(*ASKED, model(with_id))).keeps_ids
    assert not NativeHistory(body_of(*ASKED, model(call(1)))).keeps_ids
    assert not NativeHistory(body_of(*ASKED, {"role": "model"}, {"role": "user"})).keeps_ids


@pytest.mark.parametrize("body", [b"[", b'{"contents": 1}', b'{"contents": [{"parts": [{"text": 1.5}]}]'])
def test_what_is_no_request_has_no_history(body):
    with pytest.raises(UNREADABLE):
        NativeHistory(body)


@pytest.mark.parametrize("value", ['{"a":1e999}', '{"a":' * 800 + "1" + "}" * 800, '{"a":"\\ud800"}', "[1]"])
def test_a_result_of_any_kind_has_its_place_in_the_history(value):
    def key_after(response: str) -> str:
        body = body_of(*ASKED, model(call(1)), user(result("VALUE")), model(call(2)))
        return NativeHistory(body.replace(b'"VALUE"', response.encode())).keys[3]

    assert key_after(value) == key_after(f" {value}") != key_after('{"a":2}')


def test_a_result_is_the_same_however_its_json_is_spelled():
    first, second = (
        body_of(*ASKED, model(call(1)), user(result(one))) for one in ({"a": 1, "b": 2.0}, {"b": 2, "a": 1})
    )
    assert (
        store_answer(first, call(2, thoughtSignature="c2ln"))
        == store_answer(second, call(2, thoughtSignature="c2ln"))
        != {}
    )


def test_the_parts_of_a_stream_are_whole_at_its_end_if_a_call_was_signed():
    def event(*parts: Object, **more: Any) -> GenerateContentResponse:
        text = json.dumps({"candidates": [{"content": model(*parts), **more}]})
        return decode(text.encode(), GenerateContentResponse)[0]

    parts = AnswerParts()
    assert not parts.take(event({"text": "a"}))
    assert not parts.take(event(call(1, thoughtSignature="QQ==")))
    assert not parts.take(decode(b"{}", GenerateContentResponse)[0])
    assert len(parts.take(event({"text": "b"}, finishReason="STOP"))) == 3
    assert not AnswerParts().take(event(call(1), finishReason="STOP"))
    assert not AnswerParts().take(decode(b'{"candidates": [{"finishReason": "STOP"}]}', GenerateContentResponse)[0])


RESULTS = st.sampled_from([{"output": "x"}, {"output": 1}, {"a": {"b": [1]}}, None, [], "text"])
MEDIA = st.sampled_from([PNG, {"fileData": {"fileUri": "files/a"}}, {"executableCode": {"code": "1"}}, {"text": "t"}])


@given(st.lists(st.tuples(MEDIA, RESULTS), min_size=1, max_size=4), st.booleans())
def test_whatever_was_said_before_a_call_is_found_again_and_a_change_of_it_is_not(steps, change):
    contents = list(ASKED)
    for number, (medium, value) in enumerate(steps):
        contents += [model(call(number)), user(result(value), medium)]
    found = store_answer(body_of(*contents), call(9, thoughtSignature="QQ=="))
    again = [*contents, model(call(9)), user(result({}))]
    if change:
        again[0] = user({"text": "went"}, PNG)
    assert paste_signatures(body_of(*again), found)[-1] == (None if change else "QQ==")
