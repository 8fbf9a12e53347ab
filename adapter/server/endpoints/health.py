"""GET /healthz and /readyz."""

from starlette.requests import Request
from starlette.responses import Response

from adapter import __version__
from adapter.server.service import Service
from adapter.wire.base import encode


async def health(request: Request) -> Response:
    """Whether the process lives, what it calls, and what the operator should know."""
    service: Service = request.app.state.service
    store = service.store.describe()
    warnings = [store["warning"]] if store.get("warning") else []
    facts = {
        "status": "ok",
        "version": __version__,
        "upstream": service.label,
        "emulator": service.label == "emulator",
        "store": store,
        "warnings": warnings,
    }
    return Response(encode(facts), media_type="application/json")
