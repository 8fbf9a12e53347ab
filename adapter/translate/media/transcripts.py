"""Transcripts as OpenAI's answers: JSON, text, subtitles (SubRip, WebVTT), segments, speakers, events."""

import re
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from adapter.translate.answer import reply
from adapter.translate.answer.parallel_choices import total
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Fate, Note
from adapter.translate.media.spans import Span, SpanBuilder, Word
from adapter.translate.media.transcriptions import TIMED, TranscriptionPlan
from adapter.wire.base import decoder, encode, present
from adapter.wire.gemini.generate import GenerateContentResponse, UsageMetadata
from adapter.wire.gemini.transcription import HeardSpeech
from adapter.wire.openai.transcriptions import (
    DiarizedSegment,
    DiarizedTranscription,
    InputTokenDetails,
    Transcription,
    TranscriptionSegment,
    TranscriptionUsage,
    TranscriptionWord,
    VerboseTranscription,
)

_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BROKEN = reply.FAILURES | {"OTHER", "FINISH_REASON_UNSPECIFIED"}

LANGUAGES = {
    "ar": "arabic", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "fi": "finnish", "fr": "french", "he": "hebrew", "hi": "hindi", "hu": "hungarian", "id": "indonesian",
    "it": "italian", "ja": "japanese", "ko": "korean", "nl": "dutch", "no": "norwegian", "pl": "polish",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sv": "swedish", "th": "thai", "tr": "turkish",
    "uk": "ukrainian", "vi": "vietnamese", "zh": "chinese",
}  # fmt: skip
"""OpenAI's names of languages; of others it gives the code."""


class Transcript(msgspec.Struct, frozen=True):
    """The text of a sound, its words and spans as far as they have times, the language, and the tokens."""

    text: str
    words: list[Word]
    spans: list[Span]
    language: str
    usage: TranscriptionUsage | None


class _EstimatedSpan(msgspec.Struct):
    """A segment whose times a chat model estimates."""

    start: float
    end: float
    text: str
    speaker: str = ""


class _Estimate(msgspec.Struct):
    """The JSON that a chat model was asked for where times are wanted."""

    segments: list[_EstimatedSpan]


def from_gemini(answers: Sequence[GenerateContentResponse], plan: TranscriptionPlan) -> tuple[Transcript, list[Note]]:
    """Read the transcript of all calls, and write notes. Raises `AnswerError`."""
    read = [_read(answer, plan) for answer in answers]
    starts = list(zip([one for one, _ in read], plan.starts_s, strict=True))
    whole = Transcript(
        text=_join([one.text for one, _ in starts]),
        words=[_shift(word, start) for one, start in starts for word in one.words],
        spans=[_shift(span, start) for one, start in starts for span in one.spans],
        language=next((one.language for one, _ in starts if one.language), ""),
        usage=usage_of(total([answer.usage_metadata for answer in answers])),
    )
    return whole, list(dict.fromkeys(note for _, notes in read for note in notes))


T = TypeVar("T", Word, Span)


def _shift(one: T, start: float) -> T:
    """Move a word or a span by some time, in seconds."""
    return one._replace(start=round(one.start + start, 3), end=round(one.end + start, 3)) if start else one


def _read(answer: GenerateContentResponse, plan: TranscriptionPlan) -> tuple[Transcript, list[Note]]:
    """Read what one call has heard."""
    reply.check_block(answer)
    notes = check_finish(answer.candidates[0].finish_reason if answer.candidates else None)
    speeches = speeches_of(answer)
    text = _join([speech.text for speech in speeches])
    words = [word for speech in speeches for word in words_of(speech)]
    language = next((speech.language_code for speech in speeches if speech.language_code), None) or plan.language
    builder = SpanBuilder()
    spans = builder.feed(text, words) + builder.close()
    if plan.by_prompt and plan.format in TIMED:
        text, spans = read_estimate(text)
    return Transcript(text, words, spans, language, None), notes


def check_finish(finish: str | None) -> list[Note]:
    """Return notes on how an answer ended. Raises `AnswerError` for one that did not end well."""
    if finish == "MAX_TOKENS":
        return [Note("text", Fate.DROPPED, "transcript-cut", "the text is longer than one answer may be")]
    if finish == "STOP":
        return []
    if finish is None or finish in _BROKEN:
        text = f"Gemini did not write it down ({finish or 'no reason'})."
        raise AnswerError(502, "malformed_response", text, retry=True)
    raise AnswerError(400, "content_policy_violation", f"Gemini stopped writing: {finish}.")


def speeches_of(answer: GenerateContentResponse) -> Sequence[HeardSpeech]:
    """Return the texts of an answer, whether or not they come as transcriptions."""
    speeches: list[HeardSpeech] = []
    for candidate in answer.candidates or ():
        for part in (candidate.content and candidate.content.parts) or ():
            if present(part.audio_transcription):
                speeches.append(_speech(part.audio_transcription))
            elif part.text and not part.thought:
                speeches.append(HeardSpeech(text=part.text))
    return speeches


def _speech(raw: msgspec.Raw) -> HeardSpeech:
    try:
        speech: HeardSpeech = decoder(HeardSpeech).decode(raw)
    except msgspec.MsgspecError as error:
        raise AnswerError(502, "malformed_response", f"Gemini's transcription cannot be read: {error}") from None
    return speech


def _join(texts: Sequence[str]) -> str:
    """Join texts, with a space where none is between them."""
    whole = ""
    for text in texts:
        gap = " " if whole and text and not (whole[-1].isspace() or text[0].isspace()) else ""
        whole += gap + text
    return whole.strip()


