"""POST /v1/responses over real sockets: what clients see, and what reaches the upstream."""

import asyncio

import pytest

from tests.support.guards import PATIENCE
from tests.support.scripted import adapter, answer, frame, run_upstream
from tests.support.stateful import PATH, ask, read_events, text_of_response

TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}


async def says_hello(call):
    if ":stream" in call.request.path:
        await call.stream(answer("Hel", finish=None), answer("lo"))
    else:
        await call.json(answer("Hello"))


async def test_a_whole_answer_tells_of_itself_in_its_headers():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        response = await client.post(PATH, json=ask(user="me", temperature=0.5))
    body = response.json()
    assert text_of_response(body) == "Hello"
    assert (body["object"], body["status"], body["temperature"]) == ("response", "completed", 0.5)
    assert response.headers["x-adapter-notes"] == "cosmetic=1; user-not-sent"
    assert response.headers["x-adapter-model"] == "gemini-3.5-flash"
    assert upstream.seen[0].path == "/v1beta/models/gemini-3.5-flash:generateContent"


async def test_the_same_routes_serve_without_v1():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        made = (await client.post("/responses", json=ask())).json()
        assert (await client.get(f"/responses/{made['id']}")).json() == made


async def test_a_stream_names_each_event_and_ends_with_done():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        response = await client.post(PATH, json=ask(stream=True))
    events = read_events(response.text)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text.endswith("data: [DONE]\n\n")
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["type"] == "response.completed"
    assert text_of_response(events[-1]["response"]) == "Hello"


async def test_a_late_failure_is_a_failed_response_that_can_be_read_again():
    async def script(call):
        tail = frame({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}})
        await call.stream(answer("Hel", finish=None), tail)

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        response = await client.post(PATH, json=ask(stream=True))
        last = read_events(response.text)[-1]
        kept = (await client.get(f"{PATH}/{last['response']['id']}")).json()
    assert response.status_code == 200
    assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
    assert last["response"]["error"]["message"] == "overloaded"
    assert kept["error"] == last["response"]["error"]
    assert "response.completed" not in response.text


async def test_a_stream_without_a_finish_is_a_failed_response():
    async def script(call):
        await call.stream(answer("Hel", finish=None))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        response = await client.post(PATH, json=ask(stream=True))
    assert read_events(response.text)[-1]["type"] == "response.failed"


async def test_a_silent_stream_is_kept_alive_by_comments_whatever_heartbeats_are():
    begun = asyncio.Event()

    async def script(call):
        await begun.wait()
        await call.stream(answer("x"))

    settings = {"commit_after": 0.1, "heartbeat": "chunk", "heartbeat_after": 0.1}
    async with (
        run_upstream(script) as upstream,
        adapter(upstream, **settings) as client,
        client.stream("POST", PATH, json=ask(stream=True)) as response,
    ):
        text = ""
        async for piece in response.aiter_text():
            text += piece
            begun.set()
    assert text.startswith(": keep-alive\n\n")
    assert read_events(text)[0]["type"] == "response.created"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_cancels_the_call(stream):
    begun = asyncio.Event()

    async def script(call):
        begun.set()
        if stream:
            await call.start()
            await call.send(frame(answer("x", finish=None)))
        await asyncio.sleep(60)

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        task = asyncio.create_task(client.post(PATH, json=ask(stream=stream)))
        await begun.wait()
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait_for(upstream.gone.wait(), PATIENCE)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_whole_ledger_comes_in_the_body_on_request(stream):
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        headers = {"x-adapter-notes": "full"}
        response = await client.post(PATH, json=ask(user="me", stream=stream), headers=headers)
        body = read_events(response.text)[-1]["response"] if stream else response.json()
        kept = (await client.get(f"{PATH}/{body['id']}")).json()
    notes = body["extra_content"]["adapter"]["notes"]
    assert [note["fate"] for note in notes if note["path"] == "user"] == ["dropped"]
    assert "adapter" not in kept.get("extra_content", {})


