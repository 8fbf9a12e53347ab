"""The application: its routes, and what opens and closes with it."""

import gc
import logging
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from adapter.server.endpoints import conversations, inspector
from adapter.server.endpoints.chat import ChatCompletions
from adapter.server.endpoints.health import health, ready
from adapter.server.endpoints.inspector import PageToken
from adapter.server.endpoints.metrics import metrics
from adapter.server.endpoints.models import get_model, list_models
from adapter.server.endpoints.openapi import openapi
from adapter.server.endpoints.response_tools import CompactResponse, CountInputTokens
from adapter.server.endpoints.responses import Responses
from adapter.server.endpoints.responses_socket import ResponsesSocket
from adapter.server.endpoints.stored_responses import (
    cancel_response,
    delete_response,
    get_response,
    list_input_items,
)
from adapter.server.endpoints.translate import translate
from adapter.server.http.asgi import ClientGone, fields_of, printable
from adapter.server.http.response_writer import Outlet, Stamps, head_lines
from adapter.server.lifecycle.key_reload import fresh, keys_read_on_hangup
from adapter.server.lifecycle.watchdog import watched
from adapter.server.observe.recording import Watched
from adapter.server.observe.request_log import Lines, configure
from adapter.server.observe.route_templates import shown_path
from adapter.server.pipeline.errors import TABLE, naming_place
from adapter.server.pipeline.fallback import Detours
from adapter.server.pipeline.ids import new_id
from adapter.server.pipeline.service import Service
from adapter.server.state.background import Jobs
from adapter.settings import Settings, document_limits, further_upstreams, upstream_name, upstream_settings
from adapter.store import open_documents, open_store
from adapter.upstream import open_upstream
from adapter.upstream.observer import together
from adapter.wire.base import encode

log = logging.getLogger("adapter")

SETTINGS_VARIABLE = "ADAPTER_SETTINGS"
LABEL_VARIABLE = "ADAPTER_SETTINGS_LABEL"
PAGE_VARIABLE = "ADAPTER_SETTINGS_PAGE_TOKEN"

TOLD = (
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
    lines: Lines | None = None,
    *,
    replaced: bool = False,
    page_token: str | None = None,
) -> ASGIApp:
    """The server as an ASGI application.

    `label` names the upstream in headers and in /healthz; `lines` takes a line for each request; `replaced`: whether a
    process that ends is replaced by another one. `page_token` opens the page at / where nothing else keeps it closed;
    without one it is open to this machine.
    """
    label = label or upstream_name(settings)
    # Their packages are extras.
    metrics = import_module("adapter.server.observe.metrics").Metrics() if settings.metrics else None
    traces = import_module("adapter.server.observe.tracing").Traces() if settings.traces else None
    app = Starlette(
        routes=_routes(settings),
        lifespan=_lifespan(settings, label, lines, metrics, traces, replaced=replaced),
        exception_handlers=dict.fromkeys((*TABLE, HTTPException, Exception), _on_error),
        middleware=_cors(settings),
    )
    app.state.page_token = PageToken(page_token) if page_token else None
    # A redirect to the path without the slash at its end would lose the key of many clients.
    app.router.redirect_slashes = False
    # CORS is the one middleware that the endpoints below may need.
    stamped = Stamped(app, label, {} if settings.allow_origins else _frequent())
    return stamped if traces is None else traces.around(stamped)


def settle() -> None:
    """Let the collector leave alone what lives as long as the process, and look at what does not less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def app_from_environment() -> ASGIApp:
    """The application in a worker process: the settings come whole, as its parent read them, save keys in files.

    Workers are replaced one by one on SIGHUP.
    """
    settle()
    settings = msgspec.json.decode(os.environ[SETTINGS_VARIABLE].encode(), type=Settings)
    lines = configure(settings)
    label, token = os.environ[LABEL_VARIABLE], os.environ[PAGE_VARIABLE]
    return create_app(fresh(settings), label, lines, replaced=True, page_token=token)


def _cors(settings: Settings) -> list[Middleware]:
    """Other origins may call where the operator names them; cookies play no part."""
    if not settings.allow_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.allow_origins,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=("*",),
            expose_headers=TOLD,
        )
    ]


def _routes(settings: Settings) -> list[BaseRoute]:
    routes: list[BaseRoute] = [Route("/healthz", health), Route("/readyz", ready), Route("/openapi.json", openapi)]
    for prefix in ("/v1", ""):
        routes += [
            Route(f"{prefix}/chat/completions", Endpoint(_chat), methods=["POST"]),
            *_responses(f"{prefix}/responses"),
            *_conversations(f"{prefix}/conversations"),
            Route(f"{prefix}/models", list_models),
            Route(f"{prefix}/models/{{model:path}}", get_model),
        ]
    if settings.metrics:
        routes.append(Route("/metrics", metrics))
    routes.append(Route("/translate", translate, methods=["POST"]))
    if settings.loopback if settings.inspector is None else settings.inspector:
        routes += [*inspector.ROUTES, Mount("/inspector", inspector.STATIC)]
    return routes


def _frequent() -> dict[str, ASGIApp]:
    """Endpoints that are found ahead of Starlette's middlewares and routes, for what these cost."""
    return {
        f"{prefix}/chat/completions": Endpoint(lambda state: ChatCompletions(state.service)) for prefix in ("/v1", "")
    }


