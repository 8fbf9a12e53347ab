"""Requests of one conversation are linked, by what clients really send back."""

import orjson
import pytest

from adapter.report.conversations import Conversations
from adapter.report.records import Location, RecordedRequest

SYSTEM = {"role": "system", "content": "Be brief."}
ASK = {"role": "user", "content": "What is the weather in Rome?"}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}


def chat(*messages, **details):
    body = orjson.dumps({"model": "gpt-5.4", "messages": messages})
    return RecordedRequest(path="/v1/chat/completions", body=body, place=Location("f", ""), **details)


def response(items, answer_id="", **fields):
    body = orjson.dumps({"model": "gpt-5.4", "input": items} | fields)
    return RecordedRequest(path="/v1/responses", body=body, place=Location("f", ""), answer_id=answer_id)


def numbers(*requests):
    conversations = Conversations()
    return [conversations.number_of(request) for request in requests]


def test_a_history_that_repeats_with_every_turn_is_one_conversation():
    first, second = chat(SYSTEM, ASK), chat(SYSTEM, ASK, CALL, RESULT)
    third = chat(
        SYSTEM, ASK, CALL, RESULT, {"role": "assistant", "content": "Sunny."}, {"role": "user", "content": "Ok"}
    )
    assert numbers(first, second, third) == [0, 0, 0]


def test_a_turn_without_the_first_one_is_found_by_the_next():
    assert numbers(chat(ASK), chat(ASK, CALL, RESULT), chat(ASK, CALL, RESULT, CALL, RESULT)) == [0, 0, 0]


def test_fields_that_gateways_add_do_not_part_a_conversation():
    changed = CALL | {"reasoning_content": "thinking", "refusal": None}
    assert numbers(chat(ASK, CALL, RESULT), chat(ASK, changed, RESULT, CALL, RESULT)) == [0, 0]


def test_another_first_message_is_another_conversation():
    other = {"role": "user", "content": "And in Oslo?"}
    assert numbers(chat(SYSTEM, ASK), chat(SYSTEM, other), chat(SYSTEM, other, CALL, RESULT)) == [0, 1, 1]


def test_a_previous_response_links_what_has_no_history():
    turns = [response("Hi", "resp_1"), response("More", "resp_2", previous_response_id="resp_1")]
    assert numbers(*turns, response("Last", previous_response_id="resp_2"), response("New")) == [0, 0, 0, 1]


@pytest.mark.parametrize("conversation", ["conv_1", {"id": "conv_1"}])
def test_a_conversation_of_responses_links_its_requests(conversation):
    assert numbers(response("a", conversation=conversation), response("b", conversation="conv_1")) == [0, 0]


def test_what_the_recording_tool_calls_one_trace_is_one_conversation():
    assert numbers(chat(ASK, session="t"), chat(SYSTEM, session="t"), chat(RESULT, session="u")) == [0, 0, 1]


def test_a_body_of_another_shape_is_a_conversation_of_its_own():
    odd = RecordedRequest(path="/v1/embeddings", body=b'{"messages": 1, "input": {"a": 1}}', place=Location("f", ""))
    assert numbers(odd, chat(ASK)) == [0, 1]