def words_of(speech: HeardSpeech) -> Sequence[Word]:
    """Return words with times; one without a time begins when the one before ends."""
    words: list[Word] = []
    for word in speech.words or ():
        start = _seconds(word.start_offset, words[-1].end if words else 0.0)
        words.append(Word(word.word.strip(), start, _seconds(word.end_offset, start), speech.speaker_label or ""))
    return words


def _seconds(text: str | None, otherwise: float) -> float:
    found = _SECONDS.fullmatch(text or "")
    return round(float(found[1]), 3) if found else otherwise


def read_estimate(text: str) -> tuple[str, list[Span]]:
    """Read the text and the segments that a model was asked for as JSON. Raises `AnswerError`."""
    try:
        estimate: _Estimate = decoder(_Estimate).decode(text.encode("utf-8", "replace"))
    except msgspec.MsgspecError as error:
        raise AnswerError(502, "malformed_response", f"Gemini's segments cannot be read: {error}") from None
    spans = [
        Span(segment.text.strip(), segment.start, max(segment.start, segment.end), segment.speaker)
        for segment in estimate.segments
    ]
    return _join([span.text for span in spans]), spans


def usage_of(usage: UsageMetadata | None) -> TranscriptionUsage | None:
    """Return the tokens in OpenAI's form; None where Gemini has told none."""
    if usage is None:
        return None
    used = reply.usage(usage)
    inputs, kinds = used.prompt_tokens, usage.prompt_tokens_details
    audio = reply.tokens_of_modality(kinds, "AUDIO") if kinds else inputs
    return TranscriptionUsage(
        input_tokens=inputs,
        output_tokens=used.completion_tokens,
        total_tokens=used.total_tokens,
        input_token_details=InputTokenDetails(audio_tokens=audio, text_tokens=inputs - audio),
    )


Answer = Transcription | VerboseTranscription | DiarizedTranscription


def answer_of(transcript: Transcript, plan: TranscriptionPlan) -> tuple[bytes, str, list[Note]]:
    """Return the answer in the client's format, its media type, and notes."""
    match plan.format:
        case "text":
            return f"{transcript.text}\n".encode("utf-8", "replace"), "text/plain; charset=utf-8", []
        case "srt":
            return subrip(transcript.spans).encode("utf-8", "replace"), "text/plain; charset=utf-8", []
        case "vtt":
            return webvtt(transcript.spans).encode("utf-8", "replace"), "text/vtt; charset=utf-8", []
        case "verbose_json":
            verbose, notes = _verbose(transcript, plan)
            return encode(verbose), "application/json", notes
        case "diarized_json":
            return encode(_diarize(transcript, plan)), "application/json", []
        case _:
            return encode(Transcription(text=transcript.text, usage=transcript.usage)), "application/json", []


def _duration(transcript: Transcript, plan: TranscriptionPlan) -> float:
    """Return the seconds that the file's header tells, else the end of the last segment."""
    return plan.duration or max((span.end for span in transcript.spans), default=0.0)


def _verbose(transcript: Transcript, plan: TranscriptionPlan) -> tuple[VerboseTranscription, list[Note]]:
    code = transcript.language.partition("-")[0].lower()
    notes = []
    segments = words = None
    if plan.segments:
        segments = [
            TranscriptionSegment(id=number, start=one.start, end=one.end, text=f" {one.text}")
            for number, one in enumerate(transcript.spans)
        ]
        reason = "Gemini tells neither tokens nor probabilities"
        notes.append(Note("segments", Fate.APPROXIMATED, "transcript-details-unknown", reason))
    if plan.words:
        words = [TranscriptionWord(word=word.text, start=word.start, end=word.end) for word in transcript.words]
    return VerboseTranscription(
        task="translate" if plan.translates else "transcribe",
        language="english" if plan.translates else LANGUAGES.get(code, code),
        duration=_duration(transcript, plan),
        text=transcript.text,
        segments=segments,
        words=words,
        usage=transcript.usage,
    ), notes


class SegmentWriter:
    """Writes segments with letters for speakers, in the order in which they begin to speak."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}
        self._count = 0

    def write(self, span: Span) -> DiarizedSegment:
        """Return the next segment."""
        letter = self._letters.setdefault(span.speaker, _LETTERS[len(self._letters) % len(_LETTERS)])
        self._count += 1
        return DiarizedSegment(
            id=f"seg_{self._count - 1}", start=span.start, end=span.end, speaker=letter, text=span.text
        )


def _diarize(transcript: Transcript, plan: TranscriptionPlan) -> DiarizedTranscription:
    writer = SegmentWriter()
    return DiarizedTranscription(
        task="transcribe",
        duration=_duration(transcript, plan),
        text=transcript.text,
        segments=[writer.write(span) for span in transcript.spans],
        usage=transcript.usage,
    )


def subrip(spans: Sequence[Span]) -> str:
    """Return subtitles in SubRip's format."""
    return "\n".join(
        f"{number}\n{_clock(one.start, ',')} --> {_clock(one.end, ',')}\n{one.text}\n"
        for number, one in enumerate(spans, 1)
    )


def webvtt(spans: Sequence[Span]) -> str:
    """Return subtitles in WebVTT's format."""
    cues = [f"{_clock(span.start, '.')} --> {_clock(span.end, '.')}\n{span.text}\n" for span in spans]
    return "\n".join(["WEBVTT\n", *cues])


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"
