"""Images, speech and transcriptions with several upstreams and models: as chats, and nothing once sound has come."""

import base64
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapter.emulator.generation.media import picture, speech
from tests.support.scripted import adapter, answer, frame, run_upstream

PNG = picture("a cat", "1:1", "512")
SAMPLES = speech("Hello")
SOUND = {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": base64.b64encode(SAMPLES).decode()}}
IMAGE = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}}
HEARD = {"audioTranscription": {"text": "Hello"}}
BUSY = {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}
WRONG = {"error": {"code": 400, "message": "wrong", "status": "INVALID_ARGUMENT"}}

IMAGES = "/v1/images/generations"
EDITS = "/v1/images/edits"
SPEECH = "/v1/audio/speech"
TRANSCRIPTIONS = "/v1/audio/transcriptions"
HEARING: dict[str, Any] = {
    "data": {"model": "gemini-3.5-transcribe"},
    "files": {"file": ("a.wav", b"RIFF", "audio/wav")},
}
SPOKEN: dict[str, Any] = {"model": "gemini-3.8-flash-tts", "input": "Hello", "response_format": "pcm"}
DRAWN: dict[str, Any] = {"model": "gemini-3.1-flash-image", "prompt": "a cat"}


def request_for(path, **fields):
    """A request to an endpoint, whole or streamed."""
    match path:
        case "/v1/images/generations":
            return {"json": {**DRAWN, **fields}}
        case "/v1/images/edits":
            return {"data": {**DRAWN, **fields}, "files": {"image": ("a.png", PNG, "image/png")}}
        case "/v1/audio/speech":
            return {"json": {**SPOKEN, **({"stream_format": "sse"} if fields else {})}}
        case _:
            return {**HEARING, "data": {**HEARING["data"], **fields}}


def refuses(error):
    async def script(call):
        await call.json(error, error["error"]["code"])

    return script


def gives(call):
    """The answers of Gemini's models, by their names."""
    return SOUND if "tts" in call.request.path else HEARD if "transcribe" in call.request.path else IMAGE


async def answers(call):
    if ":stream" in call.request.path:
        await call.stream(answer(gives(call)))
    else:
        await call.json(answer(gives(call)))


@asynccontextmanager
async def two(first, second=answers, more: dict[str, Any] | None = None, **settings: Any):
    async with run_upstream(first) as one, run_upstream(second) as other:
        table = {"upstream_url": other.url, "upstream_keys": ["k2"], "upstream_name": "other", **(more or {})}
        async with adapter(one, fallback_upstreams=(table,), **settings) as client:
            yield client, one, other


@pytest.mark.parametrize("fields", [{}, {"stream": "true"}], ids=["whole", "streamed"])
@pytest.mark.parametrize("path", [IMAGES, EDITS, SPEECH, TRANSCRIPTIONS])
async def test_another_upstream_answers_and_is_told(path, fields):
    given = request_for(path, **fields)
    if "json" in given and fields:
        given["json"].update({"stream": True} if path == IMAGES else {})
    async with two(refuses(BUSY)) as (client, one, other):
        got = await client.post(path, **given)
    assert got.status_code == 200, got.text
    assert got.headers["x-adapter-upstream"] == "other"
    assert "upstream-fallback" in got.headers["x-adapter-notes"]
    assert other.seen[0].body == one.seen[0].body
    assert other.seen[0].headers["x-goog-api-key"] == "k2"
    if path == SPEECH and not fields:
        assert got.content == SAMPLES
    elif not path.startswith("/v1/audio"):
        assert IMAGE["inlineData"]["data"] in got.text
    else:
        assert "Hello" in got.text or "speech.audio.done" in got.text


@pytest.mark.parametrize("path", [IMAGES, SPEECH, TRANSCRIPTIONS])
async def test_what_another_upstream_would_refuse_as_well_goes_nowhere(path):
    async with two(refuses(WRONG)) as (client, _, other):
        got = await client.post(path, **request_for(path))
    assert (got.status_code, other.seen) == (400, [])


async def test_the_first_failure_is_told_where_all_fail():
    async with two(refuses(BUSY), refuses(WRONG)) as (client, _, other):
        got = await client.post(IMAGES, **request_for(IMAGES))
    assert (got.status_code, len(other.seen)) == (503, 1)


async def test_another_model_answers_and_one_that_cannot_is_passed_over():
    models = {"gemini-3.1-flash-image": "gemini-3.8-flash|gemini-3-pro-image"}

    async def script(call):
        if "3.1" in call.request.path:
            await call.json(BUSY, 503)
        else:
            await answers(call)

    async with run_upstream(script) as upstream, adapter(upstream, fallback_models=models) as client:
        got = await client.post(IMAGES, json={**DRAWN, "size": "1536x1024", "n": 2})
    assert len(got.json()["data"]) == 2
    assert got.headers["x-adapter-model"] == "gemini-3-pro-image"
    assert "model-fallback" in got.headers["x-adapter-notes"]
    assert {one.path.rpartition("/")[2] for one in upstream.seen} == {
        "gemini-3.1-flash-image:generateContent",
        "gemini-3-pro-image:generateContent",
    }


async def test_speech_that_has_begun_is_not_begun_elsewhere():
    async def script(call):
        await call.start()
        await call.send(frame(answer(SOUND, finish=None)))
        await call.send(frame(BUSY))
        await call.end()

    async with two(script) as (client, _, other):
        got = await client.post(SPEECH, **request_for(SPEECH, stream=True))
    assert "server_is_overloaded" in got.text
    assert other.seen == []


async def test_a_transcript_that_has_begun_is_not_begun_elsewhere():
    async def script(call):
        await call.stream(answer({"audioTranscription": {"text": "Hel"}}, finish=None), BUSY)

    async with two(script) as (client, _, other):
        got = await client.post(TRANSCRIPTIONS, **request_for(TRANSCRIPTIONS, stream="true"))
    assert "Hel" in got.text
    assert "server_is_overloaded" in got.text
    assert other.seen == []


async def test_a_file_of_geminis_stays_where_it_is():
    body = {"prompt": "greener", "images": [{"file_id": "files/abc"}], "model": "gemini-3.1-flash-image"}
    async with two(refuses(BUSY)) as (client, one, other):
        got = await client.post(EDITS, json=body)
    assert (got.status_code, len(one.seen), other.seen) == (503, 1, [])


async def test_a_stored_file_goes_elsewhere_in_line(tmp_path):
    async def script(call):
        if call.request.path.startswith("/upload"):
            await call.json(WRONG, 400)
        else:
            await call.json(BUSY, 503)

    async with two(script, files_dir=str(tmp_path)) as (client, _, other):
        files = {"file": ("a.png", PNG, "image/png")}
        stored = await client.post("/v1/files", files=files, data={"purpose": "vision"})
        body = {"prompt": "greener", "images": [{"file_id": stored.json()["id"]}], "model": "gemini-3.1-flash-image"}
        got = await client.post(EDITS, json=body)
    assert got.status_code == 200, got.text
    assert other.seen[0].body["contents"][0]["parts"][0] == IMAGE


async def test_a_strict_client_is_not_answered_by_another_model():
    async def script(call):
        await call.json(BUSY, 503)

    models = {"gemini-3.1-flash-image": "gemini-3-pro-image"}
    async with run_upstream(script) as upstream, adapter(upstream, fallback_models=models) as client:
        got = await client.post(IMAGES, json=DRAWN, headers={"x-adapter-strict": "all"})
    assert (got.status_code, len(upstream.seen)) == (503, 1)
