"""Gemini's answer as a response: chat's stream machine says what there is, this one puts it into items and events.

A whole answer is a stream of one event; what chat's own two ways back agree on is thereby true of this one as well.
"""

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import msgspec

from adapter.translate.answer import extras
from adapter.translate.answer.choice_state import ChoiceState
from adapter.translate.answer.stream import ChatStream
from adapter.translate.core.context import Context, Stamp
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Fate, Note
from adapter.translate.responses.chat_view import CallName, View
from adapter.translate.responses.output_items import Output
from adapter.translate.responses.tools import echoed
from adapter.translate.signatures import carriers as responses_carrier
from adapter.translate.signatures.keys import call_key, item_key
from adapter.translate.tools.toolbox import toolbox
from adapter.wire.base import decoder, encode, present
from adapter.wire.gemini.content import Part
from adapter.wire.gemini.generate import GenerateContentResponse, GroundingMetadata
from adapter.wire.openai import response_events as events
from adapter.wire.openai.chat_answer import ChatCompletionChunk, CompletionUsage, Delta, DeltaToolCall, TokenLogprob
from adapter.wire.openai.errors import Error, ErrorBody
from adapter.wire.openai.response_events import Event
from adapter.wire.openai.responses_answer import (
    CodeInterpreterCallItem,
    ImageGenerationCallItem,
    IncompleteDetails,
    InputTokensDetails,
    MessageItem,
    OutputTokensDetails,
    ReasoningEcho,
    Response,
    ResponseError,
    ResponseUsage,
    UrlCitationAnnotation,
)
from adapter.wire.openai.responses_request import ConversationReference, TextFormat, TextOptions
from adapter.wire.signatures import Issued

_EMPTY_LIST = msgspec.Raw(b"[]")
_PARAMETERS = ("temperature", "top_p", "top_logprobs", "parallel_tool_calls", "max_tool_calls", "truncation")
"""What shapes an answer and has a default to be told where it was dropped."""

_EMPTY_OBJECT = msgspec.Raw(b"{}")


def blank(view: View, stamp: Stamp, status: str = "in_progress") -> Response:
    """The response before there is an answer: what was asked for, as far as the model gets it."""
    asked = view.asked
    defaults = {name: None for name in _PARAMETERS if name in view.dropped}
    if defaults:
        asked = msgspec.structs.replace(asked, **defaults)
    conversation = asked.conversation
    if isinstance(conversation, str):
        conversation = ConversationReference(id=conversation)
    text = asked.text or TextOptions()
    thinking = asked.reasoning
    return Response(
        id=stamp.id,
        object="response",
        created_at=stamp.created,
        completed_at=None,
        status=status,
        incomplete_details=None,
        model=stamp.model,
        previous_response_id=asked.previous_response_id,
        instructions=asked.instructions,
        output=[],
        error=None,
        tools=echoed(asked.tools) if present(asked.tools) else _EMPTY_LIST,
        tool_choice="auto" if asked.tool_choice is None else asked.tool_choice,
        truncation=asked.truncation or "disabled",
        parallel_tool_calls=asked.parallel_tool_calls is not False,
        text=TextOptions(format=text.format or TextFormat(type="text"), verbosity=text.verbosity or "medium"),
        top_p=1.0 if asked.top_p is None else asked.top_p,
        presence_penalty=0.0,
        frequency_penalty=0.0,
        top_logprobs=asked.top_logprobs or 0,
        temperature=1.0 if asked.temperature is None else asked.temperature,
        reasoning=ReasoningEcho(
            effort=(thinking.effort if thinking else None) or asked.reasoning_effort,
            summary=(thinking.summary or thinking.generate_summary) if thinking else None,
        ),
        user=asked.user,
        usage=None,
        max_output_tokens=asked.max_output_tokens,
        max_tool_calls=asked.max_tool_calls,
        store=asked.store is not False,
        background=bool(asked.background),
        service_tier="default",
        metadata=asked.metadata if present(asked.metadata) else _EMPTY_OBJECT,
        safety_identifier=asked.safety_identifier,
        prompt_cache_key=asked.prompt_cache_key,
        prompt_cache_retention=_known_retention(asked.prompt_cache_retention),
        conversation=conversation,
    )


def usage_of(usage: CompletionUsage) -> ResponseUsage:
    """Chat's usage under the names of Responses."""
    return ResponseUsage(
        input_tokens=usage.prompt_tokens,
        input_tokens_details=InputTokensDetails(
            cached_tokens=usage.prompt_tokens_details.cached_tokens,
            cache_write_tokens=usage.prompt_tokens_details.cache_write_tokens,
        ),
        output_tokens=usage.completion_tokens,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=usage.completion_tokens_details.reasoning_tokens),
        total_tokens=usage.total_tokens,
    )


