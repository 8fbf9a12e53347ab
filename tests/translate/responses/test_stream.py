"""Responses: however an answer is cut, the client gets what the whole answer says, by the rules of its events."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate import chat
from adapter.translate.core.errors import AnswerError
from adapter.translate.responses import fields as responses
from adapter.translate.signatures.carriers import unseal
from adapter.wire.base import encode, present
from adapter.wire.openai.errors import Error, ErrorBody
from conformance.events import join_events
from tests.support.joiner import last_records, merge_texts
from tests.support.oracles import check_events
from tests.support.responding import (
    STAMP,
    Object,
    context_of,
    make_answer,
    make_view,
    read,
    stream_response,
    translate_answer,
)
from tests.support.streams import streams, survivors


def of_first(body: Object) -> Object:
    """Only the first candidate: a response has no others."""
    return {**body, "candidates": [one for one in body["candidates"] if one.get("index", 0) == 0]}


def first_only(events: list[Object]) -> list[Object]:
    """The events of a stream of which only the first candidate is looked at."""
    kept = [of_first(event) if "candidates" in event else event for event in events]
    return [event for event in kept if event.get("candidates") or "usageMetadata" in event]


def comparable(response: Object) -> Object:
    """A response with its carriers opened: where the parts of one text begin is not told by a stream."""
    items = [{**item, "encrypted_content": open_seal(item.get("encrypted_content"))} for item in response["output"]]
    return {**response, "output": items}


def open_seal(content: str | None) -> Any:
    records = unseal(content or "") or {}
    return {
        key: (record.value, record.id, merge_texts(json.loads(bytes(record.parts))) if present(record.parts) else None)
        for key, record in records.items()
    }


@given(streams(), st.booleans())
def test_a_stream_says_what_the_whole_answer_says_however_it_is_cut(case, stateless):
    body, events = of_first(case[0]), first_only(case[1])
    view = make_view(store=not stateless)
    response, _, issued = translate_answer(body, view)
    told, issued_by_stream = stream_response(events, view)
    assert comparable(join_events(told)) == comparable(response)
    assert last_records(issued_by_stream) == last_records(issued)


@given(streams())
def test_a_response_says_what_chat_says(case):
    body, view = of_first(case[0]), make_view()
    response, _, issued = translate_answer(body, view)
    answer, unknown = read(body)
    completion, _, issued_by_chat = chat.from_gemini(answer, context_of(view), STAMP, unknown)
    assert last_records(one for one in issued if not one.key.startswith("item:")) == last_records(issued_by_chat)
    message = json.loads(encode(completion))["choices"][0]["message"]
    assert text_of(response, "output_text", "text") == (message["content"] or "")
    assert text_of(response, "refusal", "refusal") == (message["refusal"] or "")
    calls = [item for item in response["output"] if item["type"] == "function_call"]
    assert [(call["call_id"], call["name"], call["arguments"]) for call in calls] == [
        (call["id"], call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", ())
    ]
    summaries = [part["text"] for item in response["output"] for part in item.get("summary", ())]
    assert "".join(summaries) == message.get("reasoning_content", "")
    images = [item["result"] for item in response["output"] if item["type"] == "image_generation_call"]
    assert images == [image["image_url"]["url"].partition(",")[2] for image in message.get("images", ())]


def text_of(response: Object, kind: str, member: str) -> str:
    parts = [part for item in response["output"] for part in item.get("content", ())]
    return "".join(part[member] for part in parts if part["type"] == kind)


def fail(machine: responses.ResponseStream, **error: Any) -> list[Object]:
    body = ErrorBody(error=Error(**{"message": "no", "type": "server_error", "param": None, "code": None, **error}))
    return [json.loads(encode(event)) for event in machine.fail(body)]


def machine_of(**fields: Any) -> responses.ResponseStream:
    view = make_view(**fields)
    return responses.ResponseStream(STAMP, view).begin(context_of(view), STAMP.model)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": "rate_limit_exceeded", "type": "rate_limit_error"}, "rate_limit_exceeded"),
        ({"code": "unheard_of", "type": "rate_limit_error"}, "rate_limit_exceeded"),
        ({"code": "insufficient_quota", "type": "insufficient_quota"}, "insufficient_quota"),
        ({"code": "context_length_exceeded", "type": "invalid_request_error"}, "context_length_exceeded"),
        ({"type": "invalid_request_error"}, "invalid_prompt"),
        ({"code": "empty_answer"}, "server_error"),
        ({}, "server_error"),
    ],
)
def test_a_failure_has_a_code_that_clients_act_on(error, code):
    told = fail(machine_of(), **error)
    assert [event["type"] for event in told] == ["response.created", "response.in_progress", "error", "response.failed"]
    assert told[-1]["response"]["error"]["code"] == told[-2]["error"]["code"] == code
    assert told[-1]["response"]["status"] == "failed"


def test_a_failure_at_the_first_event_begins_with_created():
    machine = machine_of()
    with pytest.raises(AnswerError):
        machine.feed(*read(make_answer(finish="MALFORMED_FUNCTION_CALL")))
    assert next(event["type"] for event in fail(machine)) == "response.created"


def test_a_failure_ends_what_is_open():
    machine = machine_of()
    told = [json.loads(encode(event)) for event in machine.feed(*read(make_answer({"text": "so"}, finish="")))]
    told += fail(machine)
    check_events(told)
    assert join_events(told)["output"][0]["status"] == "incomplete"


def test_of_the_messages_of_a_cut_answer_that_may_still_be_cited_only_the_last_is_incomplete():
    tools = [{"type": "web_search"}, {"type": "function", "name": "f", "parameters": None, "strict": None}]
    parts = [{"text": "one"}, {"functionCall": {"name": "f", "args": {}}}, {"text": "two"}]
    told, _ = stream_response(
        [*[make_answer(part, finish="") for part in parts], make_answer({"text": "."}, finish="MAX_TOKENS")],
        make_view(tools=tools),
    )
    output = join_events(told)["output"]
    assert [item["status"] for item in output if item["type"] == "message"] == ["completed", "incomplete"]


def test_a_websockets_failure_has_no_event_that_would_end_it_twice():
    body = ErrorBody(error=Error(message="no", type="server_error", param=None, code=None))
    told = [event.type for event in machine_of().fail(body, has_error_event=False)]
    assert told == ["response.created", "response.in_progress", "response.failed"]


def test_a_stream_that_says_nothing_is_an_error():
    with pytest.raises(AnswerError):
        machine_of().close()


def test_a_stream_starts_once():
    machine = machine_of()
    assert [event.type for event in machine.start()] == ["response.created", "response.in_progress"]
    assert machine.start() == []
    assert next(event.type for event in machine.feed(*read(make_answer({"text": "a"})))) == "response.output_item.added"
    assert machine.is_finished


def test_an_event_does_not_change_after_it_was_made():
    machine = machine_of()
    told = machine.feed(*read(make_answer({"text": "a"}, {"text": "b", "thought": True}, finish="")))
    before = [encode(event) for event in told]
    told += machine.feed(*read(make_answer({"text": "c"})))
    machine.close()
    assert [encode(event) for event in told][: len(before)] == before


def test_the_time_of_completion_is_the_clocks():
    view = make_view()
    machine = responses.ResponseStream(STAMP, view, clock=lambda: 1_700_000_009.7).begin(context_of(view), STAMP.model)
    machine.feed(*read(make_answer({"text": "a"})))
    machine.close()
    assert machine.response.completed_at == 1_700_000_009


def test_sound_is_lost_and_reported():
    sound = {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AAAA"}}
    _, notes, _ = translate_answer(make_answer({"text": "a"}, sound, sound), make_view())
    assert [note.path for note in notes if note.fate == "dropped"] == ["candidates[0].content.parts[].inlineData"]


def test_sound_that_cannot_be_read_is_lost_like_any_other():
    sound = {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "%"}}
    response, notes, _ = translate_answer(make_answer({"text": "a"}, sound), make_view())
    assert response["status"] == "completed"
    assert "candidates[0].content.parts[].inlineData" in [note.path for note in notes]


def test_log_probabilities_wait_for_their_text():
    logprobs = {"chosenCandidates": [{"token": "a", "logProbability": -0.5}]}
    events = [
        make_answer({"text": "x", "thought": True}, finish="", logprobsResult=logprobs),
        make_answer({"text": "a"}),
    ]
    told, _ = stream_response(events, make_view())
    [message] = [item for item in join_events(told)["output"] if item["type"] == "message"]
    assert [one["token"] for one in message["content"][0]["logprobs"]] == ["a"]


CITED = {
    "groundingChunks": [{"web": {"uri": "https://e.x", "title": "E"}}],
    "groundingSupports": [{"segment": {"startIndex": 2, "endIndex": 5, "text": "cde"}, "groundingChunkIndices": [0]}],
}


def test_a_citation_without_a_search_tool_is_in_the_response():
    """Gemini grounds only where it was asked to; if it does all the same, the message may be told already."""
    parts = [{"text": "ab"}, {"functionCall": {"name": "f", "args": {}}}, {"text": "cde"}]
    response, _, _ = translate_answer(make_answer(*parts, groundingMetadata=CITED), make_view())
    texts = [item["content"][0] for item in response["output"] if item["type"] == "message"]
    assert texts[0]["annotations"] == []
    assert [(one["start_index"], one["end_index"]) for one in texts[1]["annotations"]] == [(0, 3)]


def test_a_citation_beside_a_refusal_is_in_the_text():
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}}
    events = [make_answer({"text": "abcde"}, finish=""), blocked, make_answer(finish="SAFETY", groundingMetadata=CITED)]
    told, _ = stream_response(events, make_view(tools=[{"type": "web_search"}]))
    text, refusal = join_events(told)["output"][0]["content"]
    assert len(text["annotations"]) == 1
    assert refusal["type"] == "refusal"


@pytest.mark.parametrize("arguments", [{"queries": "one"}, {"queries": []}, None, []])
def test_a_search_without_queries_is_no_item(arguments):
    part = {
        "toolCall": {
            "toolType": "GOOGLE_SEARCH_WEB",
            "id": "s",
            **({"args": arguments} if arguments is not None else {}),
        }
    }
    response, _, _ = translate_answer(make_answer(part, {"text": "a"}), make_view())
    assert [item["type"] for item in response["output"]] == ["message"]


@pytest.mark.parametrize(
    "arguments",
    [{"command": "ls"}, {"command": ["ls"], "shell": True}, {"command": ["ls"], "env": {"A": 1}}, {}],
)
def test_arguments_that_are_not_the_tools_are_a_functions_call(arguments):
    call = {"functionCall": {"name": "local_shell", "args": arguments}}
    response, _, _ = translate_answer(make_answer(call), make_view(tools=[{"type": "local_shell"}]))
    assert response["output"][0]["type"] == "function_call"
    assert json.loads(response["output"][0]["arguments"]) == arguments


def test_a_patch_without_a_diff_has_an_empty_one():
    call = {"functionCall": {"name": "apply_patch", "args": {"type": "create_file", "path": "a"}}}
    response, _, _ = translate_answer(make_answer(call), make_view(tools=[{"type": "apply_patch"}]))
    assert response["output"][0]["operation"] == {"type": "create_file", "path": "a", "diff": ""}


def test_the_model_that_answers_is_named_after_the_first_events_too():
    view = make_view()
    machine = responses.ResponseStream(STAMP, view)
    [created, _] = machine.start()
    machine.begin(context_of(view, options={"upstream": "relay"}), "another")
    assert machine.response.model == "another"
    call = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "U0lH"}
    event = {"candidates": [{"content": {"parts": [call]}, "finishReason": "STOP"}]}
    told = [*machine.feed(*read(event)), *machine.close()]
    models = [json.loads(encode(one))["response"]["model"] for one in (created, told[-1])]
    assert models == ["asked", "another"]
    assert [one.sequence_number for one in told] == list(range(2, 2 + len(told)))
    assert {issued.signature.origin for issued in machine.take_issued()} == {"relay"}


def test_items_of_two_answers_have_ids_of_their_own():
    view, ids = make_view(), []
    for seed in ("one", "two"):
        machine = responses.ResponseStream(msgspec.structs.replace(STAMP, seed=seed), view).begin(
            context_of(view), STAMP.model
        )
        machine.feed(*read(make_answer({"text": "hi"}, {"functionCall": {"name": "f", "args": {}}})))
        machine.close()
        ids += [item.id for item in machine.response.output]
    assert len(set(ids)) == len(ids) == 4


def test_the_signature_of_a_candidate_that_is_not_told_is_not_carried():
    call = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"}
    answer = make_answer({"text": "a"})
    answer["candidates"].append({"index": 1, "content": {"role": "model", "parts": [call]}, "finishReason": "STOP"})
    view = make_view(store=False)
    for response in (translate_answer(answer, view)[0], join_events(stream_response([answer], view)[0])):
        assert [item["type"] for item in response["output"]] == ["message"]


def test_a_response_that_is_taken_back_ends_with_what_it_said_so_far():
    view = make_view()
    machine = responses.ResponseStream(STAMP, view).begin(context_of(view), STAMP.model)
    told = [*machine.feed(*read(make_answer({"text": "a"}, finish=""))), *machine.cancel()]
    seen = [json.loads(encode(event)) for event in told]
    last = seen[-1]["response"]
    assert last["status"] == "cancelled"
    assert [(item["status"], item["content"][0]["text"]) for item in last["output"]] == [("incomplete", "a")]


def test_parts_without_an_item_are_those_of_the_answer_that_is_told():
    mine, others = ({"fileData": {"mimeType": "video/mp4", "fileUri": f"files/{name}"}} for name in ("mine", "others"))
    answer = make_answer({"text": "a"}, mine)
    answer["candidates"].append({"index": 1, "content": {"role": "model", "parts": [others]}, "finishReason": "STOP"})
    for response in (translate_answer(answer, make_view())[0], join_events(stream_response([answer], make_view())[0])):
        assert response["extra_content"]["google"]["parts"] == [mine]


def test_a_stream_that_was_left_goes_at_once():
    def leave_stream():
        machine = machine_of()
        machine.feed(*read({"candidates": [{"content": {"role": "model", "parts": [{"text": "hi"}]}}]}))
        return machine

    assert survivors(leave_stream) == []
