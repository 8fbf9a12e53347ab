"""/v1/audio/transcriptions and /v1/audio/translations: a sound as one call of generateContent.

Gemini's model for transcriptions has settings for languages, words to expect, times and speakers, and takes no prompt.
Times make its text worse, so they are asked for only where the answer needs them. Any other model is asked
by a prompt, as are translations. Such a model's times are estimates in whole seconds.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from adapter.translate.content.content_parts import from_url
from adapter.translate.core.capabilities import alias_notes
from adapter.translate.core.context import EndpointContext, Media
from adapter.translate.core.notes import Fate, Note, Rejected, unknown_notes
from adapter.translate.ledger import Anchor
from adapter.wire.base import encode, present
from adapter.wire.gemini.content import Blob, Content, Part
from adapter.wire.gemini.generate import GenerateContentRequest, GenerationConfig
from adapter.wire.openai.transcriptions import TranscriptionRequest, TranslationRequest

TIMED = ("verbose_json", "srt", "vtt", "diarized_json")
FORMATS = ("json", "text", *TIMED)
"""OpenAI's formats; the first is the default."""

MAX_KEYWORDS = 1_000
LONGEST_TIMED = 900.0
"""Seconds for which Gemini tells times and speakers (Google's page on gemini-3.5-transcribe, 2026)."""

_SCHEMA = {
    "type": "object",
    "properties": {
        "segments": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "start": {"type": "number", "description": "when it begins, in seconds"},
                    "end": {"type": "number", "description": "when it ends, in seconds"},
                    "text": {"type": "string"},
                    "speaker": {"type": "string", "description": "the same letter for the same voice: A, B, ..."},
                },
                "required": ["start", "end", "text", "speaker"],
            },
        }
    },
    "required": ["segments"],
}


class SoundPiece(NamedTuple):
    """A piece of a long sound, and the second of the whole at which it begins."""

    media: Media
    start_s: float


class TranscriptionContext(EndpointContext, frozen=True, kw_only=True):
    """The context of one request. `media` holds the form's file by its URL; `duration` is in seconds, 0: unknown.

    `pieces` are those into which a sound was cut that is too long for times.
    """

    request: TranscriptionRequest | TranslationRequest
    duration: float = 0.0
    pieces: tuple[SoundPiece, ...] = ()

    @property
    def translates(self) -> bool:
        """Return whether the client wants the words in English."""
        return isinstance(self.request, TranslationRequest)


class TranscriptionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The calls, and the form of the answer. `by_prompt`: a chat model transcribes, with a prompt.

    `starts_s` are the seconds at which what each call hears begins.
    """

    model: str
    bodies: list[GenerateContentRequest]
    starts_s: list[float]
    notes: list[Note]
    format: str
    stream: bool
    words: bool
    segments: bool
    language: str
    translates: bool
    by_prompt: bool
    duration: float


class _TranscriptionDraft:
    """A plan in the making: the notes on one request's fields."""

    def __init__(self, context: TranscriptionContext) -> None:
        self.context = context
        self.notes: list[Note] = []

    def lose(self, path: str, fate: Fate, code: str, reason: str) -> None:
        """Write a note."""
        self.notes.append(Note(path, fate, code, reason))

    def ignore(self, field: str, reason: str) -> None:
        """Write a note on a field that has no effect."""
        self.lose(field, Fate.DROPPED, "transcription-option-ignored", reason)


