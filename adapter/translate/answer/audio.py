"""Spoken output: Gemini answers with raw PCM (`audio/L16;codec=pcm;rate=24000`), OpenAI's clients want a file.

A stream carries the samples as they are (OpenAI streams only `pcm16`), as base64 whose pieces join to one string.
"""

import base64
import io
import re
import wave
from collections.abc import Sequence

from adapter.translate.core.context import Context, Stamp
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Fate, Note
from adapter.wire.gemini.content import Blob
from adapter.wire.openai.chat_answer import AnswerAudio

_PCM = re.compile(r"audio/(l16|pcm)\b", re.IGNORECASE)
_RATE = re.compile(r"rate=(\d{1,6})")
DEFAULT_RATE = 24_000


def is_pcm(mime_type: str) -> bool:
    """Whether the audio is raw 16-bit samples without a header."""
    return _PCM.match(mime_type) is not None


def wav(pcm: bytes, rate: int) -> bytes:
    """A WAV file of mono signed 16-bit little-endian samples."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(pcm)
    return file.getvalue()


def rate_of(mime_type: str) -> int:
    """Samples per second."""
    found = _RATE.search(mime_type)
    return int(found.group(1)) if found else DEFAULT_RATE


def content_of(blob: Blob) -> bytes:
    """The bytes of a blob. Raises `AnswerError` where they are not base64."""
    text = (blob.data or "").translate(_STANDARD).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise AnswerError(502, "malformed_response", f"Gemini's audio is not base64: {error}") from None


_STANDARD = str.maketrans("-_", "+/")


def audio_id(stamp: Stamp) -> str:
    """The id of an answer's sound."""
    return f"audio_{stamp.id.removeprefix('chatcmpl-')}"


def answer_audio(blobs: Sequence[Blob], transcript: str, context: Context, stamp: Stamp) -> AnswerAudio:
    """All sounds of an answer as one. It is not kept here: it expires at once."""
    mime_type = blobs[0].mime_type or ""
    data = b"".join(content_of(blob) for blob in blobs)
    if is_pcm(mime_type) and not wants_samples(context):
        data = wav(data, rate_of(mime_type))
    encoded = base64.b64encode(data).decode()
    return AnswerAudio(id=audio_id(stamp), data=encoded, expires_at=stamp.created, transcript=transcript)


def wants_samples(context: Context) -> bool:
    """Whether the client asked for PCM without a header."""
    return context.request.audio is not None and context.request.audio.format == "pcm16"


def changed(blob: Blob, path: str, samples: bool) -> Note:
    """The note on a sound: OpenAI's answers do not name its type. `samples`: whether PCM is sent as it is."""
    form = "sent as it came" if samples or not is_pcm(blob.mime_type or "") else "sent as a WAV file"
    return Note(path, Fate.APPROXIMATED, "audio-repackaged", f"{blob.mime_type or 'a sound without a type'}: {form}")


class Sound:
    """The sounds of a stream as base64, in pieces that join to the base64 of the whole."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, blob: Blob) -> str:
        """The next piece, a multiple of four characters without padding."""
        data = self._rest + content_of(blob)
        whole = len(data) - len(data) % 3
        self._rest = data[whole:]
        return base64.b64encode(data[:whole]).decode()

    def close(self) -> str:
        """The last piece."""
        return base64.b64encode(self._rest).decode()
