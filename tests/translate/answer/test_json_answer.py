"""JSON mode by a function, where a model refuses JSON mode beside functions (Gemini 2.5): one JSON text, or calls."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate import chat
from adapter.wire.base import encode
from tests.support.answering import answer, context, function, stream_answer, translate_answer
from tests.support.joiner import comparable, join_chunks

OLD = {"capabilities": {"tools_with_json": False, "validated": False}, "response_format": {"type": "json_object"}}


def context_of(**fields):
    return context(**{**OLD, **fields})


def call(name, **arguments):
    return {"functionCall": {"name": name, "args": arguments}}


FIRST, SECOND = call("json_answer", b="1"), call("json_answer", b="2")
TEXT = {"text": "Sure! "}


@pytest.mark.parametrize(
    ("parts", "content", "calls", "has_note"),
    [
        ([FIRST], '{"b":"1"}', 0, False),
        ([TEXT, FIRST], '{"b":"1"}', 0, True),
        ([FIRST, TEXT], '{"b":"1"}', 0, True),
        ([FIRST, SECOND], '{"b":"1"}', 0, True),
        ([FIRST, call("f")], '{"b":"1"}', 1, False),
        ([call("f")], None, 1, False),
        ([TEXT, call("f")], "Sure! ", 1, False),
        ([TEXT], "Sure! ", 0, False),
        ([{"text": "hm", "thought": True}, TEXT, FIRST], '{"b":"1"}', 0, True),
    ],
)
def test_the_answer_is_one_json_text_or_the_clients_calls(parts, content, calls, has_note):
    body = answer(*parts)
    events = [answer(part, finish=None) for part in parts[:-1]] + [answer(parts[-1])]
    completion, notes, _ = translate_answer(body, context_of())
    chunks, stream_notes, _ = stream_answer(events, context_of())
    message = completion["choices"][0]["message"]
    assert (message["content"], len(message.get("tool_calls", []))) == (content, calls)
    assert join_chunks(chunks)["choices"] == comparable(completion)["choices"]
    for ledger in (notes, stream_notes):
        assert ("json-answer-alone" in [note.code for note in ledger]) is has_note


@given(st.lists(st.sampled_from([TEXT, FIRST, SECOND, {"text": " "}, {"text": "t", "thought": True}]), min_size=1))
def test_whatever_comes_around_the_json_it_is_valid(parts):
    completion = translate_answer(answer(*parts), context_of())[0]
    content = completion["choices"][0]["message"]["content"]
    if FIRST in parts or SECOND in parts:
        assert set(json.loads(content)) == {"b"}
    chunks = stream_answer([answer(part, finish=None) for part in parts] + [answer()], context_of())[0]
    assert (join_chunks(chunks)["choices"][0]["message"].get("content") or "") == (content or "")


def test_a_leaked_thought_before_the_json_is_a_thought():
    at = context_of(options={"leaked_thoughts": True})
    body = answer({"text": "THOUGHT: hm\n\nSure!"}, FIRST)
    completion = translate_answer(body, at)[0]
    assert completion["choices"][0]["message"]["content"] == '{"b":"1"}'
    assert join_chunks(stream_answer([body], at)[0])["choices"] == comparable(completion)["choices"]


def declared_and_config(**fields):
    body = json.loads(encode(chat.to_gemini(context_of(**fields))[0]))
    names = [one["name"] for tool in body["tools"] for one in tool["functionDeclarations"]]
    return names, body["toolConfig"]["functionCallingConfig"]


def test_the_clients_own_function_of_that_name_stays_its_own():
    tools = [function("json_answer"), function("json_answer_2")]
    names, _ = declared_and_config(tools=tools)
    assert names == ["json_answer", "json_answer_2", "json_answer_3"]
    at = context_of(tools=tools)
    message = translate_answer(answer(call("json_answer", a=1)), at)[0]["choices"][0]["message"]
    assert [one["function"]["name"] for one in message["tool_calls"]] == ["json_answer"]
    assert translate_answer(answer(call("json_answer_3", a=1)), at)[0]["choices"][0]["message"]["content"] == '{"a":1}'


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (None, None),
        ("auto", None),
        ("required", ["f", "g"]),
        ({"type": "function", "function": {"name": "f"}}, ["f"]),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [function("g")]}},
            ["g"],
        ),
    ],
)
def test_a_call_that_is_asked_for_is_a_call_of_the_clients(choice, names):
    _, calling = declared_and_config(tool_choice=choice)
    assert (calling["mode"], calling.get("allowedFunctionNames")) == ("ANY", names)
