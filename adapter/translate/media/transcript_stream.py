"""A stream of a transcript: an object that is fed with Gemini's events and never awaits.

Text goes on as it comes, but for white space at both ends: the deltas joined are the text of the last event. Segments
go on as soon as the word behind them is there, which tells where they end. A chat model's segments are one JSON, which
is read when it is complete.
"""

import msgspec

from adapter.translate.answer import reply
from adapter.translate.core.notes import Note
from adapter.translate.media.spans import SpanBuilder
from adapter.translate.media.transcriptions import TranscriptionPlan
from adapter.translate.media.transcripts import (
    SegmentWriter,
    check_finish,
    read_estimate,
    speeches_of,
    usage_of,
    words_of,
)
from adapter.wire.gemini.generate import GenerateContentResponse, UsageMetadata
from adapter.wire.gemini.transcription import HeardSpeech
from adapter.wire.openai.transcriptions import TranscriptTextDelta, TranscriptTextDone

_SENTENCE_ENDS = ".!?…"


class TranscriptStream:
    """Makes OpenAI's events of Gemini's. `feed` and `close` raise `AnswerError`; `notes`: the losses."""

    def __init__(self, plan: TranscriptionPlan) -> None:
        self.notes: list[Note] = []
        self._has_segments = plan.format == "diarized_json"
        self._is_estimate = plan.by_prompt and self._has_segments
        self._spans = SpanBuilder()
        self._segments = SegmentWriter()
        self._pieces: list[str] = []
        self._white_space = ""
        self._last = HeardSpeech()
        self._finish: str | None = None
        self._usage: UsageMetadata | None = None

    def feed(self, answer: GenerateContentResponse) -> list[msgspec.Struct]:
        """Return the events for one of Gemini's."""
        self._usage = answer.usage_metadata or self._usage
        reply.check_block(answer)
        for candidate in answer.candidates or ():
            self._finish = candidate.finish_reason or self._finish
        return [event for speech in speeches_of(answer) for event in self._feed_speech(speech)]

    def close(self) -> list[msgspec.Struct]:
        """Return the events behind the last one of Gemini's."""
        self.notes += check_finish(self._finish)
        text = "".join(self._pieces)
        spans = self._spans.close()
        if self._is_estimate:
            text, spans = read_estimate(text)
        segments = [self._segments.write(span) for span in spans] if self._has_segments else []
        return [*segments, TranscriptTextDone(text=text, usage=usage_of(self._usage))]

    def _feed_speech(self, speech: HeardSpeech) -> list[msgspec.Struct]:
        piece = self._text_of(speech)
        if piece:
            self._pieces.append(piece)
        if not self._has_segments:
            return [TranscriptTextDelta(delta=piece)] if piece else []
        return [self._segments.write(span) for span in self._spans.feed(piece, words_of(speech))]

    def _text_of(self, speech: HeardSpeech) -> str:
        """Return the text that goes on now: white space waits for a text behind it."""
        text = self._white_space + (" " if self._needs_space(speech) else "") + speech.text
        shown = text.rstrip()
        self._white_space = text[len(shown) :]
        if speech.text:
            self._last = speech
        return shown if self._pieces else shown.lstrip()

    def _needs_space(self, speech: HeardSpeech) -> bool:
        """Return whether a space is missing between two texts: Gemini's pieces of one text bring their own."""
        before, after = self._last.text, speech.text
        if not before or not after or before[-1].isspace() or after[0].isspace():
            return False
        is_new_sentence = before[-1] in _SENTENCE_ENDS and after[0].isupper()
        return is_new_sentence or self._last.speaker_label != speech.speaker_label
