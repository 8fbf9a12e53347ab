"""A stream of chat chunks, made from a stream of Gemini's answers: an object that is fed and never awaits.

What the chunks must obey, so that every client's accumulator gives the same message (openai-python 3.54
`lib/streaming`, openai-node 7.57, Vercel AI SDK 7, Continue): the role comes once and first; choices start in the
order of their indexes; a delta holds one kind of payload; a tool call's index, id, type and name come once; vendor
fields come once; a finish reason comes once for each choice; usage comes last and only if asked for. Gemini may send a
call and its STOP in different events, so finish reasons wait for the end. A stream that ends without a finish is
an error, never a `stop`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from adapter.translate import reply
from adapter.translate.context import Context, Stamp
from adapter.translate.errors import AnswerError
from adapter.translate.notes import Fidelity, Note
from adapter.translate.reply import AnsweredCall, Kind
from adapter.wire.base import ABSENT, present
from adapter.wire.gemini.content import Part
from adapter.wire.gemini.generate import Candidate, GenerateContentResponse, UsageMetadata
from adapter.wire.openai.chat import (
    ChatCompletionChunk,
    ChoiceLogprobs,
    ChunkChoice,
    Delta,
    DeltaAudio,
    DeltaCustom,
    DeltaFunction,
    DeltaToolCall,
)
from adapter.wire.signatures import Issued


class _Choice:
    """What one choice has said so far."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.texts: list[str] = []
        self.calls: list[AnsweredCall] = []
        self.parts: list[Part] = []
        self.images = 0
        self.sounds = 0
        self.last = Kind.EMPTY
        self.grounding: msgspec.Raw = ABSENT
        self.extras: dict[str, Any] = {}
        self.finish: str | None = None
        self.finish_message: str | None = None

    def keep(self, part: Part, kind: Kind) -> None:
        """Remember a part for replay; pieces of one text become one part again."""
        joins = kind == self.last == Kind.TEXT and not self.parts[-1].thought_signature
        if joins:
            self.texts[-1] += part.text or ""
            self.parts[-1].text = self.texts[-1]
            self.parts[-1].thought_signature = part.thought_signature
        else:
            self.texts.append(part.text or "" if kind == Kind.TEXT else "")
            self.parts.append(part)
        self.last = kind


