"""The length of sounds by their headers, as FFmpeg and others write them; no file makes reading fail or hang."""

import base64
import io
import struct
import wave
from itertools import product
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.media.sound_headers import read_base64, read_duration, read_duration_of_url

SECONDS = 3.0
ENCODED = {
    "flac": ("flac", "flac", {}),
    "mp3": ("mp3", "libmp3lame", {}),
    "mp3 without a count of frames": ("mp3", "libmp3lame", {"write_xing": "0"}),
    "m4a": ("mp4", "aac", {}),
    "webm": ("webm", "libopus", {}),
    "ogg with opus": ("ogg", "libopus", {}),
}


def encode(kind):
    """A file of three seconds."""
    container, codec, options = ENCODED[kind]
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options) as output:
        stream: Any = output.add_stream(codec, rate=48_000, layout="mono")
        stream.bit_rate = 64_000
        for start in range(0, int(SECONDS * 48_000), 960):
            frame = av.AudioFrame(format="s16", layout="mono", samples=960)
            frame.sample_rate, frame.pts = 48_000, start
            frame.planes[0].update(bytes((start + n) % 251 for n in range(1_920)))
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def duration_of(data):
    return read_duration(lambda offset, size: data[offset : offset + size], len(data))


@pytest.mark.parametrize("kind", ENCODED)
def test_a_file_tells_its_length(kind):
    data = encode(kind)
    assert duration_of(data) == pytest.approx(SECONDS, abs=0.15)
    url = f"data:audio/x;base64,{base64.b64encode(data).decode()}"
    assert read_duration_of_url(url) == pytest.approx(duration_of(data), abs=0.01)


def test_titles_and_pictures_before_an_mp3_are_no_sound():
    size = 200_000
    tag = b"ID3\x04\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + bytes(size)
    assert duration_of(tag + encode("mp3")) == pytest.approx(SECONDS, abs=0.15)


@given(st.integers(1, 2), st.integers(1, 3), st.sampled_from([8_000, 24_000]), st.integers(0, 5_000))
def test_a_wav_file_tells_its_length(channels, width, rate, frames):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(bytes(frames * channels * width))
    assert duration_of(file.getvalue()) == pytest.approx(frames / rate)


def box(name, content, *, long=False):
    head = struct.pack(">I4sQ", 1, name, 16 + len(content)) if long else struct.pack(">I4s", 8 + len(content), name)
    return head + content


def film(duration, *, scale=1_000, version=0):
    if version:
        header = b"\1\0\0\0" + bytes(16) + struct.pack(">IQ", scale, duration)
    else:
        header = bytes(12) + struct.pack(">II", scale, duration)
    return box(b"moov", box(b"mvhd", header + bytes(80)))


VORBIS = b"OggS" + bytes(24) + b"\x01vorbis" + bytes(5)
FTYP = box(b"ftyp", b"M4A \0\0\0\0")


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (FTYP + film(1_500), 1.5),
        (FTYP + film(2_500, version=1), 2.5),
        (FTYP + film(180_000_000, scale=90_000_000), 2),
        (FTYP + film(180_000_000, scale=90_000_000, version=1), 2),
        (FTYP + box(b"mdat", bytes(100_000), long=True) + film(1_500), 1.5),
        (FTYP + film(2**32 - 1), 0),
        (FTYP + film(5, scale=0), 0),
        (FTYP + box(b"moov", b""), 0),
        (FTYP + box(b"mdat", b""), 0),
        (FTYP + struct.pack(">I4s", 0, b"mdat") + bytes(50), 0),
        (FTYP + struct.pack(">I4s", 4, b"free") + bytes(50), 0),
        (FTYP * 70 + film(1), 0),
        (b"\x1aE\xdf\xa3", 0),
        (b"\x1aE\xdf\xa3" + b"\x15\x49\xa9\x66\x80" * 9, 0),
        (b"\x1aE\xdf\xa3\x15\x49\xa9\x66", 0),
        (b"\x1aE\xdf\xa3\x15\x49\xa9\x66\x00", 0),
        (b"\x1aE\xdf\xa3\x15\x49\xa9\x66\x87\x44\x89\x84" + struct.pack(">f", 1_500), 1.5),
        (b"\x1aE\xdf\xa3\x15\x49\xa9\x66\x87\x44\x89\x84" + struct.pack(">f", float("nan")), 0),
        (b"\x1aE\xdf\xa3\x15\x49\xa9\x66\x86\x44\x89\x83abc", 0),
        (b"\x1aE\xdf\xa3\x15\x49\xa9\x66\xff" + b"\xec\x80" * 63, 0),
        (b"\x1aE\xdf\xa3\x15\x49\xa9\x66\x41\x00" + b"\xec\x80" * 128, 0),
        (VORBIS + struct.pack("<I", 8_000) + b"OggS\0\0" + struct.pack("<Q", 4_000), 0.5),
        (VORBIS + struct.pack("<I", 0) + bytes(20), 0),
        (b"OggS" + bytes(24) + b"Speex   " + bytes(20), 0),
        (b"OggS" + bytes(24) + b"OpusHead" + bytes(8) + b"OggS\0\0" + b"\xff" * 8, 0),
        (b"\xff\xfb\x90\x00" + bytes(413) + b"\xff\xfb\xb0\x00" + bytes(622), 0),
        (b"\xff\xfb\x90\x00" + bytes(413), 0.0261),
        (b"\xff\xf3\x80\x00" + bytes(300), 0.038),
        (b"\xff\xfb\x90\x00" + bytes(32) + b"Xing\0\0\0\1" + (100).to_bytes(4, "big"), 2.612),
        (b"\xff\xfb\x90\x00" + bytes(32) + b"Xing\0\0\0\1" + b"\1", 0.0028),
        (b"\xff\xfb\x90\x00" + bytes(32) + b"Xing\0\0\0\2" + (100).to_bytes(4, "big"), 0.003),
        (b"\xff\xfb\x92\x00" + bytes(414) + b"\xff\xfb\xb2\x00" + bytes(623), 0),
        (b"\xff\xfb\x92\x00" + bytes(414) + b"\xff\xfb\x90\x00" + bytes(413), 0.0522),
        (b"\xff\xfb\xf0\x00" + bytes(413), 0),
        (b"\xff\xe8\x90\x00" + bytes(413), 0),
        (b"\xff\xfb\x9c\x00" + bytes(413), 0),
        (b"ID3", 0),
        (b"ID3\x04\0\0\0\0\0\0\0", 0),
        (b"ID3\x04\0\0\0\0\0\0" * 3, 0),
        (b"\x1aE\xdf\xa3\x15\x49\xa9\x66\x53\xac\x15\x49\xa9\x66\x87\x44\x89\x84" + struct.pack(">f", 1_500), 1.5),
        (b"fLaC" + bytes(60), 0),
        (b"fLaC", 0),
        (b"RIFF\0\0\0\0WAVEfmt ", 0),
        (b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd", 0),
        (b"", 0),
        (b"anything else", 0),
    ],
)  # fmt: skip
def test_headers_tell_or_tell_nothing(data, seconds):
    assert duration_of(data) == pytest.approx(seconds, abs=0.001)


