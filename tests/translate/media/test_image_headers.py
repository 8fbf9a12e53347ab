"""Kinds and sizes by the first bytes of files, as Pillow writes them."""

import io

import pytest
from PIL import Image

from adapter.translate.media.image_headers import ImageHeader, read_image_header

SIZE = (41, 30)


def file_of(kind, mode="RGB", **options):
    file = io.BytesIO()
    Image.new(mode, SIZE).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "kind", "has_alpha"),
    [
        (file_of("PNG"), "png", False),
        (file_of("PNG", "RGBA"), "png", True),
        (file_of("JPEG"), "jpeg", False),
        (file_of("JPEG", progressive=True), "jpeg", False),
        (file_of("JPEG", icc_profile=bytes(100_000)), "jpeg", False),
        (file_of("WEBP"), "webp", False),
        (file_of("WEBP", lossless=True), "webp", False),
        (file_of("WEBP", "RGBA", lossless=True, exact=True), "webp", False),
        (file_of("WEBP", exif=b"Exif\0\0" + bytes(20)), "webp", False),
        (file_of("GIF"), "gif", False),
    ],
)
def test_the_header_tells_kind_and_size(data, kind, has_alpha):
    found = read_image_header(data)
    assert (found.kind, found.width, found.height) == (kind, *SIZE)
    assert found.size == "41x30"
    assert found.has_alpha is has_alpha or kind == "webp"


def test_transparency_of_webp_is_told():
    image = Image.new("RGBA", SIZE, (1, 2, 3, 0))
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=True)
    assert read_image_header(file.getvalue()).has_alpha
    file = io.BytesIO()
    image.save(file, "WEBP", exif=b"Exif\0\0" + bytes(20))
    assert read_image_header(file.getvalue()).has_alpha


def test_fill_bytes_and_markers_without_a_length_stand_before_a_frame():
    frame = b"\xff\xc0\x00\x11\x08\x00\x1e\x00\x29"
    assert read_image_header(b"\xff\xd8\xff\xff\x01" + frame) == ImageHeader("jpeg", *SIZE)
    for alone in (0x01, *range(0xD0, 0xDA)):
        assert read_image_header(b"\xff\xd8\xff" + bytes([alone]) + frame) == ImageHeader("jpeg", *SIZE), alone


def test_only_markers_of_a_frame_tell_the_size():
    """ITU T.81, table B.1: of C0 to CF, C4, C8 and CC are tables, a reserved one and arithmetic conditioning."""
    others = (0xC4, 0xC8, 0xCC, 0xDA, 0xDB, 0xE0, 0xFE)
    for marker in range(0xC0, 0xD0):
        size = (7, 9) if marker in others else SIZE
        frame = b"\xff" + bytes([marker]) + b"\x00\x11\x08\x00\x1e\x00\x29" + bytes(10)
        data = b"\xff\xd8" + frame + b"\xff\xc0\x00\x11\x08\x00\x09\x00\x07"
        assert read_image_header(data) == ImageHeader("jpeg", *size), hex(marker)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_header_that_is_cut_tells_nothing_wrong(kind):
    data = file_of(kind)
    whole = read_image_header(data)
    assert {read_image_header(data[:end]) for end in range(len(data))} <= {None, whole}


def test_what_is_no_image_has_no_header():
    for data in (b"", b"hello", b"\xff\xd8no frame here", b"RIFF\0\0\0\0WEBPVP9 " + bytes(20)):
        assert read_image_header(data) is None
