"""Sounds as Opus, AAC and FLAC, by FFmpeg's libraries (extra `audio`)."""

from typing import Any

import av

_KINDS = {"opus": ("ogg", "libopus"), "aac": ("adts", "aac"), "flac": ("flac", "flac")}
"""Container and codec by OpenAI's name of the format."""


class _Sink:
    """Takes the container's output. It cannot seek back, since earlier bytes are already sent."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: Any) -> int:
        """Take bytes."""
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Return what was written since the last call."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data


class FfmpegEncoder:
    """A `SoundEncoder` for Opus, AAC and FLAC."""

    def __init__(self, kind: str, rate: int) -> None:
        container, codec = _KINDS[kind]
        self._sink = _Sink()
        self._rate = rate
        self._at = 0
        self._container: Any = av.open(self._sink, "w", format=container)
        self._stream: Any = self._container.add_stream(codec, rate=rate, layout="mono")

    def encode(self, samples: bytes) -> bytes:
        """Return the packets that are full."""
        count = len(samples) // 2
        if count:
            frame = av.AudioFrame(format="s16", layout="mono", samples=count)
            frame.sample_rate, frame.pts = self._rate, self._at
            frame.planes[0].update(samples.ljust(frame.planes[0].buffer_size, b"\0"))
            self._at += count
            self._mux(frame)
        return self._sink.take()

    def close(self) -> bytes:
        """Return the last packets."""
        self._mux(None)
        self._container.close()
        return self._sink.take()

    def _mux(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            self._container.mux(packet)
