"""Every leaf of what is sent belongs to a field."""

import pytest

from adapter.translate.core.capabilities import ModelCapabilities, ServedModel
from adapter.translate.core.context import Options
from adapter.translate.ledger import leaves
from adapter.translate.media.transcriptions import TranscriptionContext, to_gemini
from adapter.translate.translations import endpoints
from adapter.wire.gemini.generate import SafetySetting
from adapter.wire.openai.transcriptions import TranscriptionRequest

SOUND = b"data:audio/wav;base64,AAAA"


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


@pytest.mark.parametrize("format_", ["json", "diarized_json", "text", "srt", "vtt", "verbose_json"])
def test_only_json_and_segments_are_streamed(format_):
    row = ModelCapabilities(pattern="*", source="", date="", transcribes=True)
    streams = format_ in ("json", "diarized_json")
    for wanted in (True, False, None):
        request = TranscriptionRequest(file=SOUND.decode(), model="m", stream=wanted, response_format=format_)
        plan = to_gemini(TranscriptionContext(request=request, served=ServedModel("m", row, "", "m")))
        assert plan.stream is (bool(wanted) and streams)
        assert ("stream" in [note.path for note in plan.notes]) is (bool(wanted) and not streams)