def to_gemini(context: TranscriptionContext, unknown: Mapping[str, msgspec.Raw] = {}) -> TranscriptionPlan:
    """Translate a request into one call, with a note on each field that changes. Raises `Rejected`."""
    request, row, draft = context.request, context.capabilities, _TranscriptionDraft(context)
    by_prompt = not row.transcribes
    if "TEXT" not in row.output or row.served_by or (context.translates and row.transcribes):
        verb = "translates" if context.translates else "transcribes"
        raise Rejected("model", "wrong-endpoint", f"{context.model} {verb} nothing here")
    draft.notes += [*alias_notes(request.model, context.served), *unknown_notes(unknown)]
    format_ = _format(request)
    sounds = [_sound(draft)]
    options = request if isinstance(request, TranscriptionRequest) else None
    granularities = _granularities(options, format_, draft)
    timed = format_ in TIMED
    if timed:
        sounds = _heard_with_times(draft, sounds, format_)
        reason = "segments are made of the times of words" if not by_prompt else "the model estimates the times"
        draft.lose("response_format", Fate.APPROXIMATED, "transcript-times-estimated", reason)
    languages = _languages(options)
    keywords = (options.keywords if options is not None else None) or []
    if len(keywords) > MAX_KEYWORDS:
        raise Rejected("keywords", "limit-exceeded", f"at most {MAX_KEYWORDS} keywords are listened for")
    if options is not None:
        _other_fields(options, draft)
    takes_temperature = by_prompt and row.sampling
    if request.temperature is not None and not takes_temperature:
        draft.lose("temperature", Fate.DROPPED, "sampling-ignored", "the model takes no temperature")
    if by_prompt:
        config = _config_of_prompt(request.temperature if takes_temperature else None, format_)
        sounds[0].append(Part(text=_write_prompt(context, languages, keywords)))
    else:
        if request.prompt:
            draft.lose("prompt", Fate.DROPPED, "transcription-prompt-ignored", "the model takes no prompt")
        config = _transcription_config(format_, languages, keywords)
    settings, notes = context.safety_settings()
    draft.notes += notes
    return TranscriptionPlan(
        model=context.model,
        bodies=[
            GenerateContentRequest(
                generation_config=config,
                safety_settings=settings,
                contents=[Content(role="user", parts=parts)],
            )
            for parts in sounds
        ],
        starts_s=[piece.start_s for piece in context.pieces] if len(sounds) > 1 else [0.0],
        notes=draft.notes,
        format=format_,
        stream=_streams(options, format_, draft),
        words="word" in granularities,
        segments="segment" in granularities or format_ != "verbose_json",
        language=languages[0] if languages else "",
        translates=context.translates,
        by_prompt=by_prompt,
        duration=context.duration,
    )


def anchors_of(request: TranscriptionRequest | TranslationRequest, _plan: TranscriptionPlan) -> Iterator[Anchor]:
    """List where the fields arrived; the prompt that a client has not written belongs to the file."""
    config = "/0/generationConfig"
    yield from (Anchor("file", f"/0/contents/0/{one}") for one in ("parts/0", "role"))
    yield Anchor("file" if request.prompt is None else "prompt", "/0/contents/0/parts/1")
    yield Anchor("language", f"{config}/audioTranscriptionConfig/languageCodes")
    yield Anchor("keywords", f"{config}/audioTranscriptionConfig/customVocabulary")
    forms = ("audioTranscriptionConfig/wordTimestamp", "audioTranscriptionConfig/diarization")
    field = "file" if request.response_format is None else "response_format"
    yield from (Anchor(field, f"{config}/{one}") for one in (*forms, "responseMimeType", "responseJsonSchema"))
    yield Anchor("temperature", f"{config}/temperature")
    yield Anchor("safety_settings", "/0/safetySettings")


def _format(request: TranscriptionRequest | TranslationRequest) -> str:
    format_ = request.response_format or "json"
    formats = FORMATS if isinstance(request, TranscriptionRequest) else FORMATS[:-1]
    if format_ not in formats:
        raise Rejected("response_format", "unknown-value", f"one of {', '.join(formats)}")
    return format_


def _sound(draft: _TranscriptionDraft) -> list[Part]:
    """Return the part for the file. Raises `Rejected` where it is no sound."""
    context = draft.context
    parts, notes = from_url(context.request.file, "file", context.as_chat())
    draft.notes += notes
    for part in parts:
        content = part.inline_data or part.file_data
        # Gemini knows the type of its own files, which may come without one.
        mime_type = (content.mime_type if content is not None else None) or "audio/"
        if not mime_type.startswith(("audio/", "video/")):
            raise Rejected("file", "content-unsupported", f"{mime_type} is no sound")
    return parts


def is_cut(duration: float, response_format: str | None) -> bool:
    """Return whether a sound is cut, being too long for times: speakers of several pieces have no common names."""
    return duration > LONGEST_TIMED and response_format in TIMED[:-1]


