"""Traps of Gemini's own paths: keys in URLs, arrays that are streamed, compressed answers, names with colons."""

import asyncio
import gzip
import json

import pytest

from tests.support.guards import PATIENCE
from tests.support.scripted import LogLines, adapter, answer, frame, run_upstream

MODEL = "gemini-3.5-flash"
GENERATE = f"/v1beta/models/{MODEL}:generateContent"
STREAM = f"/v1beta/models/{MODEL}:streamGenerateContent"
HI = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


async def two_events(call):
    await call.start()
    await call.send(frame(answer("a", finish=None)))
    await asyncio.sleep(0.3)
    await call.send(frame(answer("b")))
    await call.end()


@pytest.mark.parametrize("query", ["", "?alt=json"])
async def test_an_array_that_pauses_is_still_one_array(query):
    """A heartbeat, which is a comment of events, would break it."""
    async with run_upstream(two_events) as upstream, adapter(upstream, heartbeat_after=0.05) as client:
        got = await client.post(f"{STREAM}{query}", json=HI)
    texts = [one["candidates"][0]["content"]["parts"][0]["text"] for one in json.loads(got.text)]
    assert (texts, got.headers["content-type"]) == (["a", "b"], "application/json; charset=UTF-8")


@pytest.mark.parametrize("query", ["?alt=sse&key=client-key", "?key=client-key&alt=sse"])
async def test_a_key_beside_the_form_of_a_stream_is_no_part_of_what_goes_on(query):
    lines = LogLines()
    async with run_upstream(two_events) as upstream, adapter(upstream, lines, client_keys=("client-key",)) as client:
        got = await client.post(f"{STREAM}{query}", json=HI)
        headers = {"authorization": "Bearer client-key"}
        rows = (await client.get("/inspector/exchanges", headers=headers)).json()["exchanges"]
        page = await client.get(f"/inspector/exchanges/{rows[0]['id']}", headers=headers)
    assert got.text.count("data: ") == 2
    assert [one.path for one in upstream.seen] == [f"{STREAM}?alt=sse"]
    assert page.status_code == 200
    assert "client-key" not in "".join(map(str, lines)) + page.text + got.text + str(upstream.seen[0].headers)


@pytest.mark.parametrize("query", ["?key=own-key", ""])
async def test_the_clients_own_key_goes_on_in_a_header_where_it_is_to(query):
    async def ok(call):
        await call.json(answer("hello"))

    headers = {} if query else {"authorization": "Bearer own-key"}
    async with run_upstream(ok) as upstream, adapter(upstream, upstream_auth="caller", upstream_keys=()) as client:
        got = await client.post(f"{GENERATE}{query}", json=HI, headers=headers)
        none = await client.post(GENERATE, json=HI)
    assert (got.status_code, none.status_code) == (200, 401)
    assert [(one.path, one.headers["x-goog-api-key"]) for one in upstream.seen] == [(GENERATE, "own-key")]


async def test_a_compressed_answer_is_read_and_its_signature_comes_back():
    part = {"functionCall": {"id": "c1", "name": "f", "args": {}}}
    packed = gzip.compress(json.dumps(answer({**part, "thoughtSignature": "c2lnbmVk"})).encode())

    async def script(call):
        head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(packed)}\r\n"
        call.writer.write(head.encode() + b"content-type: application/json\r\n\r\n" + packed)
        await call.writer.drain()

    result = {"functionResponse": {"id": "c1", "name": "f", "response": {}}}
    turns = [{"role": "model", "parts": [part]}, {"role": "user", "parts": [result]}]
    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = await client.post(GENERATE, json=HI)
        assert got.json()["candidates"][0]["content"]["parts"][0]["functionCall"]["id"] == "c1"
        again = await client.post(GENERATE, json={"contents": [*HI["contents"], *turns]})
    assert upstream.seen[1].body["contents"][1]["parts"][0]["thoughtSignature"] == "c2lnbmVk"
    assert again.headers["x-adapter-signatures"] == "id=1"


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1beta/models/qwen:7b:generateContent", "/v1beta/models/qwen:7b:generateContent"),
        ("/v1beta/models%2Fgemini-3.5-flash:generateContent", GENERATE),
        ("/v1beta/models/gemini-3.5-flash%3AgenerateContent", GENERATE),
        ("/v1beta/models/google%2Fgemini-3.5-flash:generateContent", GENERATE),
        ("/v1beta/tunedModels/mine:generateContent", "/v1beta/tunedModels/mine:generateContent"),
    ],
)
async def test_names_may_have_colons_and_be_escaped(path, asked):
    async def ok(call):
        await call.json(answer("hello"))

    async with run_upstream(ok) as upstream, adapter(upstream) as client:
        got = await client.post(path, json=HI)
    assert (got.status_code, [one.path for one in upstream.seen]) == (200, [asked])


async def test_a_client_that_leaves_ends_the_call():
    async def script(call):
        await call.start()
        await call.send(frame(answer("a", finish=None)))
        await asyncio.Event().wait()

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        async with client.stream("POST", STREAM, json=HI) as response:
            async for _ in response.aiter_bytes():
                break
        await asyncio.wait_for(upstream.gone.wait(), PATIENCE)


@pytest.mark.parametrize("path", [GENERATE, STREAM, f"{STREAM}?alt=sse"])
async def test_a_client_that_keeps_neither_ids_nor_signatures_gets_them_by_what_was_said(path):
    """Vertex AI gives most calls no id, and programs build histories of names and arguments."""
    given = {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2lnbmVk"}

    async def script(call):
        if "stream" in call.request.path:
            await call.stream(answer("so ", finish=None), answer(given, finish=None), answer("", finish="STOP"))
        else:
            await call.json(answer("so ", given))

    bare = {"functionCall": {"name": "f", "args": {"a": 1.0}}}
    result = {"functionResponse": {"name": "f", "response": {"output": "done"}}}
    turns = [{"role": "model", "parts": [bare]}, {"role": "user", "parts": [result]}]
    async with run_upstream(script) as upstream, adapter(upstream) as client:
        await client.post(path, json=HI)
        again = await client.post(GENERATE, json={"contents": [*HI["contents"], *turns]})
        other = [{"role": "user", "parts": [{"text": "something else"}]}, *turns]
        await client.post(GENERATE, json={"contents": other})
    assert upstream.seen[1].body["contents"][1]["parts"][0]["thoughtSignature"] == "c2lnbmVk"
    assert again.headers["x-adapter-signatures"] == "hash=1"
    assert "thoughtSignature" not in json.dumps(upstream.seen[2].body)
