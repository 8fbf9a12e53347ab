"""A long WAV file is cut where it is quietest; its pieces hold every sample once, and are files that others read."""

import array
import base64
import io
import itertools
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.server.http.byte_budget import ByteBudget
from adapter.server.http.forms import FilePart
from adapter.server.media.form import FormFile
from adapter.server.media.sound_pieces import cut_sound

RATE = 1_000


def wav_of(samples, channels=1, width=2, rate=RATE):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(samples)
    return file.getvalue()


async def upload_of(data, size=1_000):
    """A file of a form that has come in pieces of so many bytes."""
    upload = FormFile(FilePart("file", "a.wav", "audio/wav"), ByteBudget(1 << 30))
    for start in range(0, len(data), size):
        await upload.write(data[start : start + size])
    upload.close()
    return upload


def samples_of(piece):
    with wave.open(io.BytesIO(base64.b64decode(b"".join(piece.data), validate=True))) as file:
        return file.readframes(file.getnframes())


@given(
    st.integers(2_000, 20_000),
    st.sampled_from([1, 2, 4]),
    st.integers(100, 5_000),
    st.integers(1, 5),
    st.binary(max_size=5),
)
async def test_pieces_hold_every_sample_once(frames, channels, size, longest, more):
    frame = 2 * channels
    samples = array.array("h", (n * 37 % 20_011 for n in range(frames * channels))).tobytes()
    pieces = cut_sound(await upload_of(wav_of(samples, channels) + more, size), longest)
    found = [samples_of(one) for one in pieces]
    assert b"".join(found) == samples
    assert max(len(one) for one in found) <= longest * RATE * frame
    lengths = [len(one) / frame / RATE for one in found]
    assert [one.start_s for one in pieces] == pytest.approx([0, *itertools.accumulate(lengths)][:-1])


async def test_a_cut_is_made_in_silence():
    loud, still = array.array("h", [9_000, -9_000] * 500), array.array("h", bytes(1_000))
    samples = (loud * 8 + still + loud * 4 + still + loud * 9).tobytes()
    pieces = cut_sound(await upload_of(wav_of(samples)), 15)
    assert [one.start_s for one in pieces] == pytest.approx([0, 12.75], abs=0.1)


@pytest.mark.parametrize(
    "data",
    [
        wav_of(bytes(9_000), width=1),
        wav_of(bytes(9_000), width=3),
        wav_of(bytes(9_000), channels=3),
        b"fLaC" + bytes(9_000),
        b"RIFF\0\0\0\0WAVEfmt ",
        b"",
    ],
)
async def test_what_is_no_wav_file_of_samples_of_16_bits_is_not_cut(data):
    assert cut_sound(await upload_of(data), 1) == []


async def test_whole_pieces_of_the_file_are_not_copied():
    upload = await upload_of(wav_of(bytes(60_000)), 999)
    pieces = [data for one in cut_sound(upload, 10) for data in one.data]
    shared = [data for data in pieces if any(data is piece for piece in upload.pieces)]
    assert len(shared) >= len(upload.pieces) - 8
