"""Open items of an answer, which grow by deltas: parts of a message, the summary of thoughts, and their events."""

from collections.abc import Callable, Sequence

from adapter.wire.openai import response_events as events
from adapter.wire.openai.chat_answer import TokenLogprob
from adapter.wire.openai.response_events import Event
from adapter.wire.openai.responses_answer import (
    CodeInterpreterCallItem,
    MessageItem,
    OutputItem,
    OutputRefusal,
    OutputText,
    ReasoningItem,
    SummaryText,
    UrlCitationAnnotation,
)

Numbers = Callable[[], int]
"""Gives the number of the next event."""


class Open:
    """An unfinished item and its index among the items. `end` returns the events that finish it."""

    def __init__(self, item: OutputItem, index: int, numbers: Numbers) -> None:
        self.item = item
        self.index = index
        self.next = numbers

    def end(self) -> list[Event]:
        """Return the events that end the open part."""
        return []


class OpenMessage(Open):
    """A message; its last part grows."""

    def __init__(self, item: MessageItem, index: int, numbers: Numbers) -> None:
        super().__init__(item, index, numbers)
        self.id = item.id
        self.message = item
        self._pieces: list[str] = []
        self._growing: OutputText | OutputRefusal | None = None
        self._last = -1

    def text(self, delta: str, logprobs: list[TokenLogprob]) -> list[Event]:
        """Add text; return the events."""
        result = (
            [] if type(self._growing) is OutputText else self._begin(OutputText(text="", annotations=[], logprobs=[]))
        )
        self._pieces.append(delta)
        if logprobs and isinstance(self._growing, OutputText):
            self._growing.logprobs = self._growing.logprobs + logprobs
        result.append(
            events.TextDelta(
                sequence_number=self.next(),
                item_id=self.id,
                output_index=self.index,
                content_index=self._last,
                delta=delta,
                logprobs=logprobs,
            )
        )
        return result

    def refusal(self, words: str) -> list[Event]:
        """Add a refusal; return the events."""
        result = self._begin(OutputRefusal(refusal=""))
        self._pieces.append(words)
        number = self.next()
        delta = events.RefusalDelta(
            sequence_number=number, item_id=self.id, output_index=self.index, content_index=self._last, delta=words
        )
        return [*result, delta]

    def length(self, part: OutputText) -> int:
        """Return how many characters one of the parts has so far."""
        return sum(map(len, self._pieces)) if part is self._growing else len(part.text)

    def annotate(self, part: OutputText, annotation: UrlCitationAnnotation) -> Event:
        """Add a citation to one of the parts; return the event."""
        part.annotations = [*part.annotations, annotation]
        return events.AnnotationAdded(
            sequence_number=self.next(),
            item_id=self.id,
            output_index=self.index,
            content_index=next(number for number, one in enumerate(self.message.content) if one is part),
            annotation_index=len(part.annotations) - 1,
            annotation=annotation,
        )

    def _begin(self, part: OutputText | OutputRefusal) -> list[Event]:
        result = self.end()
        self.message.content = [*self.message.content, part]
        self._last += 1
        self._growing = part
        added = events.ContentPartAdded(
            sequence_number=self.next(),
            item_id=self.id,
            output_index=self.index,
            content_index=self._last,
            part=copy_part(part),
        )
        return [*result, added]

    def end(self) -> list[Event]:
        """Return the events that end the open part."""
        part, self._growing = self._growing, None
        if part is None:
            return []
        whole, self._pieces = "".join(self._pieces), []
        number = self.next()
        if isinstance(part, OutputText):
            part.text = whole
            done: Event = events.TextDone(
                sequence_number=number,
                item_id=self.id,
                output_index=self.index,
                content_index=self._last,
                text=whole,
                logprobs=part.logprobs,
            )
        else:
            part.refusal = whole
            done = events.RefusalDone(
                sequence_number=number,
                item_id=self.id,
                output_index=self.index,
                content_index=self._last,
                refusal=whole,
            )
        ended = events.ContentPartDone(
            sequence_number=self.next(),
            item_id=self.id,
            output_index=self.index,
            content_index=self._last,
            part=copy_part(part),
        )
        return [done, ended]


class OpenReasoning(Open):
    """Thoughts; their summary is one part, which grows."""

    def __init__(self, item: ReasoningItem, index: int, numbers: Numbers) -> None:
        super().__init__(item, index, numbers)
        self.reasoning = item
        self._pieces: list[str] = []

    def text(self, delta: str) -> list[Event]:
        """Add text to the summary; return the events."""
        result: list[Event] = []
        place = (self.reasoning.id, self.index)
        if not self._pieces:
            empty = SummaryText(text="")
            result.append(_summary(events.SummaryPartAdded, self.next(), place, empty))
        self._pieces.append(delta)
        number = self.next()
        result.append(
            events.SummaryDelta(
                sequence_number=number, item_id=place[0], output_index=place[1], summary_index=0, delta=delta
            )
        )
        return result

    def end(self) -> list[Event]:
        """Return the events that end the summary."""
        if not self._pieces:
            return []
        whole = SummaryText(text="".join(self._pieces))
        self.reasoning.summary = [whole]
        place = (self.reasoning.id, self.index)
        done = events.SummaryDone(
            sequence_number=self.next(), item_id=place[0], output_index=place[1], summary_index=0, text=whole.text
        )
        return [done, _summary(events.SummaryPartDone, self.next(), place, whole)]


class OpenCode(Open):
    """Code that Gemini runs. `has_failed`: it did not come to its end."""

    def __init__(self, item: CodeInterpreterCallItem, index: int, numbers: Numbers) -> None:
        super().__init__(item, index, numbers)
        self.code = item
        self.has_failed = False


def _summary(
    kind: type[events.SummaryPartEvent], number: int, place: tuple[str, int], part: SummaryText
) -> events.SummaryPartEvent:
    return kind(sequence_number=number, item_id=place[0], output_index=place[1], summary_index=0, part=part)


def copy_part(part: OutputText | OutputRefusal) -> OutputText | OutputRefusal:
    """Return the part as it is now: an event must not change after it was made."""
    if isinstance(part, OutputRefusal):
        return OutputRefusal(refusal=part.refusal)
    return OutputText(text=part.text, annotations=part.annotations, logprobs=part.logprobs)


def citations_of(citations: Sequence[UrlCitationAnnotation], start: int, end: int) -> list[UrlCitationAnnotation]:
    """Return the citations of one part, which stands at `start` to `end` in the answer's text, counted inside it."""
    return [
        UrlCitationAnnotation(
            start_index=one.start_index - start, end_index=min(one.end_index, end) - start, url=one.url, title=one.title
        )
        for one in citations
        if start <= one.start_index < end
    ]
