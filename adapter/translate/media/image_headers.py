"""The kind and the size of an image, by the first bytes of its file: PNG, JPEG, WebP, GIF."""

import base64
from typing import NamedTuple

HEADER_BYTES = 256 * 1024
"""Bytes of a file that are read: what stands before a JPEG's size may be long (EXIF, colour profiles)."""

_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xDA)})
_WEBP = {b"VP8 ": (26, 28, 2, 0), b"VP8X": (24, 27, 3, 1)}
"""WebP's forms by the first chunk: offsets of width and height, their size in bytes, and what to add to them."""


class ImageHeader(NamedTuple):
    """An image's kind (`png`, `jpeg`, `webp`, `gif`) and pixels; `has_alpha`: it may be transparent in places."""

    kind: str
    width: int
    height: int
    has_alpha: bool = False

    @property
    def size(self) -> str:
        """The pixels as OpenAI writes a size: `1024x768`."""
        return f"{self.width}x{self.height}"


def read_image_header(data: bytes) -> ImageHeader | None:
    """Read the kind and the size from a file's first bytes; None where they do not tell."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 26:
        return ImageHeader("png", _big(data[16:20]), _big(data[20:24]), data[25] in (4, 6))
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= 30:
        return _webp(data)
    if data.startswith(b"GIF8") and len(data) >= 10:
        return ImageHeader("gif", _little(data[6:8]), _little(data[8:10]))
    return None


def read_header_of_base64(data: str) -> ImageHeader | None:
    """Read the same of a file in base64. Raises `ValueError` for what is none."""
    return read_image_header(base64.b64decode(data[: HEADER_BYTES // 3 * 4].translate(_STANDARD), validate=True))


_STANDARD = str.maketrans("-_", "+/")


def _jpeg(data: bytes) -> ImageHeader | None:
    """Return the first frame's header, behind segments of other kinds."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _START_OF_FRAME:
            return ImageHeader("jpeg", _big(data[at + 7 : at + 9]), _big(data[at + 5 : at + 7]))
        at += 2 if marker in _ALONE else 1 if marker == 0xFF else 2 + _big(data[at + 2 : at + 4])
    return None


def _webp(data: bytes) -> ImageHeader | None:
    if data[12:16] == b"VP8L":
        bits = _little(data[21:25])
        return ImageHeader("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1))
    if (places := _WEBP.get(data[12:16])) is None:
        return None
    across, down, size, less = places
    width, height = (_little(data[at : at + size]) for at in (across, down))
    mask = 0x3FFF if size == 2 else 0xFFFFFF
    return ImageHeader("webp", (width & mask) + less, (height & mask) + less, bool(less and data[20] & 0x10))


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
