"""What the endpoints share: one upstream, one store, the models, the settings, and the way through a request."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from difflib import get_close_matches
from typing import Any, TypeVar

import msgspec
from starlette.types import Scope

from adapter import extras
from adapter.server.asking.one_place import Asking
from adapter.server.http.asgi import fields_of
from adapter.server.http.byte_budget import ByteBudget
from adapter.server.http.response_writer import UPSTREAM_HEADER
from adapter.server.lifecycle.shutdown import GracefulShutdown
from adapter.server.limits.access import Access, Client
from adapter.server.limits.admission import Admission
from adapter.server.limits.work import LONG_HISTORY, InlineWork, ThreadWork, Work, is_long
from adapter.server.observe.exchange_log import Exchange, ExchangeLog, is_page_enabled
from adapter.server.observe.recording import Recorder
from adapter.server.observe.request_log import RequestLog
from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.errors import failure_of, malformed, without
from adapter.server.pipeline.event_stream import Answer
from adapter.server.pipeline.fallback import Place, Plans, Route, time_limit
from adapter.server.pipeline.ids import new_id
from adapter.server.pipeline.model_lists import ModelLists
from adapter.server.state.stored_objects import Histories, State
from adapter.settings import (
    Calendar,
    Catalogue,
    Settings,
    catalogue,
    fetch_settings,
    find_served_model,
    next_models,
    options,
    request_limits,
    utc_day,
)
from adapter.store import DocumentStore, SignatureStore
from adapter.store.shared.base import Records
from adapter.translate.core.context import Media, Options, Stamp
from adapter.translate.core.errors import Failure
from adapter.translate.core.notes import Note, Rejected
from adapter.translate.plan import Plan, plan
from adapter.translate.request.content_parts import remote_urls
from adapter.translate.signatures.history import Carried, History
from adapter.upstream.client import Caller, Reply, Upstream
from adapter.upstream.errors import InvalidModelName, UpstreamError
from adapter.upstream.media_fetcher import Fetcher
from adapter.upstream.model_path import model_path
from adapter.wire.limits import LimitExceeded, Limits
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.openai.errors import ErrorBody
from adapter.wire.reader import read
from adapter.wire.signatures import Issued

T = TypeVar("T")

LIKE = 0.75
"""How alike a model's name must be to be the one that was meant (`difflib`)."""

DECODING_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LimitExceeded)


Predict = Callable[[str, str, Mapping[str, Any]], dict[str, Any] | None]
"""Gemini's error for a model, a method and a body, as far as it can be told beforehand; None: it takes it."""


def plan_for(
    request: ChatCompletionRequest,
    unknown: Mapping[str, msgspec.Raw],
    names: Catalogue,
    chosen: Options,
    *,
    media: Mapping[str, Media] = {},
    history: History | None = None,
    model: str | None = None,
) -> Plan:
    """The plan for the model that a request's name stands for, or for `model`. Raises `Rejected`."""
    return plan(
        request, unknown, find_served_model(model or request.model, names), chosen, media=media, history=history
    )


UNSTORED_FOR = 600.0
"""Seconds for which a response in the background can be read that is not to be stored (OpenAI's guide on background
mode, 2026-10: about ten minutes)."""