class ChatStream:
    """`feed` it each event of Gemini's stream, then `close` it; both return the chunks to send.

    `notes` is the ledger of the way back. What `take_issued` returns must be stored before the chunks of the same
    call are sent. Both methods raise `AnswerError` where there is no valid answer to give.
    """

    def __init__(self, context: Context, stamp: Stamp) -> None:
        self.context = context
        self.stamp = stamp
        self.notes: list[Note] = []
        self._issued: list[Issued] = []
        self._choices: dict[int, _Choice] = {}
        self._model: str | None = None
        self._usage: UsageMetadata | None = None
        self._extras: dict[str, Any] = {}
        self._refusal: str | None = None
        self._unknown: dict[str, msgspec.Raw] = {}

    @property
    def finished(self) -> bool:
        """Whether every choice that was asked for has its finish reason: what comes after can only be usage."""
        wanted = self.context.request.n or 1
        return len(self._choices) >= wanted and all(choice.finish for choice in self._choices.values())

    def empty_chunk(self) -> ChatCompletionChunk:
        """A chunk that says nothing, to keep a connection alive."""
        self._model = self._model or self.stamp.model
        return self._delta(0, Delta())

    def take_issued(self) -> list[Issued]:
        """The signatures since the last call."""
        issued, self._issued = self._issued, []
        return issued

    def feed(
        self, response: GenerateContentResponse, unknown: Mapping[str, msgspec.Raw] = {}
    ) -> list[ChatCompletionChunk]:
        """The chunks for one event of Gemini's stream."""
        self._remember(response, unknown)
        chunks: list[ChatCompletionChunk] = []
        if (reason := reply.blocked(response)) is not None:
            chunks += self._refuse(reason, response)
        candidates = enumerate(response.candidates or ())
        indexed = [(position if one.index is None else one.index, one) for position, one in candidates]
        for index, candidate in sorted(indexed, key=lambda pair: pair[0]):
            chunks += self._start(index)
            chunks += self._candidate(self._choices[index], candidate)
        return chunks

    def close(self) -> list[ChatCompletionChunk]:
        """The chunks after the last event: citations, extras, finish reasons, usage."""
        if not self._choices:
            raise AnswerError(502, "empty_answer", "Gemini's stream ended without an answer.")
        unfinished = [choice for choice in self._choices.values() if choice.finish is None]
        if unfinished:
            raise AnswerError(
                502, "incomplete_stream", "Gemini's stream ended in the middle of the answer.", retry=True
            )
        chunks = [chunk for choice in self._choices.values() for chunk in self._end(choice)]
        options = self.context.request.stream_options
        if options is not None and options.include_usage:
            last = self._chunk([])
            last.usage = reply.usage(self._usage) or NO_USAGE
            chunks.append(last)
        return chunks

    def _remember(self, response: GenerateContentResponse, unknown: Mapping[str, msgspec.Raw]) -> None:
        self._model = self._model or response.model_version or self.stamp.model
        self._usage = response.usage_metadata or self._usage
        for path, value in unknown.items():
            if path not in self._unknown:
                self.notes.append(Note(path, Fidelity.APPROXIMATED, "unknown: passed on in extra_content"))
            self._unknown[path] = value
        self._extras.update(reply.response_extras(response, {}))

    def _chunk(self, choices: list[ChunkChoice]) -> ChatCompletionChunk:
        return ChatCompletionChunk(
            id=self.stamp.id,
            object="chat.completion.chunk",
            created=self.stamp.created,
            model=self._model or self.stamp.model,
            choices=choices,
        )

    def _delta(self, index: int, delta: Delta, logprobs: ChoiceLogprobs | None = None) -> ChatCompletionChunk:
        return self._chunk([ChunkChoice(index=index, delta=delta, finish_reason=None, logprobs=logprobs)])

    def _start(self, index: int) -> list[ChatCompletionChunk]:
        """The first chunk of a choice, and of those before it that have not spoken yet."""
        new = [number for number in range(index + 1) if number not in self._choices]
        self._choices.update((number, _Choice(number)) for number in new)
        return [self._delta(number, Delta(role="assistant", content="")) for number in new]

    def _refuse(self, reason: str, response: GenerateContentResponse) -> list[ChatCompletionChunk]:
        text = response.prompt_feedback.block_reason_message if response.prompt_feedback else None
        if self.context.options.blocked_prompt == "error":
            raise reply.policy_error(reason, text)
        self.notes.append(Note("promptFeedback.blockReason", Fidelity.APPROXIMATED, f"{reason}: a refusal"))
        chunks = self._start(0)
        self._choices[0].finish = BLOCKED
        return [*chunks, self._delta(0, Delta(refusal=reply.refusal_text(reason, text)))]

    def _candidate(self, choice: _Choice, candidate: Candidate) -> list[ChatCompletionChunk]:
        parts = (candidate.content.parts if candidate.content else None) or ()
        chunks: list[ChatCompletionChunk] = []
        logprobs = reply.logprobs(candidate.logprobs_result)
        for part in parts:
            delta = self._part(part, choice)
            if delta is not None:
                chunks.append(self._delta(choice.index, delta, logprobs))
                logprobs = None
        if logprobs is not None:
            chunks.append(self._delta(choice.index, Delta(), logprobs))
        if present(candidate.grounding_metadata):
            choice.grounding = candidate.grounding_metadata
        choice.extras.update(reply.candidate_extras(candidate))
        if candidate.finish_reason is not None:
            reply.check_finish(candidate, bool(choice.parts))
            choice.finish, choice.finish_message = candidate.finish_reason, candidate.finish_message
        return chunks

    def _part(self, part: Part, choice: _Choice) -> Delta | None:
        """The delta for one part; what has no place in one is kept for the end."""
        call = part.function_call
        if call is not None and reply.is_json_answer(call, self.context):
            part = Part(text=bytes(call.args).decode() or "{}")
        kind = reply.kind_of(part)
        choice.keep(part, kind)
        match kind:
            case Kind.TEXT:
                return Delta(content=part.text)
            case Kind.THOUGHT:
                return Delta(reasoning_content=part.text)
            case Kind.CALL:
                return self._call(part, choice)
            case Kind.IMAGE:
                choice.images += 1
                return Delta(images=[reply.image_output(part, choice.images - 1)])
            case Kind.AUDIO:
                return self._sound(part, choice)
            case Kind.OPAQUE:
                reason = "OpenAI has no place for it: in extra_content, and sent back to Gemini"
                path = f"candidates[{choice.index}].content.parts[{len(choice.parts) - 1}]"
                self.notes.append(Note(path, Fidelity.APPROXIMATED, reason))
        return None

    def _call(self, part: Part, choice: _Choice) -> Delta | None:
        if part.function_call is None:
            return None
        number = len(choice.calls)
        call = reply.answered_call(part, part.function_call, self.context, self.stamp, (choice.index, number))
        choice.calls.append(call)
        self._issued += reply.issue_by_id(call, self.context)
        if call.kind == "legacy":
            return Delta(function_call=DeltaFunction(name=call.name, arguments=call.arguments))
        delta = DeltaToolCall(index=number, id=call.id, type="function", extra_content=reply.call_extra(call))
        if call.kind == "custom":
            delta.type, delta.custom = "custom", DeltaCustom(name=call.name, input=call.arguments)
        else:
            delta.function = DeltaFunction(name=call.name, arguments=call.arguments)
        return Delta(tool_calls=[delta])

    def _sound(self, part: Part, choice: _Choice) -> Delta:
        """A piece of raw PCM, as OpenAI streams it."""
        choice.sounds += 1
        data = part.inline_data.data if part.inline_data else None
        id_ = f"audio_{self.stamp.id.removeprefix('chatcmpl-')}" if choice.sounds == 1 else None
        return Delta(audio=DeltaAudio(id=id_, data=data))

    def _end(self, choice: _Choice) -> list[ChatCompletionChunk]:
        """The last chunks of one choice."""
        text = "".join(choice.texts)
        deltas: list[Delta] = []
        issued, carrier, signature = reply.issue(choice.parts, choice.calls, text, self.context)
        self._issued += issued
        if choice.sounds:
            deltas.append(Delta(audio=DeltaAudio(expires_at=self.stamp.created, transcript=text)))
        cited = reply.citations(choice.grounding, choice.texts)
        self.notes += cited.notes
        if cited.annotations:
            deltas.append(Delta(annotations=cited.annotations))
        finish = self._finish(choice)
        if finish == "content_filter" and not text and choice.finish != BLOCKED:
            deltas.append(Delta(refusal=reply.refusal_text(choice.finish or "", choice.finish_message)))
        extras = self._all_extras(choice, signature, carrier)
        if extras:
            deltas.append(Delta(extra_content=reply.google(extras)))
        chunks = [self._delta(choice.index, delta) for delta in deltas]
        last = ChunkChoice(index=choice.index, delta=Delta(), finish_reason=finish)
        return [*chunks, self._chunk([last])]

    def _finish(self, choice: _Choice) -> str:
        if choice.finish == BLOCKED:
            return "content_filter"
        legacy = any(call.kind == "legacy" for call in choice.calls)
        finish, approximation = reply.finish_reason(choice.finish, bool(choice.calls), legacy)
        if approximation is not None:
            path = f"candidates[{choice.index}].finishReason"
            self.notes.append(Note(path, Fidelity.APPROXIMATED, approximation))
        return finish

    def _all_extras(self, choice: _Choice, signature: str | None, carrier: msgspec.Raw | None) -> dict[str, Any]:
        extras = dict(choice.extras)
        if signature:
            extras["thought_signature"] = signature
        if carrier is not None:
            extras["parts"] = carrier
        if choice.index == 0:
            extras.update(self._extras)
            if self._unknown:
                extras["unknown"] = {path: reply.compact(value) for path, value in self._unknown.items()}
        return extras


BLOCKED = "blocked prompt"
"""The finish of a choice that stands for a blocked prompt; no reason of Gemini's."""

NO_USAGE = reply.usage(UsageMetadata())
"""What a client that asked for usage gets when Gemini told none."""