def element(name, content):
    """An element of Matroska, with its size in one byte."""
    return bytes.fromhex(name) + bytes([0x80 | len(content)]) + content


APP = element("4d80", b"Lavf60") + element("ec", b"abc")
SCALE = element("2ad7b1", (500_000).to_bytes(3, "big"))
EBML = b"\x1aE\xdf\xa3" + bytes(20) + b"\x15\x49\xa9\x66"


def opus(skipped, samples, *, between=b""):
    head = b"OggS" + bytes(24) + b"OpusHead\1\1" + struct.pack("<H", skipped)
    return head + between + b"OggS\0\4" + struct.pack("<Q", samples) + bytes(20)


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (FTYP + box(b"free", b"") + film(1_500), 1.5),
        (FTYP + struct.pack(">I4s", 0, b"moov") + film(1_500)[8:], 1.5),
        (FTYP + box(b"moov", box(b"udta", bytes(60)) + film(1_500)[8:]), 1.5),
        (FTYP + film(2**64 - 1, version=1), 0),
        (FTYP + film(1_500)[:-68], 1.5),
        (FTYP + film(1_500)[:-69], 0),
        (EBML + element("", APP + element("4489", struct.pack(">f", 1_500))), 1.5),
        (EBML + element("", APP + SCALE + element("4489", struct.pack(">d", 1_500))), 0.75),
        (EBML + element("", element("4489", struct.pack(">d", 1_500)) + SCALE), 0.75),
        (EBML + b"\x40\x07" + element("4489", struct.pack(">f", 1_500)), 1.5),
        (EBML + b"\x01\0\0\0\0\0\0\x07" + element("4489", struct.pack(">f", 1_500)), 1.5),
        (EBML + b"\x86" + element("4489", struct.pack(">f", 1_500)), 0),
        (opus(4_800, 52_800), 1),
        (opus(4_800, 4_000), 0),
        (opus(0, 48_000, between=b"OggS\0\0" + struct.pack("<Q", 960) + bytes(300_000)), 1),
        (opus(0, 48_000)[:-29], 0),
        (VORBIS + struct.pack("<I", 70_000) + b"OggS\0\0" + struct.pack("<Q", 140_000), 2),
    ],
)  # fmt: skip
def test_a_duration_is_found_wherever_a_format_lets_it_stand(data, seconds):
    assert duration_of(data) == pytest.approx(seconds, abs=0.001)


MPEG = {
    3: ("32 40 48 56 64 80 96 112 128 160 192 224 256 320", "44100 48000 32000", 1_152),
    2: ("8 16 24 32 40 48 56 64 80 96 112 128 144 160", "22050 24000 16000", 576),
    0: ("8 16 24 32 40 48 56 64 80 96 112 128 144 160", "11025 12000 8000", 576),
}
"""Kbits, rates and samples of a frame of layer III (ISO 11172-3, 2.4.2.3; ISO 13818-3; MPEG 2.5) by version."""


