"""The parts of the server that endpoints share, made once per process. None of them gets all settings."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from adapter import extras
from adapter.server.http.byte_budget import ByteBudget
from adapter.server.lifecycle.shutdown import GracefulShutdown
from adapter.server.limits.access import Access, Client
from adapter.server.limits.admission import Admission
from adapter.server.limits.work import LONG_HISTORY, InlineWork, ThreadWork, Work, is_long
from adapter.server.observe.exchange_log import ExchangeLog, is_page_enabled
from adapter.server.observe.recording import Recorder
from adapter.server.observe.request_log import RequestLog
from adapter.server.pipeline.answering import Answering
from adapter.server.pipeline.errors import Failures, to_malformed
from adapter.server.pipeline.fallback import Place, Plans
from adapter.server.pipeline.model_lists import ModelLists
from adapter.server.pipeline.planner import ChatPlanner
from adapter.server.prefixes.known_tools import KnownTools
from adapter.server.prefixes.prefix_memory import PrefixMemory
from adapter.server.state.gemini_files import GeminiFiles
from adapter.server.state.ids import new_id
from adapter.server.state.image_links import ImageLinks
from adapter.server.state.name_owners import NameOwners
from adapter.server.state.recall import Histories
from adapter.server.state.stored_files import StoredFiles
from adapter.server.state.stored_objects import State
from adapter.settings import (
    AnswerSettings,
    Calendar,
    Catalogue,
    FileSettings,
    ListSettings,
    LossSettings,
    PageSettings,
    PlanSettings,
    Settings,
    StreamSettings,
    catalogue,
    fetch_settings,
    options,
    part_of,
    request_limits,
    utc_day,
)
from adapter.store import DocumentStore, SignatureStore
from adapter.translate.core.context import Stamp
from adapter.translate.prefix import ItemText, Reading, read_whole, read_whole_items
from adapter.upstream import open_media_fetcher
from adapter.upstream.client import Upstream
from adapter.wire.base import decode_leniently
from adapter.wire.limits import LimitExceeded, Limits
from adapter.wire.openai.responses_request import ResponsesRequest
from adapter.wire.reader import SMALL, read

T = TypeVar("T")
R = TypeVar("R", bound=ResponsesRequest)

DECODING_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LimitExceeded)


Predict = Callable[[str, str, Mapping[str, Any]], dict[str, Any] | None]
"""Gemini's error for a model, a method and a body, as far as it can be told beforehand; None: it takes it."""


UNSTORED_FOR = 600.0
"""Seconds for which a response in the background can be read that is not to be stored (OpenAI's guide on background
mode, 2026-10: about ten minutes)."""


