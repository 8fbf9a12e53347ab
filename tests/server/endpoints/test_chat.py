"""The chat endpoint over real sockets: what clients see, and what reaches the upstream."""

import asyncio
import json

import pytest

from tests.support.guards import PATIENCE
from tests.support.scripted import adapter, answer, chat, events, frame, run_upstream, says_hello
from tests.support.stateful import PATH as RESPONSES
from tests.support.stateful import ask

PATH = "/v1/chat/completions"


async def test_a_whole_answer_tells_of_itself_in_its_headers():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        response = await client.post(PATH, json=chat(user="me", temperature=0.5))
    assert response.json()["choices"][0]["message"]["content"] == "Hello"
    headers = response.headers
    assert headers["x-adapter-notes"] == "cosmetic=1; user-not-sent"
    assert headers["x-adapter-model"] == "gemini-3.5-flash"
    assert headers["x-request-id"].startswith("req_")
    assert upstream.seen[0].path == "/v1beta/models/gemini-3.5-flash:generateContent"
    assert upstream.seen[0].headers["x-goog-api-key"] == "k"
    assert "authorization" not in upstream.seen[0].headers


async def test_the_same_routes_serve_without_v1():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        response = await client.post("/chat/completions", json=chat())
    assert response.status_code == 200


async def test_a_stream_ends_with_done():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        response = await client.post(PATH, json=chat(stream=True))
    *chunks, done = events(response.text)
    assert done == "[DONE]"
    assert response.headers["content-type"].startswith("text/event-stream")
    deltas = [json.loads(chunk)["choices"][0]["delta"] for chunk in chunks]
    assert "".join(delta.get("content", "") for delta in deltas) == "Hello"
    assert json.loads(chunks[-1])["choices"][0]["finish_reason"] == "stop"


STREAMED = pytest.mark.parametrize(
    ("path", "asked"),
    [(PATH, chat(stream=True)), (RESPONSES, ask(stream=True))],
    ids=["chat", "responses"],
)


@STREAMED
async def test_the_first_chunk_leaves_before_the_last_event_comes(path, asked):
    go_on = asyncio.Event()

    async def script(call):
        await call.start()
        await call.send(frame(answer("first", finish=None)))
        await go_on.wait()
        await call.send(frame(answer("last")))
        await call.end()

    async with (
        run_upstream(script) as upstream,
        adapter(upstream) as client,
        client.stream("POST", path, json=asked) as response,
    ):
        lines = response.aiter_lines()
        while "first" not in await anext(lines):
            pass
        go_on.set()
        rest = [line async for line in lines]
    assert any("last" in line for line in rest)


