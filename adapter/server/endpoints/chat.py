"""POST /v1/chat/completions."""

from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.generation import Generation, Incoming, with_ledger
from adapter.server.pipeline.service import Prepared, Service, completion_id
from adapter.translate.answer import continuation
from adapter.translate.request import fields as chat
from adapter.upstream.client import Reply
from adapter.wire.base import encode
from adapter.wire.openai.chat_answer import ChatCompletion, ChatCompletionChunk
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.signatures import Issued
from adapter.wire.sse import BLANK, DONE, around, event


class ChatCompletions(Generation):
    """The endpoint."""

    async def serve(self, incoming: Incoming) -> None:
        """See `Generation`."""
        exchange = incoming.exchange
        work = self.service.work(exchange.request)
        request, unknown = await self.service.read(exchange.request, ChatCompletionRequest, work)
        exchange.model_asked, exchange.stream = request.model, bool(request.stream)
        prepared = await self.service.prepare(request, unknown, incoming.client, work)
        self.accept(incoming.scope, exchange, prepared)
        if exchange.stream:
            answer = StreamedChat(self.service, prepared, incoming)
            exchange.reply_notes = answer.machine.notes
            await self.stream(incoming, prepared, answer)
        else:
            await self._whole(incoming, prepared)

    async def _whole(self, incoming: Incoming, prepared: Prepared) -> None:
        id_ = completion_id()

        async def read(reply: Reply) -> ChatCompletion:
            answered = prepared.answered
            stamp = self.service.stamp(answered, id_)
            completion, ledger, issued = chat.from_gemini(reply.response, answered.context, stamp, reply.unknown)
            incoming.exchange.reply_notes = continuation.notes(reply.continued) + ledger
            if issued:
                await self.service.keep(issued, incoming.client)
            return completion

        completion = await self.ask(incoming, prepared, read)
        if notes.wants_all(incoming.scope):
            completion.extra_content = with_ledger(completion.extra_content, incoming.exchange)
        await self.send(incoming, prepared, encode(completion))


class StreamedChat:
    """A completion on its way to the client, see `streaming.Answer`."""

    def __init__(self, service: Service, prepared: Prepared, incoming: Incoming) -> None:
        self.machine = chat.ChatStream(prepared.context, service.stamp(prepared, completion_id()))
        self.take_issued = self.machine.take_issued
        self._service = service
        self._incoming = incoming
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
        self._incoming.exchange.heard(response)
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
        await self._service.keep(issued, self._incoming.client)

    async def close(self) -> list[bytes]:
        """See `Answer`."""
        chunks: list[ChatCompletionChunk] = self.machine.close()
        if notes.wants_all(self._incoming.scope):
            chunks[-1].extra_content = with_ledger(chunks[-1].extra_content, self._incoming.exchange)
        return [*map(event, chunks), DONE]

    async def fail(self, error: Exception) -> list[bytes]:
        """See `Answer`."""
        return [event(self._service.failed(error, self._incoming.exchange, self._incoming.client).body)]

    def heartbeat(self) -> bytes:
        """See `Answer`."""
        return event(self.machine.empty_chunk())
