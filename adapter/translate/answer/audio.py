"""Spoken output.

Gemini answers with raw PCM (`audio/L16;codec=pcm;rate=24000`) or, from 3.8 on, with WAV files unless it is asked for
PCM; OpenAI's clients want one file, or in a stream `pcm16`: samples without a header.

Several sounds of one answer are joined as samples. A stream carries base64 whose pieces join to one string.
"""

import base64
import io
import re
import wave
from collections.abc import Sequence
from typing import NamedTuple

from adapter.translate.core.context import Context, Stamp
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Fate, Note
from adapter.wire.gemini.content import Blob
from adapter.wire.openai.chat_answer import AnswerAudio

_PCM = re.compile(r"audio/(l16|pcm)\b", re.IGNORECASE)
_MP3 = re.compile(r"audio/(mp3|mpeg)\b", re.IGNORECASE)
_RATE = re.compile(r"rate=(\d{1,6})")
DEFAULT_RATE = 24_000
_RIFF = "UklGR"
"""The beginning of a WAV file in base64."""
_NAME_BYTES = 12
"""The number of bytes that identify a WAV file: RIFF, a size, WAVE."""
_CHUNK_HEAD = 8
_PLAIN_FORM = (1, 1, 16)
"""A WAV file's format of raw PCM as OpenAI streams it: uncompressed, one channel, 16 bits."""


class WavFile(NamedTuple):
    """A WAV file's header: the samples' form (codec, channels, bits), rate, offset and number of bytes."""

    form: tuple[int, int, int]
    rate: int
    start: int
    size: int

    @property
    def is_plain(self) -> bool:
        """Return whether the samples are raw PCM as OpenAI streams it."""
        return self.form == _PLAIN_FORM


def is_pcm(mime_type: str) -> bool:
    """Return whether the audio is raw 16-bit samples without a header."""
    return _PCM.match(mime_type) is not None


def is_wav(data: bytes) -> bool:
    """Return whether the bytes are a WAV file's, whatever media type they have."""
    return data[:4] == b"RIFF" and data[8:12] == b"WAVE"


def read_wav(data: bytes) -> WavFile | None:
    """Read a WAV file's header; None if it is not whole. Writers that cannot seek leave a size of 0 or the highest."""
    form, rate, at = (0, 0, 0), DEFAULT_RATE, 12
    while len(data) >= at + _CHUNK_HEAD:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        at += _CHUNK_HEAD
        if name == b"data":
            return WavFile(form, rate, at, size if 0 < size < 2**32 - 1 else 2**62)
        if name == b"fmt " and len(data) >= at + 16:
            codec, channels, rate = (_number(data, at, 2), _number(data, at + 2, 2), _number(data, at + 4, 4))
            form = (codec, channels, _number(data, at + 14, 2))
        # Chunks of a RIFF file begin at even offsets.
        at += size + size % 2
    return None


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")


def wav(pcm: bytes, rate: int) -> bytes:
    """Return a WAV file of mono signed 16-bit little-endian samples."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(pcm)
    return file.getvalue()


def rate_of(mime_type: str) -> int:
    """Return the samples per second."""
    found = _RATE.search(mime_type)
    return int(found.group(1)) if found else DEFAULT_RATE


def content_of(blob: Blob) -> bytes:
    """Return the bytes of a blob. Raises `AnswerError` if they are not base64."""
    # Protobuf's JSON allows both alphabets of base64, with and without padding (protobuf.dev, ProtoJSON).
    text = (blob.data or "").translate(_STANDARD).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise AnswerError(502, "malformed_response", f"Gemini's audio is not base64: {error}") from None


_STANDARD = str.maketrans("-_", "+/")


def audio_id(stamp: Stamp) -> str:
    """Return the id of an answer's sound."""
    return f"audio_{stamp.id.removeprefix('chatcmpl-')}"


class Samples(NamedTuple):
    """Raw 16-bit samples of one channel, and how many there are in a second."""

    data: bytes
    rate: int


def samples_of(blob: Blob) -> Samples | None:
    """Return the samples of raw PCM or of a WAV file; None for other formats."""
    data, mime_type = content_of(blob), blob.mime_type or ""
    if is_wav(data):
        file = read_wav(data)
        return Samples(data[file.start : file.start + file.size], file.rate) if file and file.is_plain else None
    return Samples(data, rate_of(mime_type)) if is_pcm(mime_type) else None


