"""POST /v1/embeddings."""

from adapter.server.endpoints import model_calls as calls
from adapter.server.media.openai_tokens import detokenizer
from adapter.server.pipeline.call import Call
from adapter.translate.embeddings import embeddings
from adapter.translate.embeddings.calls import Vectors
from adapter.translate.embeddings.embeddings import EmbeddingContext
from adapter.upstream.answers import read_message
from adapter.upstream.client import Forwarded
from adapter.wire.openai.embeddings import EmbeddingRequest


async def create_embeddings(call: Call) -> None:
    """Embed texts: all of them or none."""
    service, exchange = call.service, call.exchange
    request, unknown = await call.read(EmbeddingRequest)
    served = calls.find_model(call, request.model, "embeddings")
    context = EmbeddingContext(request=request, served=served, options=service.options, detokenize=detokenizer())
    plan = await call.work.run(embeddings.to_gemini, context, unknown)
    calls.accept(call, plan.notes, plan.batches[0] if len(plan.batches) == 1 else plan.batches)
    upstream_calls = [service.upstream.build_call(served.model, plan.method.name, batch) for batch in plan.batches]

    def read(answer: bytes) -> Vectors:
        return plan.method.read(answer, read_message)

    async def ask(one: Forwarded) -> Vectors:
        return await calls.ask_and_read(call, one, read)

    answers = await calls.ask_all(call, ask, upstream_calls)
    embedding_list, exchange.reply_notes = await call.work.run(
        embeddings.from_gemini, answers, plan, request, served.model
    )
    await call.send(embedding_list, calls.headers_for(call))
