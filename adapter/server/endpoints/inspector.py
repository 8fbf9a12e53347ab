"""The page at /: what happened to each field of the last requests."""

from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response

from adapter.server.limits.access import ANYBODY, AccessDenied, Client, is_local
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.service import Service

PAGE = Path(__file__).parent.parent / "inspector"
TYPES = {"index.html": "text/html; charset=utf-8", "script.js": "text/javascript; charset=utf-8",
         "style.css": "text/css; charset=utf-8"}  # fmt: skip
"""The files of the page."""

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
        self._name = f"adapter-page-{sha256(token.encode()).hexdigest()[:8]}"

    def is_in_url(self, call: Call) -> bool:
        """Whether the URL has it."""
        return self._matches(call.query.get("token", ""))

    def is_in_cookie(self, call: Call) -> bool:
        """Whether the browser was given it."""
        return self._matches(HTTPConnection(call.scope).cookies.get(self._name, ""))

    def _matches(self, text: str) -> bool:
        return compare_digest(text.encode(), self._token.encode())

    @property
    def cookie(self) -> str:
        """The header that gives it to the browser until that is closed."""
        response = Response()
        response.set_cookie(self._name, self._token, path=None, httponly=True, samesite="lax")
        return response.headers["set-cookie"]


def _viewer(call: Call) -> str:
    """Whose exchanges are shown: those of the key that the browser was told. Raises `HTTPException`.

    On the loopback address the page answers to the loopback's names alone, and through no proxy: a foreign name that
    resolves to it belongs to a site that would read what was said (DNS rebinding).
    """
    if call.service.settings.inspector is None and not is_local(call.scope):
        raise HTTPException(403, f"The page is shown to this machine alone, and through no proxy: {_SEE}")
    try:
        client = call.service.access.viewer(call.scope)
    except AccessDenied:
        raise HTTPException(401, "The page wants a client key.", ASK) from None
    if not _is_opened(call, client):
        raise HTTPException(403, f"Open the page by the address that was printed when the server started: {_SEE}")
    return client.id


def _is_opened(call: Call, client: Client) -> bool:
    """Whether a token is there, where one is asked for: a key that was asked for shows its own exchanges alone."""
    token = _token_of(call)
    return token is None or client != ANYBODY or token.is_in_cookie(call) or token.is_in_url(call)


def _token_of(call: Call) -> PageToken | None:
    """The token that the page wants, if it wants one."""
    token = call.service.page_token
    return PageToken(token) if token and call.service.settings.inspector is None else None


async def page(call: Call) -> None:
    """The page itself; an address with its token gives that to the browser, and is forgotten."""
    _viewer(call)
    token = _token_of(call)
    if token is not None and token.is_in_url(call):
        await call.send(b"", {"location": "./", "cache-control": "no-store", "set-cookie": token.cookie}, 303)
    else:
        await _send_file(call, "index.html")


async def page_file(call: Call) -> None:
    """A file that the page loads; it holds nothing that was said."""
    name = call.parameters["file"]
    if name not in TYPES:
        raise HTTPException(404)
    await _send_file(call, name)


async def _send_file(call: Call, name: str) -> None:
    await call.send((PAGE / name).read_bytes(), {"content-type": TYPES[name], **HEADERS})


async def exchanges(call: Call) -> None:
    """The last exchanges of the process that answers, newest first; `processes` is how many there are."""
    service = call.service
    rows = [exchange.summary() for exchange in service.recorder.exchanges.newest_first(_viewer(call))]
    facts = {
        "upstream": service.label,
        "enabled": service.recorder.exchanges.enabled,
        "processes": service.settings.workers,
    }
    await call.send({**facts, "exchanges": rows}, _headers(service))


async def exchange(call: Call) -> None:
    """One exchange, whole."""
    service = call.service
    found = service.recorder.exchanges.find(call.parameters["exchange_id"], _viewer(call))
    if found is not None:
        await call.send(found.detail(), _headers(service))
        return
    if service.settings.workers == 1:
        raise HTTPException(404)
    why = f"This one of {service.settings.workers} processes has no such exchange: ask again, another one may."
    raise HTTPException(404, why, _headers(service))


def _headers(service: Service) -> dict[str, str]:
    """Of several processes, each with exchanges of its own, the next request may reach another."""
    return {"connection": "close"} if service.settings.workers > 1 else {}
