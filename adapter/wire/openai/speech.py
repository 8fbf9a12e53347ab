"""POST /v1/audio/speech (openai-python 3.57.0)."""

from adapter.wire.base import Wire


class Voice(Wire):
    """A voice by its id."""

    id: str


class Speaker(Wire):
    """A speaker and the voice, where two speak (Gemini's multiSpeakerVoiceConfig)."""

    speaker: str
    voice: str


class SpeechRequest(Wire):
    """A text to speak. `speakers` and `language_code` are Gemini's: two who speak, and the language (BCP 47)."""

    input: str
    model: str
    voice: str | Voice | None = None
    instructions: str | None = None
    response_format: str | None = None
    speed: float | None = None
    stream_format: str | None = None
    speakers: list[Speaker] | None = None
    language_code: str | None = None


class SpeechUsage(Wire, omit_defaults=False):
    """Tokens of all calls."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0


class SpeechAudioDelta(Wire, tag_field="type", tag="speech.audio.delta"):
    """A piece of the sound, as base64."""

    audio: str


class SpeechAudioDone(Wire, tag_field="type", tag="speech.audio.done", omit_defaults=False):
    """The end of the sound."""

    usage: SpeechUsage
