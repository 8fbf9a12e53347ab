"""Segments hold every word once, in its order, whatever is said and however words are spaced."""

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.media.spans import LONGEST_TEXT, Span, SpanBuilder, Word
from adapter.translate.media.transcripts import subrip, webvtt

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


@given(st.lists(st.builds(Span, st.text("ab", min_size=1), st.floats(0, 400_000), st.floats(0, 400_000)), max_size=5))
def test_subtitles_have_a_cue_for_each_segment(spans):
    clock = r"\d\d+:[0-5]\d:[0-5]\d{}\d\d\d"
    assert len(re.findall(rf"^\d+\n{clock.format(',')} --> {clock.format(',')}\n", subrip(spans), re.M)) == len(spans)
    assert len(re.findall(rf"^{clock.format('[.]')} --> {clock.format('[.]')}$", webvtt(spans), re.M)) == len(spans)
