"""JSON inside a text is read only where it has few enough values: reading is what takes long, not sending."""

import datetime
import json

import pytest

from adapter import settings
from adapter.translate import chat
from adapter.translate.core.context import Context, Options
from adapter.translate.core.notes import Rejected
from adapter.wire.base import decode, encode
from adapter.wire.limits import Limits
from adapter.wire.openai.chat_request import ChatCompletionRequest

NAME = "gemini-3.5-flash"
ROW = settings.find_served_model(NAME, settings.catalogue(settings.Settings(), datetime.date(2026, 11, 30)))[1]


def translate(result, limit):
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": result},
    ]
    request = decode(json.dumps({"model": NAME, "messages": messages}).encode(), ChatCompletionRequest)[0]
    options = Options(limits=Limits(json_values=limit))
    body, notes = chat.to_gemini(Context(request=request, capabilities=ROW, options=options))
    response = json.loads(encode(body))["contents"][-1]["parts"][0]["functionResponse"]["response"]
    return response, [note for note in notes if note.path == "messages[2].content"]


@pytest.mark.parametrize("text", ['{"a":[1,2,3],"b":"x,y,z"}', "[[],[],[]]"])
def test_a_result_with_more_values_than_are_read_is_sent_as_the_text_it_is(text):
    response, notes = translate(text, 5)
    assert response == {"output": text}
    assert [note.reason for note in notes] == [
        "the result has more than 5 JSON values (the setting max_json_values): it is sent as text"
    ]


def test_commas_inside_strings_are_no_values():
    text = json.dumps({"code": "f(a, b, c, d, e)" * 10})
    assert translate(text, 5) == (json.loads(text), [])


@pytest.mark.parametrize(("field", "tools"), [
    ("tools", {"tools": [{"type": "function", "function": {"name": "f" * 11}}]}),
    ("tools", {"functions": [{"name": "f" * 11}]}),
])  # fmt: skip
def test_a_tools_name_that_is_too_long_is_refused_with_the_limit_and_its_setting(field, tools):
    body = {"model": NAME, "messages": [{"role": "user", "content": "hi"}], **tools}
    request = decode(json.dumps(body).encode(), ChatCompletionRequest)[0]
    for length in (11, 10):
        options = Options(limits=Limits(name_length=length))
        if length == 11:
            chat.to_gemini(Context(request=request, capabilities=ROW, options=options))
            continue
        with pytest.raises(Rejected, match=r"10 characters \(the setting max_name_length\)") as raised:
            chat.to_gemini(Context(request=request, capabilities=ROW, options=options))
        assert raised.value.note.path == field
