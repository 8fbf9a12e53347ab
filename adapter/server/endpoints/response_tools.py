"""POST /v1/responses/input_tokens and /v1/responses/compact."""

import time

from adapter.server.pipeline.generation import Generation, Incoming
from adapter.server.pipeline.responding import turn_of
from adapter.server.pipeline.service import deadline_of
from adapter.translate.answer import continuation
from adapter.translate.responses.compaction import asking, compacted
from adapter.translate.responses.fields import from_gemini
from adapter.upstream.client import Caller, Reply
from adapter.wire.base import encode
from adapter.wire.openai.responses import ResponsesRequest
from adapter.wire.openai.stored import CompactedResponse, InputTokens


class CountInputTokens(Generation):
    """POST /v1/responses/input_tokens."""

    async def serve(self, incoming: Incoming) -> None:
        """See `Generation`."""
        exchange = incoming.exchange
        work = self.service.work(exchange.request)
        request, unknown = await self.service.read(exchange.request, ResponsesRequest, work)
        exchange.model_asked = request.model
        turn = await turn_of(self.service, request, unknown, incoming.client, work=work)
        self.accept(incoming.scope, exchange, turn.prepared)
        count = await self.service.upstream.count_tokens(
            turn.prepared.model, turn.prepared.body, Caller(incoming.client.key), deadline_of(incoming.scope)
        )
        body = encode(InputTokens(object="response.input_tokens", input_tokens=count))
        await self.send(incoming, turn.prepared, body)


class CompactResponse(Generation):
    """POST /v1/responses/compact."""

    async def serve(self, incoming: Incoming) -> None:
        """See `Generation`."""
        exchange = incoming.exchange
        work = self.service.work(exchange.request)
        request, unknown = await self.service.read(exchange.request, ResponsesRequest, work)
        exchange.model_asked = request.model
        turn = await turn_of(self.service, asking(request), unknown, incoming.client, work=work)
        self.accept(incoming.scope, exchange, turn.prepared)

        async def read(reply: Reply) -> CompactedResponse:
            response, ledger, _issued = from_gemini(
                reply.response, turn.prepared.answered.context, turn.stamp, reply.unknown, turn.view, clock=time.time
            )
            exchange.reply_notes = continuation.notes(reply.continued) + ledger
            return compacted(response, turn.past.request)

        await self.send(incoming, turn.prepared, encode(await self.ask(incoming, turn.prepared, read)))
