"""The page at /: the fate of each field of the last requests."""

import asyncio
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response

from adapter import __version__
from adapter.server.dry_run.comparison import compare_models, rows_of
from adapter.server.dry_run.dry_run import describe
from adapter.server.endpoints.chat import create_chat_completion
from adapter.server.endpoints.health import EMULATOR
from adapter.server.endpoints.responses import create_response
from adapter.server.endpoints.translate import dry_run_for, translate
from adapter.server.http.asgi import header, until, while_connected
from adapter.server.limits.access import ANONYMOUS, AccessDenied, Client, is_local
from adapter.server.observe.changes import Changes
from adapter.server.observe.exchange_log import Exchange
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.errors import NotServed
from adapter.server.pipeline.event_stream import EventStream
from adapter.server.pipeline.service import Service
from adapter.translate.core.catalogue import CODES
from adapter.translate.signatures.keys import call_key

PAGE = Path(__file__).parent.parent / "inspector"
_TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
          ".css": "text/css; charset=utf-8"}  # fmt: skip
TYPES = {file.relative_to(PAGE).as_posix(): _TYPES[file.suffix] for file in PAGE.rglob("*") if file.suffix in _TYPES}
"""The files of the page by their paths below it, with their media types."""

MAX_VIEWERS = 16
"""The most open pages that get changes as events; other pages poll."""

TOKEN_HEADER = b"x-adapter-page"
"""A header that no form can send: only a script of the page itself can add it."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"content-security-policy": POLICY, "cache-control": "no-cache"}
ASK = {"www-authenticate": 'Basic realm="any name, and a client key as the password"'}

_SEE = "see --inspector."


class PageToken:
    """The token that opens the page if there are no client keys and no `--inspector`; it is printed at start.

    A proxy on the same machine may look like the machine's own user, so the name and address of a caller are not enough
    to show everybody's prompts. The token comes in the URL once; a cookie holds it from then on.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        # Cookies are the same for all ports of a host: each server has a name of its own.
        self._name = f"adapter-page-{sha256(token.encode()).hexdigest()[:8]}"

    def is_in_url(self, call: Call) -> bool:
        """Return whether the URL has the token."""
        return self._matches(call.query.get("token", ""))

    def is_in_cookie(self, call: Call) -> bool:
        """Return whether the cookie has the token."""
        return self._matches(HTTPConnection(call.scope).cookies.get(self._name, ""))

    def _matches(self, text: str) -> bool:
        return compare_digest(text.encode(), self._token.encode())

    @property
    def cookie(self) -> str:
        """The header that gives the browser the token until it is closed."""
        response = Response()
        response.set_cookie(self._name, self._token, path=None, httponly=True, samesite="lax")
        return response.headers["set-cookie"]


def _viewer(call: Call) -> str:
    """Return the id of the client whose exchanges are shown. Raises `HTTPException`."""
    return _client(call).id


def _client(call: Call) -> Client:
    """Return the client whose exchanges are shown: that of the browser's key. Raises `HTTPException`.

    On the loopback address the page answers to the loopback's names alone, and through no proxy: a foreign name that
    resolves to it belongs to a site that would read what was said (DNS rebinding).
    """
    if call.service.page.inspector is None and not is_local(call.scope):
        raise HTTPException(403, f"The page is shown only to this machine, and not through a proxy: {_SEE}")
    try:
        client = call.service.access.viewer(call.scope)
    except AccessDenied:
        raise HTTPException(401, "The page needs a client key.", ASK) from None
    if not _is_opened(call, client):
        raise HTTPException(403, f"Open the page with the URL that was printed when the server started: {_SEE}")
    return client


def _is_opened(call: Call, client: Client) -> bool:
    """Return whether the request has the page's token, if it needs one; with a key it sees only its own exchanges."""
    token = _token_of(call)
    return token is None or client != ANONYMOUS or token.is_in_cookie(call) or token.is_in_url(call)


def _token_of(call: Call) -> PageToken | None:
    """Return the token that opens the page, if one is needed."""
    token = call.service.page_token
    return PageToken(token) if token and call.service.page.inspector is None else None


async def page(call: Call) -> None:
    """Serve the page. A token in its address moves to a cookie, and the address is replaced."""
    _viewer(call)
    token = _token_of(call)
    if token is not None and token.is_in_url(call):
        await call.send(b"", {"location": "./", "cache-control": "no-store", "set-cookie": token.cookie}, 303)
    else:
        await _send_file(call, "index.html")


async def page_file(call: Call) -> None:
    """Serve a file that the page loads; it holds no data of requests."""
    name = "/".join(call.parameters[step] for step in ("folder", "file") if step in call.parameters)
    if name not in TYPES:
        raise HTTPException(404)
    await _send_file(call, name)


async def _send_file(call: Call, name: str) -> None:
    await call.send((PAGE / name).read_bytes(), {"content-type": TYPES[name], **HEADERS})


async def about(call: Call) -> None:
    """Answer with what the page must know of the server before anything else."""
    _viewer(call)
    service = call.service
    facts = {
        "version": __version__,
        "upstream": service.label,
        "emulator": service.label == EMULATOR,
        "processes": service.page.workers,
        "needs_key": service.asks_for_key,
    }
    await call.send(facts)


