"""/v1/audio/speech over real sockets, with the openai package; foreign decoders judge the files."""

import asyncio
import base64
import io
import wave

import av
import httpx2
import pytest
from openai import APIError, AsyncOpenAI, BadRequestError

from adapter.emulator import EmulatorSettings
from adapter.emulator.generation.media import decode_speech, speech
from tests.support.scripted import adapter, run_emulator, run_upstream

TEXT = "Hello, how are you today?"
MODEL = "gemini-3.8-flash-tts"


def openai_of(client):
    return AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key="any", http_client=client, max_retries=0)


def speech_event(samples, mime="audio/L16;codec=pcm;rate=24000", finish="STOP", **more):
    """An event of Gemini's."""
    part = {"inlineData": {"mimeType": mime, "data": base64.b64encode(samples).decode()}}
    candidate = {"content": {"role": "model", "parts": [part]}, "index": 0}
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 25, "totalTokenCount": 28}
    return {"candidates": [candidate | ({"finishReason": finish} if finish else {})], "usageMetadata": usage, **more}


def seconds_of(data):
    """The length of a sound file in seconds, as FFmpeg reads it."""
    with av.open(io.BytesIO(data)) as file:
        return sum([frame.samples / frame.sample_rate for frame in file.decode(audio=0)], 0.0)


async def test_the_openai_package_gets_mp3_by_default():
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        found = await openai_of(client).audio.speech.create(model="tts-1", voice="alloy", input=TEXT)
    assert found.response.headers["content-type"] == "audio/mpeg"
    assert seconds_of(found.content) == pytest.approx(len(TEXT) / 50, abs=0.15)


@pytest.mark.parametrize(
    ("kind", "type_", "start"),
    [
        ("mp3", "audio/mpeg", b"\xff"),
        ("opus", "audio/ogg", b"OggS"),
        ("aac", "audio/aac", b"\xff\xf1"),
        ("flac", "audio/flac", b"fLaC"),
        ("wav", "audio/wav", b"RIFF"),
    ],
)
async def test_every_format_is_a_file_of_the_same_length(kind, type_, start):
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        audio = openai_of(client).audio
        found = await audio.speech.create(model=MODEL, voice="Kore", input=TEXT * 10, response_format=kind)
    assert found.response.headers["content-type"] == type_
    assert found.content.startswith(start)
    assert seconds_of(found.content) == pytest.approx(len(TEXT) / 5, abs=0.2)


async def test_pcm_is_geminis_samples():
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        audio = openai_of(client).audio
        found = await audio.speech.create(model=MODEL, voice="Kore", input=TEXT, response_format="pcm")
    assert found.content == speech(TEXT)


