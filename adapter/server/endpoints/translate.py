"""POST /translate: what would go to Gemini, without calling it."""

from starlette.requests import Request
from starlette.responses import Response

from adapter.server.http.asgi import printable
from adapter.server.pipeline.ledger_headers import listed
from adapter.server.pipeline.service import Service
from adapter.wire.base import encode
from adapter.wire.openai.chat_request import ChatCompletionRequest


async def translate(request: Request) -> Response:
    """The model, the exact body, and what became of each field."""
    service: Service = request.app.state.service
    client = service.access.client(request.scope)
    body = await service.body(request.scope, request.receive)
    work = service.work(body)
    prepared = await service.prepare(*await service.read(body, ChatCompletionRequest, work), client, work)
    answer = {
        "model": prepared.model,
        "method": "streamGenerateContent" if prepared.context.request.stream else "generateContent",
        "calls": prepared.calls,
        "body": prepared.body,
        "notes": listed(prepared.notes),
    }
    headers = {name: printable(value) for name, value in service.headers(prepared).items()}
    return Response(encode(answer), media_type="application/json", headers=headers)