async def exchanges(call: Call) -> None:
    """Answer with this process's last exchanges, newest first; `processes` is how many there are."""
    service = call.service
    viewer, log = _viewer(call), service.recorder.exchanges
    rows = [exchange.row() for exchange in (*log.running(viewer), *log.newest_first(viewer))]
    facts = {"upstream": service.label, "enabled": log.enabled, "processes": service.page.workers}
    await call.send({**facts, "exchanges": rows}, _headers(service))


async def exchange(call: Call) -> None:
    """Answer with one whole exchange."""
    service, viewer = call.service, _viewer(call)
    record = service.recorder.exchanges.find(call.parameters["exchange_id"], viewer)
    if record is not None:
        is_whole = call.query.get("whole") == "true"
        detail = await asyncio.to_thread(_detail, service, record, is_whole=is_whole)
        await _add_times(detail["signatures"], service, viewer)
        await call.send(detail, _headers(service))
        return
    if service.page.workers == 1:
        raise HTTPException(404)
    why = f"This one of {service.page.workers} processes has no such exchange: ask again, another one may."
    raise HTTPException(404, why, _headers(service))


async def _add_times(signatures: list[dict[str, Any]], service: Service, client: str) -> None:
    """Add to each signature that is stored under its call's id the time at which it was stored."""
    keys = {
        call_key(signature["call"]): signature for signature in signatures if signature["call"] and signature["source"]
    }
    for key, written in (await service.store.get_times(list(keys), client) if keys else {}).items():
        keys[key]["issued_at"] = written


def _detail(service: Service, exchange: Exchange, *, is_whole: bool) -> dict[str, Any]:
    """Return an exchange with its plan, which is traced field by field only on this request."""
    detail = exchange.detail(is_whole=is_whole)
    detail["was_sent"] = any(call.attempts for call in exchange.calls)
    detail["signatures"] = []
    if exchange.plan is None:
        return detail
    shown = describe(exchange.plan, service.settings, service.predict, exchange.client_path)
    del shown["body"]
    history = exchange.plan.context.history
    return {**detail, "plan": shown, "signatures": [] if history is None else history.sources()}


async def changes(call: Call) -> None:
    """Stream the list's changes as server-sent events; a new connection goes on from an event's id."""
    service, client = call.service, _viewer(call)
    exchanges = service.recorder.exchanges
    if len(exchanges.changed) >= MAX_VIEWERS or service.page.workers > 1:
        raise HTTPException(503, "Poll the list instead: too many pages are open, or there are several processes.")
    feed = Changes(exchanges, client, header(call.scope, b"last-event-id") or "")
    call.exchange.status = 200
    stream = EventStream(call.send_message, service.streams)
    with (
        feed.open(),
        while_connected(call.scope, call.receive),
        until(stream.keep_alive(None)),
        service.shutdown.limit(),
    ):
        while True:
            await stream.write(feed.frame() or b": alive\n\n")
            await feed.wait()


async def capabilities(call: Call) -> None:
    """Answer with what each model can do, from when, and until when."""
    _viewer(call)
    await call.send(rows_of(call.service.catalogue))


async def codes(call: Call) -> None:
    """Answer with every code of the ledger, and its meaning."""
    _viewer(call)
    await call.send(list(CODES.values()))


def _page_client(call: Call) -> Client:
    """Return the client that uses the page's forms; pages of other origins cannot. Raises `HTTPException`."""
    client = _client(call)
    origin = header(call.scope, b"origin")
    site = header(call.scope, b"sec-fetch-site") or "same-origin"
    is_own = origin is not None and urlsplit(origin).netloc == header(call.scope, b"host")
    if header(call.scope, TOKEN_HEADER) is None or not is_own or site != "same-origin":
        raise HTTPException(403, "Only the page at / itself may send this.")
    return client


async def translate_pasted(call: Call) -> None:
    """Answer with the translation of a pasted text: POST /translate for whoever sees the page."""
    call.client = _page_client(call)
    await translate(call)


async def compare(call: Call) -> None:
    """Answer with what a request would lose on every model, and what Gemini would refuse."""
    call.client = _page_client(call)
    await call.send({"models": await asyncio.to_thread(compare_models, dry_run_for(call), call.body)})


_RUNS = {"/v1/chat/completions": create_chat_completion, "/v1/responses": create_response}


async def run(call: Call) -> None:
    """Send a request to Gemini for a user of the page, as the request's endpoint does."""
    call.client = _page_client(call)
    endpoint, call.body = dry_run_for(call).form_of(call.body)
    if endpoint not in _RUNS:
        raise NotServed(f"The page runs requests of {' and '.join(_RUNS)}.")
    service, exchange = call.service, call.exchange
    await service.count(call.client)
    exchange.path, exchange.client, exchange.request = endpoint, call.client.id, call.body
    exchange.model_asked = str(orjson.loads(call.body).get("model", ""))
    service.recorder.exchanges.begin(exchange)
    with while_connected(call.scope, call.receive):
        await service.admission.acquire()
        try:
            await _RUNS[endpoint](call)
        finally:
            service.admission.release()


def _headers(service: Service) -> dict[str, str]:
    """Return the headers of the page's data; of several processes, each has exchanges of its own."""
    return {"connection": "close"} if service.page.workers > 1 else {}
