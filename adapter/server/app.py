"""The application: the entry of every connection, and the resources that it opens and closes."""

import gc
import logging
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple

import msgspec
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from adapter import extras
from adapter.server.batches.manager import RunningBatches
from adapter.server.http.asgi import fields_of, to_printable
from adapter.server.http.google_paths import google_path
from adapter.server.http.response_writer import CommonHeaders, ResponseSender, format_head_lines
from adapter.server.http.router import WEBSOCKET, Match
from adapter.server.lifecycle.key_reload import reload_keys_on_sighup, reload_settings
from adapter.server.lifecycle.watchdog import watch_event_loop
from adapter.server.observe.call_log import CallLog
from adapter.server.observe.exchange_log import MAX_PROGRAM, Exchange, is_page_enabled
from adapter.server.observe.recording import ExchangeScope
from adapter.server.observe.request_log import RequestLog, configure
from adapter.server.observe.request_record import KEY, record_of
from adapter.server.observe.route_name import RouteName, loggable_path
from adapter.server.pipeline.background import Jobs
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.endpoint import (
    Endpoint,
    Endpoints,
    endpoint_of,
    is_quiet,
    methods_of,
    router_of,
)
from adapter.server.pipeline.fallback import Place
from adapter.server.pipeline.http_entry import serve
from adapter.server.pipeline.service import Predict, Service
from adapter.server.routes import ENDPOINTS
from adapter.server.state.ids import new_id
from adapter.server.state.stored_files import StoredFiles
from adapter.settings import (
    FileSettings,
    Settings,
    document_limits,
    file_document_limits,
    further_upstreams,
    options,
    part_of,
    upstream_name,
    upstream_settings,
)
from adapter.store import FILE_RECORDS, DocumentStore, StoreUnusable, open_documents, open_files, open_store
from adapter.upstream import open_upstream
from adapter.upstream.client import Upstream
from adapter.upstream.observer import combine_observers

log = logging.getLogger("adapter")

SETTINGS_VARIABLE = "ADAPTER_SETTINGS"
LABEL_VARIABLE = "ADAPTER_SETTINGS_LABEL"
PAGE_VARIABLE = "ADAPTER_SETTINGS_PAGE_TOKEN"
CONNECTIONS_VARIABLE = "ADAPTER_SETTINGS_CONNECTIONS"
"""The environment variable for the file in which workers count their connections (`http/shared_listener.py`)."""

EXPOSED_HEADERS = (
    "x-request-id",
    "x-adapter-upstream",
    "x-adapter-model",
    "x-adapter-notes",
    "x-adapter-signatures",
    "retry-after",
    "x-should-retry",
)
"""Headers that scripts of other origins may read, where any may call."""

_SENSIBLE_ID = re.compile(rb"[\w.:-]{1,64}", re.ASCII)


def create_app(
    settings: Settings,
    label: str | None = None,
    lines: RequestLog | None = None,
    *,
    replaced: bool = False,
    page_token: str | None = None,
    endpoints: Endpoints = ENDPOINTS,
    predict: Predict | None = None,
) -> ASGIApp:
    """Return the server as an ASGI application.

    `label` names the upstream in headers and in /healthz; `lines` takes a line for each request; `replaced`: whether a
    process that ends is replaced by another one. `page_token` opens the page at / where nothing else keeps it closed;
    without one it is open to this machine. `endpoints` are those that are served. `predict`
    tells Gemini's errors without a call.
    """
    label = label or upstream_name(settings)
    metrics = extras.load("adapter.server.observe.metrics", "metrics").Metrics() if settings.metrics else None
    traces = extras.load("adapter.server.observe.tracing", "telemetry").Traces() if settings.traces else None
    app = Application(settings, label, endpoints)
    # Only for the lifespan, whose protocol Starlette speaks; requests never reach it.
    app.lifespan = Starlette(
        lifespan=_lifespan(
            app, settings, label, Observers(lines, metrics, traces, page_token), replaced=replaced, predict=predict
        )
    )
    return app if traces is None else traces.wrap(app, app.name_of)


def settle() -> None:
    """Let the collector leave alone what lives as long as the process, and look at what does not less often.

    Nothing is collected before: that takes longer than building the application, and finds only what imports left.
    """
    gc.freeze()
    # With Python's own thresholds a small chat takes 5 % more instructions (docs/decisions.md, tricks of speed).
    gc.set_threshold(20_000, 20, 20)