def _heard_with_times(draft: _TranscriptionDraft, sounds: list[list[Part]], format_: str) -> list[list[Part]]:
    """Return the parts of each call where times are wanted. Raises `Rejected` for a sound that is too long."""
    context = draft.context
    if context.duration <= LONGEST_TIMED or not context.capabilities.transcribes:
        return sounds
    if not context.pieces or not is_cut(context.duration, format_):
        reason = (
            f"times and speakers are told for {LONGEST_TIMED / 60:.0f} minutes, and the sound has "
            f"{context.duration / 60:.0f}: cut it, ask for json or text, or ask a chat model, which estimates the times"
        )
        raise Rejected("file", "limit-exceeded", reason)
    reason = f"{len(context.pieces)} calls hear it piece by piece, cut where it is quietest"
    draft.lose("file", Fate.APPROXIMATED, "sound-in-pieces", reason)
    pieces = [piece.media for piece in context.pieces]
    return [[Part(inline_data=Blob(mime_type=piece.mime_type, data=piece.data))] for piece in pieces]


def _granularities(options: TranscriptionRequest | None, format_: str, draft: _TranscriptionDraft) -> set[str]:
    """Return what has times. Raises `Rejected`."""
    wanted = set((options.timestamp_granularities if options is not None else None) or ())
    if not wanted <= {"word", "segment"}:
        raise Rejected("timestamp_granularities", "unknown-value", "word or segment")
    if wanted and format_ != "verbose_json":
        draft.ignore("timestamp_granularities", "only verbose_json has times of its own")
        return set()
    if "word" in wanted and not draft.context.capabilities.transcribes:
        draft.ignore("timestamp_granularities", "the model tells no times of words: segments have times")
        return {"segment"}
    return wanted or {"segment"}


def _languages(options: TranscriptionRequest | None) -> list[str]:
    if options is None:
        return []
    return list(dict.fromkeys([*([options.language] if options.language else ()), *(options.languages or ())]))


def _other_fields(options: TranscriptionRequest, draft: _TranscriptionDraft) -> None:
    for value in options.include or ():
        draft.lose("include", Fate.DROPPED, "logprobs-unavailable", f"Gemini gives no {value} of transcriptions")
    if present(options.chunking_strategy) and bytes(options.chunking_strategy) != b'"auto"':
        draft.ignore("chunking_strategy", "Gemini hears the whole sound at once")
    for field in ("known_speaker_names", "known_speaker_references"):
        if getattr(options, field):
            draft.ignore(field, "Gemini tells speakers apart, and does not know their names")


def _streams(options: TranscriptionRequest | None, format_: str, draft: _TranscriptionDraft) -> bool:
    if options is None or not options.stream:
        return False
    if format_ not in ("json", "diarized_json"):
        draft.ignore("stream", f"{format_} is no stream of events")
        return False
    if format_ == "diarized_json" and not draft.context.capabilities.transcribes:
        reason = "the model writes all segments as one JSON: they come when all of it was heard"
        draft.lose("stream", Fate.APPROXIMATED, "transcript-at-once", reason)
    return True


def _transcription_config(format_: str, languages: list[str], keywords: list[str]) -> GenerationConfig | None:
    settings: dict[str, Any] = {}
    if languages:
        settings["languageCodes"] = languages
    if keywords:
        settings["customVocabulary"] = keywords
    if format_ in TIMED:
        settings["wordTimestamp"] = True
    if format_ == "diarized_json":
        settings["diarization"] = True
    return GenerationConfig(audio_transcription_config=msgspec.Raw(encode(settings))) if settings else None


def _config_of_prompt(temperature: float | None, format_: str) -> GenerationConfig | None:
    config = GenerationConfig(temperature=temperature)
    if format_ in TIMED:
        config.response_mime_type = "application/json"
        config.response_json_schema = msgspec.Raw(encode(_SCHEMA))
    return config if config != GenerationConfig() else None


def _write_prompt(context: TranscriptionContext, languages: list[str], keywords: list[str]) -> str:
    """Write the prompt for a model that is no transcriber."""
    if context.translates:
        lines = ["Translate what is said in this recording into English. Answer with the translation alone."]
    else:
        lines = ["Write down what is said in this recording, word for word. Answer with the words alone."]
    if languages:
        lines.append(f"Languages: {', '.join(languages)}")
    if keywords:
        lines.append(f"Words that may occur: {', '.join(keywords)}")
    if context.request.prompt:
        lines.append(f"Context and style: {context.request.prompt}")
    return "\n".join(lines)
