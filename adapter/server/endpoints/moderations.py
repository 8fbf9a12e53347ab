"""POST /v1/moderations."""

from functools import partial

from adapter.server.endpoints import model_calls as calls
from adapter.server.pipeline.call import Call
from adapter.server.state.ids import new_id
from adapter.translate.core.notes import Note
from adapter.translate.decisions import moderations
from adapter.translate.decisions.moderations import ModerationContext, ModerationPlan
from adapter.upstream.errors import UpstreamError
from adapter.wire.gemini.decisions import CreateDecisionResponse
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.openai.moderations import ModerationRequest, ModerationResult


async def create_moderation(call: Call) -> None:
    """Judge contents: all of them or none."""
    service, exchange = call.service, call.exchange
    request, unknown = await call.read(ModerationRequest)
    served = calls.find_model(call, request.model or moderations.DEFAULT_MODEL, "moderations")
    context = ModerationContext(request=request, served=served, options=service.options)
    plan = await call.work.run(moderations.to_gemini, context, unknown)
    calls.accept(call, plan.notes)
    judging = _Judging(call, plan)
    if context.has_decisions:
        results = await judging.by_decisions(served.model)
    else:
        results = await judging.by_ratings(context.rater)
    exchange.reply_notes = list(dict.fromkeys(judging.notes))
    answer = moderations.answer_of(results, new_id("modr-"), exchange.model)
    await call.send(answer, calls.headers_for(call))


class _Judging:
    """The calls for one request; `notes` are those on their answers."""

    def __init__(self, call: Call, plan: ModerationPlan) -> None:
        self._call = call
        self._plan = plan
        self.notes: list[Note] = []

    async def by_decisions(self, model: str) -> list[ModerationResult]:
        """Return verdicts by the Decisions API; by safety ratings if a relay turns out not to have it."""
        try:
            answers = await calls.ask_all(self._call, partial(self._decide, model), self._plan.batches)
        except UpstreamError as error:
            if error.status != 404 or self._call.service.options.platform == "studio":
                raise
            self.notes.append(moderations.BY_RATINGS)
            return await self.by_ratings(moderations.RATED_BY)
        return [one for batch in answers for one in batch]

    async def _decide(self, model: str, indexes: list[int]) -> list[ModerationResult]:
        body = moderations.questions_about(self._plan, indexes, model)
        self._call.exchange.upstream_request = body
        call = self._call.service.upstream.build_decision_call(model, body)
        response = await calls.ask(self._call, call, CreateDecisionResponse)
        if moderations.is_blocked(response) and len(indexes) > 1:
            # One of them was blocked, and must take no verdict from the others.
            return [one for index in indexes for one in await self._decide(model, [index])]
        return moderations.verdicts(response, self._plan, indexes, self.notes)

    async def by_ratings(self, model: str) -> list[ModerationResult]:
        """Return verdicts by the safety ratings of a chat model."""
        self._call.exchange.model = model
        return await calls.ask_all(self._call, partial(self._rate, model), list(range(len(self._plan.contents))))

    async def _rate(self, model: str, index: int) -> ModerationResult:
        body = moderations.rating_of(self._plan, index)
        self._call.exchange.upstream_request = body
        call = self._call.service.upstream.build_call(model, "generateContent", body)
        response = await calls.ask(self._call, call, GenerateContentResponse)
        return moderations.result_of_ratings(response, self._plan, index, self.notes)
