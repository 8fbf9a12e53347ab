"""POST /v1/responses/input_tokens and /v1/responses/compact."""

import time

from adapter.server.endpoints.responses import read_request
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.responding import turn_of
from adapter.server.pipeline.service import deadline_of
from adapter.translate.answer.continuation import CONTINUED
from adapter.translate.responses.compaction import compact, summary_request
from adapter.translate.responses.fields import from_gemini
from adapter.upstream.client import Caller, Reply
from adapter.wire.openai.responses_request import ResponsesRequest
from adapter.wire.openai.stored import CompactedResponse, InputTokens


async def count_input_tokens(call: Call) -> None:
    """Count the tokens of a request."""
    request, unknown, text = await read_request(call, ResponsesRequest)
    call.exchange.model_asked = request.model
    turn = await turn_of(call.service, request, unknown, call.client, work=call.work, text=text)
    call.exchange.history_bytes = turn.past.held.size
    call.accept(turn.plans)
    count = await call.service.upstream.count_tokens(
        turn.plans.plan.model, turn.plans.plan.body, Caller(call.client.key, turn.plans.pin), deadline_of(call.fields)
    )
    await call.send_translated(turn.plans, InputTokens(object="response.input_tokens", input_tokens=count))


async def compact_response(call: Call) -> None:
    """Shorten a conversation to its user messages and a summary."""
    request, unknown = await call.read(ResponsesRequest)
    call.exchange.model_asked = request.model
    turn = await turn_of(call.service, summary_request(request), unknown, call.client, work=call.work)
    call.exchange.history_bytes = turn.past.held.size
    call.accept(turn.plans)

    async def read(reply: Reply) -> CompactedResponse:
        response, ledger, _issued = from_gemini(
            reply.response, turn.plans.plan.context, turn.stamp, reply.unknown, turn.view, clock=time.time
        )
        call.exchange.reply_notes = [CONTINUED, *ledger] if reply.is_continued else ledger
        return await turn.work.run(compact, response, turn.past.request)

    await call.send_translated(turn.plans, await call.ask(turn.plans, read))
