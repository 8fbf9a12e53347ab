"""Gemini's own paths through the adapter: bytes pass, keys stay here, signatures come back, errors are Google's."""

import json
from typing import Any

import httpx2
import msgspec
import pytest

from adapter.emulator import EmulatorSettings
from adapter.server.observe import timed_frames
from adapter.upstream.client import Upstream
from tests.support.scripted import LogLines, adapter, answer, chat, frame, run_emulator, run_upstream

MODEL = "gemini-3.5-flash"
GENERATE = f"/v1beta/models/{MODEL}:generateContent"
STREAM = f"/v1beta/models/{MODEL}:streamGenerateContent"
HI = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
GONE = {"error": {"code": 503, "message": "gone", "status": "UNAVAILABLE"}}
KEY = {"client_keys": ("client-key",)}
TOOLS = [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object", "properties": {}}}]}]


async def ok(call):
    await call.json(answer("hello"))


async def test_a_body_passes_as_the_bytes_it_is_and_so_does_the_answer():
    bodies = []
    spoken = json.dumps(answer("größe"), indent=2).encode()

    async def script(call):
        bodies.append(call.request)
        await call.json(spoken)

    sent = json.dumps({**HI, "unheardOf": 1.0}, indent=3).encode()
    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = await client.post(GENERATE, content=sent, headers={"content-type": "application/json"})
    assert got.content == spoken
    assert (got.status_code, got.headers["x-adapter-model"]) == (200, MODEL)
    assert bodies[0].headers["content-length"] == str(len(sent))
    assert bodies[0].headers["x-goog-api-key"] == "k"


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"authorization": "Bearer client-key"}, ""),
        ({"x-goog-api-key": "client-key"}, ""),
        ({}, "?key=client-key"),
        ({}, "?alt=json&key=client-key"),
    ],
)
async def test_the_clients_key_comes_in_three_ways_and_goes_nowhere(headers, query):
    lines = LogLines()
    async with run_upstream(ok) as upstream, adapter(upstream, lines, **KEY) as client:
        got = await client.post(GENERATE + query, json=HI, headers=headers)
        assert got.status_code == 200, got.text
        page = await client.get("/v1beta/models" + (query or "?x=1"), headers=headers)
        assert page.status_code == 200
    told = str([(one.path, one.headers) for one in upstream.seen]) + "".join(map(str, lines)) + got.text
    assert "client-key" not in told + str(got.headers)
    assert "key=" not in upstream.seen[0].path


@pytest.mark.parametrize("query", ["", "?key=wrong", "?key=client-key&key=other"])
async def test_a_wrong_key_is_googles_error(query):
    async with run_upstream(ok) as upstream, adapter(upstream, **KEY) as client:
        got = await client.post(GENERATE + query, json=HI)
        chatting = await client.post("/v1/chat/completions?key=client-key", json=chat())
    error = got.json()["error"]
    assert (got.status_code, error["code"], error["status"]) == (401, 401, "UNAUTHENTICATED")
    assert chatting.json()["error"]["code"] == "key_in_url", "on OpenAI's paths no key stands in the URL"
    assert upstream.seen == []


async def test_an_error_of_geminis_is_the_one_that_its_clients_know():
    told = {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED"}
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}]

    async def script(call):
        await call.json({"error": {**told, "details": details}}, 429)

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = await client.post(GENERATE, json=HI)
    error = got.json()["error"]
    assert got.status_code == 429
    assert {name: error[name] for name in told} == told
    assert error["details"][0]["retryDelay"] == "7s"


@pytest.mark.parametrize("path", [STREAM + "?alt=sse", STREAM])
async def test_a_stream_passes_event_by_event_in_both_forms(path):
    async def script(call):
        assert call.request.path.endswith("?alt=sse")
        await call.start()
        whole = frame(answer("a", finish=None)) + frame(answer("b"))
        for at in range(0, len(whole), 37):
            await call.send(whole[at : at + 37])
        await call.end()

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = await client.post(path, json=HI)
    read = [json.loads(one.strip()) for one in got.text.replace("data: ", "").split("\r\n\r\n") if one.strip()]
    found = read if "sse" in path else json.loads(got.text)
    assert [one["candidates"][0]["content"]["parts"][0]["text"] for one in found] == ["a", "b"]
    assert got.headers["content-type"].startswith("text/event-stream" if "sse" in path else "application/json")