@pytest.mark.parametrize("model", [MODEL, "gemini-2.5-flash-preview-tts"])
async def test_a_wav_file_says_what_was_to_be_said(model):
    async with (
        run_emulator(EmulatorSettings(relay=True)) as gemini,
        adapter(gemini, upstream_platform="relay") as client,
    ):
        audio = openai_of(client).audio
        found = await audio.speech.create(model=model, voice="Kore", input=TEXT, response_format="wav")
    with wave.open(io.BytesIO(found.content)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
    assert decode_speech("audio/wav", found.content).text == TEXT


async def test_events_hold_the_pieces_and_the_usage():
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        body = {"model": MODEL, "input": "a" * 120, "voice": "Kore", "response_format": "pcm", "stream_format": "sse"}
        got = await client.post("/v1/audio/speech", json=body)
    lines = [line.removeprefix("data: ") for line in got.text.split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    events = [httpx2.Response(200, text=line).json() for line in lines]
    assert [one["type"] for one in events] == ["speech.audio.delta"] * 3 + ["speech.audio.done"]
    assert b"".join(base64.b64decode(one["audio"]) for one in events[:-1]) == speech("a" * 120)
    assert events[-1]["usage"]["output_tokens"] == 60


async def test_the_first_sound_comes_before_the_last_is_made():
    heard = asyncio.Event()

    async def script(call):
        await call.start()
        await call.send(frame_of(speech_event(bytes(9_600), finish="")))
        await heard.wait()
        await call.send(frame_of(speech_event(bytes(9_600))))
        await call.end()

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        body = {"model": MODEL, "input": "hi", "response_format": "pcm"}
        async with client.stream("POST", "/v1/audio/speech", json=body) as got:
            pieces = got.aiter_raw()
            first = await anext(pieces)
            heard.set()
            rest = b"".join([piece async for piece in pieces])
    assert len(first) == len(rest) == 9_600


def frame_of(event):
    return b"data: " + httpx2.Request("POST", "http://x", json=event).read() + b"\r\n\r\n"


async def test_samples_that_are_cut_in_the_middle_keep_their_bytes_in_order():
    samples = bytes(range(256)) * 8

    async def script(call):
        await call.stream(
            speech_event(samples[:333], finish=""),
            speech_event(samples[333:334], finish=""),
            speech_event(samples[334:]),
        )

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = await client.post("/v1/audio/speech", json={"model": MODEL, "input": "hi", "response_format": "pcm"})
    assert got.content == samples


async def test_half_a_sample_at_the_end_of_a_call_shifts_no_byte_of_the_next_one():
    samples = bytes(range(256)) * 8

    async def script(call):
        await call.stream(speech_event(samples + b"\xff"))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        body = {"model": MODEL, "input": "word " * 1_000, "response_format": "pcm"}
        got = await client.post("/v1/audio/speech", json=body)
        rows = (await client.get("/inspector/exchanges")).json()["exchanges"]
    assert len(upstream.seen) == 2
    assert got.content == samples * 2
    assert rows[0]["tokens"] == [6, 50], "the tokens of both calls"


@pytest.mark.parametrize(
    ("mime", "text"),
    [("audio/mp3", "neither samples nor WAV"), ("audio/L16;codec=pcm;rate=16000", "24000 and 16000 Hz")],
)
async def test_a_later_call_of_another_sound_breaks_the_file_off(mime, text):
    async def script(call):
        await call.stream(speech_event(bytes(200), **({"mime": mime} if len(upstream.seen) == 2 else {})))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        body = {"model": MODEL, "input": "word " * 1_000, "response_format": "pcm", "stream_format": "sse"}
        got = await client.post("/v1/audio/speech", json=body)
    assert text in got.text.split("\n\n")[-2]


async def test_a_long_text_is_spoken_sentence_by_sentence_in_several_calls():
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        text = "This is a sentence of some length. " * 300
        body = {"model": MODEL, "input": text, "response_format": "pcm"}
        got = await client.post("/v1/audio/speech", json=body)
        asked = await gemini.requests()
    said = [one["body"]["contents"][0]["parts"][0]["text"] for one in asked]
    assert len(said) == 3
    assert "".join(said).split() == text.split()
    assert all(one.rstrip().endswith(".") for one in said)
    assert got.content == b"".join(map(speech, said))
    assert "speech-in-parts" in got.headers["x-adapter-notes"]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("blocked", 400, "content_policy_violation"),
        ("no-parts", 502, "malformed_response"),
        ("400", 400, None),
    ],
)
async def test_what_fails_before_the_first_sound_is_an_error_of_http(fault, status, code):
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        got = await client.post("/v1/audio/speech", json={"model": f"{MODEL}+fault-{fault}", "input": "hi"})
    assert (got.status_code, got.json()["error"]["code"]) == (status, code)


async def breaks_off(call):
    await call.stream(speech_event(bytes(9_600), finish=""), speech_event(bytes(2), finish="SAFETY"))


async def test_a_file_that_breaks_off_is_never_complete():
    async with run_upstream(breaks_off) as upstream, adapter(upstream) as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post("/v1/audio/speech", json={"model": MODEL, "input": "hi", "response_format": "pcm"})
        assert (await client.get("/healthz")).status_code == 200


async def test_events_that_break_off_end_with_an_error():
    async with run_upstream(breaks_off) as upstream, adapter(upstream) as client:
        body = {"model": MODEL, "input": "hi", "response_format": "pcm", "stream_format": "sse"}
        got = await client.post("/v1/audio/speech", json=body)
    assert "content_policy_violation" in got.text.split("\n\n")[-2]
    assert "[DONE]" not in got.text


async def test_a_format_whose_extra_is_missing_names_the_command(monkeypatch):
    monkeypatch.setitem(__import__("adapter.extras").extras.MODULES, "audio", ("no_such_module",))
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        with pytest.raises(BadRequestError, match=r"gemini-openai-adapter\[audio\]"):
            await openai_of(client).audio.speech.create(model=MODEL, voice="Kore", input="hi", response_format="opus")


async def test_a_model_that_does_not_speak_is_refused():
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        with pytest.raises(APIError, match="does not speak"):
            await openai_of(client).audio.speech.create(model="gemini-3.8-flash", voice="Kore", input="hi")
