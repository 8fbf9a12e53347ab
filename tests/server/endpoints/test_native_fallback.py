"""Gemini's own paths with several upstreams: the same model elsewhere, and never what only the first one has."""

import datetime
import json
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.scripted import adapter, answer, chat, frame, run_upstream

MODEL = "gemini-3.5-flash"
HI = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
BUSY = {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}
MISSING = {"error": {"code": 404, "message": "models/x is not found for API version v1beta", "status": "NOT_FOUND"}}
WRONG = {"error": {"code": 400, "message": "wrong", "status": "INVALID_ARGUMENT"}}


def path_of(method, model=MODEL):
    return f"/v1beta/models/{model}:{method}"


def refuses(error):
    async def script(call):
        await call.json(error, error["error"]["code"])

    return script


async def breaks_off(call):
    await call.start()
    await call.send(frame(answer("half", finish=None)))
    call.writer.close()


async def ends_before_its_first_event(call):
    await call.start()
    await call.end()


async def says_other(call):
    if "stream" in call.request.path:
        await call.stream(answer("other", finish=None), answer("indeed"))
    else:
        await call.json(answer("other"))


@asynccontextmanager
async def two(first, second=says_other, more: dict[str, Any] | None = None, **settings: Any):
    async with run_upstream(first) as one, run_upstream(second) as other:
        table = {"upstream_url": other.url, "upstream_keys": ["k2"], "upstream_name": "other", **(more or {})}
        async with adapter(one, fallback_upstreams=(table,), **settings) as client:
            yield client, one, other


@pytest.mark.parametrize("method", ["generateContent", "streamGenerateContent", "streamGenerateContent?alt=sse"])
@pytest.mark.parametrize("error", [BUSY, MISSING], ids=["busy", "missing"])
async def test_another_upstream_with_the_same_model_answers(method, error):
    async with two(refuses(error)) as (client, one, other):
        got = await client.post(path_of(method), json=HI)
    assert got.status_code == 200, got.text
    assert "other" in got.text
    assert got.headers["x-adapter-upstream"] == "other"
    assert "upstream-fallback" in got.headers["x-adapter-notes"]
    assert [one.path.partition("?")[0] for one in (*one.seen, *other.seen)] == [path_of(method).partition("?")[0]] * 2
    assert other.seen[0].headers["x-goog-api-key"] == "k2"
    assert other.seen[0].body == HI


async def test_a_stream_without_an_event_is_asked_for_elsewhere_and_one_that_has_begun_is_not():
    async with two(ends_before_its_first_event) as (client, _, other):
        got = await client.post(path_of("streamGenerateContent"), json=HI)
        assert [one["candidates"][0]["content"]["parts"][0]["text"] for one in got.json()] == ["other", "indeed"]
    async with two(breaks_off) as (client, _, other):
        begun = await client.post(path_of("streamGenerateContent"), json=HI)
    assert "half" in begun.text
    assert begun.json()[-1]["error"]["code"] == 502
    assert other.seen == []


async def test_the_first_error_is_the_one_that_is_told():
    async with two(refuses(BUSY), refuses(WRONG)) as (client, one, other):
        got = await client.post(path_of("generateContent"), json=HI)
    assert (got.status_code, got.json()["error"]["message"]) == (503, "busy")
    assert (len(one.seen), len(other.seen)) == (1, 1)


async def test_what_another_would_refuse_as_well_goes_nowhere_else():
    async with two(refuses(WRONG)) as (client, _, other):
        got = await client.post(path_of("generateContent"), json=HI)
    assert (got.status_code, other.seen) == (400, [])


@pytest.mark.parametrize(
    ("method", "body", "more"),
    [
        ("generateContent", {"contents": [{"parts": [{"fileData": {"fileUri": "files/abc"}}]}]}, {}),
        ("generateContent", {**HI, "cachedContent": "cachedContents/abc"}, {}),
        ("batchGenerateContent", {"batch": {}}, {}),
        ("embedContent", {"content": HI["contents"][0]}, {"upstream_platform": "vertex"}),
    ],
    ids=["a file", "a cache", "a method that makes something", "another form"],
)
async def test_what_only_the_first_upstream_has_goes_nowhere_else(method, body, more):
    async with two(refuses(BUSY), more=more) as (client, one, other):
        got = await client.post(path_of(method), json=body)
    assert (got.status_code, len(one.seen), other.seen) == (503, 1, [])


@pytest.mark.parametrize(("platform", "asked"), [("vertex", 0), ("relay", 0), ("studio", 1)])
async def test_a_name_that_stands_for_another_model_elsewhere_is_not_asked_for_there(platform, asked, monkeypatch):
    """gemini-2.5-flash ends on AI Studio alone; from then on another model answers for it there."""
    for module in ("adapter.settings.models", "adapter.server.pipeline.service"):
        monkeypatch.setattr(f"{module}.utc_day", lambda _seconds: datetime.date(2026, 12, 1))
    name, there = "gemini-2.5-flash", {"upstream_platform": platform}
    async with two(refuses(BUSY), more=there, upstream_platform="studio") as (client, one, other):
        got = await client.post(path_of("generateContent", name), json=HI)
    assert name not in one.seen[0].path
    assert (got.status_code, len(other.seen)) == (200 if asked else 503, asked)


async def test_strict_clients_get_no_other_upstream():
    async with two(refuses(BUSY)) as (client, _, other):
        got = await client.post(path_of("generateContent"), json=HI, headers={"x-adapter-strict": "true"})
    assert (got.status_code, other.seen) == (503, [])


async def test_a_signature_of_the_first_upstream_is_pasted_for_that_one_alone():
    call = {"functionCall": {"id": "c1", "name": "f", "args": {}}}
    signed = {**call, "thoughtSignature": "c2lnbmVk"}
    turns = [{"role": "model", "parts": [call]}, {"role": "user", "parts": [result("c1")]}]
    answers = iter([answer(signed)])

    async def first(one):
        made = next(answers, None)
        await (one.json(made) if made else one.json(BUSY, 503))

    async with two(first) as (client, one, other):
        assert (await client.post(path_of("generateContent"), json=HI)).status_code == 200
        got = await client.post(path_of("generateContent"), json={"contents": [*HI["contents"], *turns]})
    assert got.status_code == 200
    assert "c2lnbmVk" in json.dumps(one.seen[1].body)
    assert "c2lnbmVk" not in json.dumps(other.seen[0].body)


def result(id_):
    return {"functionResponse": {"id": id_, "name": "f", "response": {}}}


async def test_a_chat_about_a_file_stays_at_its_upstream_and_its_key():
    async def first(call):
        if call.request.path.endswith("/files"):
            await call.json({"file": {"name": "files/abc"}})
        else:
            await call.json(BUSY, 503)

    file = {"type": "file", "file": {"file_id": "files/abc"}}
    body = chat(messages=[{"role": "user", "content": [{"type": "text", "text": "a"}, file]}])
    async with two(first, upstream_keys=("k1", "k2", "k3")) as (client, one, other):
        await client.post("/v1beta/files", json={})
        for _ in range(4):
            assert (await client.post("/v1/chat/completions", json=body)).status_code == 503
        responses = await client.post(
            "/v1/responses",
            json={
                "model": MODEL,
                "input": [{"role": "user", "content": [{"type": "input_file", "file_id": "files/abc"}]}],
            },
        )
        assert responses.status_code == 503, responses.text
        assert other.seen == []
        assert (await client.post("/v1/chat/completions", json=chat())).status_code == 200
    assert len({call.headers["x-goog-api-key"] for call in one.seen[:6]}) == 1
