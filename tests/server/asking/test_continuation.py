"""Answers that are too long for one request: the adapter goes on with them, over real sockets."""

import json

import pytest

from adapter.emulator import EmulatorSettings
from conformance.joining import join
from tests.support.scripted import adapter, answer, chat, events, frame, run_emulator, run_upstream

PATH = "/v1/chat/completions"
MODEL = "gemini-3.5-flash"
TALE = "Tell me a tale of größe and courage, as long as you can."
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
async def client():
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as made:
        made.gemini = gemini  # type: ignore[attr-defined] # rides on the client
        yield made


async def whole(client, fault="", text=TALE, **fields):
    """An answer, and how many calls it took."""
    before = len(await client.gemini.requests())
    got = await client.post(PATH, json=chat(text, **{"model": f"{MODEL}{fault}", **fields}))
    assert got.status_code == 200, got.text
    return got.json(), len(await client.gemini.requests()) - before


async def ask_stream(client, fault="", text=TALE, **fields):
    """Ask for a stream; return its chunks joined."""
    fields = {"model": f"{MODEL}{fault}", "stream": True, "stream_options": {"include_usage": True}, **fields}
    got = await client.post(PATH, json=chat(text, **fields))
    *chunks, done = events(got.text)
    assert done == "[DONE]"
    return join([json.loads(chunk) for chunk in chunks])


@pytest.mark.parametrize(("fault", "calls"), [("+fault-continuation", 2), ("+fault-continuation-4", 4)])
async def test_an_answer_in_several_calls_is_the_answer_of_one(client, fault, calls):
    once, _ = await whole(client)
    joined, took = await whole(client, fault)
    assert took == calls
    (choice,) = joined["choices"]
    assert choice["message"]["content"] == once["choices"][0]["message"]["content"]
    assert choice["finish_reason"] == "stop"
    assert joined["usage"]["prompt_tokens"] == calls * once["usage"]["prompt_tokens"]
    assert joined["usage"]["completion_tokens"] == once["usage"]["completion_tokens"]


@pytest.mark.parametrize("fault", ["+fault-continuation", "+fault-continuation-4"])
async def test_a_stream_of_several_calls_is_the_stream_of_one(client, fault):
    once = await ask_stream(client)
    joined = await ask_stream(client, fault)
    assert joined["choices"][0]["message"]["content"] == once["choices"][0]["message"]["content"]
    assert joined["choices"][0]["finish_reason"] == "stop"
    assert joined["usage"]["completion_tokens"] == once["usage"]["completion_tokens"]


async def test_each_call_is_the_same_request_with_the_token_of_the_one_before(client):
    await whole(client, "+fault-continuation-4")
    first, *others = [seen["body"] for seen in await client.gemini.requests()]
    assert "continuationToken" not in first
    assert len({body["continuationToken"] for body in others}) == 3
    assert all({**first, "continuationToken": body["continuationToken"]} == body for body in others)


async def test_several_choices_go_on_each_by_itself(client):
    joined, took = await whole(client, "+fault-continuation", n=2)
    assert took == 4
    assert [choice["finish_reason"] for choice in joined["choices"]] == ["stop", "stop"]
    both = await ask_stream(client, "+fault-continuation", n=2)
    assert [one["message"]["content"] for one in both["choices"]] == [
        one["message"]["content"] for one in joined["choices"]
    ]


