"""The page at /: what happened to each field of the last requests."""

from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from adapter.server.limits.access import ANYBODY, AccessDenied, Client, is_local
from adapter.server.pipeline.service import Service
from adapter.wire.base import encode

PAGE = Path(__file__).parent.parent / "inspector"
STATIC = StaticFiles(directory=PAGE)
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:"
HEADERS = {"content-security-policy": POLICY, "cache-control": "no-cache"}
ASK = {"www-authenticate": 'Basic realm="any name, and a client key as the password"'}

_SEE = "see --inspector."


class PageToken:
    """What opens the page where no key is asked for and the operator did not switch it on: it is printed at start.

    A proxy on the same machine may look like the machine's own user, so the name and address of a caller are not enough
    to show everybody's prompts. The token comes in the URL once; a cookie holds it from then on.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        # Cookies are the same for all ports of a host: each server has a name of its own.
        self._cookie = f"adapter-page-{sha256(token.encode()).hexdigest()[:8]}"

    def is_in_url(self, request: Request) -> bool:
        """Whether the URL has it."""
        return self._matches(request.query_params.get("token", ""))

    def is_in_cookie(self, request: Request) -> bool:
        """Whether the browser was given it."""
        return self._matches(request.cookies.get(self._cookie, ""))

    def _matches(self, text: str) -> bool:
        return compare_digest(text.encode(), self._token.encode())

    def give(self, response: Response) -> Response:
        """The response, which gives it to the browser until that is closed."""
        response.set_cookie(self._cookie, self._token, path=None, httponly=True, samesite="lax")
        return response


def _viewer(request: Request) -> str:
    """Whose exchanges are shown: those of the key that the browser was told. Raises `HTTPException`.

    On the loopback address the page answers to the loopback's names alone, and through no proxy: a foreign name that
    resolves to it belongs to a site that would read what was said (DNS rebinding).
    """
    service: Service = request.app.state.service
    if service.settings.inspector is None and not is_local(request.scope):
        raise HTTPException(403, f"The page is shown to this machine alone, and through no proxy: {_SEE}")
    try:
        client: Client = service.access.viewer(request.scope)
    except AccessDenied:
        raise HTTPException(401, "The page wants a client key.", ASK) from None
    if not _is_opened(request, client):
        raise HTTPException(403, f"Open the page by the address that was printed when the server started: {_SEE}")
    return client.id


def _is_opened(request: Request, client: Client) -> bool:
    """Whether a token is there, where one is asked for: a key that was asked for shows its own exchanges alone."""
    token = _token_of(request)
    return token is None or client != ANYBODY or token.is_in_cookie(request) or token.is_in_url(request)


def _token_of(request: Request) -> PageToken | None:
    """The token that the page wants, if it wants one."""
    token: PageToken | None = getattr(request.app.state, "page_token", None)
    return token if request.app.state.service.settings.inspector is None else None


async def page(request: Request) -> Response:
    """The page itself; an address with its token gives that to the browser, and is forgotten."""
    _viewer(request)
    token = _token_of(request)
    if token is not None and token.is_in_url(request):
        return token.give(RedirectResponse("./", 303, {"cache-control": "no-store"}))
    return FileResponse(PAGE / "index.html", headers=HEADERS)


async def exchanges(request: Request) -> Response:
    """The last exchanges of the process that answers, newest first; `processes` is how many there are."""
    service: Service = request.app.state.service
    rows = [exchange.summary() for exchange in service.exchanges.newest_first(_viewer(request))]
    facts = {"upstream": service.label, "enabled": service.exchanges.enabled, "processes": service.settings.workers}
    return _answer(service, {**facts, "exchanges": rows})


async def exchange(request: Request) -> Response:
    """One exchange, whole."""
    service: Service = request.app.state.service
    found = service.exchanges.find(request.path_params["exchange_id"], _viewer(request))
    if found is not None:
        return _answer(service, found.detail())
    if service.settings.workers == 1:
        raise HTTPException(404)
    why = f"This one of {service.settings.workers} processes has no such exchange: ask again, another one may."
    raise HTTPException(404, why, {"connection": "close"})


def _answer(service: Service, value: object) -> Response:
    """An answer in JSON. Of several processes, each with exchanges of its own, the next request may reach another."""
    headers = {"connection": "close"} if service.settings.workers > 1 else {}
    return Response(encode(value), media_type="application/json", headers=headers)


ROUTES = [
    Route("/", page),
    Route("/inspector/exchanges", exchanges),
    Route("/inspector/exchanges/{exchange_id}", exchange),
]
