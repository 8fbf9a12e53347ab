"""/v1/audio/speech: a text as one stream of samples, or as several one after the other where it is long.

Gemini 3.8 speaks WAV files unless it is asked for samples (`AUDIO_L16`), and takes a style; earlier models speak
samples and know no style, so that instructions stand before the text. The client's file is made of the samples.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from adapter.translate.answer import reply
from adapter.translate.answer.audio import SampleReader, content_of, is_pcm, is_wav, rate_of, read_wav
from adapter.translate.answer.parallel_choices import total
from adapter.translate.core.capabilities import alias_notes
from adapter.translate.core.context import EndpointContext
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Fate, Note, Rejected, unknown_notes
from adapter.translate.ledger import Anchor
from adapter.translate.voices import gemini_voice, is_same_voice
from adapter.wire.base import ABSENT, encode
from adapter.wire.gemini.content import Content, Part
from adapter.wire.gemini.generate import (
    GenerateContentRequest,
    GenerateContentResponse,
    GenerationConfig,
    PrebuiltVoiceConfig,
    SpeechConfig,
    UsageMetadata,
    VoiceConfig,
)
from adapter.wire.openai.speech import SpeechRequest, SpeechUsage

FORMATS = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
"""OpenAI's formats with their media types, the default first."""

PART = 4_096
"""Characters of one call: OpenAI's limit of a request, and well below Gemini's 8,192 tokens."""

MAX_PARTS = 16
"""Calls for one request."""

_SAMPLES = msgspec.Raw(b'{"audio":{"mimeType":"AUDIO_L16"}}')
_CUTS = (re.compile(r"\n+"), re.compile(r"[.!?…。！？]+[\"'”’)]*\s*"), re.compile(r"[,;:、，]\s*"), re.compile(r"\s+"))
"""Places where a long text may be cut, the best first: lines, sentences, parts of sentences, words."""

_SPEAKERS = 2
_SLOWEST, _FASTEST = 0.25, 4


class SpeechContext(EndpointContext, frozen=True, kw_only=True):
    """The context of one request."""

    request: SpeechRequest


class SpeechPlan(msgspec.Struct, frozen=True):
    """The calls, one after the other, and the form of the answer. `as_events`: pieces as events, not as one file."""

    model: str
    bodies: list[GenerateContentRequest]
    notes: list[Note]
    format: str
    as_events: bool


def to_gemini(context: SpeechContext, unknown: Mapping[str, msgspec.Raw] = {}) -> SpeechPlan:
    """Translate a request into the calls that speak, with a note on each field that changes. Raises `Rejected`."""
    request = context.request
    if "AUDIO" not in context.capabilities.output or context.capabilities.served_by:
        raise Rejected("model", "wrong-endpoint", f"{context.model} does not speak here")
    notes = [*alias_notes(request.model, context.served), *unknown_notes(unknown)]
    config = GenerationConfig(response_modalities=["AUDIO"], speech_config=_speech_config(request, notes))
    if context.capabilities.audio_formats:
        config.response_format = _SAMPLES
    texts = list(_parts(request.input))
    if len(texts) > 1:
        reason = f"{len(texts)} calls speak it one after the other, cut at sentences"
        notes.append(Note("input", Fate.APPROXIMATED, "speech-in-parts", reason))
    prefix, style = _style(context, notes)
    settings, added = context.safety_settings()
    notes += added
    bodies = [
        GenerateContentRequest(
            safety_settings=settings,
            generation_config=config,
            contents=[Content(role="user", parts=[Part(text=prefix + text, speech_metadata=style)])],
        )
        for text in texts
    ]
    format_ = _format(request)
    as_events = _as_events(request)
    _speed(request, notes)
    return SpeechPlan(context.model, bodies, notes, format_, as_events)


