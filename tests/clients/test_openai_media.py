"""The openai package's methods for images and sounds, sync and async, whole and streamed, against the emulator."""

import base64
import io
import warnings

import openai
import pytest
from PIL import Image

from adapter.emulator.generation.media import picture, speech, wav

pytestmark = pytest.mark.clients

TEXT = "Hello there. How are you?"
PNG = picture("a cat", "1:1", "512")
SOUND = ("hello.wav", wav(speech(TEXT)))


@pytest.fixture
async def aclient(live):
    async with openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="unused", max_retries=0) as made:
        yield made


def size_of(answer):
    return Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json))).size


def test_images(client):
    assert size_of(client.images.generate(prompt="a cat")) == (1024, 1024)
    assert size_of(client.images.generate(prompt="a cat", model="gpt-image-1", size="1536x1024")) == (1264, 848)
    assert size_of(client.images.edit(prompt="greener", image=PNG)) == (1024, 1024)
    assert size_of(client.images.edit(prompt="greener", image=[PNG, PNG], mask=PNG)) == (1024, 1024)
    events = list(client.images.generate(prompt="a cat", stream=True))
    assert [event.type for event in events] == ["image_generation.completed"]
    edits = list(client.images.edit(prompt="greener", image=PNG, stream=True))
    assert [event.type for event in edits] == ["image_edit.completed"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert size_of(client.images.create_variation(image=PNG)) == (1024, 1024)


async def test_images_async(aclient):
    assert size_of(await aclient.images.generate(prompt="a cat", quality="low")) == (1024, 1024)
    assert size_of(await aclient.images.edit(prompt="greener", image=PNG)) == (1024, 1024)
    stream = await aclient.images.generate(prompt="a cat", stream=True, partial_images=1)
    assert [event.type async for event in stream] == ["image_generation.completed"]


def test_images_by_the_tool_of_responses(client):
    tool = {"type": "image_generation", "size": "1536x1024", "output_format": "jpeg", "output_compression": 50}
    asked = {"model": "gemini-3.1-flash-image", "input": "a cat", "tools": [tool]}
    whole = client.responses.create(**asked)
    [image] = [item for item in whole.output if item.type == "image_generation_call"]
    assert (image.size, image.output_format, image.status) == ("1264x848", "jpeg", "completed")
    opened = Image.open(io.BytesIO(base64.b64decode(image.result)))
    assert (opened.format, opened.size) == ("JPEG", (1264, 848))
    again = client.responses.create(
        model="gemini-3.1-flash-image", input="greener", tools=[tool], previous_response_id=whole.id
    )
    assert [item.type for item in again.output][-1] == "image_generation_call"
    with client.responses.stream(**asked) as stream:
        types = [event.type for event in stream]
        assert stream.get_final_response().output[-1].size == "1264x848"
    stages = [kind for kind in types if "image_generation_call" in kind]
    assert [kind.rpartition(".")[2] for kind in stages] == ["in_progress", "generating", "completed"]


@pytest.mark.parametrize("kind", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
def test_every_format_of_speech(client, kind):
    spoken = client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT, response_format=kind)
    assert len(spoken.content) > 1_000


def test_speech(client, tmp_path):
    assert client.audio.speech.create(model="tts-1", voice="nova", input=TEXT).content.startswith(b"\xff")
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="alloy", input=TEXT, instructions="Warmly.", response_format="wav"
    ) as answer:
        answer.stream_to_file(tmp_path / "speech.wav")
    found = client.audio.transcriptions.create(model="whisper-1", file=tmp_path / "speech.wav")
    assert found.text == TEXT


async def test_speech_async(aclient):
    async with aclient.audio.speech.with_streaming_response.create(
        model="tts-1-hd", voice="verse", input=TEXT, response_format="pcm"
    ) as answer:
        assert b"".join([piece async for piece in answer.iter_bytes()]) == speech(TEXT)


def test_transcriptions(client):
    create = client.audio.transcriptions.create
    assert create(model="whisper-1", file=SOUND).text == TEXT
    assert create(model="whisper-1", file=SOUND, response_format="text") == f"{TEXT}\n"
    assert create(model="whisper-1", file=SOUND, response_format="srt").startswith("1\n00:00:00,000 --> ")
    assert create(model="whisper-1", file=SOUND, response_format="vtt").startswith("WEBVTT\n\n")
    timed = create(
        model="whisper-1", file=SOUND, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert [word.word for word in timed.words] == TEXT.split()
    assert len(timed.segments) == 2
    diarized = create(model="gpt-4o-transcribe-diarize", file=SOUND, response_format="diarized_json")
    assert {segment.speaker for segment in diarized.segments} == {"A"}
    events = list(create(model="gpt-4o-transcribe", file=SOUND, stream=True))
    assert events[-1].text == TEXT


async def test_transcriptions_async(aclient):
    create = aclient.audio.transcriptions.create
    events = [event async for event in await create(model="gpt-4o-transcribe", file=SOUND, stream=True)]
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == TEXT
    assert len(events) > 2
    diarized = await create(model="gpt-4o-transcribe", file=SOUND, stream=True, response_format="diarized_json")
    assert [event.text async for event in diarized] == ["Hello there.", "How are you?", TEXT]


def test_translations(client):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert "audio/wav" in client.audio.translations.create(model="whisper-1", file=SOUND).text


async def test_translations_async(aclient):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        found = await aclient.audio.translations.create(model="whisper-1", file=SOUND, response_format="text")
    assert "English" in found
