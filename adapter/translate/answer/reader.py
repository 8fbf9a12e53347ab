"""Reads Gemini's answers: `AnswerReader` a whole one, `StreamReader` one that comes in pieces.

Both make the same events (`events.py`) with a `ChoiceReader` for each choice, and keep what Gemini says beside its
candidates: the model, the tier, tokens, fields that nobody knows. `tests/translate/answer` holds that a stream, however
it is cut, says what the whole answer says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from adapter.translate.answer import extras, reply
from adapter.translate.answer.choice_reader import AnswerLedger, ChoiceReader
from adapter.translate.answer.events import ChoiceEvent, ChoiceStart
from adapter.translate.answer.issued_signatures import MAX_PIECES, JoinedParts, ReplayParts
from adapter.translate.answer.parallel_choices import CallEvent, JoinedAnswer
from adapter.translate.core.context import Context, Stamp
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Fate, Note
from adapter.translate.tools.json_tool import needs_json_tool
from adapter.wire.gemini.content import Content, Part
from adapter.wire.gemini.generate import Candidate, GenerateContentResponse, UsageMetadata
from adapter.wire.openai.chat_answer import CompletionUsage
from adapter.wire.surrogates import REPLACED


class AnswerReader(AnswerLedger, eq=False):
    """Reads a whole answer, also one that several calls gave, each of them one choice."""

    def read(
        self, response: GenerateContentResponse, unknown: Mapping[str, msgspec.Raw] = {}
    ) -> list[list[ChoiceEvent]]:
        """Read the events of each choice. Raises `AnswerError` where there is no valid answer to give."""
        model, wanted = self.stamp.model, self.context.request.n
        calls: Sequence[GenerateContentResponse] = (response,)
        fields: Sequence[Mapping[str, msgspec.Raw]] = (unknown,)
        if isinstance(response, JoinedAnswer):
            # Of several calls each gave one choice, and speaks of that one.
            calls, fields = response.calls, response.unknown
        for call in calls:
            if call.model_version != model:
                self.note(reply.another_model(call.model_version, model))
        if unknown:
            self.note(reply.unknown_notes(unknown))
        if response.usage_metadata is None:
            self.note(reply.unknown_usage(None))
        if not response.candidates:
            return [self._read_nothing(response, unknown)]
        choices: list[list[ChoiceEvent]] = []
        for number, (index, candidate) in enumerate(reply.by_index(response.candidates)):
            content = candidate.content
            parts = (content.parts if content is not None else None) or ()
            choice = ChoiceReader(index, self, ReplayParts([""] * len(parts)), parts)
            events = choice.read(candidate)
            beside: Mapping[str, Any] = {}
            # What one call says beside its candidates is told once, with the first of them.
            if number < len(calls):
                beside = extras.from_response(calls[number], fields[number], response.model_version or model)
            choice.end(beside, events)
            choices.append(events)
        if wanted is not None:
            self.note(reply.missing_choices(len(choices), wanted))
        return choices

    def _read_nothing(self, response: GenerateContentResponse, unknown: Mapping[str, msgspec.Raw]) -> list[ChoiceEvent]:
        """Return the events of an answer without a candidate: the prompt was blocked."""
        if (reason := reply.block_reason(response)) is None:
            raise AnswerError(502, "empty_answer", "Gemini answered without a candidate and without a reason.")
        choice = ChoiceReader(0, self, ReplayParts())
        events = choice.refuse(reason, reply.block_message(response))
        choice.end(extras.from_response(response, unknown, response.model_version), events)
        return events


class StreamReader:
    """Reads an answer that comes in pieces: `feed` it each event of Gemini's stream, then `close` it.

    `model` is the one that answers, once one is known; `tier` the one that serves the request, under OpenAI's name.
    `is_thinking` says whether what `plain_text` gives is a thought.
    Both methods raise `AnswerError` where there is no valid answer to give. What `take_issued` returns must be stored
    before what the same call returned is sent.

    States of each choice:

        unknown     no event has named it; `close` is an error if it stays so
        speaking    it has begun: texts and thoughts pass as they come, calls once they are whole
        ended       its finish reason came and waits; what Gemini still sends is passed on

    Transitions:

        from        event                                     to
        unknown     a candidate with its index (`_start`)     speaking
        any         a finish reason                           ended
        any         the prompt is blocked                     ended, with a refusal
        ended       `close`                                   over: what waited, then `ChoiceEnd`
    """

    def __init__(self, context: Context, stamp: Stamp, *, shows_code: bool) -> None:
        self.context = context
        # Not a part of itself: choices refer to it, and a stream that is over must go at once, with the request.
        self._ledger = AnswerLedger(context, stamp, shows_code=shows_code)
        self.notes = self._ledger.notes
        self.note = self._ledger.note
        self.take_issued = self._ledger.take_issued
        self.model: str | None = None
        self.tier: str | None = None
        self.is_thinking = False
        self._choices: dict[int, ChoiceReader] = {}
        self._first = JoinedParts()
        self._gathered = GenerateContentResponse()
        self._unknown: dict[str, msgspec.Raw] = {}
        self._others: dict[int, tuple[GenerateContentResponse, dict[str, msgspec.Raw]]] = {}
        self._before: GenerateContentResponse | None = None
        self._part = Part()
        may_be_json = context.request.response_format is not None
        self._has_stages = context.options.leaked_thoughts or (may_be_json and needs_json_tool(context))

    @property
    def is_finished(self) -> bool:
        """Return whether every choice that was asked for has its finish reason: only usage can follow."""
        wanted = self.context.request.n or 1
        return len(self._choices) >= wanted and all(choice.is_finished for choice in self._choices.values())

    def plain_text(self, response: GenerateContentResponse) -> str | None:
        """Return the text of an event that has nothing else new but usage; it needs no `feed`.

        Most events of a stream bring a piece of text more, and say again what the one before said beside it. To know
        that is one comparison; to look at each of an event's fields takes three times as long. Until the next event
        that needs `feed`, what is made of such texts differs by nothing else.
        """
        before, candidates, usage = self._before, response.candidates, response.usage_metadata
        if before is None or not candidates or (content := candidates[0].content) is None or not content.parts:
            return None
        self._part.text = text = content.parts[0].text
        # Nearly every event has other counts, which are taken below; the comparison must not see them.
        before.usage_metadata = usage
        if not text or response != before or (usage is not None and self.tier is None and usage.service_tier):
            return None
        if usage is not None:
            self._gathered.usage_metadata = usage
        pieces = self._first.pieces
        pieces.append(text)
        if len(pieces) > MAX_PIECES:
            self._first.join_pieces()
        return text

    def feed(self, response: GenerateContentResponse, unknown: Mapping[str, msgspec.Raw] = {}) -> list[ChoiceEvent]:
        """Return the answer's events for one event of Gemini's stream."""
        gathered, fields = self._gathered, self._unknown
        if isinstance(response, CallEvent):
            # Of parallel calls each has a place of its own for what it says beside its candidate.
            gathered, fields = self._others.setdefault(response.call, (GenerateContentResponse(), {}))
        self._remember(response, gathered)
        if unknown:
            self._remember_unknown(unknown, fields)
        events: list[ChoiceEvent] = []
        if response.prompt_feedback is not None and (reason := reply.block_reason(response)) is not None:
            events += self._start(0)
            events += self._choices[0].refuse(reason, response.prompt_feedback.block_reason_message)
        for index, candidate in reply.by_index(response.candidates or []):
            if index not in self._choices:
                events += self._start(index)
            events += self._choices[index].read(candidate)
        if not self._has_stages:
            self._remember_text(response)
        return events

    def close(self) -> list[ChoiceEvent]:
        """Return the events that waited for the end, and the end of each choice."""
        choices = self._choices.values()
        if not choices:
            raise AnswerError(502, "empty_answer", "Gemini's stream ended without an answer.")
        if not all(choice.is_finished for choice in choices):
            if not any(choice.is_finished or choice.has_content for choice in choices):
                raise reply.empty_answer()
            raise AnswerError(
                502, "incomplete_stream", "Gemini's stream ended in the middle of the answer.", retry=True
            )
        if (wanted := self.context.request.n) is not None:
            self.note(reply.missing_choices(len(choices), wanted))
        events: list[ChoiceEvent] = []
        for choice in choices:
            beside = (self._gathered, self._unknown) if choice.index == 0 else self._others.get(choice.index)
            choice.end(extras.from_response(*beside, self.model) if beside is not None else {}, events)
        return events

    def usage(self) -> CompletionUsage | None:
        """After `close`: return the tokens that were used, if the client asked for them."""
        options = self.context.request.stream_options
        if options is None or not options.include_usage:
            return None
        self.note(reply.unknown_usage(self._gathered.usage_metadata))
        return reply.usage(self._gathered.usage_metadata or UsageMetadata())

    def _start(self, index: int) -> list[ChoiceEvent]:
        """Start a choice, and those before it that have not spoken yet."""
        new = [number for number in range(index + 1) if number not in self._choices]
        for number in new:
            self._choices[number] = ChoiceReader(number, self._ledger, JoinedParts() if number else self._first)
        return [ChoiceStart(number) for number in new]

    def _remember(self, response: GenerateContentResponse, gathered: GenerateContentResponse) -> None:
        """Remember an event's fields other than its candidates; most events bring nothing new."""
        usage = response.usage_metadata
        requested = self._ledger.stamp.model
        if response.model_version not in (None, self.model, requested):
            self.note(reply.another_model(response.model_version, requested))
        self.model = self.model or response.model_version or requested
        if usage is not None:
            self._gathered.usage_metadata = usage
            self.tier = self.tier or (reply.service_tier(usage.service_tier) if usage.service_tier else None)
        gathered.model_version = gathered.model_version or response.model_version
        gathered.response_id = gathered.response_id or response.response_id
        gathered.create_time = gathered.create_time or response.create_time
        nothing_new = GenerateContentResponse(
            candidates=response.candidates,
            usage_metadata=usage,
            model_version=gathered.model_version,
            response_id=gathered.response_id,
            create_time=gathered.create_time,
        )
        if response != nothing_new:
            self.note(extras.gather(gathered, response, extras.GATHERED_OF_RESPONSES, ""))

    def _remember_text(self, response: GenerateContentResponse) -> None:
        """Remember this event for the next comparison, if it is a single piece of text of the first choice."""
        candidate = response.candidates[0] if response.candidates else Candidate()
        content = candidate.content or Content()
        part = content.parts[0] if content.parts else Part()
        self.is_thinking = part.thought is True
        self._part = Part(text=part.text, thought=part.thought)
        before = GenerateContentResponse(
            candidates=[Candidate(index=candidate.index, content=Content(role=content.role, parts=[self._part]))],
            usage_metadata=response.usage_metadata,
            model_version=response.model_version,
            response_id=response.response_id,
            create_time=response.create_time,
        )
        self._before = before if part.text and not candidate.index and response == before else None

    def _remember_unknown(self, unknown: Mapping[str, msgspec.Raw], fields: dict[str, msgspec.Raw]) -> None:
        for path, value in unknown.items():
            if path not in fields or value is REPLACED:
                self.note([reply.unknown_note(path, value)])
            # Counts grow from event to event.
            elif value != fields[path] and not path.startswith("usageMetadata"):
                self.note(
                    [Note(path, Fate.DROPPED, "stream-value-replaced", "told several times: the last one is passed on")]
                )
            fields[path] = value