class Service:
    """Everything a request needs; made once for each process."""

    def __init__(
        self,
        settings: Settings,
        upstream: Upstream,
        store: SignatureStore,
        documents: DocumentStore,
        label: str,
        *,
        lines: RequestLog | None = None,
        metrics: Any = None,
        page_token: str | None = None,
        further: Sequence[Place] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.upstream = upstream
        self.store = store
        self.label = label
        self.access = Access(settings)
        self.body_budget = ByteBudget(settings.max_bodies)
        self.sockets = ByteBudget(settings.max_sockets)
        # What idle connections remember must leave room for requests.
        self.remembered = ByteBudget(settings.max_bodies // 4)
        self.admission = Admission(settings.max_concurrent, settings.max_queued, settings.queue_timeout)
        limited = settings.client_rates or any(one.rates for one in settings.clients)
        rates = extras.load("adapter.server.limits.rate_limits", "limits") if limited else None
        self._rates: Any = rates.RateLimiter(settings.store) if rates is not None else None
        self.page_token = page_token
        self.limits = request_limits(settings)
        self._at_once, self._beside = InlineWork(), ThreadWork()
        histories = Histories(self.body_budget, settings.max_history, self.limits, self.work_for)
        self.state = State(documents, histories)
        self.unstored = self.state.forgetful(UNSTORED_FOR)
        self.shutdown = GracefulShutdown(settings.shutdown_delay, settings.shutdown_grace)
        self._calendar = Calendar(catalogue(settings, utc_day(clock())), clock)
        self.options = options(settings, upstream.settings.name)
        self.predict: Predict | None = None
        self.places = [Place(upstream, label, self.options), *further]
        self.recorder = Recorder(ExchangeLog(enabled=is_page_enabled(settings)), lines, metrics)
        self.fetcher = Fetcher(fetch_settings(settings))
        self.models = ModelLists(upstream)
        self.known_models: frozenset[str] = frozenset()

    @property
    def catalogue(self) -> Catalogue:
        """Today's models of the first upstream."""
        return self._calendar.of(self.options.platform)

    def work(self, body: bytes) -> Work:
        """Where the computing for a request with this body is done."""
        return self._beside if is_long(body) else self._at_once

    def work_for(self, size: int) -> Work:
        """Where the computing for so many bytes of history is done."""
        return self._beside if size > LONG_HISTORY else self._at_once

    async def read(self, body: bytes, type_: type[T], work: Work) -> tuple[T, dict[str, msgspec.Raw]]:
        """A request's body and its unknown fields. Raises `Malformed`."""
        return await work.run(decoded, body, type_, self.limits)

    async def plan(
        self,
        request: ChatCompletionRequest,
        unknown: Mapping[str, msgspec.Raw],
        client: Client,
        work: Work,
        *,
        carried: Carried | None = None,
        ledger_of: Callable[[list[Note]], list[Note]] | None = None,
    ) -> Plans:
        """Translate a chat request. Raises `Rejected`.

        `carried` is what a Responses history carries; `ledger_of` makes the client's ledger of a plan's notes.
        """
        client.check(request.model)
        self._check_name(request.model)
        if (request.n or 1) > self.settings.max_choices:
            raise Rejected(
                "n", "limit-exceeded", f"at most {self.settings.max_choices} choices are served in one request"
            )
        media = {} if self.settings.fetch_media == "off" else await self._media(request)
        history = await self._history(request, client, carried, work)

        def make(route: Route) -> Plan:
            chosen = route.place.options
            names = self._calendar.of(chosen.platform)
            made = plan_for(request, unknown, names, chosen, media=media, history=history, model=route.model)
            return msgspec.structs.replace(made, notes=ledger_of(made.notes)) if ledger_of is not None else made

        first = await work.run(make, Route(self.places[0], request.model))
        return Plans(first, self._routes(first), make, work)

    def _routes(self, first: Plan) -> list[Route]:
        """The ways that a request has, in their order."""
        models = [first.name, *next_models(first.name, self.settings)]
        return [Route(place, model) for model in models for place in self.places]

    def _check_name(self, model: str) -> None:
        """Raises `Rejected` for a model whose name cannot stand in a URL, before anything is done for it."""
        try:
            model_path(find_served_model(model, self.catalogue)[0], self.upstream.settings.models)
        except InvalidModelName:
            raise Rejected("model", "unknown-value", "this is not the name of a model") from None

    async def aclose(self) -> None:
        """Close what the service itself has opened."""
        self._beside.close()
        if self._rates is not None:
            await self._rates.aclose()

    async def count(self, client: Client) -> None:
        """Count a request of a client's. Raises `RateLimitExceeded`."""
        if self._rates is None:
            return
        rates = client.known.rates if client.known is not None and client.known.rates else self.settings.client_rates
        if rates:
            await self._rates.hit(client.id, rates)

    async def _media(self, request: ChatCompletionRequest) -> dict[str, Media]:
        """What the request points to, fetched where the operator allows it. Raises `FetchError`."""
        fetched = await self.fetcher.fetch(remote_urls(request))
        return {url: Media(mime_type=one.mime_type, data=one.data) for url, one in fetched.items()}

    async def _history(
        self, request: ChatCompletionRequest, client: Client, carried: Carried | None, work: Work
    ) -> History:
        """The request's answers with what the store knows of them."""
        history = await work.run(History, request, carried)
        ids = history.ids()
        found = await self.store.get(ids, client.id) if ids else Records()
        await work.run(history.take, found)
        words = await work.run(history.words)
        more = await self.store.get_by_words(words, client.id) if words else Records()
        await work.run(history.take_words, more)
        history.is_complete = found.is_complete and more.is_complete
        return history

    async def ask(self, plans: Plans, client: Client, deadline: float | None) -> Reply:
        """The whole answer, by the first plan that gets one. Raises `UpstreamError`."""
        until = time_limit(deadline, self.settings)
        while True:
            try:
                return await self._asking(plans, client, until).whole(plans.plan)
            except UpstreamError as error:
                await plans.after(error, until)

    @asynccontextmanager
    async def open(self, plans: Plans, client: Client, deadline: float | None) -> AsyncIterator[Answer]:
        """The answer event by event, by the first plan that gets one: the first event decides. Raises `UpstreamError`.

        Whoever leaves closes the connection.
        """
        until = time_limit(deadline, self.settings)
        while True:
            events = self._asking(plans, client, until).events(plans.plan)
            try:
                answer = Answer(plans.plan, await anext(events, None), events)
                break
            except UpstreamError as error:
                await plans.after(error, until)
        async with aclosing(events):
            yield answer

    def _asking(self, plans: Plans, client: Client, until: float) -> Asking:
        return Asking(plans.place.upstream, Caller(client.key), until, self.settings.continuations)

    async def keep(self, issued: list[Issued], client: Client) -> None:
        """Store signatures, before the answer that needs them leaves."""
        await self.store.put(issued, client.id)

    def headers(self, plans: Plans, reply_notes: Sequence[Note] = ()) -> dict[str, str]:
        """What an answer tells of its translation."""
        plan = plans.plan
        told = notes.headers(plan.model, plan.notes, reply_notes)
        return {**told, UPSTREAM_HEADER: plans.place.label} if plans.is_fallback else told

    def failure(self, error: Exception, request_id: str, client: Client | None) -> Failure:
        """OpenAI's error for an exception."""
        own_key = client is not None and client.key is not None
        made = failure_of(error, request_id, own_key=own_key, upstream=self.label)
        return without(made, self.access.secrets)

    def _with_hint(self, failure: Failure, asked: str, client: Client | None) -> Failure:
        """An error about an unknown model with the name that was likely meant, if this client may have it."""
        told = failure.body.error
        if told.code != "model_not_found" or not asked or client is None:
            return failure
        known = self.known_models | {alias.model for alias in self.catalogue.alias}
        like = [name for name in get_close_matches(asked, known, 3, LIKE) if name != asked and client.may_use(name)]
        if not like:
            return failure
        message = f"{told.message} Did you mean {like[0]}?"
        return failure._replace(body=ErrorBody(error=msgspec.structs.replace(told, message=message)))

    def failed(self, error: Exception, exchange: Exchange, client: Client | None) -> Failure:
        """The same for an exchange, which is told of it."""
        failure = self._with_hint(self.failure(error, exchange.id, client), exchange.model_asked, client)
        exchange.error = failure.body.error.code or failure.body.error.type
        return failure


def decoded(body: bytes, type_: type[T], limits: Limits) -> tuple[T, dict[str, msgspec.Raw]]:
    """A request's body and its unknown fields. Raises `Malformed`."""
    try:
        return read(body, type_, limits)
    except DECODING_ERRORS as error:
        raise malformed(error) from None


def stamp_of(plans: Plans, answer_id: str) -> Stamp:
    """What makes an answer unique; its model may still be another's."""
    return Stamp(seed=answer_id, id=answer_id, created=int(time.time()), model=plans.plan.model)


def completion_id() -> str:
    """A new chat completion's id."""
    return new_id("chatcmpl-", 28)


def deadline_of(scope: Scope) -> float | None:
    """Until when the client waits, if it says so, by the loop's clock."""
    seconds = patience_of(scope)
    return None if seconds is None else asyncio.get_running_loop().time() + seconds


def patience_of(scope: Scope) -> float | None:
    """How many seconds the client waits, if it says so: openai-python sends its read timeout."""
    value = fields_of(scope).get(b"x-stainless-read-timeout")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 < seconds < 86_400 else None
