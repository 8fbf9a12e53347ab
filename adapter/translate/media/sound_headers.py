"""The duration of a sound by the first bytes of its file: WAV and FLAC tell it there."""

import base64

from adapter.translate.answer.audio import is_wav, read_wav

_STREAMINFO = 34

HEADER_BYTES = 48 * 1024
"""Bytes of a file that are read; a multiple of three, since base64 is cut there."""


def read_duration(start: bytes, size: int) -> float:
    """Return the seconds by a file's first bytes and its size in bytes; 0 where they tell nothing."""
    if is_wav(start):
        return _wav(start, size)
    if start[:4] == b"fLaC" and len(start) >= 8 + _STREAMINFO:
        # After the block's header: two block sizes, two frame sizes, then rate, channels, bits and samples in 64 bits.
        numbers = int.from_bytes(start[18:26], "big")
        rate, samples = numbers >> 44, numbers & (1 << 36) - 1
        return samples / rate if rate else 0.0
    return 0.0


def read_duration_of_url(url: str) -> float:
    """Return the seconds of a sound in a data URL; 0 for any other URL."""
    head, _, data = url.partition(",")
    if not (head.startswith("data:") and head.endswith(";base64")):
        return 0.0
    try:
        start = base64.b64decode(data[: HEADER_BYTES // 3 * 4])
    except ValueError:
        return 0.0
    return read_duration(start, len(data) * 3 // 4)


def _wav(start: bytes, size: int) -> float:
    file = read_wav(start)
    if file is None:
        return 0.0
    _, channels, bits = file.form
    second = file.rate * channels * bits // 8
    return min(file.size, max(0, size - file.start)) / second if second else 0.0