@pytest.mark.parametrize("path", [STREAM + "?alt=sse", STREAM])
async def test_an_error_in_the_middle_of_a_stream_is_its_last_item(path):
    async def script(call):
        await call.stream(
            answer("a", finish=None), {"error": {"code": 503, "message": "gone", "status": "UNAVAILABLE"}}
        )

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = await client.post(path, json=HI)
    if "sse" in path:
        last = json.loads(got.text.strip().rpartition("data: ")[2])
    else:
        last = json.loads(got.text)[-1]
    assert last["error"]["status"] == "UNAVAILABLE"


async def test_of_a_long_stream_the_page_keeps_so_many_events(monkeypatch):
    async def script(call):
        await call.stream(*[answer("a", finish=None)] * 5, answer("b"))

    monkeypatch.setattr(timed_frames, "MAX_TAPPED", 3)
    async with run_upstream(script) as upstream, adapter(upstream, inspector=True) as client:
        got = await client.post(STREAM + "?alt=sse", json=HI)
        rows = (await client.get("/inspector/exchanges")).json()["exchanges"]
    assert (got.text.count("data: "), rows[0]["events"]) == (6, 3)


@pytest.mark.parametrize("path", [STREAM + "?alt=sse", STREAM])
async def test_an_error_before_the_first_event_is_a_plain_one(path):
    async def script(call):
        await call.stream(GONE)

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = await client.post(path, json=HI)
    assert (got.status_code, got.json()["error"]["status"]) == (503, "UNAVAILABLE")


async def test_a_relay_without_streams_is_streamed_as_one_event():
    async with run_upstream(ok) as upstream, adapter(upstream, upstream_streaming=False) as client:
        got = await client.post(STREAM, json=HI)
    assert [one["candidates"][0]["content"]["parts"][0]["text"] for one in json.loads(got.text)] == ["hello"]
    assert upstream.seen[0].path.endswith(":generateContent")


async def test_a_relay_without_streams_answers_no_more_than_may_be_held(monkeypatch):
    init = Upstream.__init__

    def init_with_limit(self, given, *others):
        init(self, msgspec.structs.replace(given, max_answer_bytes=100), *others)

    async def script(call):
        await call.json(answer("x" * 101))

    monkeypatch.setattr(Upstream, "__init__", init_with_limit)
    async with run_upstream(script) as upstream, adapter(upstream, upstream_streaming=False) as client:
        got = await client.post(STREAM, json=HI)
    assert (got.status_code, got.json()["error"]["message"]) == (502, "Gemini's answer is larger than 100 bytes.")


@pytest.mark.parametrize("prefix", ["/v1beta", "/v1", ""])
async def test_a_model_is_called_under_each_version_of_the_path(prefix):
    async with run_upstream(ok) as upstream, adapter(upstream) as client:
        got = await client.post(f"{prefix}/models/{MODEL}:generateContent", json=HI)
    assert (got.status_code, [one.path for one in upstream.seen]) == (200, [GENERATE])


async def test_one_model_is_read_as_any_other_path():
    async with run_upstream(ok) as upstream, adapter(upstream) as client:
        assert (await client.get(f"/v1beta/models/{MODEL}")).status_code == 200
    assert [(one.method, one.path) for one in upstream.seen] == [("GET", f"/v1beta/models/{MODEL}")]


async def test_the_model_map_holds_here_too():
    async with run_upstream(ok) as upstream, adapter(upstream, models={"mine": MODEL}) as client:
        got = await client.post("/v1beta/models/mine:generateContent", json=HI)
    assert got.headers["x-adapter-model"] == MODEL
    assert upstream.seen[0].path == GENERATE


@pytest.mark.parametrize(
    "path", ["/v1beta/../healthz", "/v1beta/files/..%2f..%2fx", "/v1beta/models/a%3Fb:generateContent", "/v1beta/a//b"]
)
async def test_a_path_that_means_something_else_is_not_passed(path):
    async with run_upstream(ok) as upstream, adapter(upstream) as client:
        url = httpx2.URL(f"{client.base_url}".rstrip("/")).copy_with(raw_path=path.encode())
        got = await client.post(url, json=HI)
    assert got.status_code in (400, 404, 405)
    assert upstream.seen == []


