"""POST /v1/moderations."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.ids import new_id
from adapter.server.pipeline.model_names import path_of_model
from adapter.server.pipeline.service import deadline_of
from adapter.settings import find_served_model
from adapter.translate import moderations
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Note, Rejected
from adapter.translate.moderations import ModerationContext, ModerationPlan
from adapter.upstream.client import Caller, Forwarded
from adapter.upstream.errors import UpstreamError
from adapter.wire.gemini.decisions import CreateDecisionResponse
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.openai.moderations import ModerationRequest, ModerationResult

T = TypeVar("T")
A = TypeVar("A")

AT_ONCE = 4
"""Calls for one request that run at the same time."""


async def create_moderation(call: Call) -> None:
    """Judge contents: all of them or none."""
    service, exchange = call.service, call.exchange
    request, unknown = await call.read(ModerationRequest)
    exchange.model_asked = name = request.model or moderations.DEFAULT_MODEL
    call.client.check(name)
    served = find_served_model(name, service.catalogue, "moderations")
    path_of_model(served.model, service.upstream.settings.models)
    context = ModerationContext(request=request, served=served, options=service.options)
    plan = await call.work.run(moderations.to_gemini, context, unknown)
    exchange.model, exchange.notes = served.model, plan.notes
    notes.check(plan.notes, notes.strictness(call.scope, service.losses), service.losses.notes)
    judging = _Judging(call, plan)
    if context.has_decisions:
        results = await judging.by_decisions(served.model)
    else:
        results = await judging.by_ratings(context.rater)
    exchange.reply_notes = list(dict.fromkeys(judging.notes))
    found = moderations.answer_of(results, new_id("modr-"), exchange.model)
    await call.send(found, notes.headers(exchange.model, plan.notes, exchange.reply_notes))


class _Judging:
    """The calls for one request; `notes` are those on their answers."""

    def __init__(self, call: Call, plan: ModerationPlan) -> None:
        self._call = call
        self._plan = plan
        self._turns = asyncio.Semaphore(AT_ONCE)
        self.notes: list[Note] = []

    async def by_decisions(self, model: str) -> list[ModerationResult]:
        """Verdicts by the Decisions API; by safety ratings where a relay turns out to have none."""
        try:
            found = await self._all(partial(self._decide, model), self._plan.batches)
        except UpstreamError as error:
            if error.status != 404 or self._call.service.options.platform == "studio":
                raise
            self.notes.append(moderations.BY_RATINGS)
            return await self.by_ratings(moderations.RATED_BY)
        return [one for batch in found for one in batch]

    async def _decide(self, model: str, indexes: list[int]) -> list[ModerationResult]:
        body = moderations.questions_about(self._plan, indexes, model)
        self._call.exchange.upstream_request = body
        asked = self._call.service.upstream.build_decision_call(model, body)
        response = await self._ask(asked, CreateDecisionResponse)
        if moderations.is_blocked(response) and len(indexes) > 1:
            # One of them was blocked, and must take no verdict from the others.
            return [one for index in indexes for one in await self._decide(model, [index])]
        return moderations.verdicts(response, self._plan, indexes, self.notes)

    async def by_ratings(self, model: str) -> list[ModerationResult]:
        """Verdicts by the safety ratings of a chat model."""
        self._call.exchange.model = model
        return await self._all(partial(self._rate, model), list(range(len(self._plan.contents))))

    async def _rate(self, model: str, index: int) -> ModerationResult:
        body = moderations.rating_of(self._plan, index)
        self._call.exchange.upstream_request = body
        asked = self._call.service.upstream.build_call(model, "generateContent", body)
        response = await self._ask(asked, GenerateContentResponse)
        return moderations.rated(response, self._plan, index, self.notes)

    async def _ask(self, asked: Forwarded, type_: type[T]) -> T:
        service = self._call.service
        async with self._turns:
            return await service.upstream.ask(
                asked, type_, Caller(self._call.client.key), deadline_of(self._call.scope)
            )

    async def _all(self, ask: Callable[[A], Coroutine[Any, Any, T]], inputs: list[A]) -> list[T]:
        """What all calls give, in the order of their inputs; the first failure ends the others."""
        with self._call.service.shutdown.limit():
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(ask(one)) for one in inputs]
            except* (UpstreamError, AnswerError, Rejected) as failures:
                raise failures.exceptions[0] from None
        return [task.result() for task in tasks]
