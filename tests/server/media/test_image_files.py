"""Conversions: what is opaque stays so, what is transparent too, and bombs are not opened."""

import io
import struct
import tracemalloc
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


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *chunks):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def gif(width, height):
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + b",\0\0\0\0"


LARGE = zlib.compress(bytes(300_000_000), 9)
BOMBS = {
    "pixels beyond those of any image of Gemini's": png(9_000, 9_000, chunk(b"IDAT", zlib.compress(b""))),
    "a billion pixels": png(40_000, 40_000, chunk(b"IDAT", zlib.compress(b""))),
    "a GIF of four billion pixels": gif(65_535, 65_535) + struct.pack("<HHB", 65_535, 65_535, 0) + b"\2\0;",
    "a text of 300 MB": png(1, 1, chunk(b"zTXt", b"a\0\0" + LARGE), chunk(b"IDAT", zlib.compress(b"\0\0"))),
    "a profile of 300 MB": png(1, 1, chunk(b"iCCP", b"a\0\0" + LARGE), chunk(b"IDAT", zlib.compress(b"\0\0"))),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_small_file_that_unpacks_to_a_large_one_is_not_unpacked(kind):
    tracemalloc.start()
    try:
        with pytest.raises(AnswerError):
            convert_image(BOMBS[kind], "jpeg")
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


def test_of_many_frames_the_first_one_is_converted():
    file = io.BytesIO()
    frames = [Image.new("P", (9, 7), number) for number in range(50)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    assert getattr(Image.open(io.BytesIO(convert_image(file.getvalue(), "webp"))), "n_frames", 1) == 1
