"""Segments hold every word once, in its order, whatever is said and however words are spaced."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.media.spans import LONGEST_TEXT, Span, SpanBuilder, Word
from adapter.translate.media.transcripts import LANGUAGES, subrip, webvtt

WORDS = st.lists(
    st.tuples(
        st.text("aé今.,!?'", min_size=1, max_size=12),
        st.sampled_from([" ", "", "  "]),
        st.floats(0, 3),
        st.floats(0, 2),
        st.sampled_from(["", "1", "2"]),
    ),
    max_size=20,
)


def words_of(drawn):
    """A text and its words, each behind the one before."""
    text, words, at = "", [], 0.0
    for word, space, pause, length, speaker in drawn:
        words.append(Word(word, at + pause, at + pause + length, speaker))
        text += word + space
        at += pause + length
    return text, words


def spans_of(text, words):
    """The spans of a transcript that comes at once."""
    builder = SpanBuilder()
    return builder.feed(text, words) + builder.close()


@given(WORDS, st.integers(1, 5))
def test_words_in_pieces_give_the_same_spans_as_all_at_once(drawn, size):
    builder, spans = SpanBuilder(), []
    for start in range(0, len(drawn), size):
        text, _ = words_of(drawn[start : start + size])
        words = words_of(drawn)[1][start : start + size]
        spans += builder.feed(text, words)
    assert spans + builder.close() == spans_of(*words_of(drawn))


@given(WORDS)
def test_no_letter_is_lost_or_told_twice(drawn):
    text, words = words_of(drawn)
    spans = spans_of(text, words)
    assert "".join("".join(span.text for span in spans).split()) == "".join(text.split())


@given(WORDS)
def test_segments_follow_each_other_and_are_short(drawn):
    text, words = words_of(drawn)
    spans = spans_of(text, words)
    assert all(one.start <= one.end for one in spans)
    assert all(one.end <= other.start + 1e-9 for one, other in pairwise(spans))
    assert all(len(span.text.replace(" ", "")) <= LONGEST_TEXT for span in spans)


@pytest.mark.parametrize(
    ("first", "second", "spans"),
    [
        (Word("a", 0, 1), Word("b", 1.75, 2), 1),
        (Word("a", 0, 0), Word("b", 0.8, 1), 2),
        (Word("a", 0, 3.5), Word("b", 3.5, 7), 1),
        (Word("a", 0, 3.5), Word("b", 3.5, 7.5), 2),
        (Word("a" * 40, 0, 1), Word("b" * 43, 1, 2), 1),
        (Word("a" * 40, 0, 1), Word("b" * 44, 1, 2), 2),
        (Word("a", 0, 1, "1"), Word("b", 1, 2, "2"), 2),
        *((Word(f"a{end}", 0, 1), Word("b", 1, 2), 2) for end in [*".!?…。！？", *(f"!{one}" for one in "\"'”’)")]),
        (Word("a,", 0, 1), Word("b", 1, 2), 1),
        (Word("3.5", 0, 1), Word("b", 1, 2), 1),
    ],
)
def test_a_span_ends_at_a_pause_a_length_another_speaker_or_the_end_of_a_sentence(first, second, spans):
    assert len(spans_of(f"{first.text} {second.text}", [first, second])) == spans


def test_words_are_looked_for_behind_the_one_before_and_not_far_away():
    words = [Word("the", 0, 1), Word("cat", 1, 2), Word("the", 2, 3), Word("end.", 3, 4), Word("The", 5, 6)]
    assert [span.text for span in spans_of("the cat, and the end. The", words)] == ["the cat, and the end.", "The"]
    far = [Word("a", 0, 1), Word("z", 1, 2)]
    assert [span.text for span in spans_of(f"a{'-' * 39}z", far)] == [f"a{'-' * 39}z"]
    assert [span.text for span in spans_of(f"a{'-' * 41}z", far)] == ["a z"]


def test_languages_have_openais_names():
    names = {
        "arabic": "ar", "chinese": "zh", "czech": "cs", "danish": "da", "dutch": "nl", "english": "en",
        "finnish": "fi", "french": "fr", "german": "de", "greek": "el", "hebrew": "he", "hindi": "hi",
        "hungarian": "hu", "indonesian": "id", "italian": "it", "japanese": "ja", "korean": "ko", "norwegian": "no",
        "polish": "pl", "portuguese": "pt", "romanian": "ro", "russian": "ru", "spanish": "es", "swedish": "sv",
        "thai": "th", "turkish": "tr", "ukrainian": "uk", "vietnamese": "vi",
    }  # fmt: skip
    assert {code: name for name, code in names.items()} == LANGUAGES


@given(st.lists(st.builds(Span, st.text("ab", min_size=1), st.floats(0, 400_000), st.floats(0, 400_000)), max_size=5))
def test_subtitles_have_a_cue_for_each_segment(spans):
    clock = r"\d\d+:[0-5]\d:[0-5]\d{}\d\d\d"
    assert len(re.findall(rf"^\d+\n{clock.format(',')} --> {clock.format(',')}\n", subrip(spans), re.M)) == len(spans)
    assert len(re.findall(rf"^{clock.format('[.]')} --> {clock.format('[.]')}$", webvtt(spans), re.M)) == len(spans)
