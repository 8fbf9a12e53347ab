"""Sounds as files, made while the samples come: WAV and PCM here, MP3 by LAME, others by FFmpeg (extra `audio`)."""

import struct
from typing import Any, Protocol

import lameenc

from adapter import extras
from adapter.translate.core.notes import Rejected

_MP3_KBITS = 96
"""Kilobits per second."""

_LAME_QUALITY = 5
"""LAME's scale from 0 (best) to 9 (fastest)."""

_UNKNOWN_SIZE = 0xFFFFFFFF


class SoundEncoder(Protocol):
    """Makes a file of samples: 16 bits, little-endian, one channel; whole ones in each call."""

    def encode(self, samples: bytes) -> bytes:
        """Return the next bytes of the file, which may be none yet."""
        ...

    def close(self) -> bytes:
        """Return the last bytes of the file."""
        ...


class WavEncoder:
    """A header in front of the samples. Its sizes are unknown, so they are the largest, as in OpenAI's files."""

    def __init__(self, rate: int) -> None:
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
        sizes = struct.pack("<I", _UNKNOWN_SIZE)
        self._head = b"RIFF" + sizes + b"WAVE" + form + b"data" + sizes

    def encode(self, samples: bytes) -> bytes:
        """Return the samples, behind the header."""
        head, self._head = self._head, b""
        return head + samples

    def close(self) -> bytes:
        """Return the header, if nothing was said."""
        return self.encode(b"")


class PcmEncoder:
    """The samples alone."""

    def encode(self, samples: bytes) -> bytes:
        """Return the samples."""
        return samples

    def close(self) -> bytes:
        """Return nothing: samples have no end."""
        return b""


class Mp3Encoder:
    """MPEG-1 layer 3, by LAME."""

    def __init__(self, rate: int) -> None:
        self._lame: Any = lameenc.Encoder()
        self._lame.set_bit_rate(_MP3_KBITS)
        self._lame.set_in_sample_rate(rate)
        self._lame.set_channels(1)
        self._lame.set_quality(_LAME_QUALITY)
        self._lame.silence()
        self._has_begun = False

    def encode(self, samples: bytes) -> bytes:
        """Return the frames that are full."""
        if not samples:
            return b""
        self._has_begun = True
        return bytes(self._lame.encode(samples))

    def close(self) -> bytes:
        """Return the last frames."""
        return bytes(self._lame.flush()) if self._has_begun else b""


def make_encoder(kind: str, rate: int) -> SoundEncoder:
    """Return the encoder of a format for so many samples per second."""
    if kind == "wav":
        return WavEncoder(rate)
    if kind == "pcm":
        return PcmEncoder()
    if kind == "mp3":
        return Mp3Encoder(rate)
    encoder: SoundEncoder = extras.load("adapter.server.media.ffmpeg", "audio").FfmpegEncoder(kind, rate)
    return encoder


def check_format(kind: str) -> None:
    """Raise `Rejected`, with the command that installs the extra, for a format that cannot be made here."""
    if kind not in ("wav", "pcm", "mp3") and not extras.has("audio"):
        reason = f"{kind} needs an extra of the server, which the operator installs: {extras.install_line('audio')}"
        raise Rejected("response_format", "encoder-missing", reason)
