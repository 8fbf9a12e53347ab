"""Metrics for Prometheus (extra `metrics`).

Labels take few values whatever clients send: a client that chooses names must not be able to fill the memory.
"""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from adapter.server.observe.exchange_log import Exchange
from adapter.translate.core.catalogue import CODES
from adapter.translate.core.codes import Severity
from adapter.translate.core.notes import Fate, own_notes
from adapter.translate.core.strictness import count_losses
from adapter.upstream.errors import UpstreamError
from adapter.upstream.observer import outcome
from adapter.upstream.settings import UpstreamSettings
from adapter.wire.gemini.generate import GenerateContentRequest, GenerateContentResponse, UsageMetadata

MAX_MODELS = 100
"""The most models with a label of their own; all others count as `other`."""

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable of prometheus-client for the folder that several workers share."""

# Up to ten minutes, about the default time limit of a call: models that think take minutes.
SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 600)


class Metrics:
    """The metrics of one process; if workers share a folder, `render` returns the sums of all."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        labels = ("endpoint", "model")
        self._requests = Counter(
            "adapter_requests", "Requests by outcome.", ("endpoint", "status", "outcome"), registry=registry
        )
        self._seconds = Histogram(
            "adapter_request_seconds",
            "Time to an answer's end.",
            (*labels, "stream"),
            registry=registry,
            buckets=SECONDS,
        )
        self._first = Histogram(
            "adapter_first_event_seconds", "Time to a stream's first event.", labels, registry=registry, buckets=SECONDS
        )
        self._tokens = Counter("adapter_tokens", "Tokens that Gemini counted.", ("model", "kind"), registry=registry)
        self._notes = Counter(
            "adapter_notes", "Losses of requests and answers.", ("code", "severity"), registry=registry
        )
        self._signatures = Counter("adapter_signatures", "Sources of signatures.", ("source",), registry=registry)
        self._running = Gauge("adapter_running", "Running requests.", registry=registry, multiprocess_mode="livesum")
        self._attempts = Counter(
            "adapter_attempts", "Attempts at upstreams by outcome.", ("upstream", "outcome"), registry=registry
        )
        self._retries = Counter(
            "adapter_retries",
            "Retries at upstreams.",
            ("upstream", "after"),
            registry=registry,
        )
        self._circuits = Gauge(
            "adapter_open_circuits",
            "Open circuits: models of upstreams that are not called.",
            ("upstream",),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._prefixes = Counter(
            "adapter_prefixes",
            "Long histories by whether their beginning was remembered.",
            ("outcome",),
            registry=registry,
        )
        self._prefix_bytes = Gauge(
            "adapter_prefix_bytes",
            "Size of the histories that are remembered.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._known_tools = Counter(
            "adapter_known_tools",
            "Long requests by whether their tools were remembered.",
            ("outcome",),
            registry=registry,
        )
        self._models: set[str] = set()

    def begin(self) -> None:
        """Count a running request to Gemini."""
        self._running.inc()

    def end(self, exchange: Exchange) -> None:
        """Count a request to Gemini that has ended: outcome, times, tokens, losses."""
        self._running.dec()
        self.count_request(exchange)
        endpoint, model = exchange.endpoint, self._model(exchange)
        self._seconds.labels(endpoint, model, exchange.stream).observe(exchange.milliseconds / 1000)
        if exchange.first_event_after:
            self._first.labels(endpoint, model).observe(exchange.first_event_after)
        if not exchange.background:
            self.count_reply(exchange)

    def count_request(self, exchange: Exchange) -> None:
        """Count a request that has ended, by endpoint, status and outcome."""
        self._requests.labels(exchange.endpoint, exchange.status, exchange.outcome).inc()

    def count_reply(self, exchange: Exchange) -> None:
        """Count tokens, losses and sources of signatures of an answer."""
        model = self._model(exchange)
        for kind, number in _token_counts(exchange.usage):
            # Relays have been seen to send negative numbers, for which a counter raises.
            self._tokens.labels(model, kind).inc(max(0, number))
        for code, lost in count_losses(exchange.notes, exchange.reply_notes).items():
            self._notes.labels(code, CODES[code].severity.value).inc(lost)
        for note in (*own_notes(exchange.notes), *exchange.reply_notes):
            if note.fate is Fate.REJECTED:
                self._notes.labels(note.code, Severity.BREAKS.value).inc()
            if note.signature is not None:
                self._signatures.labels(note.signature.value).inc()

    def start_call(
        self,
        upstream: UpstreamSettings,
        verb: str,  # noqa: ARG002 - the interface has it
        method: str,  # noqa: ARG002
        model: str,  # noqa: ARG002
        request: GenerateContentRequest | None,  # noqa: ARG002
    ) -> "CountedCall":
        """Begin to count the attempts of a call."""
        return CountedCall(upstream.name, self._attempts, self._retries)

    def add_open_circuits(self, upstream: str, more: int) -> None:
        """Change the gauge of open circuits."""
        self._circuits.labels(upstream).inc(more)

    def count_prefix(self, *, is_hit: bool) -> None:
        """Count a search for the beginning of a history."""
        self._prefixes.labels("hit" if is_hit else "miss").inc()

    def count_known_tools(self, *, is_hit: bool) -> None:
        """Count a search for the tools of a request."""
        self._known_tools.labels("hit" if is_hit else "miss").inc()

    def set_prefix_bytes(self, size_bytes: int) -> None:
        """Set the gauge of the bytes of remembered histories."""
        self._prefix_bytes.set(size_bytes)

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        folder = os.environ.get(SHARED)
        if folder is None:
            return generate_latest(self._registry)
        _drop_dead_processes(folder)
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return generate_latest(shared)

    def _model(self, exchange: Exchange) -> str:
        """Return the label of the model. If no model answered, its name is whatever the client sent: `none`."""
        name = exchange.model if exchange.status == 200 or exchange.usage is not None else ""
        if name and (name in self._models or len(self._models) < MAX_MODELS):
            self._models.add(name)
            return name
        return "other" if name else "none"


class CountedCall:
    """Counts the attempts of one call; implements `upstream.observer.CallObserver`."""

    def __init__(self, upstream: str, attempts: Counter, retries: Counter) -> None:
        self._upstream = upstream
        self._attempts = attempts
        self._retries = retries
        self._is_running = False
        self._last = ""

    def on_attempt(self, headers: dict[str, str]) -> None:  # noqa: ARG002 - the interface has it
        """Count a retry, if an attempt failed before this one."""
        self._is_running = True
        if self._last:
            self._retries.labels(self._upstream, self._last).inc()

    def on_head(self, status: int) -> None:
        """Do nothing: the attempt has not ended."""

    def on_error(self, error: UpstreamError) -> None:
        """Count the failed attempt."""
        self._end(error)

    def on_reply(self, response: GenerateContentResponse, payload: bytes) -> None:
        """Do nothing: tokens are counted once for each request, in `count_reply`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        if self._is_running:
            self._is_running, self._last = False, outcome(error)
            self._attempts.labels(self._upstream, self._last).inc()


def _drop_dead_processes(folder: str) -> None:
    """Delete the gauges of killed processes: nobody else would ever count their running requests down."""
    for path in Path(folder).glob("gauge_livesum_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            path.unlink(missing_ok=True)


def _token_counts(usage: UsageMetadata | None) -> list[tuple[str, int]]:
    if usage is None:
        return []
    return [
        ("input", (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0)),
        ("cached", usage.cached_content_token_count or 0),
        ("output", usage.candidates_token_count or 0),
        ("reasoning", usage.thoughts_token_count or 0),
    ]
