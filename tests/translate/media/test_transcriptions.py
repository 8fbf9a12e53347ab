"""How long sounds are by their headers; every leaf of what is sent belongs to a field."""

import io
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.core.capabilities import ModelCapabilities, ServedModel
from adapter.translate.core.context import Options
from adapter.translate.core.notes import Rejected
from adapter.translate.ledger import leaves
from adapter.translate.media.sound_headers import read_duration, read_duration_of_url
from adapter.translate.translations import endpoints
from adapter.wire.gemini.generate import SafetySetting

SOUND = b"data:audio/wav;base64,AAAA"


@given(st.integers(1, 2), st.integers(1, 3), st.sampled_from([8_000, 24_000]), st.integers(0, 5_000))
def test_a_wav_file_tells_its_length(channels, width, rate, frames):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(bytes(frames * channels * width))
    data = file.getvalue()
    assert read_duration(data[:100], len(data)) == pytest.approx(frames / rate)


@pytest.mark.parametrize("start", [b"", b"ID3", b"OggS", b"fLaC", b"fLaC" + bytes(60), b"RIFF\0\0\0\0WAVEfmt "])
def test_other_files_tell_none(start):
    assert read_duration(start, 1_000) == 0


def test_a_wav_file_of_no_form_tells_none():
    assert read_duration(b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd", 24) == 0


@pytest.mark.parametrize("transcribes", [True, False])
def test_all_that_is_sent_is_accounted_for(transcribes):
    body = b"""{"file": "%s", "model": "m", "language": "de", "keywords": ["x"], "response_format": "diarized_json",
        "temperature": 0.5, "prompt": "A greeting."}"""
    endpoint = endpoints(None)["/v1/audio/transcriptions"]
    request, unknown = endpoint.decode(body % SOUND)
    row = ModelCapabilities(pattern="*", source="", date="", transcribes=transcribes)
    settings = (SafetySetting(category="HARM_CATEGORY_HARASSMENT", threshold="BLOCK_NONE"),)
    made = endpoint.translate(request, unknown, ServedModel("m", row, "", "m"), Options(safety_settings=settings))
    bodies = made.as_json()
    targets = tuple(target for entry in made.ledger(bodies) for target in entry.targets)
    assert [pointer for pointer, _ in leaves(bodies[0]) if not pointer.startswith(targets)] == []


@pytest.mark.parametrize("url", ["https://example.org/a.wav", "data:audio/wav,abcd", "data:audio/wav;base64,abcde"])
def test_what_is_no_sound_in_base64_has_no_duration(url):
    assert read_duration_of_url(url) == 0


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("file-abc123", "neither a file that is stored here"),
        ("gs://bucket/a.png", "image/png is no sound"),
        ("gs://bucket/a.wav", None),
        ("files/abc", None),
    ],
)
def test_what_a_file_is_named_by_must_be_a_sound(file, told):
    endpoint = endpoints(None)["/v1/audio/transcriptions"]
    request, unknown = endpoint.decode(b'{"file": "%s", "model": "m"}' % file.encode())
    row = ModelCapabilities(pattern="*", source="", date="", transcribes=True)
    served = ServedModel("m", row, "", "m")
    if told is None:
        [body] = endpoint.translate(request, unknown, served, Options()).as_json()
        assert body["contents"][0]["parts"][0]["fileData"]["fileUri"].endswith(file)
        return
    with pytest.raises(Rejected, match=told) as refused:
        endpoint.translate(request, unknown, served, Options())
    assert refused.value.note.path == "file"
