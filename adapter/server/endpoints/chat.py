"""POST /v1/chat/completions."""

from collections.abc import Callable
from functools import partial

import msgspec

from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.fallback import Plans
from adapter.server.pipeline.service import completion_id, patience_of, read_long_chat, stamp_of
from adapter.server.prefixes.reading import read_rest, read_without_tools, remember_tools
from adapter.translate import chat
from adapter.translate.answer.continuation import CONTINUED
from adapter.translate.core.context import Stamp
from adapter.translate.plan import Plan
from adapter.translate.prefix import LEAST, Reading
from adapter.upstream.client import Reply
from adapter.wire.base import encode
from adapter.wire.json_counts import values_at_most
from adapter.wire.openai.chat_answer import ChatCompletion, ChatCompletionChunk
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.signatures import Issued
from adapter.wire.sse import BLANK, DONE, event, events, split_at_blank


async def create_chat_completion(call: Call) -> None:
    """Answer a chat, whole or as a stream of chunks."""
    exchange, id_ = call.exchange, completion_id()
    reading = await _read(call) if len(call.body) >= LEAST else None
    request, unknown = await call.read(ChatCompletionRequest) if reading is None else reading[:2]
    exchange.model_asked, exchange.stream = request.model, bool(request.stream)
    plans = await call.service.planner.plan(request, unknown, call.client, call.work, reading=reading)
    call.accept(plans)
    if exchange.stream:
        writer = ChatWriter(call, stamp_of(plans, id_))
        async with call.event_stream(plans, writer) as client, call.open(plans, patience_of(call.fields)) as answer:
            await client.pass_on(answer)
    else:
        await call.send_translated(plans, await call.ask(plans, partial(_completion, call, plans, id_)))


async def _read(call: Call) -> Reading:
    """Return a long request, read with what is remembered of its tools and its history. Raises `Malformed`."""
    service, client, body = call.service, call.client.id, call.body
    tools, limits = service.known_tools, service.limits
    result = await read_without_tools(tools, service.prefixes, client, body, limits, service.work)
    if result is not None:
        reading, call.work = result
        return reading
    result = await read_rest(service.prefixes, client, body, limits, service.work)
    if result is None:
        values = values_at_most(body)
        call.work = service.work(body, values)
        reading = await call.work.run(read_long_chat, body, limits, values)
    else:
        reading, call.work = result
    await remember_tools(tools, client, body, reading.request, call.work)
    return reading


async def _completion(call: Call, plans: Plans, id_: str, reply: Reply) -> ChatCompletion:
    """Translate a whole answer; its signatures are stored before it leaves. Raises `AnswerError`."""
    context, exchange = plans.plan.context, call.exchange
    completion, ledger, issued = chat.from_gemini(reply.response, context, stamp_of(plans, id_), reply.unknown)
    exchange.reply_notes = [CONTINUED, *ledger] if reply.is_continued else ledger
    if issued:
        await call.service.store.put(issued, call.client.id)
    if notes.wants_all(call.fields):
        completion.extra_content = notes.with_ledger(completion.extra_content, exchange.ledger)
    return completion


class ChatWriter:
    """Writes a completion as a stream of chunks, see `event_stream.Writer`. `stamp` has the model asked first."""

    machine: chat.ChatStream

    def __init__(self, call: Call, stamp: Stamp) -> None:
        self._call = call
        self._exchange = call.exchange
        self._stamp = stamp
        self._chunk_ends: tuple[bytes, bytes] | None = None
        self._has_begun = False
        # None before the answer begins.
        self.take_issued: Callable[[], list[Issued]] = list

    def begin(self, plan: Plan) -> None:
        """Make the machine for the plan that is answered."""
        self.machine = chat.ChatStream(plan.context, msgspec.structs.replace(self._stamp, model=plan.model))
        self.take_issued, self._has_begun = self.machine.take_issued, True
        self._exchange.reply_notes = self.machine.notes
        self._exchange.record_first_event()

    @property
    def is_finished(self) -> bool:
        """Return whether all choices have ended: a later error changes nothing."""
        return self._has_begun and self.machine.is_finished

    def feed(self, reply: Reply) -> bytes | list[bytes]:
        """Make the chunks for one event of Gemini."""
        response = reply.response
        self._exchange.usage = response.usage_metadata or self._exchange.usage
        if reply.is_continued:
            self.machine.note_continuation()
        if not reply.unknown and (text := self.machine.plain_text(response)) is not None:
            if self._chunk_ends is None:
                self._chunk_ends = split_at_blank(self.machine.text_chunk(BLANK))
            before, behind = self._chunk_ends
            return before + encode(text) + behind
        self._chunk_ends = None
        return events(self.machine.feed_whole(response, reply.unknown))

    async def keep(self, issued: list[Issued]) -> None:
        """Store the signatures that the next request needs."""
        await self._call.service.store.put(issued, self._call.client.id)

    async def close(self) -> list[bytes]:
        """Make the last chunks, with the ledger if it was asked for, and the end of the stream."""
        chunks: list[ChatCompletionChunk] = self.machine.close()
        if notes.wants_all(self._call.fields):
            chunks[-1].extra_content = notes.with_ledger(chunks[-1].extra_content, self._exchange.ledger)
        return [*events(chunks), DONE]

    async def fail(self, error: Exception) -> list[bytes]:
        """Make the error event with which the stream ends."""
        return [event(self._call.service.failures.record(error, self._exchange, self._call.client).body)]

    def heartbeat(self) -> bytes:
        """Make an empty chunk, for settings that choose chunks as heartbeats."""
        return event(self.machine.empty_chunk() if self._has_begun else chat.empty_chunk(self._stamp))