async def test_strict_mode_refuses_every_loss_at_once():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        response = await client.post(PATH, json=ask(user="me", max_tool_calls=3), headers={"x-adapter-strict": "all"})
    error = response.json()["error"]
    assert response.status_code == 400
    assert error["code"] == "would_lose"
    assert "user:" in error["message"]
    assert "max_tool_calls:" in error["message"]
    assert upstream.seen == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "x"}, "model"),
        ({"model": "m", "input": [{"role": "narrator", "content": "x"}]}, "input[0].role"),
        ({"model": "m", "input": 7}, "input"),
        ({"model": "m", "input": "x", "temperature": "hot"}, "temperature"),
        ({"model": "m", "input": "x", "previous_response_id": "a", "conversation": "b"}, "conversation"),
        ({"model": "m", "input": "x", "prompt": {"id": "p"}}, "prompt"),
    ],
)
async def test_a_wrong_request_is_a_400_that_names_its_field(body, param):
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        response = await client.post(PATH, json=body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


async def test_a_wrong_key_is_a_401_everywhere():
    async with run_upstream(says_hello) as upstream, adapter(upstream, client_keys=("right",)) as client:
        answers = [
            await client.post(PATH, json=ask()),
            await client.get(f"{PATH}/resp_1"),
            await client.delete(f"{PATH}/resp_1"),
            await client.post(f"{PATH}/resp_1/cancel"),
            await client.get(f"{PATH}/resp_1/input_items"),
            await client.post(f"{PATH}/input_tokens", json=ask()),
            await client.post(f"{PATH}/compact", json=ask()),
            await client.post("/v1/conversations", json={}),
            await client.get("/v1/conversations/conv_1"),
            await client.get("/v1/conversations/conv_1/items"),
        ]
    assert [one.status_code for one in answers] == [401] * len(answers)


async def test_a_malformed_call_is_asked_for_once_more_where_the_operator_wants_that():
    async def script(call):
        await call.json(answer("Hello") if call.number == 2 else answer(finish="MALFORMED_FUNCTION_CALL"))

    async with run_upstream(script) as upstream, adapter(upstream, retry_malformed=True) as client:
        response = await client.post(PATH, json=ask(tools=[TOOL]))
    assert text_of_response(response.json()) == "Hello"
    assert len(upstream.seen) == 2


async def test_exchanges_are_recorded_for_the_page():
    async with run_upstream(says_hello) as upstream, adapter(upstream, inspector=True) as client:
        await client.post(PATH, json=ask())
        await client.post(PATH, json=ask(stream=True))
        rows = (await client.get("/inspector/exchanges")).json()["exchanges"]
    assert [(row["path"], row["status"], row["stream"]) for row in rows] == [(PATH, 200, True), (PATH, 200, False)]


async def test_tokens_are_counted_with_tools_and_instructions():
    async def script(call):
        await call.json({"totalTokens": 42})

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        body = ask(instructions="be brief", tools=[TOOL])
        response = await client.post(f"{PATH}/input_tokens", json=body)
    assert response.json() == {"object": "response.input_tokens", "input_tokens": 42}
    assert upstream.seen[0].path == "/v1beta/models/gemini-3.5-flash:countTokens"
    counted = upstream.seen[0].body["generateContentRequest"]
    assert counted["model"] == "models/gemini-3.5-flash"
    assert counted["systemInstruction"]["parts"] == [{"text": "be brief"}]
    assert counted["tools"][0]["functionDeclarations"][0]["name"] == "f"


async def test_a_compacted_conversation_goes_on_from_its_summary():
    async def script(call):
        last = call.request.body["contents"][-1]["parts"][-1]["text"]
        await call.json(answer("they talked of rivers" if "Write a summary" in last else "Hello"))

    history = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
    async with run_upstream(script) as upstream, adapter(upstream) as client:
        response = await client.post(f"{PATH}/compact", json=ask(history))
        compacted = response.json()
        again = [*compacted["output"], {"role": "user", "content": "and now?"}]
        await client.post(PATH, json=ask(again))
    assert compacted["object"] == "response.compaction"
    assert [item["type"] for item in compacted["output"]] == ["message", "compaction"]
    assert compacted["usage"]["total_tokens"] > 0
    texts = [part["text"] for content in upstream.seen[-1].body["contents"] for part in content["parts"]]
    assert texts == ["one", "they talked of rivers", "and now?"]


async def test_no_summary_is_an_error_and_no_empty_conversation():
    async def script(call):
        await call.json(answer("they tal", finish="MAX_TOKENS"))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        response = await client.post(f"{PATH}/compact", json=ask())
    assert (response.status_code, response.json()["error"]["code"]) == (502, "compaction_failed")


async def test_an_image_that_cannot_be_fetched_is_an_error_about_the_input():
    image = {"type": "input_image", "image_url": "https://127.0.0.1/x.png"}
    body = ask([{"role": "user", "content": [image]}])
    async with run_upstream(says_hello) as upstream, adapter(upstream, fetch_media="https") as client:
        response = await client.post(PATH, json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "input")
    assert upstream.seen == []


async def test_both_stores_are_told_of_at_healthz():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        await client.post(PATH, json=ask())
        facts = (await client.get("/healthz")).json()
    assert (facts["responses"]["kind"], facts["responses"]["entries"]) == ("memory", 1)


async def test_a_word_that_clients_do_not_know_is_not_repeated():
    async def script(call):
        await call.json(answer("hello"))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        for asked, told in (("24h", "24h"), ("for ever", None)):
            body = {"model": "gemini-3.5-flash", "input": "hi", "prompt_cache_retention": asked}
            response = await client.post("/v1/responses", json=body)
            assert (response.status_code, response.json().get("prompt_cache_retention")) == (200, told)
