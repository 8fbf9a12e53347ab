"""Spoken output: Gemini answers with raw PCM (`audio/L16;codec=pcm;rate=24000`), OpenAI's clients want a file."""

import base64
import io
import re
import wave

from adapter.translate.context import Context, Stamp
from adapter.wire.gemini.content import Part
from adapter.wire.openai.chat import AnswerAudio

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


def answer_audio(parts: list[Part], transcript: str, context: Context, stamp: Stamp) -> AnswerAudio | None:
    """All spoken parts as one sound. It is not kept here: it expires at once."""
    blobs = [part.inline_data for part in parts if part.inline_data]
    if not blobs:
        return None
    mime_type = blobs[0].mime_type or ""
    wanted = context.request.audio.format if context.request.audio else None
    data = blobs[0].data or ""
    if is_pcm(mime_type):
        pcm = b"".join(base64.b64decode(blob.data or "") for blob in blobs)
        data = base64.b64encode(pcm if wanted == "pcm16" else wav(pcm, rate_of(mime_type))).decode()
    return AnswerAudio(
        id=f"audio_{stamp.id.removeprefix('chatcmpl-')}", data=data, expires_at=stamp.created, transcript=transcript
    )