@STREAMED
async def test_an_early_failure_of_a_stream_is_a_normal_error(path, asked):
    async def script(call):
        await call.json({"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}, 429)

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        response = await client.post(path, json=asked)
    assert response.status_code == 429
    assert response.json()["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.faults
@pytest.mark.parametrize(
    "tail",
    [
        frame({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}),
        b'{"error": {"code": 503,\n "message": "overloaded", "status": "UNAVAILABLE"}}\n',
    ],
    ids=["an error event", "a raw JSON tail"],
)
async def test_a_late_failure_is_an_error_event_and_nothing_looks_finished(tail):
    async def script(call):
        await call.stream(answer("Hel", finish=None), tail)

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        response = await client.post(PATH, json=chat(stream=True))
    last = json.loads(events(response.text)[-1])
    assert response.status_code == 200
    assert (last["error"]["message"], last["error"]["code"]) == ("overloaded", "server_is_overloaded")
    assert "[DONE]" not in response.text
    assert '"finish_reason":"' not in response.text


async def test_a_stream_without_a_finish_is_an_error_event():
    async def script(call):
        await call.stream(answer("Hel", finish=None))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        response = await client.post(PATH, json=chat(stream=True))
    assert json.loads(events(response.text)[-1])["error"]["code"] == "incomplete_stream"
    assert "[DONE]" not in response.text


async def test_a_silent_start_is_committed_and_kept_alive_and_a_later_failure_is_an_event():
    kept_alive = asyncio.Event()

    async def script(call):
        await kept_alive.wait()
        await call.json({"error": {"code": 500, "message": "broken", "status": "INTERNAL"}}, 500)

    async with (
        run_upstream(script) as upstream,
        adapter(upstream, commit_after=0.1, heartbeat_after=0.2) as client,
        client.stream("POST", PATH, json=chat(stream=True)) as response,
    ):
        text = ""
        async for piece in response.aiter_text():
            text += piece
            if text.count(": keep-alive") >= 3:
                kept_alive.set()
    assert response.status_code == 200
    assert text.startswith(": keep-alive\n\n")
    assert json.loads(events(text)[-1])["error"]["message"] == "broken"


async def test_heartbeats_can_be_chunks():
    begun = asyncio.Event()

    async def script(call):
        await begun.wait()
        await call.stream(answer("x"))

    async with (
        run_upstream(script) as upstream,
        adapter(upstream, commit_after=0.1, heartbeat="chunk", heartbeat_after=0.1) as client,
        client.stream("POST", PATH, json=chat(stream=True)) as response,
    ):
        text = ""
        async for piece in response.aiter_text():
            text += piece
            begun.set()
    chunks = [json.loads(event) for event in events(text)[:-1]]
    assert len({(chunk["id"], chunk["model"], chunk["created"]) for chunk in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"] == {}


async def hangs_at_once(call):
    await asyncio.sleep(60)


async def hangs_in_the_middle(call):
    await call.start()
    await call.send(frame(answer("first", finish=None)))
    await asyncio.sleep(60)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("script", "stream"),
    [(hangs_at_once, False), (hangs_at_once, True), (hangs_in_the_middle, True)],
    ids=["whole", "before the first event", "in the middle"],
)
async def test_a_client_that_leaves_cancels_the_upstream_call(script, stream):
    async with run_upstream(script) as upstream, adapter(upstream) as client:
        task = asyncio.create_task(client.post(PATH, json=chat(stream=stream)))
        while not upstream.seen:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert not upstream.gone.is_set()
        task.cancel()
        await asyncio.wait_for(upstream.gone.wait(), PATIENCE)


async def test_several_choices_are_several_calls_where_the_model_gives_one():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        whole = await client.post(PATH, json=chat(n=3))
        streamed = await client.post(PATH, json=chat(n=2, stream=True, stream_options={"include_usage": True}))
    assert [choice["index"] for choice in whole.json()["choices"]] == [0, 1, 2]
    assert whole.json()["usage"]["prompt_tokens"] == 9
    chunks = [json.loads(event) for event in events(streamed.text)[:-1]]
    texts = {0: "", 1: ""}
    for chunk in chunks:
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["delta"].get("content") or ""
    assert texts == {0: "Hello", 1: "Hello"}
    assert chunks[-1]["usage"]["prompt_tokens"] == 6
    assert len(upstream.seen) == 5


@pytest.mark.parametrize("said", ["Hello", ""])
@pytest.mark.parametrize("path", [PATH, RESPONSES])
async def test_a_relays_done_ends_an_answer_without_a_finish_reason_where_the_operator_says_so(path, said):
    """github.com/router-for-me/CLIProxyAPI/issues/4167 (2026)."""

    async def script(call):
        await call.start()
        await call.send(frame(answer(said, finish=None)))
        await call.send(b"data: [DONE]\n\n")
        await call.end()

    body = chat(stream=True) if path == PATH else {"model": "gemini-3.5-flash", "input": "hi", "stream": True}
    async with run_upstream(script) as upstream:
        async with adapter(upstream, upstream_done_ends=True) as client:
            ended = await client.post(path, json=body, headers={"x-adapter-notes": "full"})
        async with adapter(upstream) as client:
            broken = await client.post(path, json=body)
    done = '"finish_reason":"stop"' if path == PATH else '"type":"response.completed"'
    assert (done in ended.text) is (said != "")
    assert said == "" or "finish-reason-nearest" in ended.text
    assert done not in broken.text


@pytest.mark.parametrize("silent", [1, 2, 3])
@pytest.mark.parametrize("stream", [False, True])
async def test_no_choice_is_missing_where_one_of_several_calls_answers_nothing(stream, silent):
    """Choices 0 and 2 would be a success that no client expects: it is an error that a client may retry."""

    async def script(call):
        nothing = {"usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}, "responseId": "r"}
        said = nothing if call.number == silent else answer("Hello")
        await (call.stream(said) if ":stream" in call.request.path else call.json(said))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        response = await client.post(PATH, json=chat(n=3, stream=stream))
    assert "empty_answer" in response.text
    assert "[DONE]" not in response.text
    assert stream or (response.status_code, response.headers["x-should-retry"]) == (502, "true")


async def test_what_each_of_several_calls_says_comes_with_its_choice():
    async def script(call):
        said = {**answer("Hello"), "responseId": f"r{call.number}", "turn": call.number}
        await (call.stream(said) if ":stream" in call.request.path else call.json(said))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        whole = await client.post(PATH, json=chat(n=2))
        streamed = await client.post(PATH, json=chat(n=2, stream=True))
    told = [choice["message"]["extra_content"]["google"] for choice in whole.json()["choices"]]
    assert {one["response_id"] for one in told} == {"r1", "r2"}
    assert all(f"r{one['unknown']['turn']}" == one["response_id"] for one in told)
    choices = [choice for event in events(streamed.text)[:-1] for choice in json.loads(event)["choices"]]
    said = [
        (one["index"], one["delta"]["extra_content"]["google"]) for one in choices if "extra_content" in one["delta"]
    ]
    assert sorted(index for index, _ in said) == [0, 1]
    assert {one["response_id"] for _, one in said} == {"r3", "r4"}


@pytest.mark.faults
async def test_one_failing_call_of_several_fails_the_request():
    async def script(call):
        if call.number == 2:
            await call.json({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}, 503)
        else:
            await says_hello(call)

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        whole = await client.post(PATH, json=chat(n=2))
        assert whole.status_code == 503
    async with run_upstream(script) as upstream, adapter(upstream) as client:
        streamed = await client.post(PATH, json=chat(n=2, stream=True))
    assert "busy" in streamed.text
    assert "[DONE]" not in streamed.text


async def test_strict_mode_lists_every_loss_in_one_error():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        request = chat(user="me", frequency_penalty=1.0, seed=2**40)
        response = await client.post(PATH, json=request, headers={"x-adapter-strict": "all"})
        lenient = await client.post(PATH, json=request)
    error = response.json()["error"]
    assert response.status_code == 400
    assert all(name in error["message"] for name in ("user", "frequency_penalty", "seed"))
    assert lenient.status_code == 200
    assert len(upstream.seen) == 1


async def test_a_level_of_strictness_that_is_none_is_an_error_that_names_them():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        response = await client.post(PATH, json=chat(), headers={"x-adapter-strict": "perhaps"})
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, "x-adapter-strict")
    assert "breaks, answers, costs, all" in error["message"]
    assert upstream.seen == []


async def test_strict_mode_says_what_each_loss_is_and_how_it_may_pass():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        request = chat(user="me", frequency_penalty=1.0)
        response = await client.post(PATH, json=request, headers={"x-adapter-strict": "answers"})
    message = response.json()["error"]["message"]
    assert "frequency_penalty: penalty-unsupported (changes-answers)" in message
    assert "--notes penalty-unsupported=allow" in message
    assert "user" not in message


async def test_single_notes_can_be_allowed_or_rejected_by_their_codes():
    policy = {"user.dropped": "allow", "seed.approximated": "reject"}
    async with run_upstream(says_hello) as upstream, adapter(upstream, strict="answers", notes=policy) as client:
        allowed = await client.post(PATH, json=chat(user="me"))
        strict = await client.post(PATH, json=chat(frequency_penalty=1.0))
        lenient = await client.post(PATH, json=chat(seed=2**40), headers={"x-adapter-strict": "false"})
    assert [allowed.status_code, strict.status_code, lenient.status_code] == [200, 400, 400]


async def test_the_whole_ledger_comes_in_the_body_on_request():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        asked = {"x-adapter-notes": "full"}
        whole = await client.post(PATH, json=chat(user="me"), headers=asked)
        streamed = await client.post(PATH, json=chat(user="me", stream=True), headers=asked)
    notes = whole.json()["extra_content"]["adapter"]["notes"]
    lost = {"path": "user", "fate": "dropped", "code": "user-not-sent", "severity": "cosmetic"}
    assert any(lost.items() <= note.items() and note["advice"] for note in notes)
    last = json.loads(events(streamed.text)[-2])
    assert last["extra_content"]["adapter"]["notes"]


async def test_the_dry_run_shows_the_body_and_calls_nothing():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        response = await client.post("/translate", json=chat(model="gpt-6-astra", stop="END"))
    shown = response.json()
    assert shown["model"] == "gemini-3.8-flash"
    assert shown["body"]["generationConfig"] == {"stopSequences": ["END"]}
    assert shown["notes"][0]["fate"] == "approximated"
    assert all("targets" in note for note in shown["notes"])
    assert upstream.seen == []


async def test_a_relay_without_the_streaming_method_still_streams():
    async with (
        run_upstream(says_hello) as upstream,
        adapter(upstream, upstream_streaming=False, upstream_auth="bearer") as client,
    ):
        response = await client.post(PATH, json=chat(stream=True))
    assert events(response.text)[-1] == "[DONE]"
    assert upstream.seen[0].path.endswith(":generateContent")
    assert upstream.seen[0].headers["authorization"] == "Bearer k"
    assert "x-goog-api-key" not in upstream.seen[0].headers


async def test_the_callers_own_key_is_passed_on_and_errors_of_it_are_its_own():
    async def script(call):
        details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
        error = {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT", "details": details}
        await call.json({"error": error}, 400)

    async with run_upstream(script) as upstream, adapter(upstream, upstream_auth="caller") as client:
        mine = await client.post(PATH, json=chat(), headers={"authorization": "Bearer mine"})
        none = await client.post(PATH, json=chat())
    assert upstream.seen[0].headers["x-goog-api-key"] == "mine"
    assert (mine.status_code, mine.json()["error"]["code"]) == (401, "invalid_api_key")
    assert none.status_code == 401
    async with run_upstream(script) as upstream, adapter(upstream) as client:
        ours = await client.post(PATH, json=chat())
    assert (ours.status_code, ours.json()["error"]["code"]) == (502, "upstream_auth_failed")
    assert ours.headers["x-should-retry"] == "false"


async def test_client_keys_keep_strangers_out_of_every_route():
    async with run_upstream(says_hello) as upstream, adapter(upstream, client_keys=("right",)) as client:
        good = await client.post(PATH, json=chat(), headers={"authorization": "Bearer right"})
        denied = [
            await client.post(PATH, json=chat(), headers={"authorization": "Bearer wrong"}),
            await client.post(PATH, json=chat()),
            await client.get("/v1/models"),
            await client.get("/v1/models/x"),
            await client.post("/translate", json=chat()),
        ]
    assert good.status_code == 200
    assert {(one.status_code, one.json()["error"]["code"]) for one in denied} == {(401, "invalid_api_key")}


async def test_a_malformed_call_is_asked_again_only_where_the_operator_wants_it():
    async def script(call):
        if call.number % 2:
            broken = {"index": 0, "finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "Malformed: print("}
            await call.json({"candidates": [broken]})
        else:
            await call.json(answer("Hello"))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        response = await client.post(PATH, json=chat())
        assert response.status_code == 502
        assert response.json()["error"] == {
            "message": "Malformed: print(",
            "type": "server_error",
            "param": None,
            "code": "malformed_function_call",
        }
    async with run_upstream(script) as upstream, adapter(upstream, retry_malformed=True) as client:
        assert (await client.post(PATH, json=chat())).status_code == 200


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"", None),
        (b"[]", None),
        (b'{"model": 1}', "model"),
        (b'{"model": "m", "messages": [{"role": "user", "content": 5}]}', "messages[0].content"),
        (b'{"model": "m", "messages": [{"role": "user", "content": "\xff"}]}', None),
        (b"[" * 5000, None),
    ],
    ids=["cut", "empty", "a list", "a wrong type", "a wrong type inside", "not UTF-8", "too deep"],
)
async def test_a_body_that_cannot_be_read_is_a_clear_400(body, param):
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        response = await client.post(PATH, content=body)
    error = response.json()["error"]
    assert response.status_code == 400
    assert set(error) == {"message", "type", "param", "code"}
    assert error["param"] == param
    assert upstream.seen == []


async def test_a_body_that_is_too_large_is_a_413():
    async with run_upstream(says_hello) as upstream, adapter(upstream, max_body=1_000) as client:
        fits = await client.post(PATH, json=chat("x" * 100))
        declared = await client.post(PATH, json=chat("x" * 2_000))

        async def pieces():
            for _ in range(20):
                yield b"x" * 100

        undeclared = await client.post(PATH, content=pieces())
    assert [fits.status_code, declared.status_code, undeclared.status_code] == [200, 413, 413]


async def test_unknown_urls_and_methods_answer_in_openais_shape():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        for response in (await client.get("/v1/nothing"), await client.get(PATH)):
            assert response.status_code in (404, 405)
            assert set(response.json()["error"]) == {"message", "type", "param", "code"}


async def test_only_the_fields_of_the_relays_page_reach_the_anyfast_profile():
    request = chat(
        seed=7,
        top_k=3,
        reasoning_effort="low",
        logprobs=True,
        service_tier="flex",
        safety_settings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    )
    async with run_upstream(says_hello) as upstream, adapter(upstream, upstream_profile="anyfast") as client:
        response = await client.post(PATH, json=request)
    body = upstream.seen[0].body
    assert response.status_code == 200
    assert set(body) == {"contents", "safetySettings", "generationConfig"}
    assert set(body["generationConfig"]) == {"topK", "responseMimeType", "responseSchema"}
    assert upstream.seen[0].headers["authorization"] == "Bearer k"


async def test_the_page_shows_the_last_exchanges():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        await client.post(PATH, json=chat(user="me", stream=True))
        rows = (await client.get("/inspector/exchanges")).json()["exchanges"]
        detail = (await client.get(f"/inspector/exchanges/{rows[0]['id']}")).json()
        page = await client.get("/")
        missing = await client.get("/inspector/exchanges/none")
    assert rows[0]["status"] == 200
    assert rows[0]["fates"]["dropped"] == 1
    assert json.loads(detail["upstream_request"])["contents"]
    assert "[DONE]" in detail["answer"][-1]
    assert "script.js" in page.text
    assert missing.status_code == 404


async def test_the_page_is_off_where_others_can_reach_the_server():
    async with run_upstream(says_hello) as upstream, adapter(upstream, inspector=False) as client:
        assert (await client.get("/")).status_code == 404
        assert (await client.get("/inspector/exchanges")).status_code == 404


async def test_models_are_listed_over_all_pages():
    async def script(call):
        if call.request.path.startswith("/v1beta/models?"):
            token = {} if "pageToken" in call.request.path else {"nextPageToken": "t"}
            name = "models/b" if "pageToken" in call.request.path else "models/a"
            await call.json({"models": [{"name": name, "futureField": 1}], **token})
        else:
            await call.json({"name": "models/a"})

    async with run_upstream(script) as upstream, adapter(upstream, models={"mine": "a", "x*": "a"}) as client:
        listed = (await client.get("/v1/models")).json()
        one = (await client.get("/models/mine")).json()
    assert [model["id"] for model in listed["data"]] == ["a", "b", "mine"]
    assert one["id"] == "mine"
    assert upstream.seen[-1].path == "/v1beta/models/a"


@pytest.mark.parametrize(
    ("policy", "told"),
    [("off", "ADAPTER_FETCH_MEDIA"), ("on", "not public")],
    ids=["fetching is off", "a private address"],
)
async def test_an_image_at_a_private_address_is_a_clear_error_and_never_fetched(policy, told):
    image = {"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/x.png"}}
    request = {"model": "gemini-3.5-flash", "messages": [{"role": "user", "content": [image]}]}
    async with run_upstream(says_hello) as upstream, adapter(upstream, fetch_media=policy) as client:
        response = await client.post(PATH, json=request)
    assert response.status_code == 400
    assert told in response.json()["error"]["message"]
    assert upstream.seen == []