@pytest.mark.parametrize("ask", [whole, ask_stream])
async def test_a_call_of_a_tool_survives_the_cut_and_comes_back_signed(client, ask):
    got = await ask(client, "+fault-continuation", "What is the weather in Prague?", tools=[TOOL])
    body = got[0] if isinstance(got, tuple) else got
    (choice,) = body["choices"]
    assert choice["finish_reason"] == "tool_calls"
    (call,) = choice["message"]["tool_calls"]
    history = [
        {"role": "user", "content": "What is the weather in Prague?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "sunny"},
    ]
    after = await client.post(PATH, json={**chat(tools=[TOOL]), "messages": history})
    assert after.status_code == 200, after.text
    assert "client=1" in after.headers["x-adapter-signatures"]


@pytest.mark.parametrize("ask", [whole, ask_stream])
@pytest.mark.parametrize("keeps", [("role", "content"), ("role", "content", "extra_content")])
async def test_the_signature_of_a_continued_text_comes_back_on_it(client, ask, keeps):
    got = await ask(client, "+fault-continuation")
    body = got[0] if isinstance(got, tuple) else got
    kept = {name: value for name, value in body["choices"][0]["message"].items() if name in keeps}
    history = [{"role": "user", "content": TALE}, kept, {"role": "user", "content": "And then?"}]
    after = await client.post(PATH, json={**chat(), "messages": history})
    assert after.status_code == 200, after.text
    assert after.headers["x-adapter-signatures"] in ("hash=1", "client=1")


@pytest.mark.parametrize("fault", ["+fault-continuation-stuck", "+fault-continuation-lost"])
async def test_where_it_does_not_go_on_what_there_is_is_a_length_with_the_token(client, fault):
    first, took = await whole(client, fault)
    assert took == 2
    joined = await ask_stream(client, fault)
    for (choice,) in (first["choices"], joined["choices"]):
        assert choice["finish_reason"] == "length"
        assert choice["message"]["content"]
        assert choice["message"]["extra_content"]["google"]["continuation_token"]


async def test_the_ledger_tells_of_further_calls(client):
    got = await client.post(PATH, json=chat(TALE, model=f"{MODEL}+fault-continuation"))
    assert "answer-continued" in got.headers["x-adapter-notes"]
    headers = {"x-adapter-notes": "full"}
    got = await client.post(PATH, json=chat(TALE, model=f"{MODEL}+fault-continuation", stream=True), headers=headers)
    last = json.loads(events(got.text)[-2])
    told = {note["path"]: note["fate"] for note in last["extra_content"]["adapter"]["notes"]}
    assert told["candidates[].continuationToken"] == "injected"


async def test_a_response_goes_on_too(client):
    asked = {"model": f"{MODEL}+fault-continuation", "input": TALE}
    once = await client.post("/v1/responses", json={**asked, "model": MODEL})
    joined = await client.post("/v1/responses", json=asked)
    assert joined.json()["status"] == "completed"
    (text,) = [part["text"] for item in joined.json()["output"] for part in item["content"]]
    assert text == once.json()["output"][-1]["content"][0]["text"]


async def test_the_operator_can_leave_it_to_the_client():
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini, continuations=0) as client:
        client.gemini = gemini  # type: ignore[attr-defined] # the same
        body, took = await whole(client, "+fault-continuation")
        assert took == 1
        (choice,) = body["choices"]
        assert choice["finish_reason"] == "length"
        token = choice["message"]["extra_content"]["google"]["continuation_token"]
        rest, _ = await whole(client, "+fault-continuation", extra_body={"google": {"continuation_token": token}})
        once, _ = await whole(client)
        halves = [choice["message"]["content"], rest["choices"][0]["message"]["content"]]
        assert "".join(halves) == once["choices"][0]["message"]["content"]


async def test_the_operators_bound_holds(client):
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini, continuations=2) as bounded:
        bounded.gemini = gemini  # type: ignore[attr-defined] # the same
        body, took = await whole(bounded, "+fault-continuation-4")
    assert took == 3
    assert body["choices"][0]["finish_reason"] == "length"


async def test_a_stream_that_breaks_off_in_a_further_call_is_an_error():
    async def script(call):
        if call.number == 1:
            await call.stream(answer("One, ", finish="CONTINUATION", continuationToken="dDE="))
        else:
            await call.start()
            await call.send(frame(answer("two, ", finish=None)))
            call.writer.close()

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = await client.post(PATH, json=chat(stream=True))
    last = json.loads(events(got.text)[-1])
    assert last["error"]["type"]
    assert upstream.seen[1].body["continuationToken"] == "dDE="