class Service:
    """The parts that requests need.

    A request passes them in this order: `access`, `count`, `body_budget`, `admission`, `planner`, `answering`, and
    `failures` where one of them raises. `state` and `store` keep what outlives it; `recorder` logs and counts it.
    """

    def __init__(  # noqa: PLR0913 - all that it works with
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
        files: StoredFiles | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        # For the dry run alone, which shows what any of them would do.
        self.settings = settings
        self.streams = part_of(settings, StreamSettings)
        self.losses = part_of(settings, LossSettings)
        self.page = part_of(settings, PageSettings)
        self.listing = part_of(settings, ListSettings)
        self.max_background = settings.max_background
        self.max_choices = settings.max_choices
        self.max_body = settings.max_body
        self.allow_origins = settings.allow_origins
        self.asks_for_key = settings.asks_for_key
        self.upstream = upstream
        self.store = store
        self.label = label
        self.access = Access(settings)
        self.body_budget = ByteBudget(settings.max_bodies)
        # It counts connections: each reserves one.
        self.sockets = ByteBudget(settings.max_sockets)
        # The memory of idle connections must leave room for requests.
        self.remembered = ByteBudget(settings.max_bodies // 4)
        self.admission = Admission(settings.max_concurrent, settings.max_queued, settings.queue_timeout)
        limited = bool(settings.client_rates or any(one.rates for one in settings.clients))
        rates = extras.load("adapter.server.limits.rate_limits", "limits") if limited else None
        self.has_rates = limited
        self._rates: Any = rates.RateLimiter(settings.store) if rates is not None else None
        self._client_rates = settings.client_rates
        self.page_token = page_token
        self.limits = request_limits(settings)
        self.inline_work, self._thread_work = InlineWork(), ThreadWork()
        # A client has many histories and a few lists of tools.
        for_tools = settings.prefix_max_bytes // 8
        self.known_tools = KnownTools(for_tools, metrics)
        self.prefixes = PrefixMemory(settings.prefix_max_bytes - for_tools, metrics)
        histories = Histories(self.body_budget, settings.max_history, self.limits, self.work_for, self.prefixes)
        self.state = State(documents, histories)
        self.file_settings = part_of(settings, FileSettings)
        self.files = files or StoredFiles(None, documents, settings.responses_max_age, why_not="no directory is open")
        records = self.files.records
        self.owners = NameOwners(records, settings.responses_max_age)
        self.image_links = ImageLinks(self.files, settings.public_url or "")
        self.unstored = self.state.with_max_age(UNSTORED_FOR)
        self.shutdown = GracefulShutdown(settings.shutdown_delay, settings.shutdown_grace)
        self.options = options(settings, upstream.settings.name)
        self.predict: Predict | None = None
        # Their folder is above this one, which therefore cannot name their type (tests/test_layers.py).
        self.batches: object = None
        places = [Place(upstream, label, self.options), *further]
        calendar = Calendar(catalogue(settings, utc_day(clock())), clock)
        # Vertex AI has no Files API: it reads gs:// URLs.
        keeps_files = self.options.platform == "studio"
        self.gemini_files = GeminiFiles(self.files, self.owners, upstream, keeps_files=keeps_files)
        self.planner = ChatPlanner(
            part_of(settings, PlanSettings),
            places,
            calendar,
            store,
            open_media_fetcher(fetch_settings(settings)),
            self.owners,
            is_shared=self.access.is_shared,
            files=self.gemini_files,
            prefixes=self.prefixes,
        )
        self.answering = Answering(part_of(settings, AnswerSettings))
        self.failures = Failures(label, self.access, self.planner.catalogue)
        self.recorder = Recorder(ExchangeLog(enabled=is_page_enabled(settings)), lines, metrics)
        self.models = ModelLists(upstream)

    @property
    def catalogue(self) -> Catalogue:
        """Today's models of the first upstream."""
        return self.planner.catalogue()

    def work(self, body: bytes, values: int | None = None) -> Work:
        """Return the executor for a request with this body; `values`: so many it has at most, if counted."""
        return self._thread_work if len(body) > SMALL and is_long(body, values) else self.inline_work

    def work_for(self, size: int) -> Work:
        """Return the executor for so many bytes of history."""
        return self._thread_work if size > LONG_HISTORY else self.inline_work

    def read(self, body: bytes, type_: type[T], work: Work) -> Awaitable[tuple[T, dict[str, msgspec.Raw]]]:
        """Read a request's body and its unknown fields; `work` is that of the body. Raises `Malformed`."""
        return work.run(decode_body, body, type_, self.limits, work is self.inline_work)

    async def aclose(self) -> None:
        """Close what the service itself has opened."""
        self._thread_work.close()
        if self._rates is not None:
            await self._rates.aclose()

    async def count(self, client: Client) -> None:
        """Count a request of a client's. Raises `RateLimitExceeded`."""
        if self._rates is None:
            return
        rates = client.known.rates if client.known is not None and client.known.rates else self._client_rates
        if rates:
            await self._rates.hit(client.id, rates)


def decode_body(body: bytes, type_: type[T], limits: Limits, has_few: bool = False) -> tuple[T, dict[str, msgspec.Raw]]:
    """Return a request's body and its unknown fields. Raises `Malformed`. `has_few`: see `reader.read`."""
    try:
        return read(body, type_, limits, has_few=has_few)
    except DECODING_ERRORS as error:
        raise to_malformed(error) from None


def read_long_chat(body: bytes, limits: Limits, values: int) -> Reading:
    """Read a chat request of at most so many values. Raises `Malformed`."""
    try:
        return read_whole(body, limits, values)
    except DECODING_ERRORS as error:
        raise to_malformed(error) from None


def read_long_items(body: bytes, type_: type[R], limits: Limits, values: int) -> tuple[R, ItemText]:
    """Read a Responses request of at most so many values. Raises `Malformed`."""
    try:
        return read_whole_items(body, type_, limits, values)
    except DECODING_ERRORS as error:
        raise to_malformed(error) from None


def decoded_form(body: bytes, type_: type[T]) -> tuple[T, dict[str, msgspec.Raw]]:
    """Return a form's fields, whose numbers are texts, and those that are unknown. Raises `Malformed`."""
    try:
        return decode_leniently(body, type_)
    except DECODING_ERRORS as error:
        raise to_malformed(error) from None


def stamp_of(plans: Plans, answer_id: str) -> Stamp:
    """Return the id, time and model of an answer; the model may still change."""
    return Stamp(seed=answer_id, id=answer_id, created=int(time.time()), model=plans.plan.model)


completion_id = partial(new_id, "chatcmpl-", 28)
"""Return a new chat completion's id."""


def deadline_of(fields: Mapping[bytes, bytes]) -> float | None:
    """Return until when the client waits, by the loop's clock; None if it does not say."""
    seconds = patience_of(fields)
    return None if seconds is None else asyncio.get_running_loop().time() + seconds


def patience_of(fields: Mapping[bytes, bytes]) -> float | None:
    """Return how many seconds the client waits, if its header fields say so: openai-python sends its read timeout."""
    value = fields.get(b"x-stainless-read-timeout")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    # `float` also reads nan and inf; these, and more than a day, are no limit that anybody waits for.
    return seconds if 0 < seconds < 86_400 else None
