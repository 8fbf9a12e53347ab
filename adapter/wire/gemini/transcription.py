"""Transcriptions in answers of generateContent (google-genai 3.6.1, types.Transcription)."""

from adapter.wire.gemini.content import Gemini


class HeardWord(Gemini, forbid_unknown_fields=False):
    """A word; the offsets are durations such as `1.250s`."""

    word: str = ""
    start_offset: str | None = None
    end_offset: str | None = None


class HeardSpeech(Gemini, forbid_unknown_fields=False):
    """A transcription; of one speaker, if Gemini separates them."""

    text: str = ""
    language_code: str | None = None
    speaker_label: str | None = None
    words: list[HeardWord] | None = None