def anchors_of(request: SpeechRequest, plan: SpeechPlan) -> Iterator[Anchor]:
    """List where the fields arrived; the modality AUDIO belongs to the format."""
    for call in range(len(plan.bodies)):
        yield from (Anchor("input", f"/{call}/contents/0/{one}") for one in ("role", "parts/0/text"))
        yield Anchor("instructions", f"/{call}/contents/0/parts/0/speechMetadata")
        config = f"/{call}/generationConfig"
        forms = ("responseModalities", "responseFormat")
        field = "input" if request.response_format is None else "response_format"
        yield from (Anchor(field, f"{config}/{form}") for form in forms)
        yield Anchor("voice" if request.speakers is None else "speakers", f"{config}/speechConfig/voiceConfig")
        yield Anchor("speakers", f"{config}/speechConfig/multiSpeakerVoiceConfig")
        yield Anchor("language_code", f"{config}/speechConfig/languageCode")
        yield Anchor("safety_settings", f"/{call}/safetySettings")


def _parts(text: str) -> Iterator[str]:
    """Yield a text in parts for one call each. Raises `Rejected`."""
    if not text.strip():
        raise Rejected("input", "value-missing", "there is nothing to say")
    if len(text) > PART * MAX_PARTS:
        raise Rejected("input", "limit-exceeded", f"at most {PART * MAX_PARTS} characters are spoken in one request")
    while len(text) > PART:
        end = _find_cut(text)
        # White space alone gives no sound, and Gemini refuses it.
        if text[:end].strip():
            yield text[:end]
        text = text[end:]
    if text.strip():
        yield text


