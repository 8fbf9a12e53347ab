"""/v1/completions over real sockets: streams of several prompts, echoes, and a chat answered as a text."""

import json

import pytest

from adapter.wire.openai.completions import CompletionRequest
from conformance.cases import all_cases
from tests.support.scripted import adapter, answer, chat, events, run_upstream

PATH = "/v1/completions"
MODEL = "gemini-2.0-flash"


def test_every_field_has_a_case():
    rules = {case.rule for case in all_cases() if case.suite == "completions"}
    assert rules == set(CompletionRequest.__struct_fields__)


async def answer_prompt(call):
    """Two words about the prompt, one event each."""
    text = call.request.body["contents"][0]["parts"][0]["text"]
    await call.stream(answer(f"{text}1 ", finish=None), answer(f"{text}2"))


async def test_a_stream_of_several_prompts_is_numbered_and_ends_with_all_usage():
    asked = {"model": MODEL, "prompt": ["a", "b"], "stream": True, "echo": True, "max_tokens": 5}
    async with run_upstream(answer_prompt) as upstream, adapter(upstream) as client:
        got = await client.post(PATH, json={**asked, "stream_options": {"include_usage": True}})
    *chunks, done = events(got.text)
    read = [json.loads(chunk) for chunk in chunks]
    assert done == "[DONE]"
    texts = {0: "", 1: ""}
    reasons = {}
    for one in read:
        assert one["object"] == "text_completion"
        for choice in one["choices"]:
            texts[choice["index"]] += choice["text"]
            if choice["finish_reason"] is not None:
                assert choice["index"] not in reasons
                reasons[choice["index"]] = choice["finish_reason"]
    assert texts == {0: "aa1 a2", 1: "bb1 b2"}
    assert reasons == {0: "stop", 1: "stop"}
    assert read[-1]["choices"] == []
    assert read[-1]["usage"] == {"prompt_tokens": 6, "completion_tokens": 4, "total_tokens": 10}
    assert len({one["id"] for one in read}) == 1


async def test_an_error_in_the_second_prompt_is_the_streams_last_event():
    async def script(call):
        if call.number == 1:
            await answer_prompt(call)
        else:
            await call.json({"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}, 400)

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = await client.post(PATH, json={"model": MODEL, "prompt": ["a", "b"], "stream": True, "max_tokens": 5})
    assert json.loads(events(got.text)[-1])["error"]["message"] == "no"


NOTHING = answer(finish=None)
MALFORMED = answer(finish="MALFORMED_FUNCTION_CALL", finishMessage="print(")
REFUSED = {"error": {"code": 429, "message": "no", "status": "RESOURCE_EXHAUSTED"}}


@pytest.mark.parametrize(("said", "status"), [(NOTHING, 200), (MALFORMED, 200), (REFUSED, 429)])
@pytest.mark.parametrize("prompt", ["a", ["a", "b"], ["a", "b", "c", "d", "e"]])
async def test_an_answer_that_fails_is_the_error_that_it_is_in_a_chat(said, status, prompt):
    async def script(call):
        await call.json(said, status)

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = await client.post(PATH, json={"model": MODEL, "prompt": prompt, "max_tokens": 5})
        in_chat = await client.post("/v1/chat/completions", json=chat(model=MODEL))
    assert (got.status_code, got.json()) == (in_chat.status_code, in_chat.json())
    assert got.status_code in (502, 429)


async def test_an_echo_of_no_tokens_asks_for_none():
    async def script(call):
        await call.json({"totalTokens": 2})

    asked = {"model": MODEL, "prompt": ["a", "b"], "echo": True, "max_tokens": 0, "n": 2}
    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = (await client.post(PATH, json=asked)).json()
    assert [(one["index"], one["text"]) for one in got["choices"]] == [(0, "a"), (1, "a"), (2, "b"), (3, "b")]
    assert got["usage"] == {"prompt_tokens": 4, "completion_tokens": 0, "total_tokens": 4}
    assert all(one.path.endswith(":countTokens") for one in upstream.seen)
