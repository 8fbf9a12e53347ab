"""Conversions: what is opaque stays so, what is transparent too, and bombs are not opened."""

import io
import struct
import zlib

import pytest
from PIL import Image

from adapter.server.media.image_files import convert_image
from adapter.translate.core.errors import AnswerError


def file_of(image, kind="PNG"):
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "1"])
@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_every_kind_of_picture_becomes_every_format(mode, kind):
    found = Image.open(io.BytesIO(convert_image(file_of(Image.new(mode, (9, 7))), kind)))
    assert (found.format.lower(), found.size) == (kind, (9, 7))


def test_transparency_survives_where_the_format_has_it():
    clear = file_of(Image.new("RGBA", (4, 4), (0, 0, 0, 0)))
    assert Image.open(io.BytesIO(convert_image(clear, "webp"))).convert("RGBA").getpixel((0, 0))[3] == 0
    assert Image.open(io.BytesIO(convert_image(clear, "jpeg"))).mode == "RGB"


@pytest.mark.parametrize("data", [b"", b"hello", file_of(Image.new("RGB", (90, 90)))[:60]])
def test_what_is_no_image_is_an_error(data):
    with pytest.raises(AnswerError):
        convert_image(data, "jpeg")


def test_an_image_that_is_too_wide_for_the_format_is_an_error():
    with pytest.raises(AnswerError, match="cannot be converted"):
        convert_image(file_of(Image.new("1", (17_000, 1))), "webp")


def test_a_small_file_that_claims_a_billion_pixels_is_not_opened():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for side in (9_000, 40_000):
        header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
        bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
        with pytest.raises(AnswerError):
            convert_image(bomb, "jpeg")
