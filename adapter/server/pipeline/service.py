"""What the endpoints share: one upstream, one store, the models, the settings, and the way through a request."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from copy import copy
from importlib import import_module
from typing import Any, TypeVar

import msgspec
from starlette.types import Scope

from adapter.server.http.asgi import fields_of
from adapter.server.lifecycle.shutdown import Drain
from adapter.server.limits.access import Access, Client
from adapter.server.limits.admission import Load, Room
from adapter.server.observe.exchange_log import Exchange, Exchanges
from adapter.server.observe.request_log import Lines
from adapter.server.pipeline import continuation as continuing
from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline import parallel_choices as fanout
from adapter.server.pipeline.errors import failure_of, malformed, without
from adapter.server.pipeline.fallback import Detour, Detours, time_limit
from adapter.server.pipeline.ids import new_id
from adapter.server.pipeline.work import LONG_HISTORY, AtOnce, Beside, Work, is_long
from adapter.server.state.stored_objects import Histories, State
from adapter.settings import (
    Calendar,
    Catalogue,
    Settings,
    catalogue,
    fetch_settings,
    named,
    options,
    request_limits,
    utc_day,
)
from adapter.store import DocumentStore, SignatureStore
from adapter.store.shared.base import Records
from adapter.translate.answer.continuation import Continuation, unfinished
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
from adapter.wire.gemini.generate import GenerateContentRequest
from adapter.wire.limits import LimitExceeded, Limits
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.reader import read
from adapter.wire.signatures import Issued

T = TypeVar("T")

DECODING_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LimitExceeded)


Predict = Callable[[str, str, Mapping[str, Any]], dict[str, Any] | None]
"""Gemini's error for a model, a method and a body, as far as it can be told beforehand; None: it takes it."""


class Prepared(Plan, frozen=True, kw_only=True):
    """A plan on its way, with other places to go to when it fails."""

    detour: "Detour[Prepared] | None" = None

    def with_notes(self, ledger: list[Note]) -> "Prepared":
        """See `routes.Translated`."""
        return msgspec.structs.replace(self, notes=ledger, detour=None)

    @property
    def answered(self) -> "Prepared":
        """This request as it was answered: another one if it went elsewhere."""
        return self if self.detour is None else self.detour.taken or self


