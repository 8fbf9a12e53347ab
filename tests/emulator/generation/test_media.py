"""Pictures of the asked size, speech, and transcriptions of it."""

import base64
import struct
import zlib
from typing import Any

import pytest

from adapter.emulator.core.errors import Refusal
from adapter.emulator.core.models import models
from adapter.emulator.generation.media import PIXELS, SIZES, WAV_TYPE, decode_speech, picture, speech, wav
from tests.emulator.asking import ask, parts, request, stream

L16 = {"responseFormat": {"audio": {"mimeType": "AUDIO_L16"}}}


def image_size(model: str, **config: Any) -> tuple[int, int]:
    """The size that the header of a picture tells."""
    blob = parts(ask(request("a cat", generationConfig={"imageConfig": config}), model))[-1]["inlineData"]
    width, height = struct.unpack(">II", base64.b64decode(blob["data"])[16:24])
    return width, height


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ratio", PIXELS)
def test_a_picture_holds_the_pixels_that_its_header_tells(ratio: str, size: str) -> None:
    data = picture("a cat", ratio, size)
    width, height = struct.unpack(">II", data[16:24])
    at = data.index(b"IDAT")
    packed = data[at + 4 : at + 4 + int.from_bytes(data[at - 4 : at], "big")]
    assert len(zlib.decompress(packed)) == height * (1 + -(-width // 8))
    assert (width, height) == tuple(side * SIZES[size] // 2 for side in PIXELS[ratio])


def test_pictures_come_in_the_sizes_that_a_model_has() -> None:
    assert image_size("gemini-3.1-flash-image", aspectRatio="16:9", imageSize="2K") == (2752, 1536)
    assert image_size("gemini-3.1-flash-image", imageSize="512") == (512, 512)
    refused = (
        ("gemini-nano-banana-2.1", {"imageSize": "512"}),
        ("gemini-3.1-flash-lite-image", {"imageSize": "2K"}),
        ("gemini-2.5-flash-image", {"imageSize": "1K"}),
        ("gemini-3-pro-image", {"aspectRatio": "1:8"}),
    )
    for model, config in refused:
        with pytest.raises(Refusal):
            image_size(model, **config)


def transcribe(text: str, mime: str = WAV_TYPE, **config: Any) -> dict[str, Any]:
    """The transcript of a text that was spoken."""
    data = wav(speech(text)) if mime == WAV_TYPE else speech(text)
    blob = {"inlineData": {"mimeType": mime, "data": base64.b64encode(data).decode()}}
    body = {"contents": [{"role": "user", "parts": [blob]}], "generationConfig": {"audioTranscriptionConfig": config}}
    found: dict[str, Any] = parts(ask(body, "gemini-3.5-transcribe"))[0]["audioTranscription"]
    return found


@pytest.mark.parametrize("text", ["Hello there, größer world.", "x" * 3_000])
def test_what_was_spoken_is_heard_again(text: str) -> None:
    assert transcribe(text) == transcribe(text, "audio/L16;codec=pcm;rate=24000") == {"text": text}


def test_words_have_times_and_speakers_only_where_they_are_asked_for() -> None:
    found = transcribe("two words", wordTimestamp=True, diarization=True, languageCodes=["en-GB"])
    assert found == {
        "text": "two words",
        "languageCode": "en-GB",
        "speakerLabel": "spk_1",
        "words": [
            {"word": "two", "startOffset": "0.000s", "endOffset": "0.060s"},
            {"word": "words", "startOffset": "0.080s", "endOffset": "0.180s"},
        ],
    }


def test_another_sound_is_described() -> None:
    assert decode_speech("audio/mp3", b"ID3") is None
    assert decode_speech(WAV_TYPE, wav(bytes(100))) is None
    blob = {"inlineData": {"mimeType": "audio/mp3", "data": base64.b64encode(b"ID3").decode()}}
    body = {"contents": [{"role": "user", "parts": [blob]}]}
    assert parts(ask(body, "gemini-3.5-transcribe"))[0]["audioTranscription"] == {
        "text": "A sound: audio/mp3, 3 bytes."
    }


def test_without_a_sound_nothing_is_heard() -> None:
    assert parts(ask(request("hello"), "gemini-3.5-transcribe")) == [{"audioTranscription": {"text": ""}}]


def test_only_one_model_transcribes() -> None:
    assert [model.name for model in models().values() if model.transcribes] == ["gemini-3.5-transcribe"]
    with pytest.raises(Refusal, match="Audio transcription is not enabled"):
        ask(request("hi", generationConfig={"audioTranscriptionConfig": {}}), "gemini-3.8-flash")


def test_speech_streams_in_pieces_of_a_second_that_cost_as_much_as_the_whole() -> None:
    body = request("a" * 120, generationConfig=L16)
    whole, pieces = ask(body, "gemini-3.8-flash-tts"), stream(body, "gemini-3.8-flash-tts")
    data = [base64.b64decode(parts(one)[0]["inlineData"]["data"]) for one in pieces]
    assert [len(one) for one in data] == [48_000, 48_000, 19_200]
    assert b"".join(data) == base64.b64decode(parts(whole)[0]["inlineData"]["data"])
    assert pieces[-1]["usageMetadata"] == whole["usageMetadata"]
