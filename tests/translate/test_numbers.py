"""Numbers beyond a double's range are JSON all the same: free-form fields that hold one are no bug."""

import datetime

import pytest

from adapter import settings
from adapter.translate.core.notes import Rejected
from adapter.translate.responses import fields as responses
from adapter.wire.base import decode, encode
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.openai.responses_request import ResponsesRequest
from tests.support.planning import plan_for

CHOSEN = settings.Settings()


def translate(messages, more=""):
    request, unknown = decode(f'{{"model": "m", "messages": {messages}{more}}}'.encode(), ChatCompletionRequest)
    return plan_for(request, unknown, settings.catalogue(CHOSEN, datetime.date(2026, 11, 30)), settings.options(CHOSEN))


def test_in_googles_extension_they_are_refused_with_its_name():
    with pytest.raises(Rejected) as refused:
        translate('[{"role": "user", "content": "hi"}]', ', "google": {"top_k": 1e999}')
    assert refused.value.note.path == "google"


def test_in_reasoning_details_they_are_no_signature():
    answer = '{"role": "assistant", "content": "yo", "reasoning_details": [1e999]}'
    found = translate(f'[{{"role": "user", "content": "hi"}}, {answer}, {{"role": "user", "content": "more"}}]')
    assert "messages[1].reasoning_details" in {note.path for note in found.notes}
    assert found.body.contents[1].parts[0].thought_signature is None


def test_in_an_item_of_a_response_they_are_listed_as_they_came():
    body = b'{"model": "m", "input": [{"type": "message", "role": "user", "content": "hi", "arguments": [1e999]}]}'
    request, _ = decode(body, ResponsesRequest)
    [item] = responses.input_items(request)
    assert b'"arguments":[1e999]' in encode(item)
