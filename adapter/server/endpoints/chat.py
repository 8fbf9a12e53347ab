"""POST /v1/chat/completions."""

from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.service import Prepared, Service, completion_id
from adapter.translate.answer import continuation
from adapter.translate.request import fields as chat
from adapter.upstream.client import Reply
from adapter.wire.base import encode
from adapter.wire.openai.chat_answer import ChatCompletion, ChatCompletionChunk
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.signatures import Issued
from adapter.wire.sse import BLANK, DONE, around, event


async def create_chat_completion(call: Call) -> None:
    """Answer a chat."""
    exchange = call.exchange
    request, unknown = await call.read(ChatCompletionRequest)
    exchange.model_asked, exchange.stream = request.model, bool(request.stream)
    prepared = await call.service.prepare(request, unknown, call.client, call.work)
    call.accept(prepared)
    if exchange.stream:
        answer = StreamedChat(call.service, prepared, call)
        exchange.reply_notes = answer.machine.notes
        await call.stream(prepared, answer)
    else:
        await _send_whole(call, prepared)


async def _send_whole(call: Call, prepared: Prepared) -> None:
    id_ = completion_id()

    async def read(reply: Reply) -> ChatCompletion:
        answered = prepared.answered
        stamp = call.service.stamp(answered, id_)
        completion, ledger, issued = chat.from_gemini(reply.response, answered.context, stamp, reply.unknown)
        call.exchange.reply_notes = continuation.notes(reply.continued) + ledger
        if issued:
            await call.service.keep(issued, call.client)
        return completion

    completion = await call.ask(prepared, read)
    if notes.wants_all(call.scope):
        completion.extra_content = notes.with_ledger(completion.extra_content, call.exchange.ledger)
    await call.send_translated(prepared, completion)


class StreamedChat:
    """A completion on its way to the client, see `streaming.Answer`."""

    def __init__(self, service: Service, prepared: Prepared, call: Call) -> None:
        self.machine = chat.ChatStream(prepared.context, service.stamp(prepared, completion_id()))
        self.take_issued = self.machine.take_issued
        self._service = service
        self._call = call
        self._around: tuple[bytes, bytes] | None = None
        if prepared.detour is not None:
            prepared.detour.when_taken(lambda taken, _label: self.machine.instead(taken.context, taken.model))

    @property
    def finished(self) -> bool:
        """See `Answer`."""
        return self.machine.finished

    def feed(self, reply: Reply) -> list[bytes]:
        """See `Answer`."""
        response = reply.response
        self._call.exchange.heard(response)
        if reply.continued:
            self.machine.went_on()
        if not reply.unknown and (text := self.machine.more(response)) is not None:
            if self._around is None:
                self._around = around(self.machine.text_chunk(BLANK))
            before, behind = self._around
            return [before + encode(text) + behind]
        self._around = None
        return list(map(event, self.machine.feed(response, reply.unknown)))

    async def keep(self, issued: list[Issued]) -> None:
        """See `Answer`."""
        await self._service.keep(issued, self._call.client)

    async def close(self) -> list[bytes]:
        """See `Answer`."""
        chunks: list[ChatCompletionChunk] = self.machine.close()
        if notes.wants_all(self._call.scope):
            chunks[-1].extra_content = notes.with_ledger(chunks[-1].extra_content, self._call.exchange.ledger)
        return [*map(event, chunks), DONE]

    async def fail(self, error: Exception) -> list[bytes]:
        """See `Answer`."""
        return [event(self._service.failed(error, self._call.exchange, self._call.client).body)]

    def heartbeat(self) -> bytes:
        """See `Answer`."""
        return event(self.machine.empty_chunk())
