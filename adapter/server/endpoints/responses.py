"""POST /v1/responses."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from adapter.server.http.asgi import until
from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.event_stream import EventStream, heartbeat_of
from adapter.server.pipeline.generation import Generation, Incoming, with_ledger
from adapter.server.pipeline.responding import StreamedResponse, Told, Turn, turn_of, whole
from adapter.server.pipeline.service import Service
from adapter.server.state.background import Jobs
from adapter.translate.core.notes import Rejected
from adapter.wire.base import encode
from adapter.wire.openai.responses import ResponsesRequest
from adapter.wire.sse import COMMENT


class Responses(Generation):
    """The endpoint."""

    def __init__(self, service: Service, jobs: Jobs) -> None:
        super().__init__(service)
        self._jobs = jobs

    async def serve(self, incoming: Incoming) -> None:
        """See `Generation`."""
        exchange = incoming.exchange
        work = self.service.work(exchange.request)
        request, unknown = await self.service.read(exchange.request, ResponsesRequest, work)
        exchange.model_asked, exchange.stream = request.model, bool(request.stream)
        if request.background and request.store is False:
            raise Rejected(
                "background", "setting-contradicted", "a response in the background is polled, so it must be stored"
            )
        turn = await turn_of(self.service, request, unknown, incoming.client, work=work)
        self.accept(incoming.scope, exchange, turn.prepared)
        if request.background:
            await self._background(incoming, turn)
        elif exchange.stream:
            answer = StreamedResponse(self.service, turn, Told(incoming.scope, exchange))
            exchange.reply_notes = answer.machine.notes
            await self.stream(incoming, turn.prepared, answer)
        else:
            await self._whole(incoming, turn)

    async def _background(self, incoming: Incoming, turn: Turn) -> None:
        """Let it run; a stream that the client leaves can be taken up again."""
        exchange = incoming.exchange
        answer = StreamedResponse(self.service, turn, Told(incoming.scope, exchange))
        exchange.reply_notes, exchange.background = answer.machine.notes, True
        queued = await self._jobs.start(turn, answer)
        if exchange.stream:
            stream = self.open_stream(incoming, turn.prepared)
            await follow(self.service, self._jobs.follow(queued.id, incoming.client.id, 0), stream)
        else:
            await self.send(incoming, turn.prepared, encode(queued))

    async def _whole(self, incoming: Incoming, turn: Turn) -> None:
        exchange = incoming.exchange
        response = await self.ask(incoming, turn.prepared, lambda reply: whole(self.service, turn, reply, exchange))
        if notes.wants_all(incoming.scope):
            response.extra_content = with_ledger(response.extra_content, exchange)
        await self.send(incoming, turn.prepared, encode(response))


async def follow(service: Service, batches: AsyncGenerator[list[bytes]], stream: EventStream) -> None:
    """Send what a background response tells, as it comes; the response goes on when the client is gone."""
    with until(stream.keep_alive(heartbeat_of(service.settings, lambda: COMMENT))):
        async with aclosing(batches):
            async for frames in batches:
                for frame in frames:
                    await stream.write(frame, more=True)
                await stream.flush()
    await stream.end()