@pytest.mark.parametrize(
    "path", ["/v1beta/files/abc", "/v1beta/cachedContents?pageSize=5", "/v1beta/tunedModels/a%2Fb"]
)
async def test_other_paths_pass_with_their_query(path):
    async with run_upstream(ok) as upstream, adapter(upstream) as client:
        assert (await client.get(path)).status_code == 200
        assert (await client.delete(path)).status_code == 200
    assert [(one.method, one.path) for one in upstream.seen] == [("GET", path), ("DELETE", path)]


async def test_googles_openai_endpoint_says_where_ours_is():
    async with run_upstream(ok) as upstream, adapter(upstream) as client:
        got = await client.post("/v1beta/openai/chat/completions", json=chat())
    assert (got.status_code, got.json()["error"]["code"]) == (404, "unsupported_endpoint")
    assert "/v1" in got.json()["error"]["message"]


class Conversation:
    """One tool loop, told natively and as a chat in turn: each side keeps texts, names, arguments and ids."""

    def __init__(self, client):
        self.client = client
        self.said = [("user", "call f in 50 steps")]

    async def natively(self):
        contents = []
        for who, what in self.said:
            if who == "user":
                contents.append({"role": "user", "parts": [{"text": what}]})
            elif who == "call":
                contents.append({"role": "model", "parts": [{"functionCall": {"id": what, "name": "f", "args": {}}}]})
            else:
                result = {"id": what, "name": "f", "response": {"output": "done"}}
                contents.append({"role": "user", "parts": [{"functionResponse": result}]})
        got = await self.client.post(GENERATE, json={"contents": contents, "tools": TOOLS})
        assert got.status_code == 200, got.text
        part = got.json()["candidates"][0]["content"]["parts"][0]
        return part.get("functionCall", {}).get("id"), got

    async def as_chat(self):
        messages: list[Any] = []
        for who, what in self.said:
            if who == "user":
                messages.append({"role": "user", "content": what})
            elif who == "call":
                function = {"name": "f", "arguments": "{}"}
                calls = [{"id": what, "type": "function", "function": function}]
                messages.append({"role": "assistant", "content": None, "tool_calls": calls})
            else:
                messages.append({"role": "tool", "tool_call_id": what, "content": "done"})
        tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
        got = await self.client.post("/v1/chat/completions", json=chat(messages=messages, tools=[tool]))
        assert got.status_code == 200, got.text
        calls = got.json()["choices"][0]["message"].get("tool_calls")
        return calls[0]["id"] if calls else None, got

    async def run(self):
        """Until there are no more calls; how many there were."""
        turns = 0
        while True:
            call_id, got = await (self.natively() if turns % 2 == 0 else self.as_chat())
            assert "stand-in" not in got.headers.get("x-adapter-signatures", "")
            if call_id is None:
                return turns
            self.said += [("call", call_id), ("result", call_id)]
            turns += 1


async def test_fifty_turns_in_alternation_of_both_apis_need_no_stand_in():
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        assert await Conversation(client).run() == 50
        async with httpx2.AsyncClient(trust_env=False) as direct:
            stats = (await direct.get(f"{gemini.url}/emulator/stats")).json()
    assert stats["sentinels"] == 0
    assert stats["signatures_verified"] >= 50


@pytest.mark.parametrize(
    "model",
    [
        "gemini-3.1-pro-preview",
        "gemini-3.1-flash-image-preview",
        "gemini-3.1-flash-lite-preview",
        "gemini-3-pro-preview",
        "gemini-3-pro-image-preview",
        "gemini-3-flash-preview",
        "gemini-2.5-pro",
        "gemini-2.5-flash",
        "gemini-2.5-flash-lite",
        "gemini-2.0-flash",
    ],
)
async def test_the_example_of_the_anyfast_page_works_with_its_host_changed(model):
    as_relay = {"upstream_auth": "bearer", "upstream_profile": "anyfast", "client_keys": ("sk-mine",)}
    body = {"contents": [{"role": "user", "parts": [{"text": "Hello, how are you?"}]}]}
    async with run_emulator(EmulatorSettings(relay=True)) as relay, adapter(relay, **as_relay) as client:
        got = await client.post(
            f"/v1beta/models/{model}:generateContent", json=body, headers={"authorization": "Bearer sk-mine"}
        )
    assert got.status_code == 200, got.text
    assert got.json()["candidates"][0]["content"]["parts"]
