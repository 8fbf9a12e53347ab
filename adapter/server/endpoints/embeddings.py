"""POST /v1/embeddings."""

import asyncio
from typing import Any

from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.model_names import path_of_model
from adapter.server.pipeline.openai_tokens import detokenizer
from adapter.server.pipeline.service import deadline_of
from adapter.settings import find_served_model
from adapter.translate import embeddings
from adapter.translate.embeddings import EmbeddingContext, EmbeddingPlan
from adapter.upstream.client import Caller
from adapter.upstream.errors import UpstreamError
from adapter.wire.openai.embeddings import EmbeddingRequest

AT_ONCE = 4
"""Calls for one request that run at the same time."""


async def create_embeddings(call: Call) -> None:
    """Embed texts: all of them or none."""
    service, exchange = call.service, call.exchange
    request, unknown = await call.read(EmbeddingRequest)
    exchange.model_asked = request.model
    call.client.check(request.model)
    served = find_served_model(request.model, service.catalogue, "embeddings")
    path_of_model(served.model, service.upstream.settings.models)
    context = EmbeddingContext(request=request, served=served, options=service.options, detokenize=detokenizer())
    plan = await call.work.run(embeddings.to_gemini, context, unknown)
    exchange.model, exchange.notes = served.model, plan.notes
    exchange.upstream_request = plan.batches[0] if len(plan.batches) == 1 else plan.batches
    notes.check(plan.notes, notes.strictness(call.scope, service.losses), service.losses.notes)
    answers = await _ask(call, served.model, plan)
    found, exchange.reply_notes = await call.work.run(embeddings.from_gemini, answers, plan, request, served.model)
    await call.send(found, notes.headers(served.model, plan.notes, exchange.reply_notes))


async def _ask(call: Call, model: str, plan: EmbeddingPlan) -> list[Any]:
    """The answers to all batches, in their order. The first failure ends the others; no batch is asked twice for it."""
    upstream, caller, deadline = call.service.upstream, Caller(call.client.key), deadline_of(call.scope)
    asked = [upstream.build_call(model, plan.method.name, batch) for batch in plan.batches]
    turns = asyncio.Semaphore(AT_ONCE)

    async def ask(number: int) -> Any:
        async with turns:
            return await upstream.ask(asked[number], plan.method.answer, caller, deadline)

    with call.service.shutdown.limit():
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(ask(number)) for number in range(len(asked))]
        except* UpstreamError as failures:
            raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