class _Ran(Delta):
    """A part of what Gemini ran itself, which chat has no place for."""

    part: Part | None = None


class _Chat(ChatStream):
    """Chat's machine; tells of executed code and of searches too.

    `untold` are the parts of the first choice that no item tells of: files, transcripts, results of Gemini's tools.
    """

    def __init__(self, context: Context, stamp: Stamp) -> None:
        super().__init__(context, stamp)
        self.untold: list[Part] = []

    def _no_place(self, numbers: Iterable[int], choice: ChoiceState) -> None:
        places = list(numbers)
        super()._no_place(places, choice)
        if choice.index == 0:
            self.untold += map(choice.part_at, places)

    def _opaque(self, part: Part, choice: ChoiceState) -> list[Delta]:
        ran = present(part.executable_code) or present(part.code_execution_result)
        told = [] if ran else super()._opaque(part, choice)
        return [*told, _Ran(part=part)] if ran or present(part.tool_call) else told


def error_of(error: ResponseError) -> Error:
    """What the event before `response.failed` says: the same as that."""
    return Error(message=error.message, type=error.type, param=error.param, code=error.code)


class ResponseStream:
    """`feed` it each event of Gemini's stream, then `close` it; both return the events to send.

    `response` is what there is so far. What `take_issued` returns must be stored before the events of the same call
    are sent. `notes` is the ledger of the way back. `feed` and `close` raise `AnswerError` where there is no valid
    answer to give: `fail` then ends the stream. `clock` gives the Unix time for `completed_at`.

    | state   | what may be called                                                   |
    |---------|----------------------------------------------------------------------|
    | new     | `start`, `fail`, `cancel`, and `begin` once it is known who answers  |
    | begun   | `feed`, `note_continuation`, and one of `close`, `fail` and `cancel` |
    """

    _chat: "_Chat"

    def __init__(self, stamp: Stamp, view: View, clock: Callable[[], float] | None = None) -> None:
        self.view = view
        self._stamp = stamp
        self._has_begun = False
        self._clock = clock or (lambda: stamp.created)
        self.response = blank(view, stamp)
        self._output = Output(stamp, self.response.output)
        self._issued: list[Issued] = []
        self._records: dict[str, Issued] = {}
        self._started = False
        self._search: dict[str, Any] | None = None
        self._searched = False
        self._finish = "stop"
        self._logprobs: list[TokenLogprob] = []

    def begin(self, context: Context, model: str) -> Self:
        """Know who answers, and return the stream."""
        self._has_begun = True
        self._chat = _Chat(context, msgspec.structs.replace(self._stamp, model=model))
        self.response.model = model
        request = context.request
        # A message stays open beside other items where citations may follow.
        self._output.cites = bool(toolbox(context).built_in) or present(request.google) or present(request.extra_body)
        return self

    @property
    def notes(self) -> list[Note]:
        """What became of the answer's fields."""
        return self._chat.notes if self._has_begun else []

    @property
    def finished(self) -> bool:
        """Return whether the answer has its finish reason: what comes after can only be usage."""
        return self._has_begun and self._chat.finished

    def take_issued(self) -> list[Issued]:
        """The signatures since the last call."""
        issued, self._issued = self._issued, []
        return issued

    def start(self) -> list[Event]:
        """The first two events, once; `feed` sends them too."""
        if self._started:
            return []
        self._started = True
        return [self._of_response(events.Created), self._of_response(events.InProgress)]

    def feed(self, response: GenerateContentResponse, unknown: Mapping[str, msgspec.Raw] = {}) -> list[Event]:
        """The events for one event of Gemini's stream."""
        chunks = self._chat.feed(response, unknown)
        told = [] if self._started else self.start()
        self._remember()
        for candidate in response.candidates or ():
            if present(candidate.grounding_metadata):
                self._search = self._search or _action(candidate.grounding_metadata)
        for chunk in chunks:
            told += self._chunk(chunk)
        return told

    def close(self) -> list[Event]:
        """The events after the last one: citations, the ends of open items, the response itself."""
        chunks = self._chat.close()
        told = self.start()
        self._remember()
        for chunk in chunks:
            told += self._chunk(chunk)
        return told + self._end()

    def note_continuation(self) -> None:
        """Note that a further call of Gemini goes on with the answer."""
        self._chat.note_continuation()

    def fail(self, body: ErrorBody, *, has_error_event: bool = True) -> list[Event]:
        """The events of a failure: the last ones of the stream.

        Many clients look at neither status nor error of the last event and would take half an answer for a whole one;
        their SDK raises the event before it.
        """
        told = self.start() + self._output.finish("incomplete")
        self.response.status = "failed"
        self.response.error = error = ResponseError(
            code=_ERROR_CODES.get(body.error.code or "") or _ERROR_CODES.get(body.error.type, "server_error"),
            message=body.error.message,
            type=body.error.type,
            param=body.error.param,
        )
        if has_error_event:
            told.append(events.StreamError(sequence_number=self._output.next(), error=error_of(error)))
        return [*told, self._of_response(events.Failed)]

    def cancel(self) -> list[Event]:
        """The events of a response that the client took back: the last one of the stream."""
        told = self.start() + self._output.finish("incomplete")
        self.response.status = "cancelled"
        return [*told, self._of_response(events.Incomplete)]

    def _of_response(self, kind: type[events.ResponseEvent]) -> Event:
        now = copy.copy(self.response)
        now.output = list(now.output)
        return kind(sequence_number=self._output.next(), response=now)

    def _remember(self) -> None:
        issued = self._chat.take_issued()
        if issued:
            self._issued += [*issued, *self._by_item(issued)]
            self._records.update((record.key, record) for record in issued)

    def _by_item(self, issued: Iterable[Issued]) -> list[Issued]:
        """The record of an answer without calls under the id of its first item, which is this answer's alone."""
        ids = [item.id for item in self._output.items if isinstance(item, _WITH_RECORD)]
        wholes = [one.signature for one in issued if one.by_words and not one.signature.calls]
        return [Issued(item_key(ids[0]), wholes[0])] if ids and wholes else []

    def _chunk(self, chunk: ChatCompletionChunk) -> list[Event]:
        if chunk.service_tier is not None:
            self.response.service_tier = chunk.service_tier
        if not chunk.choices:
            self.response.usage = usage_of(chunk.usage) if chunk.usage else None
            return []
        self.response.model = chunk.model
        choice = chunk.choices[0]
        if choice.index:
            self._lose(f"candidates[{choice.index}]", "choices-dropped", "a response has one answer")
            return []
        if choice.finish_reason is not None:
            self._finish = choice.finish_reason
        if choice.logprobs is not None:
            self._logprobs += choice.logprobs.content or ()
        return self._delta(choice.delta)

    def _delta(self, delta: Delta) -> list[Event]:
        if delta.content:
            logprobs, self._logprobs = self._logprobs, []
            return self._output.text(delta.content, logprobs)
        if delta.reasoning_content:
            return self._output.thought(delta.reasoning_content)
        if delta.tool_calls:
            return self._call(delta.tool_calls[0])
        if delta.refusal:
            return self._output.refusal(delta.refusal)
        if delta.images:
            return self._image(delta)
        if delta.annotations:
            cited = [
                UrlCitationAnnotation(
                    start_index=one.start_index, end_index=one.end_index, url=one.url, title=one.title
                )
                for one in (annotation.url_citation for annotation in delta.annotations)
            ]
            told = self._output.cite(cited)
            if len(told) < len(cited):
                self._lose(
                    "candidates[0].groundingMetadata.groundingSupports",
                    "citation-lost",
                    "the message they cite has ended",
                )
            return told
        if delta.audio:
            self._lose(
                "candidates[0].content.parts[].inlineData", "modality-unavailable", "a response has no place for sound"
            )
        if delta.extra_content:
            self._extras(delta.extra_content["google"])
        return self._ran(delta.part) if isinstance(delta, _Ran) and delta.part else []

    def _lose(self, path: str, code: str, reason: str) -> None:
        note = Note(path, Fate.DROPPED, code, reason)
        if note not in self.notes:
            self.notes.append(note)

    def _call(self, call: DeltaToolCall) -> list[Event]:
        """A call; its signature stands in the reasoning item before it."""
        told: list[Event] = []
        call_id = call.id or ""
        record = self._records.get(call_key(call_id))
        if record is not None and record.signature.value:
            told += self._output.carry(responses_carrier.seal([record]), alone=self.view.keeps_nothing)
        if call.custom is not None:
            name = self._name(call.custom.name or "", "custom")
            return told + self._output.custom_call(call_id, name, call.custom.input)
        name = self._name(call.function.name or "" if call.function else "", "function")
        return told + self._output.call(call_id, name, call.function.arguments if call.function else "{}")

    def _name(self, name: str, kind: Any) -> CallName:
        return self.view.names.get(name) or CallName(kind, name)

    def _image(self, delta: Delta) -> list[Event]:
        told: list[Event] = []
        for image in delta.images or ():
            head, _, data = (image.image_url.url if image.image_url else "").partition(",")
            told += self._output.image(data, head.removeprefix("data:image/").partition(";")[0])
        return told

    def _ran(self, part: Part) -> list[Event]:
        """Code that Gemini ran, what it printed, or a search."""
        if present(part.executable_code):
            return self._output.code(str(_members(part.executable_code).get("code", "")))
        if present(part.tool_call):
            return self._searched_for(_members(part.tool_call))
        result = _members(part.code_execution_result)
        return self._output.ran(str(result.get("output", "")), failed=result.get("outcome") in _FAILED)

    def _searched_for(self, call: dict[str, Any]) -> list[Event]:
        """A search that Gemini tells of as it runs; grounding metadata would tell of it again."""
        arguments = call.get("args")
        queries = arguments.get("queries") if isinstance(arguments, dict) else None
        if call.get("toolType") != "GOOGLE_SEARCH_WEB" or not isinstance(queries, list) or not queries:
            return []
        self._searched = True
        return self._output.search({"type": "search", "query": queries[0], "queries": queries})

    def _tell_search(self) -> list[Event]:
        """The search that Gemini ran. Metadata tell of it, in streams behind the text that it led to: so it is last."""
        if self._search is None or self._searched:
            return []
        self._searched = True
        return self._output.search(self._search)

    def _extras(self, said: dict[str, Any]) -> None:
        """What has no place in a response; signatures and parts travel in `encrypted_content`."""
        rest = {name: value for name, value in said.items() if name not in ("thought_signature", "parts")}
        if self._chat.untold:
            rest["parts"] = extras.compact(msgspec.Raw(encode(self._chat.untold)))
        self.response.extra_content = extras.google(rest)

    def _end(self) -> list[Event]:
        reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(self._finish)
        told = self._tell_search()
        if reason is None and self.view.keeps_nothing:
            told += self._last_records()
        told += self._output.finish("incomplete" if reason else "completed")
        if reason is not None:
            self.response.status = "incomplete"
            self.response.incomplete_details = IncompleteDetails(reason=reason)
            return [*told, self._of_response(events.Incomplete)]
        self.response.status = "completed"
        self.response.completed_at = int(self._clock())
        return [*told, self._of_response(events.Completed)]

    def _last_records(self) -> list[Event]:
        """A reasoning item for what only the whole answer could tell: a text's or an image's signature, lost parts.

        A call's record went before the call; that of a candidate that is not told is of no use.
        """
        left = [
            Issued(responses_carrier.ANSWER, msgspec.structs.replace(record, calls=[]))
            for _, record, by_words in self._records.values()
            if by_words and (record.value or record.images or present(record.parts))
        ]
        return self._output.carry(responses_carrier.seal(left), alone=True) if left else []


