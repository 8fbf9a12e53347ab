"""The page at /: what happened to each field of the last requests."""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from adapter.server.http.asgi import host_of
from adapter.server.limits.access import AccessDenied, Client
from adapter.server.pipeline.service import Service
from adapter.settings import is_loopback
from adapter.wire.base import encode

PAGE = Path(__file__).parent.parent / "inspector"
STATIC = StaticFiles(directory=PAGE)
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:"
HEADERS = {"content-security-policy": POLICY, "cache-control": "no-cache"}
ASK = {"www-authenticate": 'Basic realm="any name, and a client key as the password"'}


def _viewer(request: Request) -> str:
    """Whose exchanges are shown: those of the key that the browser was told. Raises `HTTPException`.

    On the loopback address the page answers to the loopback's names alone: a foreign name that resolves to it belongs
    to a site that would read what was said (DNS rebinding).
    """
    settings = request.app.state.service.settings
    if settings.inspector is None and not is_loopback(host_of(request.scope)):
        raise HTTPException(403, "The page is shown under the names of the loopback address only; see --inspector.")
    try:
        client: Client = request.app.state.service.access.viewer(request.scope)
    except AccessDenied:
        raise HTTPException(401, "The page wants a client key.", ASK) from None
    return client.id


async def page(request: Request) -> Response:
    """The page itself."""
    _viewer(request)
    return FileResponse(PAGE / "index.html", headers=HEADERS)


async def exchanges(request: Request) -> Response:
    """The last exchanges, newest first."""
    service: Service = request.app.state.service
    rows = [exchange.summary() for exchange in service.exchanges.newest_first(_viewer(request))]
    answer = {"upstream": service.label, "enabled": service.exchanges.enabled, "exchanges": rows}
    return Response(encode(answer), media_type="application/json")


async def exchange(request: Request) -> Response:
    """One exchange, whole."""
    service: Service = request.app.state.service
    found = service.exchanges.find(request.path_params["exchange_id"], _viewer(request))
    if found is None:
        raise HTTPException(404)
    return Response(encode(found.detail()), media_type="application/json")


ROUTES = [
    Route("/", page),
    Route("/inspector/exchanges", exchanges),
    Route("/inspector/exchanges/{exchange_id}", exchange),
]