def prepared(
    request: ChatCompletionRequest,
    unknown: Mapping[str, msgspec.Raw],
    names: Catalogue,
    chosen: Options,
    *,
    media: Mapping[str, Media] = {},
    history: History | None = None,
    instead: str | None = None,
) -> Prepared:
    """Translate a chat request for the model that its name stands for, or `instead`. Raises `Rejected`."""
    made = plan(request, unknown, named(instead or request.model, names), chosen, media=media, history=history)
    return Prepared(**{name: getattr(made, name) for name in Plan.__struct_fields__})


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
        lines: Lines | None = None,
        metrics: Any = None,
        page_token: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.upstream = upstream
        self.store = store
        self.label = label
        self.lines = lines
        self.access = Access(settings)
        self.room = Room(settings.max_bodies)
        self.sockets = Room(settings.max_sockets)
        # What idle connections remember must leave room for requests.
        self.remembered = Room(settings.max_bodies // 4)
        self.load = Load(settings.max_concurrent, settings.max_queued, settings.queue_timeout)
        limited = settings.client_rates or any(one.rates for one in settings.clients)
        # Its packages are an extra.
        self._rates: Any = import_module("adapter.server.limits.rate_limits").Rates(settings.store) if limited else None
        self.metrics = metrics
        self.page_token = page_token
        self.limits = request_limits(settings)
        self._at_once, self._beside = AtOnce(), Beside()
        histories = Histories(self.room, settings.max_history, self.limits, self.work_for)
        self.state = State(documents, histories)
        self.drain = Drain(settings.shutdown_delay, settings.shutdown_grace)
        self._calendar = Calendar(catalogue(settings, utc_day(clock())), clock)
        self.options = options(settings, upstream.settings.name)
        self.detours: Detours[Prepared] | None = None
        self.predict: Predict | None = None
        self.exchanges = Exchanges(enabled=settings.loopback if settings.inspector is None else settings.inspector)
        self.fetcher = Fetcher(fetch_settings(settings))
        self.started_at = int(time.time())

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

    async def prepare(
        self,
        request: ChatCompletionRequest,
        unknown: Mapping[str, msgspec.Raw],
        client: Client,
        work: Work,
        carried: Carried | None = None,
    ) -> Prepared:
        """Translate a chat request. `carried` is what a Responses history carries. Raises `Rejected`."""
        client.check(request.model)
        self._check_name(request.model)
        if (request.n or 1) > self.settings.max_choices:
            raise Rejected(
                "n", "limit-exceeded", f"at most {self.settings.max_choices} choices are served in one request"
            )
        media = {} if self.settings.fetch_media == "off" else await self._media(request)
        history = await self._history(request, client, carried, work)

        def translate(model: str | None, chosen: Options) -> Prepared:
            names = self._calendar.of(chosen.platform)
            return prepared(request, unknown, names, chosen, media=media, history=history, instead=model)

        made = await work.run(translate, None, self.options)
        if self.detours is None:
            return made
        return msgspec.structs.replace(made, detour=self.detours.of(made, translate))

    def _check_name(self, model: str) -> None:
        """Raises `Rejected` for a model whose name cannot stand in a URL, before anything is done for it."""
        try:
            model_path(named(model, self.catalogue)[0], self.upstream.settings.models)
        except InvalidModelName:
            raise Rejected("model", "unknown-value", "this is not the name of a model") from None

    async def aclose(self) -> None:
        """Close what the service itself has opened."""
        self._beside.close()
        if self._rates is not None:
            await self._rates.aclose()

    def beside(self, settings: Settings, upstream: Upstream) -> "Service":
        """This service in front of another upstream; all else is shared."""
        other = copy(self)
        other.upstream, other.label = upstream, upstream.settings.name
        other.options = options(settings, other.label)
        return other

    async def count(self, client: Client) -> None:
        """Count a request of a client's. Raises `TooOften`."""
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

    def stamp(self, prepared: Prepared, answer_id: str) -> Stamp:
        """What makes this answer unique."""
        return Stamp(seed=answer_id, id=answer_id, created=int(time.time()), model=prepared.model)

    def restamped(self, stamp: Stamp, prepared: Prepared) -> Stamp:
        """The same stamp with the model that answered."""
        model = prepared.answered.model
        return stamp if stamp.model == model else msgspec.structs.replace(stamp, model=model)

    def generate(self, prepared: Prepared, client: Client, deadline: float | None) -> Coroutine[object, object, Reply]:
        """The whole answer, by as many calls as it takes. Raises `UpstreamError`."""
        if prepared.detour is not None:
            return prepared.detour.generate(prepared, client, deadline)
        until, caller = time_limit(deadline, self.settings), Caller(client.key)
        if prepared.calls == 1:
            return self._one(prepared, caller, until)
        return self._all([self._one(prepared, caller, until) for _ in range(prepared.calls)])

    async def _one(self, prepared: Prepared, caller: Caller, until: float) -> Reply:
        first = await self.upstream.generate(prepared.model, prepared.body, caller, until)
        if not unfinished(first.response):
            return first

        def ask(body: GenerateContentRequest) -> Coroutine[object, object, Reply]:
            return self.upstream.generate(prepared.model, body, caller, until)

        return await continuing.whole(first, ask, self._continuation(prepared))

    async def _all(self, calls: Sequence[Coroutine[object, object, Reply]]) -> Reply:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(call) for call in calls]
        except* UpstreamError as failures:
            raise failures.exceptions[0] from None
        return fanout.joined([task.result() for task in tasks])

    def events(self, prepared: Prepared, client: Client, deadline: float | None) -> AsyncGenerator[Reply]:
        """The answer event by event. Raises `UpstreamError`."""
        if prepared.detour is not None:
            return prepared.detour.events(prepared, client, deadline)
        until = time_limit(deadline, self.settings)

        def stream(body: GenerateContentRequest) -> AsyncGenerator[Reply]:
            return self.upstream.stream(prepared.model, body, Caller(client.key), until)

        streams = [
            continuing.streamed(stream, prepared.body, self._continuation(prepared)) for _ in range(prepared.calls)
        ]
        return streams[0] if len(streams) == 1 else fanout.merged(streams)

    def _continuation(self, prepared: Prepared) -> Continuation:
        return Continuation(prepared.body, prepared.context, self.settings.continuations)

    async def keep(self, issued: list[Issued], client: Client) -> None:
        """Store signatures, before the answer that needs them leaves."""
        await self.store.put(issued, client.id)

    def headers(self, prepared: Prepared, reply_notes: Sequence[Note] = ()) -> dict[str, str]:
        """What an answer tells of its translation."""
        prepared = prepared.answered
        ledger = [*prepared.notes, *reply_notes]
        told = {"x-adapter-model": prepared.model, notes.HEADER: notes.summary(ledger)}
        sources = notes.sources(prepared.notes)
        return {**told, notes.SIGNATURES_HEADER: sources} if sources else told

    def failure(self, error: Exception, request_id: str, client: Client | None) -> Failure:
        """OpenAI's error for an exception."""
        own_key = client is not None and client.key is not None
        made = failure_of(error, request_id, own_key=own_key, upstream=self.label)
        return without(made, self.access.secrets)

    def failed(self, error: Exception, exchange: Exchange, client: Client | None) -> Failure:
        """The same for an exchange, which is told of it."""
        failure = self.failure(error, exchange.id, client)
        exchange.error = failure.body.error.code or failure.body.error.type
        return failure

    def record(self, exchange: Exchange) -> None:
        """Keep an exchange for the page at /, and write its line."""
        self.exchanges.add(exchange)
        if self.lines is not None:
            self.lines.write(exchange)


def decoded(body: bytes, type_: type[T], limits: Limits) -> tuple[T, dict[str, msgspec.Raw]]:
    """A request's body and its unknown fields. Raises `Malformed`."""
    try:
        return read(body, type_, limits)
    except DECODING_ERRORS as error:
        raise malformed(error) from None


def completion_id() -> str:
    """A new chat completion's id."""
    return new_id("chatcmpl-", 28)


def deadline_of(scope: Scope) -> float | None:
    """Until when the client waits, if it says so (openai-python sends its read timeout), by the loop's clock."""
    value = fields_of(scope).get(b"x-stainless-read-timeout")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    return asyncio.get_running_loop().time() + seconds if 0 < seconds < 86_400 else None
