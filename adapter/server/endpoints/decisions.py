"""POST /v1/decisions."""

from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.model_names import path_of_model
from adapter.server.pipeline.service import deadline_of
from adapter.settings import find_served_model
from adapter.translate import decisions
from adapter.translate.decisions import DecisionContext
from adapter.upstream.client import Caller
from adapter.wire.gemini.decisions import CreateDecisionResponse
from adapter.wire.openai.decisions import DecisionRequest


async def create_decision(call: Call) -> None:
    """Answer questions about an input."""
    service, exchange = call.service, call.exchange
    request, unknown = await call.read(DecisionRequest)
    exchange.model_asked = request.model
    call.client.check(request.model)
    served = find_served_model(request.model, service.catalogue, "decisions")
    path_of_model(served.model, service.upstream.settings.models)
    context = DecisionContext(request=request, served=served, options=service.options)
    plan = await call.work.run(decisions.to_gemini, context, unknown)
    exchange.model, exchange.notes, exchange.upstream_request = served.model, plan.notes, plan.body
    notes.check(plan.notes, notes.strictness(call.scope, service.losses), service.losses.notes)
    asked = service.upstream.build_decision_call(served.model, plan.body)
    with service.shutdown.limit():
        response = await service.upstream.ask(
            asked, CreateDecisionResponse, Caller(call.client.key), deadline_of(call.scope)
        )
    exchange.usage = decisions.tokens_of(response)
    found, exchange.reply_notes = await call.work.run(decisions.from_gemini, response, plan, context)
    await call.send(found, notes.headers(served.model, plan.notes, exchange.reply_notes))