def _action(raw: msgspec.Raw) -> dict[str, Any] | None:
    """The search that grounding metadata tell of."""
    try:
        metadata: Any = decoder(GroundingMetadata).decode(raw)
        queries = msgspec.json.decode(raw, type=dict[str, Any]).get("webSearchQueries")
    except msgspec.DecodeError:
        return None
    queries = [one for one in queries if isinstance(one, str)] if isinstance(queries, list) else []
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


_ERROR_CODES = {
    "rate_limit_exceeded": "rate_limit_exceeded",
    "rate_limit_error": "rate_limit_exceeded",
    "insufficient_quota": "insufficient_quota",
    "context_length_exceeded": "context_length_exceeded",
    "invalid_request_error": "invalid_prompt",
}
"""Codes of failed responses by an error's code or type; Codex acts on the first, the third and the fourth."""

_FAILED = ("OUTCOME_FAILED", "OUTCOME_DEADLINE_EXCEEDED")
"""What Gemini says of code that did not come to its end (Generative Language API, CodeExecutionResult)."""

_WITH_RECORD = (MessageItem, CodeInterpreterCallItem, ImageGenerationCallItem)
"""Items under whose ids an answer's record is stored."""

_UNTOLD = "FINISH_REASON_UNSPECIFIED"
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
    """The response for a whole answer of Gemini, what became of its fields, and the signatures to store.

    Raises `AnswerError` where there is no answer to give.
    """
    machine = ResponseStream(stamp, view, clock=clock).begin(context, stamp.model)
    for candidate in response.candidates or ():
        candidate.finish_reason = candidate.finish_reason or _UNTOLD
    machine.feed(response, unknown)
    machine.close()
    return machine.response, machine.notes, machine.take_issued()


def _known_retention(asked: str | None) -> str | None:
    """What answers may repeat of it: clients take no other words (openai 3.54.0, `Response`)."""
    return asked if asked in ("in_memory", "24h") else None
