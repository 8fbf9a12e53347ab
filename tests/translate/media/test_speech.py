"""Long texts are cut where nobody hears it; every leaf of what is sent belongs to a field."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.core.capabilities import ModelCapabilities, ServedModel
from adapter.translate.core.context import Options
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Rejected
from adapter.translate.ledger import leaves
from adapter.translate.media import speech
from adapter.translate.media.speech import PART, SpeechContext, SpeechReader
from adapter.translate.translations import endpoints
from adapter.wire.gemini.content import Blob, Content, Part
from adapter.wire.gemini.generate import (
    Candidate,
    GenerateContentResponse,
    SafetySetting,
    UsageMetadata,
    VoiceConfig,
)
from adapter.wire.openai.speech import SpeechRequest

ROW = ModelCapabilities(pattern="*", source="", date="", output=("AUDIO",), audio_formats=True)
SERVED = ServedModel("m", ROW, "", "m")

WORDS = st.sampled_from(["a", "word ", "Sentence. ", "line\n", "clause, ", "x" * 700, " " * 900, "終わり。", "!?"])


def parts_of(text):
    plan = speech.to_gemini(SpeechContext(request=SpeechRequest(input=text, model="m"), served=SERVED))
    return [body.contents[0].parts[0].text for body in plan.bodies]


@given(st.lists(WORDS, max_size=60).map("".join))
def test_parts_are_short_say_something_and_lose_no_word(text):
    text = f"start {text}"
    parts = parts_of(text)
    assert all(len(part) <= PART and part.strip() for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_lines_come_before_sentences_and_sentences_before_words():
    half = "word " * (PART // 10)
    for best in ("\n", ". ", ", ", " "):
        [first, _] = parts_of(f"{half}end{best}{'y' * PART}")
        assert first == f"{half}end{best}"
    assert parts_of(f"{half}one.\ntwo. three {'y' * PART}")[0].endswith("one.\n")


@pytest.mark.parametrize(
    ("best", "worse"),
    [
        *(("\n", worse) for worse in (". ", "! ", ", ", " ")),
        *((f"{end} ", worse) for end in [*".!?…。！？", *(f".{quote}" for quote in "\"'”’)")] for worse in (", ", " ")),
        *((f"{end} ", " ") for end in ",;:、，"),
        (" ", "-"),
    ],
)
def test_a_text_is_cut_behind_the_last_of_the_best_places(best, worse):
    """A worse place that comes later is not taken, and a place of the first half of a part is none."""
    half = "w" * (PART // 2)
    [first, _] = parts_of(f"a{best}{half}b{best}c{best}d{worse}{'e' * 3_000}")
    assert first == f"a{best}{half}b{best}c{best}"


def test_white_space_between_parts_is_no_part():
    assert len(parts_of("a" + " " * 3 * PART + "b")) == 2
    assert len(parts_of("a " * PART + " " * PART)) == len(parts_of("a " * PART))


def test_all_that_is_sent_is_accounted_for():
    speakers = b'[{"speaker": "A", "voice": "Kore"}, {"speaker": "B", "voice": "Puck"}]'
    for voice in (b'"voice": "alloy"', b'"speakers": %s' % speakers):
        body = b'{"model": "m", "input": "hi", %s, "instructions": "Slowly.", "language_code": "de-DE"}' % voice
        endpoint = endpoints(None)["/v1/audio/speech"]
        request, unknown = endpoint.decode(body)
        settings = (SafetySetting(category="HARM_CATEGORY_HARASSMENT", threshold="BLOCK_NONE"),)
        made = endpoint.translate(request, unknown, SERVED, Options(safety_settings=settings))
        bodies = made.as_json()
        entries = made.ledger(bodies)
        targets = tuple(target for entry in entries for target in entry.targets)
        assert [pointer for pointer, _ in leaves(bodies[0]) if not pointer.startswith(targets)] == []
        assert {"instructions", "language_code", "input"} <= {entry.note.path for entry in entries}


def event(samples, rate=24_000):
    """An event that speaks, and ends its call."""
    blob = Blob(mime_type=f"audio/L16;rate={rate}", data=base64.b64encode(samples).decode())
    candidate = Candidate(content=Content(parts=[Part(inline_data=blob)]), finish_reason="STOP")
    usage = UsageMetadata(prompt_token_count=2, candidates_token_count=3, cached_content_token_count=1)
    return GenerateContentResponse(candidates=[candidate], usage_metadata=usage)


@given(st.lists(st.lists(st.binary(max_size=9), min_size=1, max_size=6), min_size=1, max_size=3))
def test_each_call_gives_its_whole_samples_in_whatever_pieces_they_come(calls):
    reader = SpeechReader()
    for pieces in calls:
        found = b"".join([reader.feed(event(piece)) for piece in pieces]) + reader.end_call()
        said = b"".join(pieces)
        assert found == said[: len(said) // 2 * 2]
    assert (reader.usage().input_tokens, reader.usage().output_tokens) == (2 * len(calls), 3 * len(calls))
    assert reader.total().cached_content_token_count == len(calls)


def test_calls_that_speak_at_different_rates_are_an_error():
    reader = SpeechReader()
    reader.feed(event(b"ab"))
    reader.end_call()
    with pytest.raises(AnswerError, match="24000 and 16000 Hz"):
        reader.feed(event(b"ab", 16_000))


def test_a_call_that_ended_without_a_sound_or_too_early_is_asked_again_and_one_that_was_stopped_is_not():
    broken = {
        *("STOP", "OTHER", "MAX_TOKENS", "FINISH_REASON_UNSPECIFIED", "MALFORMED_FUNCTION_CALL"),
        *("UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE", "MISSING_THOUGHT_SIGNATURE"),
    }
    blocked = {"SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "OF_THE_FUTURE"}
    for reason in [None, *sorted(broken | blocked)]:
        reader = SpeechReader()
        reader.feed(GenerateContentResponse(candidates=[Candidate(finish_reason=reason)]))
        with pytest.raises(AnswerError) as raised:
            reader.end_call()
        assert (raised.value.status, raised.value.retry) == ((400, False) if reason in blocked else (502, True)), reason


def plan_of(**fields):
    return speech.to_gemini(SpeechContext(request=SpeechRequest(input="hi", model="m", **fields), served=SERVED))


@pytest.mark.parametrize("name", ["voice_1", "voicekey_1", "voices/1"])
def test_a_voice_of_the_operators_own_is_sent_by_its_name(name):
    plan = plan_of(voice=name)
    assert plan.bodies[0].generation_config.speech_config.voice_config == VoiceConfig(voice=name)
    assert plan.notes == []


def test_formats_have_registered_media_types():
    assert [f"{name} {type_}" for name, type_ in speech.FORMATS.items()] == [
        *("mp3 audio/mpeg", "opus audio/ogg", "aac audio/aac", "flac audio/flac", "wav audio/wav", "pcm audio/pcm"),
    ]


def test_a_speed_from_a_quarter_to_four_has_no_effect_and_any_other_is_refused():
    for speed in (0.25, 0.99, 4):
        assert [note.code for note in plan_of(speed=speed).notes] == ["speech-speed-ignored"]
    for speed in (0.24, 4.01):
        with pytest.raises(Rejected, match=r"0\.25 to 4"):
            plan_of(speed=speed)
    assert plan_of(speed=1).notes == []
