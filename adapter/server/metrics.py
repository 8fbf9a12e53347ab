"""Figures for Prometheus (extra `metrics`), of exchanges that have ended. Labels take few values, whatever is sent."""

import os

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from adapter.server.exchanges import Exchange
from adapter.wire.gemini.generate import UsageMetadata
from adapter.wire.openai.chat import ChatCompletionRequest
from adapter.wire.openai.responses import ResponsesRequest

MAX_MODELS = 100
"""How many models have figures of their own; the rest count as `other`."""

MAX_CODES = 100
"""The same for codes of errors."""

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder which several workers share (prometheus-client's own)."""

SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 600)

_ENDPOINTS = ("chat/completions", "responses/input_tokens", "responses/compact", "responses")
_FIELDS = {*ChatCompletionRequest.__struct_fields__, *ResponsesRequest.__struct_fields__}


class Metrics:
    """All figures of one process; where workers share a folder, `page` has the sum of all."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = made = CollectorRegistry()
        where = ("endpoint", "model")
        self._requests = Counter("adapter_requests", "Requests by status.", ("endpoint", "status"), registry=made)
        self._errors = Counter(
            "adapter_errors",
            "Requests that failed, also after a 200.",
            ("endpoint", "code"),
            registry=made,
        )
        self._seconds = Histogram(
            "adapter_request_seconds", "Time to an answer's end.", (*where, "stream"), registry=made, buckets=SECONDS
        )
        self._first = Histogram(
            "adapter_first_event_seconds", "Time to a stream's first event.", where, registry=made, buckets=SECONDS
        )
        self._tokens = Counter("adapter_tokens", "Tokens that Gemini counted.", ("model", "kind"), registry=made)
        self._notes = Counter("adapter_notes", "What became of fields.", ("field", "fidelity"), registry=made)
        self._signatures = Counter("adapter_signatures", "Sources of signatures.", ("source",), registry=made)
        self._running = Gauge("adapter_running", "Requests under way.", registry=made, multiprocess_mode="livesum")
        self._models: set[str] = set()
        self._codes: set[str] = set()

    def begin(self) -> None:
        """A request is being answered."""
        self._running.inc()

    def end(self, exchange: Exchange) -> None:
        """It has been answered."""
        self._running.dec()
        endpoint, model = _endpoint(exchange.path), self._model(exchange)
        self._requests.labels(endpoint, exchange.status).inc()
        self._seconds.labels(endpoint, model, exchange.stream).observe(exchange.milliseconds / 1000)
        if exchange.error:
            self._errors.labels(endpoint, self._code(exchange.error)).inc()
        if exchange.first_event_at:
            self._first.labels(endpoint, model).observe(max(0.0, exchange.first_event_at - exchange.started_at))
        for kind, number in _tokens(exchange.usage):
            # A counter takes no negative number, and relays have been seen to send them.
            self._tokens.labels(model, kind).inc(max(0, number))
        for note in (*exchange.notes, *exchange.reply_notes):
            self._notes.labels(_field(note.path), note.fidelity.value).inc()
            if note.signature is not None:
                self._signatures.labels(note.signature.value).inc()

    def page(self) -> bytes:
        """All figures, as Prometheus reads them."""
        if SHARED not in os.environ:
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return generate_latest(shared)

    def _model(self, exchange: Exchange) -> str:
        """The model that answered, maybe to a client that has left; what nobody answered for may be any word."""
        name = exchange.model if exchange.status == 200 or exchange.usage is not None else ""
        if name and (name in self._models or len(self._models) < MAX_MODELS):
            self._models.add(name)
            return name
        return "other" if name else "none"

    def _code(self, code: str) -> str:
        """An error's code; some are words of Gemini's."""
        if code in self._codes or len(self._codes) < MAX_CODES:
            self._codes.add(code)
            return code
        return "other"


def _endpoint(path: str) -> str:
    return next((name for name in _ENDPOINTS if path.endswith(name)), "other")


def _field(path: str) -> str:
    name = path.partition("[")[0].partition(".")[0]
    return name if name in _FIELDS else "other"


def _tokens(usage: UsageMetadata | None) -> list[tuple[str, int]]:
    if usage is None:
        return []
    return [
        ("input", usage.prompt_token_count or 0),
        ("cached", usage.cached_content_token_count or 0),
        ("output", usage.candidates_token_count or 0),
        ("reasoning", usage.thoughts_token_count or 0),
    ]
