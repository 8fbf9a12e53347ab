"""A long WAV file in pieces that begin and end in silence, each a WAV file of its own.

The file lies in memory as base64 (`FormFile`), where four characters are three bytes. A piece that begins with the
file's third, sixth, ... byte is cut out as characters: nothing is encoded again, and most of it is not copied.
"""

import struct
import sys
from array import array
from base64 import b64encode
from collections.abc import Sequence
from typing import NamedTuple

from adapter.server.media.form import FormFile
from adapter.translate.answer.audio import WavFile, is_wav, read_wav
from adapter.translate.media.sound_headers import HEADER_BYTES

_BLOCK_S = 0.02
_SILENCE_BLOCKS = 15
"""A cut is made in the middle of the quietest third of a second, which is looked for block by block."""

_WINDOW_S = 30.0
"""Seconds before the end of the longest piece in which silence is looked for; at most a quarter of it."""

_BITS = 16
_HEAD_BYTES = 52
"""Bytes of a piece's header without its filler."""


class CutPiece(NamedTuple):
    """A piece as base64 that may be joined, and the second of the whole at which it begins."""

    data: list[bytes]
    start_s: float


def cut_sound(upload: FormFile, longest_s: float) -> list[CutPiece]:
    """Cut a file into pieces of at most `longest_s` seconds; none of what is no WAV file of samples of 16 bits."""
    head = upload.read(0, HEADER_BYTES)
    file = read_wav(head) if is_wav(head) else None
    if file is None or file.form[0] != 1 or file.form[2] != _BITS or not file.form[1] % 3 or not file.rate:
        return []
    frame, size = file.form[1] * _BITS // 8, min(upload.size - file.start, file.size)
    end = file.start + size - size % frame
    places = [_align(file.start, frame)]
    # Samples in front of the first place that can be cut.
    lead = upload.read(file.start, places[0] - file.start)
    while end - places[-1] > longest_s * file.rate * frame:
        places.append(_quietest(upload, file, places[-1], longest_s))
    pieces = []
    for begin, stop in zip(places, [*places[1:], end], strict=True):
        head = _wav_head(file, stop - begin, lead)
        start_s = (begin - len(lead) - file.start) / frame / file.rate
        pieces.append(CutPiece([b64encode(head), *slice_base64(upload.pieces, begin, stop)], start_s))
        lead = b""
    return pieces


def _align(place: int, frame: int) -> int:
    """Return the place of the first frame from here on that is a multiple of three; `frame` must not be one."""
    while place % 3:
        place += frame
    return place


def _quietest(upload: FormFile, file: WavFile, begin: int, longest_s: float) -> int:
    """Find the middle of the quietest moment before a piece that begins at a place gets too long."""
    frame = file.form[1] * _BITS // 8
    block = max(1, int(_BLOCK_S * file.rate)) * frame
    window = int(min(_WINDOW_S, longest_s / 4) * file.rate) * frame // block * block
    start = begin + int(longest_s * file.rate) * frame - window
    samples = array("h", upload.read(start, window))
    if sys.byteorder == "big":
        samples.byteswap()
    count = block // 2
    peaks = [max(part) - min(part) for at in range(0, len(samples), count) if (part := samples[at : at + count])]
    length = min(_SILENCE_BLOCKS, len(peaks))
    noise = [sum(peaks[at : at + length]) for at in range(len(peaks) - length + 1)]
    # Of equal ones the last: pieces are then as few as may be.
    quietest = max(range(len(noise)), key=lambda at: (-noise[at], at))
    return _align(start + (quietest + length // 2) * block, frame)


def _wav_head(file: WavFile, size: int, lead: bytes) -> bytes:
    """Return a WAV header for `lead` and so many bytes, and `lead`: together a multiple of three bytes."""
    channels, frame = file.form[1], file.form[1] * _BITS // 8
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, file.rate, file.rate * frame, frame, _BITS)
    filler = next(length for length in (0, 2, 4) if (_HEAD_BYTES + length + len(lead)) % 3 == 0)
    size += len(lead)
    chunks = form + struct.pack("<4sI", b"JUNK", filler) + bytes(filler) + struct.pack("<4sI", b"data", size)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks) + size) + b"WAVE" + chunks + lead


def slice_base64(pieces: Sequence[bytes], begin: int, end: int) -> list[bytes]:
    """Cut bytes out of a file in base64; `begin` is a multiple of three, and an `end` that is none is rounded up."""
    first, last = begin // 3 * 4, -(-end // 3) * 4
    slices: list[bytes] = []
    at = 0
    for piece in pieces:
        if at + len(piece) > first and at < last:
            slices.append(piece[max(0, first - at) : last - at])
        at += len(piece)
    return slices