def _find_cut(text: str) -> int:
    """Find where to cut a text that is too long: behind the last of the best places in the second half of a part."""
    for pattern in _CUTS:
        ends = [found.end() for found in pattern.finditer(text, PART // 2, PART)]
        if ends:
            return ends[-1]
    return PART


def _style(context: SpeechContext, notes: list[Note]) -> tuple[str, msgspec.Raw]:
    """Return the style as words before the text and as a setting beside it; at most one of both."""
    words = context.request.instructions
    if not words:
        return "", ABSENT
    if context.capabilities.audio_formats:
        return "", msgspec.Raw(encode({"style": words}))
    notes.append(
        Note("instructions", Fate.APPROXIMATED, "speech-style-in-text", "the model takes no style: they stand before")
    )
    return f"{words}: ", ABSENT


def _speech_config(request: SpeechRequest, notes: list[Note]) -> SpeechConfig | None:
    config = SpeechConfig(language_code=request.language_code)
    if request.speakers is not None:
        config.multi_speaker_voice_config = _speakers(request, notes)
    elif request.voice is not None:
        name = request.voice if isinstance(request.voice, str) else request.voice.id
        if not name:
            raise Rejected("voice", "value-missing", "the voice has no name")
        config.voice_config = _voice(name, "voice", notes)
    return config if config != SpeechConfig() else None


def _voice(name: str, path: str, notes: list[Note]) -> VoiceConfig:
    """Return a prebuilt voice, or one of the operator's own, which Gemini names `voice_...` (google-genai 3.6.1)."""
    if name.startswith(("voice_", "voicekey_", "voices/")):
        return VoiceConfig(voice=name)
    voice = gemini_voice(name)
    if not is_same_voice(name, voice):
        notes.append(Note(path, Fate.APPROXIMATED, "voice-replaced", f"{voice} stands for {name}"))
    return VoiceConfig(prebuilt_voice_config=PrebuiltVoiceConfig(voice_name=voice))


def _speakers(request: SpeechRequest, notes: list[Note]) -> msgspec.Raw:
    """Return the two speakers, whose names stand before their lines in the text."""
    speakers = request.speakers or []
    if len(speakers) != _SPEAKERS:
        raise Rejected("speakers", "limit-exceeded", "Gemini speaks with one voice, or as two speakers")
    if request.voice is not None:
        notes.append(Note("voice", Fate.DROPPED, "field-overruled", "each of the speakers has a voice"))
    listed: list[dict[str, Any]] = [
        {"speaker": one.speaker, "voiceConfig": _voice(one.voice, f"speakers[{index}].voice", notes)}
        for index, one in enumerate(speakers)
    ]
    return msgspec.Raw(encode({"speakerVoiceConfigs": listed}))


def _format(request: SpeechRequest) -> str:
    if request.response_format is None:
        return "mp3"
    if request.response_format not in FORMATS:
        raise Rejected("response_format", "unknown-value", f"one of {', '.join(FORMATS)}")
    return request.response_format


def _as_events(request: SpeechRequest) -> bool:
    if request.stream_format not in (None, "audio", "sse"):
        raise Rejected("stream_format", "unknown-value", "audio or sse")
    return request.stream_format == "sse"


def _speed(request: SpeechRequest, notes: list[Note]) -> None:
    if request.speed is None or request.speed == 1:
        return
    if not _SLOWEST <= request.speed <= _FASTEST:
        raise Rejected("speed", "out-of-range", f"{_SLOWEST} to {_FASTEST}")
    reason = "Gemini has no setting for speed: ask for it in instructions"
    notes.append(Note("speed", Fate.DROPPED, "speech-speed-ignored", reason))


class SpeechReader:
    """Reads the events of all calls as samples: 16 bits, little-endian, one channel, and whole ones.

    `feed` takes an event, `end_call` stands between calls. Both raise `AnswerError`. `rate`, samples per second, is
    known with the first of them.
    """

    def __init__(self) -> None:
        self.rate = 0
        self._used_before: list[UsageMetadata | None] = []
        self._begin_call()

    def _begin_call(self) -> None:
        self._samples = SampleReader()
        self._half = b""
        self._has_sound = False
        self._finish = ""
        self._usage: UsageMetadata | None = None

    def feed(self, answer: GenerateContentResponse) -> bytes:
        """Return the samples of an event."""
        if answer.usage_metadata is not None:
            self._usage = answer.usage_metadata
        reply.check_block(answer)
        samples = self._half
        for candidate in answer.candidates or ():
            self._finish = candidate.finish_reason or self._finish
            for part in (candidate.content and candidate.content.parts) or ():
                if part.inline_data is not None and not part.thought:
                    samples += self._read(part.inline_data.mime_type or "", content_of(part.inline_data))
        whole = len(samples) // 2 * 2
        self._half = samples[whole:]
        return samples[:whole]

    def _read(self, mime_type: str, data: bytes) -> bytes:
        if not self._has_sound:
            file = read_wav(data) if is_wav(data) else None
            if file is None and not is_pcm(mime_type):
                raise AnswerError(502, "malformed_response", f"Gemini's sound is neither samples nor WAV: {mime_type}.")
            rate = file.rate if file is not None else rate_of(mime_type)
            if self.rate not in (0, rate):
                raise AnswerError(502, "malformed_response", f"Gemini's sounds differ: {self.rate} and {rate} Hz.")
            self.rate, self._has_sound = rate, True
        return self._samples.feed(data)

    def end_call(self) -> bytes:
        """Return the last samples of a call. Half a sample is none, and would shift the bytes of the next call."""
        last = self._half + self._samples.close()
        finish, has_sound = self._finish, self._has_sound
        self._used_before.append(self._usage)
        self._begin_call()
        if finish == "STOP" and has_sound:
            return last[: len(last) // 2 * 2]
        if finish in _BROKEN or not finish:
            raise AnswerError(
                502, "malformed_response", f"Gemini did not finish speaking ({finish or 'no reason'}).", retry=True
            )
        raise AnswerError(400, "content_policy_violation", f"Gemini stopped speaking: {finish}.")

    def total(self) -> UsageMetadata | None:
        """Return the tokens of all calls so far; None where none of them has told any."""
        return total([*self._used_before, self._usage])

    def usage(self) -> SpeechUsage:
        """Return the same in OpenAI's form."""
        used = reply.usage(self.total() or UsageMetadata())
        return SpeechUsage(
            input_tokens=used.prompt_tokens, output_tokens=used.completion_tokens, total_tokens=used.total_tokens
        )


_BROKEN = reply.FAILURES | {"STOP", "OTHER", "MAX_TOKENS", "FINISH_REASON_UNSPECIFIED"}
"""Reasons of an answer that ended too early, or said nothing; any other one is a block."""
