"""POST /translate: what would go to Gemini, without calling it."""

from adapter.server.pipeline.call import Call
from adapter.server.pipeline.ledger_headers import listed
from adapter.wire.openai.chat_request import ChatCompletionRequest


async def translate(call: Call) -> None:
    """The model, the exact body, and what became of each field."""
    request, unknown = await call.read(ChatCompletionRequest)
    prepared = await call.service.prepare(request, unknown, call.client, call.work)
    answer = {
        "model": prepared.model,
        "method": "streamGenerateContent" if prepared.context.request.stream else "generateContent",
        "calls": prepared.calls,
        "body": prepared.body,
        "notes": listed(prepared.notes),
    }
    await call.send_translated(prepared, answer)
