"""Gemini's answer as a response: `StreamReader` reads it, this module writes items and events.

A whole answer is a stream of one event; what chat's own two ways back agree on is thereby true of this one as well.
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self, assert_never

import msgspec

from adapter.translate.answer import extras
from adapter.translate.answer.continuation import CONTINUED
from adapter.translate.answer.events import (
    AnsweredCall,
    AnswerImage,
    AnswerSound,
    ChoiceEnd,
    ChoiceEvent,
    ChoiceStart,
    ClientCall,
    PromptBlock,
    TextPiece,
    TokenLogprobs,
    UnplacedPart,
)
from adapter.translate.answer.reader import StreamReader
from adapter.translate.core.context import Context, Stamp
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Fate, Note
from adapter.translate.responses.chat_view import CallName, View
from adapter.translate.responses.envelope import blank, error_of, failure_of, usage_of
from adapter.translate.responses.output_items import Output
from adapter.translate.signatures import carriers as responses_carrier
from adapter.translate.signatures.keys import call_key, item_key
from adapter.translate.tools.toolbox import toolbox
from adapter.wire.base import decoder, encode, present
from adapter.wire.gemini.content import Blob, Part
from adapter.wire.gemini.generate import GenerateContentResponse, GroundingMetadata
from adapter.wire.openai import response_events as events
from adapter.wire.openai.chat_answer import Annotation, TokenLogprob
from adapter.wire.openai.errors import ErrorBody
from adapter.wire.openai.response_events import Event
from adapter.wire.openai.responses_answer import (
    CodeInterpreterCallItem,
    ImageGenerationCallItem,
    IncompleteDetails,
    MessageItem,
    Response,
    UrlCitationAnnotation,
)
from adapter.wire.signatures import Issued


class ResponseStream:
    """`feed` it each event of Gemini's stream, then `close` it; both return the events to send.

    `response` is what there is so far. What `take_issued` returns must be stored before the events of the same call
    are sent. `notes` is the ledger of the way back. `feed` and `close` raise `AnswerError` where there is no valid
    answer to give: `fail` then ends the stream. `clock` gives the Unix time for `completed_at`. `is_started`: nobody
    wants the first two events.

    | state   | what may be called                                                   |
    |---------|----------------------------------------------------------------------|
    | new     | `start`, `fail`, `cancel`, and `begin` once it is known who answers  |
    | begun   | `feed`, `note_continuation`, and one of `close`, `fail` and `cancel` |
    """

    _reader: StreamReader

    def __init__(
        self, stamp: Stamp, view: View, clock: Callable[[], float] | None = None, *, is_started: bool = False
    ) -> None:
        self.view = view
        self._stamp = stamp
        self._has_begun = False
        self._clock = clock or (lambda: stamp.created)
        self.response = blank(view, stamp)
        self._output = Output(stamp, self.response.output)
        self._issued: list[Issued] = []
        self._records: dict[str, Issued] = {}
        self._started = is_started
        self._search: dict[str, Any] | None = None
        self._searched = False
        self._finish = "stop"
        self._logprobs: list[TokenLogprob] = []
        self._unplaced: list[Part] = []

    def begin(self, context: Context, model: str) -> Self:
        """Remember which model answers, and return the stream."""
        self._has_begun = True
        self._reader = StreamReader(context, msgspec.structs.replace(self._stamp, model=model), shows_code=True)
        self.response.model = model
        request = context.request
        # A message stays open beside other items where citations may follow.
        self._output.cites = bool(toolbox(context).built_in) or present(request.google) or present(request.extra_body)
        return self

    @property
    def notes(self) -> list[Note]:
        """The notes on the answer's fields."""
        return self._reader.notes if self._has_begun else []

    @property
    def is_finished(self) -> bool:
        """Return whether the answer has its finish reason: what comes after can only be usage."""
        return self._has_begun and self._reader.is_finished

    def take_issued(self) -> list[Issued]:
        """Return the signatures since the last call."""
        issued, self._issued = self._issued, []
        return issued

    def start(self) -> list[Event]:
        """Return the first two events, once; `feed` sends them too."""
        if self._started:
            return []
        self._started = True
        return [self._of_response(events.Created), self._of_response(events.InProgress)]

    def feed(self, response: GenerateContentResponse, unknown: Mapping[str, msgspec.Raw] = {}) -> list[Event]:
        """Return the events for one event of Gemini's stream."""
        reader = self._reader
        text = None if unknown else reader.plain_text(response)
        choice_events = reader.feed(response, unknown) if text is None else [TextPiece(0, text, reader.is_thinking)]
        result = [] if self._started else self.start()
        self._remember()
        for candidate in response.candidates or ():
            if present(candidate.grounding_metadata):
                self._search = self._search or _action(candidate.grounding_metadata)
        return result + self._write(choice_events)

    def close(self) -> list[Event]:
        """Return the events after the last one: citations, the ends of open items, the response itself."""
        choice_events, usage = self._reader.close(), self._reader.usage()
        result = [] if self._started else self.start()
        self._remember()
        result += self._write(choice_events)
        self.response.usage = usage_of(usage) if usage is not None else None
        return result + self._end()

    def note_continuation(self) -> None:
        """Note that a further call of Gemini goes on with the answer."""
        self._reader.note([CONTINUED])

    def fail(self, body: ErrorBody, *, has_error_event: bool = True) -> list[Event]:
        """Return the events of a failure: the last ones of the stream.

        Many clients look at neither status nor error of the last event and would take half an answer for a whole one;
        their SDK raises the event before it.
        """
        result = self.start() + self._output.finish("incomplete")
        self.response.status = "failed"
        self.response.error = error = failure_of(body.error)
        if has_error_event:
            result.append(events.StreamError(sequence_number=self._output.next(), error=error_of(error)))
        return [*result, self._of_response(events.Failed)]

    def cancel(self) -> list[Event]:
        """Return the events of a response that the client took back: the last one of the stream."""
        result = self.start() + self._output.finish("incomplete")
        self.response.status = "cancelled"
        return [*result, self._of_response(events.Incomplete)]

    def _of_response(self, kind: type[events.ResponseEvent]) -> Event:
        now = copy.copy(self.response)
        now.output = list(now.output)
        return kind(sequence_number=self._output.next(), response=now)

    def _remember(self) -> None:
        issued = self._reader.take_issued()
        if issued:
            self._issued += [*issued, *self._by_item(issued)]
            self._records.update((record.key, record) for record in issued)

    def _by_item(self, issued: Iterable[Issued]) -> list[Issued]:
        """Return the record of an answer without calls under the id of its first item, which is this answer's alone."""
        ids = [item.id for item in self._output.items if isinstance(item, _WITH_RECORD)]
        wholes = [one.signature for one in issued if one.by_words and not one.signature.calls]
        return [Issued(item_key(ids[0]), wholes[0])] if ids and wholes else []

    def _write(self, choice_events: Sequence[ChoiceEvent]) -> list[Event]:
        """Return the events for what Gemini said; a response has one choice."""
        result: list[Event] = []
        if choice_events:
            self.response.model = self._reader.model or self._stamp.model
            self.response.service_tier = self._reader.tier or self.response.service_tier
        for event in choice_events:
            if event.choice:
                self._lose(f"candidates[{event.choice}]", "choices-dropped", "a response has one answer")
            else:
                result += self._events_of(event)
        return result

    def _events_of(self, event: ChoiceEvent) -> list[Event]:
        match event:
            case TextPiece():
                return self._text(event)
            case ClientCall():
                return self._call(event.call)
            case AnswerImage():
                return self._image(event.part)
            case UnplacedPart():
                return self._ran(event.part)
            case PromptBlock():
                return self._output.refusal(event.words)
            case ChoiceEnd():
                return self._last(event)
            case AnswerSound():
                self._lose(
                    "candidates[0].content.parts[].inlineData",
                    "modality-unavailable",
                    "a response has no place for sound",
                )
            case TokenLogprobs():
                self._logprobs += event.logprobs.content or ()
            case ChoiceStart():
                pass
            case never:
                assert_never(never)
        return []

    def _text(self, piece: TextPiece) -> list[Event]:
        if piece.is_thought:
            return self._output.thought(piece.text)
        logprobs, self._logprobs = self._logprobs, []
        return self._output.text(piece.text, logprobs)

    def _last(self, end: ChoiceEnd) -> list[Event]:
        """Return the events that only the end of the answer tells; signatures travel in `encrypted_content`."""
        self._finish = end.finish
        result = self._cite(end.annotations or [])
        if end.refusal is not None:
            result += self._output.refusal(end.refusal)
        rest = {name: value for name, value in end.extras.items() if name not in ("thought_signature", "parts")}
        if self._unplaced:
            rest["parts"] = extras.compact(msgspec.Raw(encode(self._unplaced)))
        self.response.extra_content = extras.google(rest)
        return result

    def _cite(self, annotations: Sequence[Annotation]) -> list[Event]:
        cited = [
            UrlCitationAnnotation(start_index=one.start_index, end_index=one.end_index, url=one.url, title=one.title)
            for one in (annotation.url_citation for annotation in annotations)
        ]
        result = self._output.cite(cited)
        if len(result) < len(cited):
            self._lose(
                "candidates[0].groundingMetadata.groundingSupports",
                "citation-lost",
                "the message they cite has ended",
            )
        return result

    def _lose(self, path: str, code: str, reason: str) -> None:
        note = Note(path, Fate.DROPPED, code, reason)
        if note not in self.notes:
            self.notes.append(note)

    def _call(self, call: AnsweredCall) -> list[Event]:
        """Add a call; its signature is in the reasoning item before it."""
        result: list[Event] = []
        record = self._records.get(call_key(call.id))
        if record is not None and record.signature.value:
            result += self._output.carry(responses_carrier.seal([record]), alone=self.view.keeps_nothing)
        if call.kind == "custom":
            name = self.view.names.get(call.name) or CallName("custom", call.name)
            return result + self._output.custom_call(call.id, name, call.arguments)
        name = self.view.names.get(call.name) or CallName("function", call.name)
        return result + self._output.call(call.id, name, call.arguments)

    def _image(self, part: Part) -> list[Event]:
        blob = part.inline_data or Blob()
        return self._output.image(blob.data or "", (blob.mime_type or "").removeprefix("image/").partition(";")[0])

    def _ran(self, part: Part) -> list[Event]:
        """Add code that Gemini ran, its output, or a search; other parts have no item."""
        if present(part.executable_code):
            return self._output.code(str(_members(part.executable_code).get("code", "")))
        if present(part.code_execution_result):
            result = _members(part.code_execution_result)
            return self._output.add_output(str(result.get("output", "")), failed=result.get("outcome") in _FAILED)
        self._unplaced.append(part)
        return self._add_reported_search(_members(part.tool_call)) if present(part.tool_call) else []

    def _add_reported_search(self, call: dict[str, Any]) -> list[Event]:
        """Add a search that Gemini reports as it runs; grounding metadata would report it again."""
        arguments = call.get("args")
        queries = arguments.get("queries") if isinstance(arguments, dict) else None
        if call.get("toolType") != "GOOGLE_SEARCH_WEB" or not isinstance(queries, list) or not queries:
            return []
        self._searched = True
        return self._output.search({"type": "search", "query": queries[0], "queries": queries})

    def _add_search(self) -> list[Event]:
        """Add the search that Gemini ran, as the last item: in streams its metadata come after the text."""
        if self._search is None or self._searched:
            return []
        return self._output.search(self._search)

    def _end(self) -> list[Event]:
        reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(self._finish)
        result = self._add_search()
        if reason is None and self.view.keeps_nothing:
            result += self._last_records()
        result += self._output.finish("incomplete" if reason else "completed")
        if reason is not None:
            self.response.status = "incomplete"
            self.response.incomplete_details = IncompleteDetails(reason=reason)
            return [*result, self._of_response(events.Incomplete)]
        self.response.status = "completed"
        self.response.completed_at = int(self._clock())
        return [*result, self._of_response(events.Completed)]

    def _last_records(self) -> list[Event]:
        """Add a reasoning item for what only the whole answer tells: signatures of texts and images, lost parts.

        A call's record went before the call; that of a candidate that is not told is of no use.
        """
        left = [
            Issued(responses_carrier.ANSWER, msgspec.structs.replace(record, calls=[]))
            for _, record, by_words in self._records.values()
            if by_words and (record.value or record.images or present(record.parts))
        ]
        return self._output.carry(responses_carrier.seal(left), alone=True) if left else []