def answer_audio(blobs: Sequence[Blob], transcript: str, context: Context, stamp: Stamp) -> AnswerAudio:
    """Return all sounds of an answer as one, which expires at once: it is not stored. Raises `AnswerError`."""
    encoded = base64.b64encode(_one_sound(blobs, wants_samples(context))).decode()
    return AnswerAudio(id=audio_id(stamp), data=encoded, expires_at=stamp.created, transcript=transcript)


def _one_sound(blobs: Sequence[Blob], raw: bool) -> bytes:
    """Return one WAV file, or its samples alone; a single sound that is neither stays as it is."""
    decoded = [samples_of(blob) for blob in blobs]
    samples = [one for one in decoded if one is not None]
    if len(samples) == len(blobs) and len({one.rate for one in samples}) == 1:
        joined = b"".join(one.data for one in samples)
        return joined if raw else wav(joined, samples[0].rate)
    # Frames of MP3 files play one after the other, whatever file they came from.
    if len(blobs) > 1 and not all(_MP3.match(blob.mime_type or "") for blob in blobs):
        kinds = ", ".join(blob.mime_type or "a sound without a type" for blob in blobs)
        raise AnswerError(502, "malformed_response", f"Gemini sent sounds that cannot be joined: {kinds}.")
    return b"".join(map(content_of, blobs))


def wants_samples(context: Context) -> bool:
    """Return whether the client asked for PCM without a header."""
    return context.request.audio is not None and context.request.audio.format == "pcm16"


def note_on_type(blob: Blob, path: str, samples: bool) -> Note:
    """Return the note on a sound, whose type OpenAI's answers do not name. `samples`: PCM is sent without a header."""
    name = blob.mime_type or "a sound without a type"
    if (blob.data or "").startswith(_RIFF):
        form = "its samples, without the header" if samples else "sent as one WAV file"
    else:
        form = "sent as it came" if samples or not is_pcm(name) else "sent as a WAV file"
    return Note(path, Fate.APPROXIMATED, "audio-repackaged", f"{name}: {form}")


class SampleReader:
    """Takes the header off a sound that comes in pieces.

    A piece that begins like a WAV file begins a new file, also after another one. Its header is held until it is
    complete. Then its samples pass, and what follows the samples in the file is left out. Any other piece continues
    the sound before it. `feed` raises `AnswerError` for a file whose samples are not 16-bit PCM.
    """

    def __init__(self) -> None:
        self._held = b""
        self._left = 2**62

    def feed(self, data: bytes) -> bytes:
        """Return the samples in the next piece."""
        data, self._held = self._held + data, b""
        if len(data) < _NAME_BYTES and b"RIFF".startswith(data[:4]):
            self._held = data
            return b""
        return self._begin_file(data) if is_wav(data) else self._pass_samples(data)

    def close(self) -> bytes:
        """Return the held bytes that turned out to be no header."""
        return b"" if is_wav(self._held) else self._pass_samples(self._held)

    def _begin_file(self, data: bytes) -> bytes:
        file = read_wav(data)
        if file is None:
            self._held = data
            return b""
        if not file.is_plain:
            raise AnswerError(502, "malformed_response", f"Gemini's sound is not 16-bit mono PCM: {file.form}.")
        self._left = file.size
        return self._pass_samples(data[file.start :])

    def _pass_samples(self, data: bytes) -> bytes:
        passed = data[: self._left]
        self._left -= len(passed)
        return passed


class Sound:
    """The sounds of a stream as base64 of samples, in pieces that join to the base64 of the whole."""

    def __init__(self) -> None:
        self._samples = SampleReader()
        self._rest = b""

    def feed(self, blob: Blob) -> str:
        """Return the next piece, a multiple of four characters without padding."""
        data = self._rest + self._samples.feed(content_of(blob))
        whole = len(data) - len(data) % 3
        self._rest = data[whole:]
        return base64.b64encode(data[:whole]).decode()

    def close(self) -> str:
        """Return the last piece."""
        return base64.b64encode(self._rest + self._samples.close()).decode()
