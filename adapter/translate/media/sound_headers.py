"""The duration of a sound by its file's headers: WAV, FLAC, MP3, MP4 and M4A, WebM, Ogg.

Where a file tells its duration differs: at its beginning, at its end, or wherever a box of MP4 stands. So reading is a
generator that asks for bytes by their place, and is sent them: who holds the file decides how it reads.
"""

import base64
import struct
from collections.abc import Callable, Generator
from typing import NamedTuple

from adapter.translate.answer.audio import is_wav, read_wav

HEADER_BYTES = 48 * 1024
"""Bytes at a file's beginning, and at its end, that are looked at."""

_MAX_BOXES = 64
"""Boxes of an MP4 file, and elements of a WebM file, that are looked at on one level."""


class ByteRange(NamedTuple):
    """Bytes of a file that are to be read; fewer come where it ends."""

    offset: int
    size: int


DurationReader = Generator[ByteRange, bytes, float]


def duration_reader(size: int) -> DurationReader:
    """Find the seconds of a file of `size` bytes; 0 where it does not tell."""
    start = yield ByteRange(0, HEADER_BYTES)
    if is_wav(start):
        return _wav(start, size)
    if start[:4] == b"fLaC":
        return (yield from _flac(start, size))
    if start[4:8] == b"ftyp":
        return (yield from _mp4(size))
    if start[:4] == b"\x1aE\xdf\xa3":
        return _webm(start)
    if start[:4] == b"OggS":
        return (yield from _ogg(start, size))
    return (yield from _mp3(start, size))


def read_duration(read: Callable[[int, int], bytes], size: int) -> float:
    """Find the seconds of a file that `read` reads, given an offset and a size; 0 where it does not tell."""
    reader = duration_reader(size)
    wanted = next(reader)
    while True:
        try:
            wanted = reader.send(read(*wanted))
        except StopIteration as end:
            return float(end.value)


