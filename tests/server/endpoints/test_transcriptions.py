"""/v1/audio/transcriptions and /translations over real sockets, with the openai package: the emulator hears itself."""

import asyncio
import base64
import json
from typing import Any

import pytest
from openai import APIError, AsyncOpenAI, BadRequestError

from adapter.emulator import EmulatorSettings
from adapter.emulator.generation.media import speech, wav
from adapter.translate.media import transcriptions
from adapter.upstream.media import Fetched
from adapter.upstream.media_fetcher import Fetcher
from tests.support.guards import PATIENCE
from tests.support.scripted import adapter, answer, frame, run_emulator, run_upstream

MODEL = "gemini-3.5-transcribe"
TEXT = "Hello there. How are you today?"
SOUND = ("hello.wav", wav(speech(TEXT)), "audio/wav")
SECONDS = len(TEXT) / 50


def audio_of(client):
    return AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key="any", http_client=client, max_retries=0).audio


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe", MODEL])
async def test_the_openai_package_gets_what_was_said(model):
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        found = await audio_of(client).transcriptions.create(model=model, file=SOUND)
        asked = await gemini.requests()
    assert found.text == TEXT
    assert found.usage.type == "tokens"
    assert "audioTranscriptionConfig" not in asked[-1]["body"].get("generationConfig", {})


@pytest.mark.parametrize(
    ("kind", "type_", "text"),
    [
        ("text", "text/plain; charset=utf-8", f"{TEXT}\n"),
        (
            "srt",
            "text/plain; charset=utf-8",
            "1\n00:00:00,000 --> 00:00:00,240\nHello there.\n\n2\n00:00:00,260 --> 00:00:00,620\nHow are you today?\n",
        ),
        (
            "vtt",
            "text/vtt; charset=utf-8",
            "WEBVTT\n\n00:00:00.000 --> 00:00:00.240\nHello there.\n\n"
            "00:00:00.260 --> 00:00:00.620\nHow are you today?\n",
        ),
    ],
)
async def test_texts_and_subtitles_have_their_media_types(kind, type_, text):
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        raw = audio_of(client).transcriptions.with_raw_response
        found = await raw.create(model=MODEL, file=SOUND, response_format=kind)
    assert (found.headers["content-type"], found.text) == (type_, text)


async def test_times_are_told_of_words_and_segments():
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        create = audio_of(client).transcriptions.create
        both = await create(
            model=MODEL,
            file=SOUND,
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
            language="de",
        )
        usual = await create(model=MODEL, file=SOUND, response_format="verbose_json")
    assert (both.duration, both.language, both.text) == (SECONDS, "german", TEXT)
    assert [word.word for word in both.words] == TEXT.split()
    assert [segment.text for segment in both.segments] == [" Hello there.", " How are you today?"]
    assert usual.words is None
    assert len(usual.segments) == 2


async def test_speakers_are_told_by_letters():
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        found = await audio_of(client).transcriptions.create(model=MODEL, file=SOUND, response_format="diarized_json")
    assert [(one.id, one.speaker, one.text) for one in found.segments] == [
        ("seg_0", "A", "Hello there."),
        ("seg_1", "A", "How are you today?"),
    ]


async def test_a_stream_has_deltas_and_ends_with_the_whole():
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        stream = await audio_of(client).transcriptions.create(model=MODEL, file=SOUND, stream=True)
        events = [event async for event in stream]
        diarized = await audio_of(client).transcriptions.create(
            model=MODEL, file=SOUND, stream=True, response_format="diarized_json"
        )
        segments = [event async for event in diarized]
    assert "".join(event.delta for event in events if event.type == "transcript.text.delta") == TEXT
    assert (events[-1].type, events[-1].text) == ("transcript.text.done", TEXT)
    assert [event.type for event in segments] == ["transcript.text.segment"] * 2 + ["transcript.text.done"]


def transcript_event(text, finish=None):
    """An event of Gemini's."""
    return answer({"audioTranscription": {"text": text}}, finish=finish)


async def test_the_first_delta_comes_before_gemini_has_heard_all():
    first_is_here = asyncio.Event()

    async def script(call):
        await call.start()
        await call.send(frame(transcript_event("Hello ")))
        await first_is_here.wait()
        await call.send(frame(transcript_event("there.", "STOP")))
        await call.end()

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        stream = await audio_of(client).transcriptions.create(model=MODEL, file=SOUND, stream=True)
        told = []
        async for event in stream:
            first_is_here.set()
            told.append(event)
    assert upstream.seen[0].path.endswith(f"{MODEL}:streamGenerateContent?alt=sse")
    assert [event.delta for event in told[:-1]] == ["Hello", " there."]
    assert told[-1].text == "Hello there."
    assert told[-1].usage.total_tokens == 5


