"""A stream of chat chunks, made from a stream of Gemini's answers: an object that is fed and never awaits.

What the chunks must obey, so that every client's accumulator gives the same message (openai-python 3.54
`lib/streaming`, openai-node 7.57, Vercel AI SDK 7, Continue): the role comes once and first; choices start in the
order of their indexes; a delta holds one kind of payload; a tool call's index, id, type and name come once; vendor
fields come once; a finish reason comes once for each choice; usage comes last and only if asked for. Gemini may send a
call and its STOP in different events, so finish reasons wait for the end. A stream that ends without a finish is
an error, never a `stop`.

`StreamReader` reads the answer, and has the states of its choices; here its events are written down as chunks. The
writers of chat and of completions (`adapter/server/endpoints`) feed it. An event that only brings more text takes the
short way (`plain_text`), past all of this.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import assert_never

import msgspec

from adapter.translate.answer import audio, extras, reply
from adapter.translate.answer.continuation import CONTINUED
from adapter.translate.answer.events import (
    AnsweredCall,
    AnswerImage,
    AnswerSound,
    ChoiceEnd,
    ChoiceEvent,
    ChoiceStart,
    ClientCall,
    ContentEvent,
    FinishReason,
    PromptBlock,
    TextPiece,
    TokenLogprobs,
    UnplacedPart,
)
from adapter.translate.answer.reader import StreamReader
from adapter.translate.core.context import Context, Stamp
from adapter.wire.gemini.generate import GenerateContentResponse
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


def empty_chunk(stamp: Stamp) -> ChatCompletionChunk:
    """Return an empty chunk that keeps a connection alive before the model has answered."""
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
        self._reader = StreamReader(context, stamp, shows_code=False)
        self._stamp = stamp
        self._sounds: dict[int, audio.Sound] = {}
        self.notes = self._reader.notes
        self.take_issued = self._reader.take_issued
        self.plain_text = self._reader.plain_text

    @property
    def is_finished(self) -> bool:
        """Return whether every choice that was asked for has its finish reason: only usage can follow."""
        return self._reader.is_finished

    def note_continuation(self) -> None:
        """Note that a further call of Gemini continues the answer."""
        self._reader.note([CONTINUED])

    def empty_chunk(self) -> ChatCompletionChunk:
        """Return an empty chunk that keeps a connection alive; from now on all chunks name its model."""
        self._reader.model = self._reader.model or self._stamp.model
        return self._chunk(0, Delta())

    def feed(
        self, response: GenerateContentResponse, unknown: Mapping[str, msgspec.Raw] = {}
    ) -> list[ChatCompletionChunk]:
        """Return the chunks for one event of Gemini's stream."""
        if not unknown and (text := self.plain_text(response)) is not None:
            return [self.text_chunk(text)]
        return self.feed_whole(response, unknown)

    def feed_whole(
        self, response: GenerateContentResponse, unknown: Mapping[str, msgspec.Raw]
    ) -> list[ChatCompletionChunk]:
        """Return the chunks for an event that `plain_text` does not cover."""
        return self._write(self._reader.feed(response, unknown))

    def text_chunk(self, text: str) -> ChatCompletionChunk:
        """Return the chunk for a text that `plain_text` returned."""
        is_thought = self._reader.is_thinking
        return self._chunk(0, Delta(reasoning_content=text) if is_thought else Delta(content=text))

    def close(self) -> list[ChatCompletionChunk]:
        """Return the chunks after the last event: citations, extras, finish reasons, usage."""
        chunks = self._write(self._reader.close())
        if (usage := self._reader.usage()) is not None:
            last = self._chunk(0, Delta())
            last.choices, last.usage = [], usage
            chunks.append(last)
        return chunks

    def _write(self, events: Iterable[ChoiceEvent]) -> list[ChatCompletionChunk]:
        """Return the chunks for an event; log probabilities are in the first of them."""
        chunks: list[ChatCompletionChunk] = []
        logprobs = None
        for event in events:
            if isinstance(event, ChoiceEnd):
                chunks += [self._chunk(event.choice, delta) for delta in self._last_deltas(event)]
                chunks.append(self._chunk(event.choice, Delta(), finish=event.finish))
                continue
            if isinstance(event, TokenLogprobs):
                logprobs = event.logprobs
            if (delta := self._delta_of(event)) is not None:
                chunks.append(self._chunk(event.choice, delta, logprobs))
                logprobs = None
        return chunks

    def _chunk(
        self, choice: int, delta: Delta, logprobs: ChoiceLogprobs | None = None, finish: FinishReason | None = None
    ) -> ChatCompletionChunk:
        return ChatCompletionChunk(
            id=self._stamp.id,
            object="chat.completion.chunk",
            created=self._stamp.created,
            model=self._reader.model or self._stamp.model,
            choices=[ChunkChoice(index=choice, delta=delta, finish_reason=finish, logprobs=logprobs)],
            service_tier=self._reader.tier,
        )

    def _delta_of(self, event: ContentEvent) -> Delta | None:
        match event:
            case TextPiece():
                return Delta(reasoning_content=event.text) if event.is_thought else Delta(content=event.text)
            case ChoiceStart():
                return Delta(role="assistant", content="")
            case ClientCall():
                return _delta_of_call(event.call, event.number)
            case AnswerImage():
                return Delta(images=[reply.image_output(event.part, event.number)])
            case AnswerSound():
                return self._delta_of_sound(event)
            case PromptBlock():
                return Delta(refusal=event.words)
            case TokenLogprobs():
                return Delta() if event.is_alone else None
            case UnplacedPart():
                return None
            case never:
                assert_never(never)

    def _delta_of_sound(self, event: AnswerSound) -> Delta:
        """Return a piece of raw PCM, as OpenAI streams it."""
        id_ = audio.audio_id(self._stamp) if event.choice not in self._sounds else None
        sound = self._sounds.setdefault(event.choice, audio.Sound())
        return Delta(audio=DeltaAudio(id=id_, data=sound.feed(event.blob)))

    def _last_deltas(self, end: ChoiceEnd) -> Iterator[Delta]:
        """Yield the deltas that are known only at the end of a choice, without the finish reason."""
        if (sound := self._sounds.get(end.choice)) is not None:
            yield Delta(audio=DeltaAudio(data=sound.close(), expires_at=self._stamp.created, transcript=end.text))
        if end.annotations:
            yield Delta(annotations=end.annotations)
        if end.refusal is not None:
            yield Delta(refusal=end.refusal)
        if end.extras:
            yield Delta(extra_content=extras.google(end.extras))


def _delta_of_call(call: AnsweredCall, number: int) -> Delta:
    function = DeltaFunction(name=call.name, arguments=call.arguments)
    if call.kind == "legacy":
        return Delta(function_call=function)
    delta = DeltaToolCall(index=number, id=call.id, type="function", extra_content=reply.call_extra(call))
    if call.kind == "custom":
        delta.type, delta.custom = "custom", DeltaCustom(name=call.name, input=call.arguments)
    else:
        delta.function = function
    return Delta(tool_calls=[delta])
