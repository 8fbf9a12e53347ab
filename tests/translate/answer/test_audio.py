"""Spoken output: every cut of every form of sound gives the same samples."""

import base64
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.answer.audio import SampleReader, Samples, Sound, WavFile, content_of, read_wav, samples_of, wav
from adapter.translate.core.errors import AnswerError
from adapter.wire.gemini.content import Blob

PCM = st.binary(min_size=2, max_size=200).map(lambda data: data[: len(data) // 2 * 2])


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data cut at these places."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


def blob(data: bytes, mime_type: str = "audio/wav") -> Blob:
    return Blob(mime_type=mime_type, data=base64.b64encode(data).decode())


@given(PCM, st.lists(st.integers(0, 400)), st.sampled_from([b"", b"LIST\x04\0\0\0INFO"]))
def test_a_wav_file_cut_anywhere_gives_its_samples(pcm, cuts, trailer):
    reader = SampleReader()
    found = [reader.feed(piece) for piece in pieces(wav(pcm, 24_000) + trailer, cuts)]
    assert b"".join([*found, reader.close()]) == pcm


@given(PCM, st.lists(st.integers(0, 400)))
def test_samples_without_a_header_pass_as_they_are(pcm, cuts):
    reader = SampleReader()
    assert b"".join([*(reader.feed(piece) for piece in pieces(pcm, cuts)), reader.close()]) == pcm


@given(st.lists(PCM, min_size=1, max_size=4), st.booleans())
def test_a_stream_of_files_is_the_base64_of_what_the_whole_answer_has(sounds, files):
    blobs = [blob(wav(pcm, 24_000)) if files else blob(pcm, "audio/L16;rate=24000") for pcm in sounds]
    sound = Sound()
    streamed = "".join([*(sound.feed(one) for one in blobs), sound.close()])
    whole = b"".join(samples_of(one).data for one in blobs)
    assert base64.b64decode(streamed, validate=True) == whole == b"".join(sounds)


@pytest.mark.parametrize("size", [0, 2**32 - 1])
def test_a_file_whose_writer_did_not_know_its_size_is_read_to_its_end(size):
    data = bytearray(wav(b"ab" * 50, 16_000))
    data[40:44] = size.to_bytes(4, "little")
    assert samples_of(blob(bytes(data))).data == b"ab" * 50
    assert samples_of(blob(bytes(data))).rate == 16_000


@given(st.binary(max_size=80))
def test_no_broken_header_raises_anything_but_our_own_error(junk):
    data = b"RIFF\0\0\0\0WAVE" + junk
    read_wav(data)
    with suppress(AnswerError):
        SampleReader().feed(data)


def test_a_file_of_two_channels_is_an_error_in_a_stream():
    data = bytearray(wav(b"abcd", 24_000))
    data[22] = 2
    with pytest.raises(AnswerError, match="not 16-bit mono PCM"):
        SampleReader().feed(bytes(data))


@pytest.mark.parametrize("text", ["+/8AAQ==", "-_8AAQ==", "-_8AAQ", "-_8AAQ=", "+/8AAQ====="])
def test_base64_of_either_alphabet_is_read_however_it_is_padded(text):
    assert content_of(Blob(data=text)) == b"\xfb\xff\0\x01"


@pytest.mark.parametrize("text", ["A", "AA=A", "A A=", "A*==", "é"])
def test_what_is_no_base64_is_an_error(text):
    with pytest.raises(AnswerError, match="not base64") as raised:
        content_of(Blob(data=text))
    assert (raised.value.status, raised.value.code) == (502, "malformed_response")


def test_chunks_before_the_samples_are_passed_over_also_those_of_odd_size():
    whole = wav(b"abcd", 8_000)
    for extra in (b"LIST\x04\0\0\0INFO", b"junk\x03\0\0\0abc\0"):
        file = whole[:36] + extra + whole[36:]
        assert read_wav(file) == WavFile((1, 1, 16), 8_000, 44 + len(extra), 4)
        assert samples_of(blob(file)) == Samples(b"abcd", 8_000)
        assert read_wav(whole[:12] + extra + whole[12:]) == WavFile((1, 1, 16), 8_000, 44 + len(extra), 4)


@pytest.mark.parametrize(("mime_type", "rate"), [("audio/L16;codec=pcm;rate=16000", 16_000), ("audio/pcm", 24_000)])
def test_samples_have_the_rate_that_their_type_tells(mime_type, rate):
    assert samples_of(blob(b"abcd", mime_type)) == Samples(b"abcd", rate)


@pytest.mark.parametrize("mime_type", ["audio/l160", "audio/mp3", "x-audio/pcm", ""])
def test_other_sounds_have_no_samples(mime_type):
    assert samples_of(blob(b"abcd", mime_type)) is None