async def test_a_paced_stream_of_the_emulators_comes_in_pieces_with_heartbeats_between():
    settings = EmulatorSettings(chunk_delay=0.3)
    given: dict[str, Any] = {"data": {"model": MODEL, "stream": "true"}, "files": {"file": SOUND}}
    async with (
        run_emulator(settings) as gemini,
        adapter(gemini, heartbeat_after=0.05) as client,
        client.stream("POST", "/v1/audio/transcriptions", **given) as got,
    ):
        lines = [line async for line in got.aiter_lines() if line]
    told = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    assert [event["delta"] for event in told[:-1]] == ["Hello there. How", " are you today?"]
    assert told[-1]["text"] == TEXT
    first = next(number for number, line in enumerate(lines) if "delta" in line)
    assert any(line.startswith(":") for line in lines[first:])


@pytest.mark.parametrize("fault", ["cut", "no-finish", "tail-event"])
@pytest.mark.parametrize("kind", ["json", "diarized_json"])
async def test_a_stream_that_breaks_off_ends_with_an_error(fault, kind):
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        stream = await audio_of(client).transcriptions.create(
            model=f"{MODEL}+fault-{fault}", file=SOUND, stream=True, response_format=kind
        )
        with pytest.raises(APIError):
            assert "transcript.text.done" not in [event.type async for event in stream]


async def test_a_client_that_leaves_a_stream_ends_the_call():
    async def script(call):
        await call.start()
        await call.send(frame(transcript_event("Hello ")))
        await asyncio.Event().wait()

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        stream = await audio_of(client).transcriptions.create(model=MODEL, file=SOUND, stream=True)
        await anext(aiter(stream))
        await stream.close()
        await asyncio.wait_for(upstream.gone.wait(), PATIENCE)


async def test_lists_and_keywords_of_forms_arrive():
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        await audio_of(client).transcriptions.create(
            model=MODEL, file=SOUND, languages=["de", "en"], keywords=["Gemini"], prompt="A greeting", temperature=0.5
        )
        asked = await gemini.requests()
    config = asked[-1]["body"]["generationConfig"]["audioTranscriptionConfig"]
    assert config == {"languageCodes": ["de", "en"], "customVocabulary": ["Gemini"]}


@pytest.mark.parametrize("padding", [0, 2 * 1024 * 1024])
async def test_a_stored_sound_is_named_by_its_id(tmp_path, padding):
    sound = wav(speech(TEXT)) + bytes(padding)
    store = {"store": f"sqlite:{tmp_path / 'store.sqlite3'}", "upstream_platform": "studio"}
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini, **store) as client:
        openai = AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key="any", http_client=client, max_retries=0)
        stored = await openai.files.create(file=("hello.wav", sound), purpose="user_data")
        found = await openai.audio.transcriptions.create(
            model=MODEL, file=(None, stored.id.encode()), response_format="verbose_json"
        )
        page = await openai.files.create(file=("a.pdf", b"%PDF-" + bytes(padding)), purpose="user_data")
        with pytest.raises(BadRequestError, match="application/pdf is no sound") as refused:
            await openai.audio.transcriptions.create(model=MODEL, file=(None, page.id.encode()))
        with pytest.raises(BadRequestError, match="neither a file that is stored here"):
            await openai.audio.transcriptions.create(model=MODEL, file=(None, b"file-unknown"))
        asked = [one for one in await gemini.requests() if one["method"] == "generateContent"]
    assert found.duration == SECONDS
    assert found.text == TEXT or (padding and "audio/wav at https://" in found.text), (
        "the emulator hears what is in line"
    )
    assert next(iter(asked[0]["body"]["contents"][0]["parts"][0])) == ("fileData" if padding else "inlineData")
    assert refused.value.param == "file"


async def test_a_stored_sound_that_is_too_long_for_times_is_refused_before_it_is_sent(tmp_path):
    head = bytearray(wav(bytes(2_000)))
    head[24:28] = (1).to_bytes(4, "little")
    store = {"store": f"sqlite:{tmp_path / 'store.sqlite3'}"}
    async with run_upstream(None) as upstream, adapter(upstream, **store) as client:
        openai = AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key="any", http_client=client, max_retries=0)
        stored = await openai.files.create(file=("a.wav", bytes(head)), purpose="user_data")
        with pytest.raises(BadRequestError, match="15 minutes"):
            await openai.audio.transcriptions.create(
                model=MODEL, file=(None, stored.id.encode()), response_format="srt"
            )


async def test_a_translation_is_asked_of_a_chat_model():
    async def script(call):
        await call.json(answer("Good day"))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        with pytest.deprecated_call():
            found = await audio_of(client).translations.create(model="whisper-1", file=SOUND)
    assert found.text == "Good day"
    assert upstream.seen[0].path.endswith("gemini-3.8-flash:generateContent")
    parts = upstream.seen[0].body["contents"][0]["parts"]
    assert parts[0]["inlineData"]["mimeType"] == "audio/wav"
    assert "into English" in parts[1]["text"]


async def test_a_translation_with_times_is_asked_for_as_json():
    segments = [{"start": 0, "end": 1.5, "text": "Good day", "speaker": "A"}]

    async def script(call):
        await call.json(answer(json.dumps({"segments": segments})))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        with pytest.deprecated_call():
            found = await audio_of(client).translations.create(model="whisper-1", file=SOUND, response_format="vtt")
    assert found == "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nGood day\n"


