"""GET /healthz and /readyz."""

from starlette.requests import Request
from starlette.responses import Response

from adapter import __version__
from adapter.server.pipeline.service import Service
from adapter.wire.base import encode

EMULATOR = "emulator"
"""The label of the built-in emulator as an upstream."""


async def ready(request: Request) -> Response:
    """Whether new requests should come here: a 503 from the moment on that the process was told to end.

    A store that does not answer is a warning and no reason to be left alone: answers are served without it.
    """
    answer = await health(request)
    drain = request.app.state.service.drain
    if drain.begun:
        answer.status_code = 503
    return answer


async def health(request: Request) -> Response:
    """Whether the process lives, what it calls, and what the operator should know."""
    service: Service = request.app.state.service
    store, responses = service.store.describe(), service.state.documents.describe()
    warnings = [facts["warning"] for facts in (store, responses) if facts.get("warning")]
    if service.label == EMULATOR:
        warnings.append("The built-in emulator answers: what it says is invented.")
    facts = {
        "status": "shutting down" if service.drain.begun else "ok",
        "version": __version__,
        "upstream": service.label,
        "emulator": service.label == EMULATOR,
        "store": store,
        "responses": responses,
        "warnings": warnings,
    }
    return Response(encode(facts), media_type="application/json")