@pytest.mark.parametrize("version", MPEG)
def test_mp3_of_each_version_has_its_rates(version):
    kbits, rates, samples = MPEG[version]
    for bits, rate in product(enumerate(map(int, kbits.split()), 1), enumerate(map(int, rates.split()))):
        head = bytes([0xFF, 0xE3 | version << 3, bits[0] << 4 | rate[0] << 2, 0])
        size = samples // 8 * bits[1] * 1_000 // rate[1]
        frame = head.ljust(size, b"\0")
        padded = bytes([*head[:2], head[2] | 2, 0]).ljust(size + 1, b"\0")
        other = bytes([*head[:2], (bits[0] % 14 + 1) << 4 | rate[0] << 2, 0])
        assert duration_of(frame * 50) == pytest.approx(50 * size * 8 / bits[1] / 1_000)
        assert duration_of(padded + frame + frame) == pytest.approx((3 * size + 1) * 8 / bits[1] / 1_000)
        assert duration_of(padded + frame + other) == 0
        counted = (head + bytes(4) + b"Info\0\0\0\1" + (777).to_bytes(4, "big")).ljust(size, b"\0") + other
        assert duration_of(counted) == (pytest.approx(777 * samples / rate[1]) if size >= 20 else 0)


def test_no_frame_is_one_of_another_layer_or_of_a_reserved_version_bitrate_or_rate():
    good = b"\xff\xfb\x90\x00"
    assert duration_of(good + bytes(413)) > 0
    for bad in (b"\xfe\xfb\x90", b"\xff\xeb\x90", b"\xff\xfd\x90", b"\xff\xff\x90", b"\xff\xf9\x90", b"\xff\xdb\x90"):
        assert duration_of(bad + bytes(414)) == 0
    for bad in (b"\xff\xfb\x00", b"\xff\xfb\xf0", b"\xff\xfb\x9c"):
        assert duration_of(bad + bytes(414)) == 0
    assert duration_of(good[:3]) == 0


def without_length(flac):
    """A FLAC file as one is that was written to a stream: the number of its samples is 0."""
    return flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:]


def test_the_last_frame_of_flac_tells_the_duration_where_its_beginning_does_not():
    data = without_length(FILES["flac"])
    assert duration_of(FILES["flac"]) == duration_of(data) == pytest.approx(SECONDS, abs=0.001)
    assert duration_of(data[:60]) == 0
    assert duration_of(data + b"\xff\xf8" + bytes(3)) == pytest.approx(SECONDS, abs=0.001)
    assert duration_of(data + b"\xff\xf8" + bytes(30)) == pytest.approx(SECONDS, abs=0.001)


@pytest.mark.parametrize(
    ("variable", "code", "number", "behind", "samples"),
    [
        (0, 0xC9, b"\x07", b"", 8 * 4_096),
        (0, 0x1A, b"\x07", b"", 7 * 4_096 + 192),
        (0, 0x5A, b"\xc4\x80", b"", 256 * 4_096 + 4_608),
        (0, 0x69, b"\x07", b"\x0f", 7 * 4_096 + 16),
        (1, 0x7C, b"\xfe\xbf\xbf\xbf\xbf\xbf\xbf", b"\x01\xff\x30", 2**36 - 1 + 512),
        (1, 0x1D, b"\xe0\xa0\x80", b"\xac\x44", 2_048 + 192),
    ],
)
def test_headers_of_frames_as_rfc_9639_writes_them(variable, code, number, behind, samples):
    header = bytes([0xFF, 0xF8 + variable, code, 0x08]) + number + behind
    crc = 0
    for bit in (byte >> shift & 1 for byte in header for shift in range(7, -1, -1)):
        crc = crc << 1 & 0xFF ^ 7 * (crc >> 7 ^ bit)
    info = b"fLaC\x80\0\0\x22" + struct.pack(">HH", 4_096, 4_096) + bytes(6) + (48_000 << 44).to_bytes(8, "big")
    data = info.ljust(42, b"\0") + header
    assert duration_of(data + bytes([crc]) + bytes(20)) == pytest.approx(samples / 48_000)
    assert duration_of(data + bytes([crc ^ 1]) + bytes(20)) == 0


@given(st.sampled_from(sorted(ENCODED)), st.integers(0, 60_000), st.binary(max_size=8), st.integers(0, 60_000))
def test_no_broken_file_makes_reading_fail(kind, at, noise, end):
    data = FILES[kind]
    broken = data[:at] + noise + data[at + len(noise) : len(data) - end % len(data)]
    assert duration_of(broken) >= 0


FILES = {kind: encode(kind) for kind in ENCODED}


@given(st.binary(max_size=50), st.integers(0, 60), st.integers(0, 60))
def test_bytes_are_read_from_base64_by_their_place(data, offset, size):
    assert read_base64(base64.b64encode(data).decode(), offset, size) == data[offset : offset + size]


@pytest.mark.parametrize("url", ["https://example.org/a.wav", "data:audio/wav,abcd", "data:audio/wav;base64,abcde"])
def test_what_is_no_sound_in_base64_has_no_duration(url):
    assert read_duration_of_url(url) == 0