def _chat(state: State) -> ASGIApp:
    return ChatCompletions(state.service)


def _responses(path: str) -> list[BaseRoute]:
    one = f"{path}/{{response_id}}"
    return [
        Route(path, Endpoint(lambda state: Responses(state.service, state.jobs)), methods=["POST"]),
        WebSocketRoute(path, Endpoint(lambda state: ResponsesSocket(Responses(state.service, state.jobs)))),
        Route(f"{path}/input_tokens", Endpoint(lambda state: CountInputTokens(state.service)), methods=["POST"]),
        Route(f"{path}/compact", Endpoint(lambda state: CompactResponse(state.service)), methods=["POST"]),
        Route(one, get_response),
        Route(one, delete_response, methods=["DELETE"]),
        Route(f"{one}/cancel", cancel_response, methods=["POST"]),
        Route(f"{one}/input_items", list_input_items),
    ]


def _conversations(path: str) -> list[BaseRoute]:
    one = f"{path}/{{conversation_id}}"
    item = f"{one}/items/{{item_id}}"
    return [
        Route(path, conversations.create_conversation, methods=["POST"]),
        Route(one, conversations.get_conversation),
        Route(one, conversations.update_conversation, methods=["POST"]),
        Route(one, conversations.delete_conversation, methods=["DELETE"]),
        Route(f"{one}/items", conversations.list_items),
        Route(f"{one}/items", conversations.create_items, methods=["POST"]),
        Route(item, conversations.get_item),
        Route(item, conversations.delete_item, methods=["DELETE"]),
    ]


class Endpoint:
    """A bare ASGI endpoint, made when the first request finds the service open."""

    def __init__(self, make: Callable[[State], ASGIApp]) -> None:
        self._make = make
        self._made: ASGIApp | None = None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """One request."""
        if self._made is None:
            self._made = self._make(scope["app"].state)
        return self._made(scope, receive, send)


def _lifespan(
    settings: Settings, label: str, lines: Lines | None, metrics: Any, traces: Any, *, replaced: bool
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Sockets, pools and files open here, in the process that serves."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if traces is not None:
            traces.open()
        observer = together([one for one in (metrics, traces) if one is not None])
        upstream = open_upstream(upstream_settings(settings), observer)
        store = await open_store(settings.store)
        documents = await open_documents(settings.store, document_limits(settings))
        for warning in {store.describe().get("warning") for store in (store, documents)} - {None, ""}:
            log.warning("%s", warning)
        service = app.state.service = Service(settings, upstream, store, documents, label, lines=lines, metrics=metrics)
        further = [
            service.beside(one, open_upstream(upstream_settings(one), observer)) for one in further_upstreams(settings)
        ]
        if further or settings.fallback_models:
            service.detours = Detours(settings, [service, *further])
        jobs = app.state.jobs = Jobs(service)
        try:
            clients = [upstream, *(place.upstream for place in further)]
            with (
                service.drain.on_signals(hurried=not replaced),
                keys_read_on_hangup(settings, service.access, clients),
                watched(settings.stuck_timeout, replaced=replaced),
            ):
                yield
        finally:
            await jobs.aclose()
            await service.aclose()
            for place in further:
                await place.upstream.aclose()
            await upstream.aclose()
            await documents.aclose()
            await store.aclose()
            if traces is not None:
                await traces.aclose()

    return lifespan


class Stamped:
    """Gives each request an id, the client's own if it sent a sensible one, and each answer what all have in common."""

    def __init__(self, app: Starlette, label: str, frequent: Mapping[str, ASGIApp]) -> None:
        self._app = app
        self._frequent = frequent
        self._label = printable(label)
        self._common = head_lines({"openai-version": "2020-10-01", "x-content-type-options": "nosniff"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = fields_of(scope).get(b"x-client-request-id")
        request_id = sent.decode() if sent is not None and _SENSIBLE_ID.fullmatch(sent) else new_id("req_")
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        outlet = Outlet(send, Stamps(self._common, self._label, state, request_id))
        endpoint = self._frequent.get(scope["path"]) if scope["method"] == "POST" else None
        if endpoint is None:
            watched = Watched(scope, outlet)
            try:
                await self._app(scope, receive, watched.send)
            finally:
                # None where nobody ran the lifespan, as some tests of applications do.
                watched.end(getattr(self._app.state, "service", None))
        else:
            scope["app"] = self._app
            await endpoint(scope, receive, outlet)


async def _on_error(request: Request, error: Exception) -> Response:
    """Errors of the endpoints that are not bare ASGI, and of routing itself."""
    if isinstance(error, ClientGone):
        return Response(status_code=499)
    if isinstance(error, HTTPException):
        error = naming_place(error, request.method, shown_path(request.scope))
    service: Service = request.app.state.service
    failure = service.failure(error, request.state.request_id, None)
    return Response(encode(failure.body), failure.status, failure.headers, media_type="application/json")
