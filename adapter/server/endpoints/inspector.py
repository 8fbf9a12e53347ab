"""The page at /: what happened to each field of the last requests."""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from adapter.server.service import Service
from adapter.wire.base import encode

PAGE = Path(__file__).parent.parent / "inspector"
STATIC = StaticFiles(directory=PAGE)
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:"
HEADERS = {"content-security-policy": POLICY, "x-content-type-options": "nosniff", "cache-control": "no-cache"}


async def page(_request: Request) -> Response:
    """The page itself."""
    return FileResponse(PAGE / "index.html", headers=HEADERS)


async def exchanges(request: Request) -> Response:
    """The last exchanges, newest first."""
    service: Service = request.app.state.service
    rows = [exchange.summary() for exchange in service.exchanges.newest_first()]
    answer = {"upstream": service.label, "enabled": service.exchanges.enabled, "exchanges": rows}
    return Response(encode(answer), media_type="application/json")


async def exchange(request: Request) -> Response:
    """One exchange, whole."""
    service: Service = request.app.state.service
    found = service.exchanges.find(request.path_params["exchange_id"])
    if found is None:
        raise HTTPException(404)
    return Response(encode(found.detail()), media_type="application/json")


ROUTES = [
    Route("/", page),
    Route("/inspector/exchanges", exchanges),
    Route("/inspector/exchanges/{exchange_id}", exchange),
]
