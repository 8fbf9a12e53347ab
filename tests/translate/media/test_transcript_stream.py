"""A stream of a transcript says what a whole answer says, wherever Gemini cuts it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.core.capabilities import ModelCapabilities, ServedModel
from adapter.translate.media.transcript_stream import TranscriptStream
from adapter.translate.media.transcriptions import TranscriptionContext, to_gemini
from adapter.translate.media.transcripts import answer_of, from_gemini
from adapter.wire.base import decode, encode
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.openai.transcriptions import DiarizedTranscription, TranscriptionRequest

TEXTS = st.text("ab .\u00e9\u4eca", max_size=40)
CUTS = st.lists(st.integers(0, 40), max_size=6)


def plan_of(kind):
    row = ModelCapabilities(pattern="*", source="", date="", transcribes=True)
    request = TranscriptionRequest(file="data:audio/wav;base64,AAAA", model="m", stream=True, response_format=kind)
    return to_gemini(TranscriptionContext(request=request, served=ServedModel("m", row, "", "m")))


def answer(speech, finish=None):
    candidate = {"content": {"role": "model", "parts": [{"audioTranscription": speech}]}, "finishReason": finish}
    return decode(encode({"candidates": [candidate]}), GenerateContentResponse)[0]


def feed(machine, speeches):
    events = [event for speech in speeches for event in machine.feed(answer(speech))]
    machine.feed(answer({"text": ""}, "STOP"))
    return events + machine.close()


@given(TEXTS, CUTS)
def test_deltas_joined_are_the_text_of_the_last_event_and_of_a_whole_answer(text, cuts):
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(places)]
    plan = plan_of("json")
    events = feed(TranscriptStream(plan), [{"text": piece} for piece in pieces])
    whole, _ = from_gemini([answer({"text": text}, "STOP")], plan)
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == whole.text


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_segments_are_those_of_a_whole_answer(pieces):
    words = [{"word": f"w{n}.", "startOffset": f"{n}s", "endOffset": f"{n}.5s"} for n in range(10)]
    speeches = [
        {
            "text": "".join(f"w{n}. " for n in range(start, min(10, start + pieces))),
            "words": words[start : start + pieces],
        }
        for start in range(0, 10, pieces)
    ]
    plan = plan_of("diarized_json")
    events = feed(TranscriptStream(plan), speeches)
    transcript, _ = from_gemini([answer({"text": " ".join(f"w{n}." for n in range(10)), "words": words}, "STOP")], plan)
    whole = decode(answer_of(transcript, plan)[0], DiarizedTranscription)[0]
    assert events[:-1] == whole.segments
    assert events[-1].text == whole.text