def _action(raw: msgspec.Raw) -> dict[str, Any] | None:
    """Return the search that grounding metadata tell of."""
    try:
        metadata: Any = decoder(GroundingMetadata).decode(raw)
        queries = msgspec.json.decode(raw, type=dict[str, Any]).get("webSearchQueries")
    except msgspec.DecodeError:
        return None
    queries = [query for query in queries if isinstance(query, str)] if isinstance(queries, list) else []
    if not queries:
        return None
    urls = [chunk.web.uri for chunk in metadata.grounding_chunks or () if chunk.web and chunk.web.uri]
    sources = [{"type": "url", "url": url} for url in dict.fromkeys(urls)]
    return {"type": "search", "query": queries[0], "queries": queries, "sources": sources}


def _members(raw: msgspec.Raw) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise AnswerError(502, "malformed_response", f"Gemini's answer is not JSON: {error}") from None
    return value if isinstance(value, dict) else {}


_FAILED = ("OUTCOME_FAILED", "OUTCOME_DEADLINE_EXCEEDED")
"""Gemini's outcomes of code that did not come to its end (Generative Language API, CodeExecutionResult)."""

_WITH_RECORD = (MessageItem, CodeInterpreterCallItem, ImageGenerationCallItem)
"""Items under whose ids an answer's record is stored."""

_UNSPECIFIED = "FINISH_REASON_UNSPECIFIED"
"""Gemini's own word for a reason that was not given; a whole answer without one is whole all the same."""


def from_gemini(
    response: GenerateContentResponse,
    context: Context,
    stamp: Stamp,
    unknown: Mapping[str, msgspec.Raw],
    view: View,
    *,
    clock: Callable[[], float] | None = None,
) -> tuple[Response, list[Note], list[Issued]]:
    """Return the response for a whole answer of Gemini, what became of its fields, and the signatures to store.

    Raises `AnswerError` where there is no answer to give.
    """
    machine = ResponseStream(stamp, view, clock=clock, is_started=True).begin(context, stamp.model)
    for candidate in response.candidates or ():
        candidate.finish_reason = candidate.finish_reason or _UNSPECIFIED
    machine.feed(response, unknown)
    machine.close()
    return machine.response, machine.notes, machine.take_issued()