@pytest.mark.parametrize(("name", "type_"), [("a.m4a", "audio/mp4"), ("a.webm", "audio/webm"), ("a.mp3", "audio/mpeg")])
async def test_sounds_without_a_duration_are_heard_too(name, type_):
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        found = await audio_of(client).transcriptions.create(
            model=MODEL, file=(name, b"\0" * 40), response_format="verbose_json"
        )
    assert found.duration == 0.0
    assert type_ in found.text


LONG = b"fLaC\x80\0\0\x22" + bytes(10) + (8_000 << 44 | 15 << 36 | 8_000 * 1_000).to_bytes(8, "big") + bytes(16)


@pytest.mark.parametrize("kind", ["srt", "vtt", "verbose_json", "diarized_json"])
async def test_a_long_sound_with_times_is_refused_before_it_is_sent(kind):
    async with run_upstream(lambda call: call.json(answer("x"))) as upstream, adapter(upstream) as client:
        with pytest.raises(BadRequestError, match="15 minutes, and the sound has 17: cut it, ask for json"):
            await audio_of(client).transcriptions.create(model=MODEL, file=("a.flac", LONG), response_format=kind)
        assert upstream.seen == []


async def test_a_long_wav_file_is_heard_in_pieces_and_their_times_are_put_together(monkeypatch):
    monkeypatch.setattr(transcriptions, "LONGEST_TIMED", 0.5)
    sound = wav(speech("Hello there.") + bytes(12_000) + speech("How are you?"))
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini) as client:
        found = await audio_of(client).transcriptions.create(
            model=MODEL,
            file=("a.wav", sound),
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
        asked = await gemini.requests()
    assert found.text == "Hello there. How are you?"
    assert [round(word.start, 2) for word in found.words] == [0.0, 0.12, 0.49, 0.57, 0.65]
    assert len(asked) == 2
    parts = [one["body"]["contents"][0]["parts"][0]["inlineData"] for one in asked]
    assert sum(len(base64.b64decode(part["data"])) for part in parts) < len(sound) + 150


async def test_a_sound_at_an_address_is_fetched_where_the_operator_allows_it_and_its_length_is_read(monkeypatch):
    async def fetch(_fetcher, urls):
        return {url: Fetched("audio/wav", base64.b64encode(SOUND[1]).decode()) for url in urls}

    async def script(call):
        await call.json(transcript_event(TEXT, "STOP"))

    monkeypatch.setattr(Fetcher, "fetch", fetch)
    form = {
        "model": (None, MODEL),
        "file": (None, "https://example.org/a.wav"),
        "response_format": (None, "verbose_json"),
    }
    async with run_upstream(script) as upstream, adapter(upstream, fetch_media="https") as client:
        got = await client.post("/v1/audio/transcriptions", files=form)
    assert got.json()["duration"] == SECONDS
    blob = upstream.seen[0].body["contents"][0]["parts"][0]["inlineData"]
    assert (blob["mimeType"], base64.b64decode(blob["data"])) == ("audio/wav", SOUND[1])


@pytest.mark.parametrize(("policy", "text"), [("off", "ADAPTER_FETCH_MEDIA"), ("on", "not public")])
async def test_a_sound_at_a_private_address_is_never_fetched(policy, text):
    form = {"model": (None, MODEL), "file": (None, "http://127.0.0.1:9/a.wav")}
    async with run_upstream(None) as upstream, adapter(upstream, fetch_media=policy) as client:
        got = await client.post("/v1/audio/transcriptions", files=form)
    assert (got.status_code, upstream.seen) == (400, [])
    assert text in got.json()["error"]["message"]


async def test_a_stored_sound_is_heard_by_its_id_and_its_length_is_read(tmp_path):
    async def script(call):
        await call.json(transcript_event(TEXT, "STOP"))

    async with run_upstream(script) as upstream, adapter(upstream, files_dir=str(tmp_path)) as client:
        stored = await client.post("/v1/files", files={"file": SOUND}, data={"purpose": "user_data"})
        form = {"model": (None, MODEL), "file": (None, stored.json()["id"]), "response_format": (None, "verbose_json")}
        got = await client.post("/v1/audio/transcriptions", files=form)
    assert got.json()["duration"] == SECONDS, got.text
    assert base64.b64decode(upstream.seen[-1].body["contents"][0]["parts"][0]["inlineData"]["data"]) == SOUND[1]


async def test_what_is_no_sound_and_no_form_is_refused():
    async with run_upstream(lambda call: call.json(answer("x"))) as upstream, adapter(upstream) as client:
        with pytest.raises(BadRequestError, match="is no sound"):
            await audio_of(client).transcriptions.create(model=MODEL, file=("a.pdf", b"%PDF-", "application/pdf"))
        got = await client.post("/v1/audio/transcriptions", json={"model": MODEL, "file": "x"})
        missing = await client.post("/v1/audio/transcriptions", files={"other": b"x"}, data={"model": MODEL})
    assert got.status_code == 415
    assert (missing.status_code, missing.json()["error"]["param"]) == (400, "file")
    assert upstream.seen == []
