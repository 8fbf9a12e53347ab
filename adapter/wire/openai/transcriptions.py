"""POST /v1/audio/transcriptions and /v1/audio/translations (openai-python 3.57.0).

The file of a form stands in a request as the URL `upload:` and its number; its bytes are kept apart.
"""

import msgspec

from adapter.wire.base import ABSENT, Wire


class TranscriptionRequest(Wire):
    """A sound whose words are to be written down."""

    file: str
    model: str
    language: str | None = None
    languages: list[str] | None = None
    keywords: list[str] | None = None
    prompt: str | None = None
    response_format: str | None = None
    temperature: float | None = None
    timestamp_granularities: list[str] | None = None
    include: list[str] | None = None
    chunking_strategy: msgspec.Raw = ABSENT
    known_speaker_names: list[str] | None = None
    known_speaker_references: list[str] | None = None
    stream: bool | None = None


class TranslationRequest(Wire):
    """A sound whose words are wanted in English."""

    file: str
    model: str
    prompt: str | None = None
    response_format: str | None = None
    temperature: float | None = None


class InputTokenDetails(Wire, omit_defaults=False):
    """Tokens of the input by kind."""

    audio_tokens: int = 0
    text_tokens: int = 0


class TranscriptionUsage(Wire, omit_defaults=False):
    """Tokens of the call."""

    type: str = "tokens"
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    input_token_details: InputTokenDetails = msgspec.field(default_factory=InputTokenDetails)


class Transcription(Wire):
    """The text alone."""

    text: str
    usage: TranscriptionUsage | None = None


class TranscriptionWord(Wire, omit_defaults=False):
    """A word, with its start and end in seconds."""

    word: str
    start: float
    end: float


class TranscriptionSegment(Wire, omit_defaults=False):
    """A run of words. Gemini has neither tokens nor probabilities for it: these are empty or zero."""

    id: int
    start: float
    end: float
    text: str
    seek: int = 0
    tokens: list[int] = msgspec.field(default_factory=list)
    temperature: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float = 1.0
    no_speech_prob: float = 0.0


class VerboseTranscription(Wire):
    """The text with times."""

    task: str
    language: str
    duration: float
    text: str
    segments: list[TranscriptionSegment] | None = None
    words: list[TranscriptionWord] | None = None
    usage: TranscriptionUsage | None = None


class DiarizedSegment(Wire, tag_field="type", tag="transcript.text.segment", omit_defaults=False):
    """Words of one speaker; also an event of a stream."""

    id: str
    start: float
    end: float
    speaker: str
    text: str


class DiarizedTranscription(Wire):
    """The text by speakers."""

    task: str
    duration: float
    text: str
    segments: list[DiarizedSegment]
    usage: TranscriptionUsage | None = None


class TranscriptTextDelta(Wire, tag_field="type", tag="transcript.text.delta"):
    """A piece of the text."""

    delta: str


class TranscriptTextDone(Wire, tag_field="type", tag="transcript.text.done"):
    """The whole text, at the end of a stream."""

    text: str
    usage: TranscriptionUsage | None = None
