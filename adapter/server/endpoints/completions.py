"""POST /v1/completions: each prompt is a chat of one turn, and the choices of all prompts are one answer."""

import asyncio
import time
from collections.abc import Sequence

import msgspec

from adapter.server.asking.parallel import gather
from adapter.server.http.asgi import until
from adapter.server.media.openai_tokens import detokenizer
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.fallback import Plans
from adapter.server.pipeline.service import deadline_of, patience_of, stamp_of
from adapter.server.state.ids import new_id
from adapter.settings import find_served_model
from adapter.translate import chat, completions
from adapter.translate.answer.continuation import CONTINUED
from adapter.translate.completions import CompletionStream, CompletionView
from adapter.translate.core.notes import Note, Rejected
from adapter.translate.plan import Plan
from adapter.upstream.client import Caller, Reply
from adapter.wire.openai.chat_answer import ChatCompletion
from adapter.wire.openai.completions import Completion, CompletionRequest
from adapter.wire.signatures import Issued
from adapter.wire.sse import DONE, event, events

AT_ONCE = 4
"""The number of one request's prompts that are answered at the same time."""


async def create_completion(call: Call) -> None:
    """Continue texts."""
    service, exchange = call.service, call.exchange
    request, unknown = await call.read(CompletionRequest)
    exchange.model_asked, exchange.stream = request.model, bool(request.stream)
    row = find_served_model(request.model, service.catalogue).row
    view = await call.work.run(completions.to_chat, request, row, detokenizer(), unknown)
    plans = await _plans(call, view)
    for prompt in plans:
        call.accept(prompt)
    exchange.notes = list(dict.fromkeys(note for prompt in plans for note in prompt.plan.notes))
    id_, created = new_id("cmpl-", 28), int(time.time())
    if view.only_echo:
        tokens = sum([await _count(call, prompt.plan) for prompt in plans])
        echoed = completions.echo_prompts(view, id_, created, plans[0].plan.model, tokens)
        await call.send_translated(plans[0], echoed)
    elif exchange.stream:
        await _stream(call, plans, CompletionWriter(call, view, plans, (id_, created)))
    else:
        answers = await _answers(call, plans, id_)
        answer = completions.from_chat(answers, view, id_, created, plans[0].plan.model)
        await call.send_translated(plans[0], answer)


async def _plans(call: Call, view: CompletionView) -> list[Plans]:
    """Return the plan of each prompt, with a ledger under the names of this endpoint's fields."""
    try:
        return [
            await call.service.planner.plan(request, {}, call.client, call.work, ledger_of=view.ledger)
            for request in view.requests
        ]
    except Rejected as error:
        raise Rejected(completions.path_of(error.note.path), error.note.code, error.note.reason) from None


async def _count(call: Call, plan: Plan) -> int:
    caller, deadline = Caller(call.client.key), deadline_of(call.fields)
    return await call.service.upstream.count_tokens(plan.model, plan.body, caller, deadline)


async def _answers(call: Call, plans: Sequence[Plans], id_: str) -> list[ChatCompletion]:
    """Return the answers to all prompts; the first failure cancels the others."""
    turns = asyncio.Semaphore(AT_ONCE)
    notes: list[Note] = []

    async def answer(one: Plans) -> ChatCompletion:
        async def read(reply: Reply) -> ChatCompletion:
            context, stamp = one.plan.context, stamp_of(one, id_)
            completion, ledger, _ = chat.from_gemini(reply.response, context, stamp, reply.unknown)
            notes.extend([CONTINUED, *ledger] if reply.is_continued else ledger)
            return completion

        async with turns:
            return await call.ask(one, read)

    answers = await gather(map(answer, plans))
    call.exchange.reply_notes = notes
    return answers


async def _stream(call: Call, plans: Sequence[Plans], writer: "CompletionWriter") -> None:
    """Send the answers to the prompts, one after the other."""
    stream = call.open_stream(plans[0])
    with until(stream.keep_alive(writer.heartbeat)):
        for number, one in enumerate(plans):
            head, patience = (stream, patience_of(call.fields)) if number == 0 else (None, None)
            async with call.relaying(one, writer, stream, head) as client, call.open(one, patience) as answer:
                await client.pass_on(answer)
            if writer.has_failed:
                break
    await stream.end()


class CompletionWriter:
    """Writes the answers to all prompts as one event stream, prompt by prompt."""

    machine: chat.ChatStream

    def __init__(self, call: Call, view: CompletionView, plans: Sequence[Plans], identity: tuple[str, int]) -> None:
        self._call = call
        self._plans = plans
        self._id, self._created = identity
        self._streams = [CompletionStream(view, number, *identity) for number in range(len(plans))]
        self._number = -1
        self.has_failed = False

    def begin(self, plan: Plan) -> None:
        """Begin the answer to the next prompt."""
        self._number += 1
        stamp = stamp_of(self._plans[self._number], self._id)
        self.machine = chat.ChatStream(plan.context, msgspec.structs.replace(stamp, model=plan.model))
        self._call.exchange.record_first_event()

    @property
    def is_finished(self) -> bool:
        """Return whether the answer to the last prompt is complete."""
        return self._number == len(self._plans) - 1 and self.machine.is_finished

    def take_issued(self) -> list[Issued]:
        """Return none: completions have no history, so no signatures are stored."""
        return []

    def feed(self, reply: Reply) -> list[bytes]:
        """Make the chunks of the legacy shape for one event of Gemini."""
        exchange = self._call.exchange
        exchange.usage = reply.response.usage_metadata or exchange.usage
        if reply.is_continued:
            self.machine.note_continuation()
        chunks = self.machine.feed(reply.response, reply.unknown)
        return events(self._streams[self._number].feed(chunks))

    async def keep(self, issued: list[Issued]) -> None:
        """Store nothing: completions have no history."""

    async def close(self) -> list[bytes]:
        """Make the last frames of a prompt; of the last one also the usage and the end of the stream."""
        frames = events(self._streams[self._number].feed(self.machine.close()))
        exchange = self._call.exchange
        exchange.reply_notes = [*exchange.reply_notes, *self.machine.notes]
        if self._number < len(self._plans) - 1:
            return frames
        usages = [stream.usage for stream in self._streams if stream.usage is not None]
        if usages:
            last = self._empty()
            last.usage = completions.total(usages)
            frames.append(event(last))
        return [*frames, DONE]

    async def fail(self, error: Exception) -> list[bytes]:
        """Make the error event with which the stream ends."""
        self.has_failed = True
        return [event(self._call.service.failures.record(error, self._call.exchange, self._call.client).body)]

    def heartbeat(self) -> bytes:
        """Make an empty chunk, for settings that choose chunks as heartbeats."""
        return event(self._empty())

    def _empty(self) -> Completion:
        model = self._plans[max(self._number, 0)].plan.model
        return Completion(id=self._id, object="text_completion", created=self._created, model=model, choices=[])