def read_base64(data: str, offset: int, size: int) -> bytes:
    """Read bytes of a file in base64. Raises `ValueError` for what is none."""
    before = offset % 3
    begin = (offset - before) // 3 * 4
    text = data[begin : begin + (before + size + 2) // 3 * 4]
    return base64.b64decode(text)[before : before + size]


def read_duration_of_url(url: str) -> float:
    """Find the seconds of a sound in a data URL; 0 for any other URL."""
    head, _, data = url.partition(",")
    if not (head.startswith("data:") and head.endswith(";base64")):
        return 0.0
    try:
        return read_duration(lambda offset, size: read_base64(data, offset, size), len(data) * 3 // 4)
    except ValueError:
        return 0.0


def _wav(start: bytes, size: int) -> float:
    file = read_wav(start)
    if file is None:
        return 0.0
    _, channels, bits = file.form
    second = file.rate * channels * bits // 8
    return min(file.size, max(0, size - file.start)) / second if second else 0.0


def _flac(start: bytes, size: int) -> DurationReader:
    """Find the number of samples, which who writes a stream does not know at its beginning: then it is 0."""
    # After the block's header: two block sizes, two frame sizes, then rate, channels, bits and samples in 64 bits.
    numbers = int.from_bytes(start[18:26].ljust(8, b"\0"), "big")
    rate, samples = numbers >> 44, numbers & (1 << 36) - 1
    if rate and not samples:
        end = yield ByteRange(max(0, size - HEADER_BYTES), HEADER_BYTES)
        samples = _end_of_frames(end, int.from_bytes(start[10:12], "big"))
    return samples / rate if rate else 0.0


def _end_of_frames(end: bytes, block: int) -> int:
    """Return the number of samples up to the end of FLAC's last frame, by its header (RFC 9639, 9.1); 0: none is found.

    `block` is the size of a block, by which frames of one size are counted.
    """
    at = end.rfind(b"\xff")
    while at >= 0:
        header = end[at : at + _FRAME_HEADER]
        if header[1:2] in (b"\xf8", b"\xf9") and (frame := _flac_frame(header)) is not None:
            number, samples = frame
            return (number if header[1] & 1 else number * block) + samples
        at = end.rfind(b"\xff", 0, at)
    return 0


_FRAME_HEADER = 16
"""Bytes of the longest header of a frame, with its checksum."""

_BLOCKS = {
    1: 192,
    **{code: 576 << code - 2 for code in range(2, 6)},
    **{code: 256 << code - 8 for code in range(8, 16)},
}
_BLOCK_BEHIND, _RATE_BEHIND = {6: 1, 7: 2}, {12: 1, 13: 2, 14: 2}
"""Bytes behind the header's number, by the codes for a block's size and for a rate."""


def _flac_frame(header: bytes) -> tuple[int, int] | None:
    """Return a frame's number, or that of its first sample, and how many samples it has; None: this is no header."""
    if len(header) < _FRAME_HEADER:
        return None
    block, rate, first = header[2] >> 4, header[2] & 15, header[4]
    # Numbers are written as UTF-8 writes characters, with up to 36 bits: as many bytes as the first has leading ones.
    ones = 8 - (first ^ 0xFF).bit_length()
    number, at = first & 0xFF >> ones + 1, 4 + max(ones, 1)
    for byte in header[5:at]:
        number = number << 6 | byte & 63
    behind = at + _BLOCK_BEHIND.get(block, 0)
    end = behind + _RATE_BEHIND.get(rate, 0)
    samples = _BLOCKS.get(block) or int.from_bytes(header[at:behind], "big") + 1
    return (number, samples) if _checksum(header[:end]) == header[end] else None


def _checksum(data: bytes) -> int:
    """Return the CRC-8 of a frame's header."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07 * (crc >> 7)) & 0xFF
    return crc


def _mp4(size: int) -> DurationReader:
    """Find the header of the whole film (ISO 14496-12: `moov`, in it `mvhd`), which may stand behind the sound."""
    at = 0
    for _ in range(_MAX_BOXES):
        head = yield ByteRange(at, 16)
        length, name = _box(head, size - at)
        if name == b"moov":
            inside = yield ByteRange(at + 8, HEADER_BYTES)
            return _film_header(inside)
        if length < 8 or at + length >= size:
            return 0.0
        at += length
    return 0.0


def _box(head: bytes, left: int) -> tuple[int, bytes]:
    """Return a box's length with its header, and its name; length 1: 64 bits follow; length 0: the rest."""
    length, name = int.from_bytes(head[:4], "big"), head[4:8]
    if length == 1:
        length = int.from_bytes(head[8:16], "big")
    return length or left, name


def _film_header(boxes: bytes) -> float:
    at = boxes.find(b"mvhd")
    if at < 0 or len(boxes) < at + 36:
        return 0.0
    if boxes[at + 4] == 1:
        scale, duration = struct.unpack_from(">IQ", boxes, at + 24)
    else:
        scale, duration = struct.unpack_from(">II", boxes, at + 16)
    # All ones: not known, as in films that are recorded in fragments.
    return duration / scale if scale and duration not in (2**32 - 1, 2**64 - 1) else 0.0


_MAX_NAMED = 4
_INFO, _DURATION, _SCALE = b"\x15\x49\xa9\x66", b"\x44\x89", b"\x2a\xd7\xb1"
"""Matroska: the element about the whole, in it the duration and its unit in nanoseconds (RFC 9559)."""


def _webm(start: bytes) -> float:
    at = -1
    # A table of contents may name the element before it comes.
    for _ in range(_MAX_NAMED):
        at = start.find(_INFO, at + 1)
        if at < 0:
            break
        length, begin = _variable_size(start, at + len(_INFO))
        if duration := _duration_in(start[begin : begin + length]):
            return duration
    return 0.0


def _duration_in(info: bytes) -> float:
    scale, duration, at = 1_000_000, 0.0, 0
    for _ in range(_MAX_BOXES):
        if at >= len(info):
            break
        name_size = 8 - info[at].bit_length() + 1
        name = info[at : at + name_size]
        length, at = _variable_size(info, at + name_size)
        value = info[at : at + length]
        if name == _SCALE:
            scale = int.from_bytes(value, "big")
        elif name == _DURATION and len(value) in (4, 8):
            (duration,) = struct.unpack(">f" if len(value) == 4 else ">d", value)
        at += length
    return duration * scale / 1e9 if 0 < duration < 1e12 else 0.0


def _variable_size(data: bytes, at: int) -> tuple[int, int]:
    """Return a size whose first byte tells how many bytes it has, and the place behind it (RFC 8794)."""
    if at >= len(data) or not data[at]:
        return 0, at + 1
    count = 8 - data[at].bit_length() + 1
    number = int.from_bytes(data[at : at + count], "big")
    return number & (1 << 7 * count) - 1, at + count


def _ogg(start: bytes, size: int) -> DurationReader:
    """Find the samples up to the last page (RFC 3533), in units of the rate that the first one tells."""
    opus, vorbis = start.find(b"OpusHead", 0, 512), start.find(b"\x01vorbis", 0, 512)
    if opus >= 0:
        rate, skipped = 48_000, int.from_bytes(start[opus + 10 : opus + 12], "little")
    elif vorbis >= 0:
        rate, skipped = int.from_bytes(start[vorbis + 12 : vorbis + 16], "little"), 0
    else:
        return 0.0
    # A page has at most 65,307 bytes.
    begin = max(0, size - 2 * HEADER_BYTES)
    end = yield ByteRange(begin, 2 * HEADER_BYTES)
    at = end.rfind(b"OggS")
    samples = int.from_bytes(end[at + 6 : at + 14], "little") if at >= 0 else 0
    return max(0, samples - skipped) / rate if rate and samples < 2**63 else 0.0


_MP3_KBITS = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Rows by MPEG version: 1, and 2 with 2.5; layer 3."""
_MP3_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


class _Mp3Frame(NamedTuple):
    kbits: int
    rate: int
    samples: int
    size: int


def _mp3(start: bytes, size: int) -> DurationReader:
    """Find the number of frames that an encoder wrote down, else the bits per second if the first frames agree."""
    at = 0
    while start[:3] == b"ID3" and len(start) >= 10 and at < size:
        # Titles and pictures come first; the size has seven bits in each byte (id3.org, ID3v2).
        at += 10 + sum((byte & 0x7F) << shift for byte, shift in zip(start[6:10], (21, 14, 7, 0), strict=True))
        start = yield ByteRange(at, HEADER_BYTES)
    first = _mp3_frame(start)
    if first is None:
        return 0.0
    tag = max(start.find(b"Xing", 0, first.size), start.find(b"Info", 0, first.size))
    if tag >= 0 and len(start) >= tag + 12 and start[tag + 7] & 1:
        return int.from_bytes(start[tag + 8 : tag + 12], "big") * first.samples / first.rate
    place = first.size
    for _ in range(_MAX_BOXES):
        frame = _mp3_frame(start[place : place + 4])
        if frame is None:
            break
        if frame.kbits != first.kbits:
            return 0.0
        place += frame.size
    return (size - at) * 8 / (first.kbits * 1_000)


def _mp3_frame(head: bytes) -> _Mp3Frame | None:
    """Read the header of a frame of layer 3."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return None
    version, bits, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or bits in (0, 15) or rate == 3:
        return None
    kbits = _MP3_KBITS[3 if version == 3 else 2][bits]
    samples, hertz = 1_152 if version == 3 else 576, _MP3_RATES[version][rate]
    return _Mp3Frame(kbits, hertz, samples, samples // 8 * kbits * 1_000 // hertz + (head[2] >> 1 & 1))
