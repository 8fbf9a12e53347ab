"""Words with times in groups: segments of an answer, and subtitles."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

PAUSE_S = 0.8
LONGEST_S = 7.0
LONGEST_TEXT = 84
"""The end of a span: behind a sentence, before a pause of so many seconds, and at the latest after so many seconds
or characters, which are two lines of a subtitle."""

_NEAR = 40
"""Characters between two words in which the later one is looked for: punctuation, and words without times."""

_SENTENCE = re.compile(r"[.!?…。！？][\"'”’)]*$")


class Word(NamedTuple):
    """A word, its start and end in seconds, and its speaker."""

    text: str
    start: float
    end: float
    speaker: str = ""


class Span(NamedTuple):
    """Words that follow each other, as one segment or subtitle."""

    text: str
    start: float
    end: float
    speaker: str = ""


class SpanBuilder:
    """Groups words while they come: by sentences, pauses, speakers and length.

    The text of a span is cut out of the transcript, which has the spaces and the punctuation, from its first word up to
    the next span's. Where the transcript does not have one of its words, the words are joined.
    """

    def __init__(self) -> None:
        self._text = ""
        self._at = 0
        self._words: list[Word] = []
        self._is_in_text = True

    def feed(self, text: str, words: Iterable[Word]) -> list[Span]:
        """Take more of the transcript, and the words in it; return the spans that are complete."""
        self._text += text
        return [span for word in words for span in self._add(word)]

    def close(self) -> list[Span]:
        """Return the last span."""
        return [self._end(len(self._text))] if self._words else []

    def _add(self, word: Word) -> list[Span]:
        place = self._text.find(word.text, self._at, self._at + _NEAR + len(word.text))
        spans = []
        if self._words and _ends_before(self._words, word):
            spans = [self._end(place if place >= 0 else self._at)]
            place = min(place, 0)
        self._words.append(word)
        if place < 0:
            self._is_in_text = False
        else:
            self._at = place + len(word.text)
        return spans

    def _end(self, end: int) -> Span:
        """End the open span at a place in the text, where the next one begins."""
        words = self._words
        text = self._text[:end].strip() if self._is_in_text else " ".join(word.text for word in words)
        self._text, self._at, self._words, self._is_in_text = self._text[end:], 0, [], True
        return Span(text, words[0].start, words[-1].end, words[0].speaker)


def _ends_before(words: Sequence[Word], word: Word) -> bool:
    first, last = words[0], words[-1]
    return (
        word.speaker != last.speaker
        or word.start - last.end >= PAUSE_S
        or word.end - first.start > LONGEST_S
        or sum(len(one.text) + 1 for one in words) + len(word.text) > LONGEST_TEXT
        or _SENTENCE.search(last.text) is not None
    )
