"""POST /v1/decisions."""

from adapter.server.endpoints import model_calls as calls
from adapter.server.pipeline.call import Call
from adapter.translate.decisions import decisions
from adapter.translate.decisions.decisions import DecisionContext
from adapter.wire.gemini.decisions import CreateDecisionResponse
from adapter.wire.openai.decisions import DecisionRequest


async def create_decision(call: Call) -> None:
    """Answer questions about an input."""
    service, exchange = call.service, call.exchange
    request, unknown = await call.read(DecisionRequest)
    served = calls.find_model(call, request.model, "decisions")
    context = DecisionContext(request=request, served=served, options=service.options)
    plan = await call.work.run(decisions.to_gemini, context, unknown)
    calls.accept(call, plan.notes, plan.body)
    response = await calls.ask(
        call, service.upstream.build_decision_call(served.model, plan.body), CreateDecisionResponse
    )
    exchange.usage = decisions.tokens_of(response)
    answer, exchange.reply_notes = await call.work.run(decisions.from_gemini, response, plan, context)
    await call.send(answer, calls.headers_for(call))
