"""A stream of chat chunks, made from a stream of Gemini's answers: an object that is fed and never awaits.

What the chunks must obey, so that every client's accumulator gives the same message (openai-python 3.54
`lib/streaming`, openai-node 7.57, Vercel AI SDK 7, Continue): the role comes once and first; choices start in the
order of their indexes; a delta holds one kind of payload; a tool call's index, id, type and name come once; vendor
fields come once; a finish reason comes once for each choice; usage comes last and only if asked for. Gemini may send a
call and its STOP in different events, so finish reasons wait for the end. A stream that ends without a finish is
an error, never a `stop`.

States of each choice (`ChoiceState`):

    unknown     no event has named it; `close` is an error if it stays so
    speaking    its first chunk, with the role, is out; texts and thoughts pass as they come
    calling     a call has begun: its pieces pass as they come, or wait in `held` where it must be whole
    ended       its finish reason came and waits; what Gemini still sends is passed on

Transitions:

    from        event                                     to
    unknown     a candidate with its index (`_start`)     speaking
    speaking    a part that is a function call            calling
    any         a finish reason                           ended
    any         the prompt is blocked (`_refuse`)         ended, with a refusal
    ended       `close`                                   over: citations, vendor fields, finish reasons, then usage

The writers of chat, of completions and of Responses (`adapter/server/endpoints`) feed it; `ResponseStream` makes its
items from the chunks. An event that only brings more text takes the short way (`plain_text`), past all of this.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from adapter.translate.answer import audio, continuation, extras, json_answer, reply
from adapter.translate.answer import leaked_thoughts as leaked
from adapter.translate.answer.choice_state import ChoiceState
from adapter.translate.answer.citations import citations
from adapter.translate.answer.issued_signatures import issue, issue_by_id
from adapter.translate.answer.json_answer import JsonAnswer
from adapter.translate.answer.parallel_choices import CallEvent
from adapter.translate.answer.partial_arguments import WholeCall
from adapter.translate.answer.text_events import TextEvents
from adapter.translate.core import part_kinds
from adapter.translate.core.context import Context, Stamp
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Fate, Note
from adapter.translate.tools.json_tool import needs_json_tool
from adapter.translate.tools.toolbox import toolbox
from adapter.wire.gemini.content import Blob, FunctionCall, Part
from adapter.wire.gemini.generate import Candidate, GenerateContentResponse, UsageMetadata
from adapter.wire.openai.chat_answer import (
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
from adapter.wire.surrogates import REPLACED


def empty_chunk(stamp: Stamp) -> ChatCompletionChunk:
    """A chunk that says nothing, to keep a connection alive before anybody has answered."""
    return ChatCompletionChunk(
        id=stamp.id,
        object="chat.completion.chunk",
        created=stamp.created,
        model=stamp.model,
        choices=[ChunkChoice(index=0, delta=Delta(), finish_reason=None)],
    )


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
        self._choices: dict[int, ChoiceState] = {}
        self._model: str | None = None
        self._tier: str | None = None
        self._said = GenerateContentResponse()
        self._unknown: dict[str, msgspec.Raw] = {}
        self._others: dict[int, tuple[GenerateContentResponse, dict[str, msgspec.Raw]]] = {}
        self._texts = TextEvents()
        self._is_json = needs_json_tool(context)

    @property
    def finished(self) -> bool:
        """Whether every choice that was asked for has its finish reason: what comes after can only be usage."""
        wanted = self.context.request.n or 1
        return len(self._choices) >= wanted and all(choice.finished for choice in self._choices.values())

    def note_continuation(self) -> None:
        """A further call of Gemini goes on with the answer, see `continuation`."""
        self._note(continuation.notes(True))

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
        if not unknown and (text := self.plain_text(response)) is not None:
            return [self.text_chunk(text)]
        said, fields = self._beside(response)
        self._remember(response, said)
        if unknown:
            self._remember_unknown(unknown, fields)
        chunks: list[ChatCompletionChunk] = []
        if response.prompt_feedback is not None and (reason := reply.blocked(response)) is not None:
            chunks += self._refuse(reason, response.prompt_feedback.block_reason_message)
        for index, candidate in reply.indexed(response.candidates or []):
            if index not in self._choices:
                chunks += self._start(index)
            self._candidate(self._choices[index], candidate, chunks)
        if not self.context.options.leaked_thoughts and not self._is_json:
            self._texts.remember(response)
        return chunks

    def plain_text(self, response: GenerateContentResponse) -> str | None:
        """The text of an event that only brings more of what the one before did; it needs no `feed`.

        Until the next event that needs one, the chunks of such texts differ by nothing else.
        """
        usage = response.usage_metadata
        if usage is not None and self._tier is None and usage.service_tier:
            return None
        text = self._texts.text(response)
        if text is not None:
            self._said.usage_metadata = usage or self._said.usage_metadata
            self._choices[0].append_text(text)
        return text

    def text_chunk(self, text: str) -> ChatCompletionChunk:
        """The chunk for such a text."""
        return self._delta(0, Delta(reasoning_content=text) if self._texts.thoughts else Delta(content=text))

    def close(self) -> list[ChatCompletionChunk]:
        """The chunks after the last event: citations, extras, finish reasons, usage."""
        if not self._choices:
            raise AnswerError(502, "empty_answer", "Gemini's stream ended without an answer.")
        if not any(choice.finished or choice.said_something() for choice in self._choices.values()):
            raise reply.empty_answer()
        if not all(choice.finished for choice in self._choices.values()):
            raise AnswerError(
                502, "incomplete_stream", "Gemini's stream ended in the middle of the answer.", retry=True
            )
        self._note(reply.missing_choices(len(self._choices), self.context.request.n))
        chunks = [chunk for choice in self._choices.values() for chunk in self._end(choice)]
        options = self.context.request.stream_options
        if options is not None and options.include_usage:
            last = self._chunk([])
            self._note(reply.unknown_usage(self._said.usage_metadata))
            last.usage = reply.usage(self._said.usage_metadata or UsageMetadata())
            chunks.append(last)
        return chunks

    def _beside(self, response: GenerateContentResponse) -> tuple[GenerateContentResponse, dict[str, msgspec.Raw]]:
        """Where to keep what an event says beside its candidates: of parallel calls each has a place of its own."""
        if not isinstance(response, CallEvent):
            return self._said, self._unknown
        return self._others.setdefault(response.call, (GenerateContentResponse(), {}))

    def _remember(self, response: GenerateContentResponse, said: GenerateContentResponse) -> None:
        """Keep what an event says beside its candidates; most events say nothing new."""
        usage = response.usage_metadata
        if response.model_version not in (None, self._model):
            self._note(reply.another_model(response.model_version, self.stamp.model))
        self._model = self._model or response.model_version or self.stamp.model
        if usage is not None:
            self._said.usage_metadata = usage
            self._tier = self._tier or (reply.service_tier(usage) if usage.service_tier else None)
        nothing_new = GenerateContentResponse(
            candidates=response.candidates,
            usage_metadata=usage,
            model_version=said.model_version,
            response_id=said.response_id,
            create_time=said.create_time,
        )
        if response != nothing_new:
            self._note(extras.gather(said, response, extras.GATHERED_OF_RESPONSES, ""))

    def _remember_unknown(self, unknown: Mapping[str, msgspec.Raw], fields: dict[str, msgspec.Raw]) -> None:
        for path, value in unknown.items():
            if path not in fields or value is REPLACED:
                self._note([reply.unknown_note(path, value)])
            elif value != fields[path] and not path.startswith("usageMetadata"):
                self._note(
                    [Note(path, Fate.DROPPED, "stream-value-replaced", "told several times: the last one is passed on")]
                )
            fields[path] = value

    def _note(self, notes: Iterable[Note], choice: ChoiceState | None = None) -> None:
        """Add notes, each once; those of a choice have paths below its candidate."""
        below = f"candidates[{choice.index}]." if choice else ""
        for note in notes:
            whole = note.at(below + note.path)
            if whole not in self.notes:
                self.notes.append(whole)

    def _chunk(self, choices: list[ChunkChoice]) -> ChatCompletionChunk:
        return ChatCompletionChunk(
            id=self.stamp.id,
            object="chat.completion.chunk",
            created=self.stamp.created,
            model=self._model or self.stamp.model,
            choices=choices,
            service_tier=self._tier,
        )

    def _delta(self, index: int, delta: Delta, logprobs: ChoiceLogprobs | None = None) -> ChatCompletionChunk:
        return self._chunk([ChunkChoice(index=index, delta=delta, finish_reason=None, logprobs=logprobs)])

    def _start(self, index: int) -> list[ChatCompletionChunk]:
        """The first chunk of a choice, and of those before it that have not spoken yet."""
        new = [number for number in range(index + 1) if number not in self._choices]
        self._choices.update((number, ChoiceState(number)) for number in new)
        return [self._delta(number, Delta(role="assistant", content="")) for number in new]

    def _refuse(self, reason: str, message: str | None) -> list[ChatCompletionChunk]:
        if self.context.options.blocked_prompt == "error":
            raise reply.policy_error(reason, message)
        self._note([Note("promptFeedback.blockReason", Fate.APPROXIMATED, "block-as-refusal", f"{reason}: a refusal")])
        chunks = self._start(0)
        choice = self._choices[0]
        if choice.refused:
            return chunks
        choice.refused = True
        return [*chunks, self._delta(0, Delta(refusal=reply.refusal_text(reason, message)))]

    def _candidate(self, choice: ChoiceState, candidate: Candidate, chunks: list[ChatCompletionChunk]) -> None:
        """Add the chunks for one candidate of an event; most have content and nothing else."""
        content, logprobs = candidate.content, None
        told = (
            self._leaking
            if self.context.options.leaked_thoughts
            else self._one_json
            if self._is_json
            else self._deltas_of
        )
        deltas: list[Delta] = []
        if content is not None:
            for part in content.parts or ():
                for one in part_kinds.single_parts(part):
                    deltas += told(one, choice)
        if candidate != Candidate(index=candidate.index, content=content):
            logprobs = self._beside_content(choice, candidate, deltas)
        for delta in deltas:
            chunks.append(self._delta(choice.index, delta, logprobs))
            logprobs = None

    def _beside_content(self, choice: ChoiceState, candidate: Candidate, deltas: list[Delta]) -> ChoiceLogprobs | None:
        """Keep what a candidate says beside its content; its log probabilities, which go with the first delta."""
        if candidate.finish_reason is not None:
            deltas += self._held_back(choice)
        self._note(extras.gather(choice.said, candidate, extras.GATHERED_OF_CANDIDATES, ""), choice)
        if candidate.finish_reason is not None:
            reply.check_finish(candidate, produced=True)
        logprobs = reply.logprobs(candidate.logprobs_result)
        choice.said.logprobs_result = candidate.logprobs_result or choice.said.logprobs_result
        if logprobs is not None:
            self._note(reply.lost_logprobs(candidate.logprobs_result), choice)
            deltas += [] if deltas else [Delta()]
        return logprobs

    def _leaking(self, part: Part, choice: ChoiceState) -> list[Delta]:
        """The deltas for one part, which may be a thought that does not say so."""
        told = self._one_json if self._is_json else self._deltas_of
        deltas = [delta for one in choice.leaks.feed(part) for delta in told(one, choice)]
        if choice.leaks.found:
            self._note([leaked.NOTE], choice)
        return deltas

    def _held_back(self, choice: ChoiceState) -> list[Delta]:
        """The deltas for a text that could still have become a thought."""
        told = self._one_json if self._is_json else self._deltas_of
        return [delta for one in choice.leaks.close() for delta in told(one, choice)]

    def _one_json(self, part: Part, choice: ChoiceState) -> list[Delta]:
        """The deltas for one part where a function stands for JSON mode: texts wait for it."""
        choice.json = choice.json or JsonAnswer(self.context)
        deltas = [delta for _, one in choice.json.feed(0, part) for delta in self._deltas_of(one, choice)]
        if choice.json.has_lost:
            self._note([json_answer.NOTE], choice)
        return deltas

    def _deltas_of(self, part: Part, choice: ChoiceState) -> list[Delta]:
        """The deltas for one part; what has no place in one is kept for the end."""
        if part.function_call is not None:
            return self._calls(choice.assembly.feed(part, part.function_call), choice)
        kind = part_kinds.kind_of(part)
        choice.keep(part, kind)
        match kind:
            case "text":
                return [Delta(content=part.text)]
            case "thought":
                return [Delta(reasoning_content=part.text)]
            case "image":
                choice.images += 1
                return [Delta(images=[reply.image_output(part, choice.images - 1)])]
            case "audio" if part.inline_data is not None:
                return self._sound(part.inline_data, choice)
            case "opaque":
                for name in reply.run_by_gemini([part], self.context):
                    self._no_place(choice.answered_by_gemini(name), choice)
                return self._opaque(part, choice)
        return []

    def _opaque(self, _part: Part, choice: ChoiceState) -> list[Delta]:
        """The deltas for a part that chat has no place for: none."""
        self._no_place([choice.position], choice)
        return []

    def _no_place(self, numbers: Iterable[int], choice: ChoiceState) -> None:
        """Tell of parts that chat has no place for."""
        paths = [f"content.parts[{number}]" for number in numbers]
        self._note([Note(path, Fate.APPROXIMATED, "answer-detail-moved", reply.OPAQUE) for path in paths], choice)

    def _calls(self, whole: Iterable[WholeCall], choice: ChoiceState) -> list[Delta]:
        """The deltas for calls that are complete.

        A call of a function that the client did not declare waits for the end, since Gemini may answer it itself
        (MCP servers); then so do all after it, which are numbered in order.
        """
        deltas: list[Delta] = []
        for part, call in whole:
            text = reply.unwrap_json_call(part, call, self.context)
            if text is not None:
                deltas += self._deltas_of(text, choice)
                continue
            choice.keep(part, "call")
            if call.name in choice.run_by_gemini:
                deltas += self._opaque(part, choice)
            elif choice.held or call.name not in toolbox(self.context).declared:
                choice.held.append((part, call))
            else:
                deltas += self._call(part, call, choice)
        return deltas

    def _call(self, part: Part, call: FunctionCall, choice: ChoiceState) -> list[Delta]:
        number = len(choice.calls)
        answered = reply.answered_call(part, call, self.context, self.stamp, (choice.index, number))
        choice.calls.append(answered)
        self._issued += issue_by_id(answered, number, self.context)
        function = DeltaFunction(name=answered.name, arguments=answered.arguments)
        if answered.kind == "legacy":
            if number == 0:
                return [Delta(function_call=function)]
            lost = Note(
                f"content.parts[{choice.position}].functionCall", Fate.DROPPED, "legacy-call-dropped", reply.ONE_LEGACY
            )
            self._note([lost], choice)
            return []
        delta = DeltaToolCall(index=number, id=answered.id, type="function", extra_content=reply.call_extra(answered))
        if answered.kind == "custom":
            delta.type, delta.custom = "custom", DeltaCustom(name=answered.name, input=answered.arguments)
        else:
            delta.function = function
        return [Delta(tool_calls=[delta])]

    def _sound(self, blob: Blob, choice: ChoiceState) -> list[Delta]:
        """A piece of raw PCM, as OpenAI streams it."""
        self._note([audio.changed(blob, f"content.parts[{choice.position}].inlineData", samples=True)], choice)
        id_ = audio.audio_id(self.stamp) if choice.sound is None else None
        choice.sound = choice.sound or audio.Sound()
        return [Delta(audio=DeltaAudio(id=id_, data=choice.sound.feed(blob)))]

    def _end(self, choice: ChoiceState) -> list[ChatCompletionChunk]:
        """The last chunks of one choice."""
        deltas = self._held_back(choice)
        if choice.json is not None:
            deltas += [delta for _, part in choice.json.close() for delta in self._deltas_of(part, choice)]
        deltas += self._calls(choice.assembly.close(), choice)
        deltas += [delta for part, call in choice.held for delta in self._call(part, call, choice)]
        reply.check_finish(choice.said, choice.said_something())
        text = choice.text()
        if choice.sound is not None:
            sound = DeltaAudio(data=choice.sound.close(), expires_at=self.stamp.created, transcript=text)
            deltas.append(Delta(audio=sound))
        cited = citations(choice.said.grounding_metadata, choice.texts())
        self._note(cited.notes + extras.needless_token(choice.said), choice)
        if cited.annotations:
            deltas.append(Delta(annotations=cited.annotations))
        finish = self._finish(choice)
        if finish == "content_filter" and not text and not choice.refused:
            words = reply.refusal_text(choice.said.finish_reason or "", choice.said.finish_message)
            deltas.append(Delta(refusal=words))
        if said := self._extras(choice, text):
            deltas.append(Delta(extra_content=extras.google(said)))
        chunks = [self._delta(choice.index, delta) for delta in deltas]
        last = ChunkChoice(index=choice.index, delta=Delta(), finish_reason=finish)
        return [*chunks, self._chunk([last])]

    def _finish(self, choice: ChoiceState) -> str:
        if choice.refused:
            return "content_filter"
        legacy = any(call.kind == "legacy" for call in choice.calls)
        finish, approximation = reply.finish_reason(choice.said.finish_reason, bool(choice.calls), legacy)
        if approximation is not None:
            self._note([Note("finishReason", Fate.APPROXIMATED, "finish-reason-nearest", approximation)], choice)
        return finish

    def _extras(self, choice: ChoiceState, text: str) -> dict[str, Any]:
        """What goes to `extra_content.google`: of the choice, and once of the whole answer."""
        issued, carrier, signature = issue(choice.parts, choice.calls, text, self.context)
        self._issued += issued
        said = extras.of_candidate(choice.said)
        if signature:
            said["thought_signature"] = signature
        if carrier is not None:
            said["parts"] = carrier
        beside = (self._said, self._unknown) if choice.index == 0 else self._others.get(choice.index)
        if beside is not None:
            said.update(extras.of_response(*beside))
            if beside[0].model_version not in (None, self._model):
                said["model_version"] = beside[0].model_version
        return said