def app_from_environment(predict: Predict | None = None) -> ASGIApp:
    """Return the application of a worker process. It has its parent's settings, and reads key files again.

    Workers are replaced one by one on SIGHUP.
    """
    settle()
    settings = msgspec.json.decode(os.environ[SETTINGS_VARIABLE].encode(), type=Settings)
    lines = configure(settings)
    label, token = os.environ[LABEL_VARIABLE], os.environ[PAGE_VARIABLE]
    return create_app(reload_settings(settings), label, lines, replaced=True, page_token=token, predict=predict)


class Observers(NamedTuple):
    """The observers of requests, if the operator wants them: log, metrics, traces, the page at /."""

    lines: RequestLog | None
    # Their modules are loaded only where their extras are installed, so no type of theirs can be named here.
    metrics: Any
    traces: Any
    page_token: str | None


def _lifespan(
    application: "Application",
    settings: Settings,
    label: str,
    observers: Observers,
    *,
    replaced: bool,
    predict: Predict | None,
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Open sockets, pools and files in the process that serves, and close them."""
    lines, metrics, traces, page_token = observers

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        if traces is not None:
            traces.open()
        calls = CallLog() if is_page_enabled(settings) else None
        observer = combine_observers([one for one in (metrics, traces, calls) if one is not None])
        upstream = open_upstream(upstream_settings(settings), observer)
        store = await open_store(settings.store)
        documents = await open_documents(settings.store, document_limits(settings))
        file_records = await open_documents(settings.store, file_document_limits(settings), FILE_RECORDS)
        # A set: stores on one server (Redis) have the same warning.
        for warning in {one.describe().get("warning") for one in (store, documents, file_records)} - {None, ""}:
            log.warning("%s", warning)
        files = _open_files(settings, file_records)
        further = [_place(one, open_upstream(upstream_settings(one), observer)) for one in further_upstreams(settings)]
        service = Service(
            settings,
            upstream,
            store,
            documents,
            label,
            lines=lines,
            metrics=metrics,
            page_token=page_token,
            further=further,
            files=files,
        )
        service.predict = predict
        jobs = Jobs(service)
        batches = service.batches = RunningBatches(service)
        application.running = Running(service, jobs)
        try:
            clients = [upstream, *(place.upstream for place in further)]
            with (
                service.shutdown.handle_signals(second_signal_ends=not replaced),
                reload_keys_on_sighup(settings, service.access, clients),
                watch_event_loop(settings.stuck_timeout, replaced=replaced),
                files.sweeping(),
            ):
                yield
        finally:
            # Whoever uses the others closes first: batches and background responses still write to stores and call
            # upstreams.
            await batches.aclose()
            await jobs.aclose()
            await service.aclose()
            for place in further:
                await place.upstream.aclose()
            await upstream.aclose()
            files.close()
            await file_records.aclose()
            await documents.aclose()
            await store.aclose()
            if traces is not None:
                await traces.aclose()

    return lifespan


def _open_files(settings: Settings, documents: DocumentStore) -> StoredFiles:
    """Open the files of clients. If they cannot be stored, all else is served."""
    chosen = part_of(settings, FileSettings)
    directory, why_not = None, ""
    try:
        directory = open_files(chosen.store, chosen.files_dir, chosen.files_max_bytes)
    except StoreUnusable as error:
        why_not = str(error)
        log.warning("cannot store files: %s", error)
    return StoredFiles(directory, documents, settings.responses_max_age, why_not=why_not, clock=time.time)


def _place(settings: Settings, upstream: Upstream) -> Place:
    """Return a further upstream."""
    label = upstream.settings.name
    return Place(upstream, label, options(settings, label))


class Running(NamedTuple):
    """The objects that serve requests between the start and the end of a process."""

    service: Service
    jobs: Jobs


class Application:
    """The entry of every connection: it gives an id, an endpoint, the common headers, and a log line at the end."""

    def __init__(self, settings: Settings, label: str, endpoints: Endpoints) -> None:
        self.running: Running | None = None
        self.lifespan: ASGIApp | None = None
        self._router = router_of(endpoints, settings)
        self._max_body = settings.max_body
        self._max_bodies = {endpoint: endpoint.max_body(settings) for endpoint in endpoints}
        self._label = to_printable(label)
        # As OpenAI's own answers have it (2026).
        self._common = format_head_lines({"openai-version": "2020-10-01", "x-content-type-options": "nosniff"})
        self._behind_cors = _cors(self._route, settings, endpoints)

    def name_of(self, path: str) -> RouteName:
        """Return the name of a path for places where nothing of a request may be seen."""
        match = self._router.match(path)
        return RouteName(None) if match is None else RouteName(match.template, is_quiet(match))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            assert self.lifespan is not None
            await self.lifespan(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._serve_socket(scope, receive, send)
            return
        match, endpoint = self._endpoint(scope)
        fields = fields_of(scope)
        exchange = _exchange(scope, fields, match, endpoint, _request_id(fields))
        common = CommonHeaders(self._common, self._label, exchange.id)
        sender = ResponseSender(send, common, is_head=scope["method"] == "HEAD")
        call = self._call(match, exchange, scope, receive, sender)
        with ExchangeScope(call.service.recorder, exchange, asks_gemini=endpoint.asks_gemini):
            if self._behind_cors is None:
                await serve(endpoint, call, self._max_bodies.get(endpoint, self._max_body))
            else:
                record_of(scope).exchange = exchange
                await self._behind_cors(scope, receive, sender)
                # The middleware answers a preflight itself, and no endpoint has set a status.
                exchange.status = exchange.status or sender.status

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that the middleware for other origins let pass."""
        # Looked up again: the middleware passes on nothing but the scope.
        match, endpoint = self._endpoint(scope)
        exchange = record_of(scope).exchange
        assert exchange is not None, "every request is recorded before the middleware is called"
        call = self._call(match, exchange, scope, receive, send)
        await serve(endpoint, call, self._max_bodies.get(endpoint, self._max_body))

    def _endpoint(self, scope: Scope) -> tuple[Match[Endpoint] | None, Endpoint]:
        """Return the endpoint of a request, and how its path matches."""
        path, method = google_path(scope) or scope["path"], scope["method"]
        match = self._router.match(path, method)
        endpoint = None if match is None else match.methods.get(method)
        return match, endpoint or endpoint_of(self._router, match, path, method)

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        match = self._router.match(scope["path"], WEBSOCKET)
        endpoint = None if match is None else match.methods.get(WEBSOCKET)
        if endpoint is None:
            # Closed before it is accepted, a handshake is answered with 403, whatever the code (ASGI specification,
            # websocket).
            await send({"type": "websocket.close", "code": 1000})
            return
        exchange = _exchange(scope, fields_of(scope), match, endpoint, "")
        await endpoint.handler(self._call(match, exchange, scope, receive, send))

    def _call(
        self, match: Match[Endpoint] | None, exchange: Exchange, scope: Scope, receive: Receive, send: Send
    ) -> Call:
        assert self.running is not None, "the lifespan has not run"
        service, jobs = self.running
        parameters = {} if match is None else match.parameters
        return Call(service, jobs, exchange, scope=scope, receive=receive, send=send, parameters=parameters)


def _request_id(fields: Mapping[bytes, bytes]) -> str:
    """Return the client's own id for its request if it is a sensible one, else a new one."""
    sent = fields.get(b"x-client-request-id")
    return sent.decode() if sent is not None and _SENSIBLE_ID.fullmatch(sent) else new_id("req_")


def _exchange(
    scope: Scope, fields: Mapping[bytes, bytes], match: Match[Endpoint] | None, endpoint: Endpoint, request_id: str
) -> Exchange:
    """Return the record of a request; the span around it finds it in the scope."""
    exchange = Exchange(
        id=request_id,
        path="?" if match is None else match.template,
        endpoint=endpoint.label,
        started_at=time.time(),
        method=scope.get("method", WEBSOCKET),
        unknown_path=loggable_path(scope) if match is None else "",
        client=None,
        quiet=endpoint.is_quiet,
        program=fields.get(b"user-agent", b"").decode("latin-1")[:MAX_PROGRAM],
    )
    if (record := scope.get(KEY)) is not None:
        exchange.trace_id, record.exchange = record.trace_id, exchange
    return exchange


def _cors(app: ASGIApp, settings: Settings, endpoints: Endpoints) -> ASGIApp | None:
    """Allow calls from other origins if the operator names them; cookies play no part."""
    if not settings.allow_origins:
        return None
    return CORSMiddleware(
        app,
        allow_origins=settings.allow_origins,
        allow_methods=methods_of(endpoints),
        allow_headers=("*",),
        expose_headers=EXPOSED_HEADERS,
    )
