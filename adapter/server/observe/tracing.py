"""Traces by OpenTelemetry (extra `telemetry`): a span for each request, each call to a model, and each attempt.

Names and attributes follow the semantic conventions (opentelemetry-semantic-conventions 0.66b2): HTTP's for requests
and attempts, GenAI's for the calls between them. Spans contain what the log contains: no keys, no URLs, no contents.
The collector's address, sampling, queue sizes and the service's name are read from OpenTelemetry's own environment
variables (OTEL_*).
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from opentelemetry import context as contexts
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv._incubating.attributes.service_attributes import SERVICE_NAME, SERVICE_VERSION
from opentelemetry.semconv._incubating.attributes.url_attributes import URL_TEMPLATE
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.http_attributes import (
    HTTP_REQUEST_METHOD,
    HTTP_REQUEST_RESEND_COUNT,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
)
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.semconv.attributes.url_attributes import URL_SCHEME
from opentelemetry.trace import Span, SpanKind, StatusCode, format_trace_id, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapter import __version__
from adapter.server.http.asgi import header
from adapter.server.observe.request_log import loggable
from adapter.server.observe.request_record import record_of
from adapter.server.observe.route_name import RouteName
from adapter.upstream.errors import UpstreamError
from adapter.upstream.observer import outcome
from adapter.upstream.settings import UpstreamSettings
from adapter.wire.gemini.generate import GenerateContentRequest, GenerateContentResponse, UsageMetadata

log = logging.getLogger("adapter")

CLOSE_TIMEOUT_S = 5.0
"""Seconds for sending the last spans when the process ends."""

_NAME = "gemini-openai-adapter"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"})
_PARENT = TraceContextTextMapPropagator()

_OPERATIONS = {
    "generateContent": gen_ai.GenAiOperationNameValues.GENERATE_CONTENT.value,
    "streamGenerateContent": gen_ai.GenAiOperationNameValues.GENERATE_CONTENT.value,
    "embedContent": gen_ai.GenAiOperationNameValues.EMBEDDINGS.value,
    "batchEmbedContents": gen_ai.GenAiOperationNameValues.EMBEDDINGS.value,
    "countTokens": "count_tokens",
    "predict": "predict",
    "createDecision": "create_decision",
    "batchGenerateContent": "create_batch",
    "asyncBatchEmbedContent": "create_batch",
    "getBatch": "get_batch",
    "listBatches": "list_batches",
    "cancelBatch": "cancel_batch",
    "startUpload": "upload_file",
    "upload": "upload_file",
    "queryUpload": "upload_file",
    "getFile": "get_file",
    "deleteFile": "delete_file",
    "downloadFile": "download_file",
    "listModels": "list_models",
    "getModel": "get_model",
}
"""Operation names of Gemini's methods; the conventions define only those of generating and embedding."""

_OTHER = "other"
"""The operation of methods that only clients of Gemini's own paths know: nothing of a request may be seen."""

_TEMPLATES = {
    "listModels": "models",
    "getModel": "models/{model}",
    "createDecision": "decisions",
    "getBatch": "batches/{batch}",
    "listBatches": "batches",
    "cancelBatch": "batches/{batch}:cancel",
    "startUpload": "files",
    "upload": "files",
    "queryUpload": "files",
    "getFile": "files/{file}",
    "deleteFile": "files/{file}",
    "downloadFile": "files/{file}:download",
}
"""Paths of the methods that are not a model's."""

_REQUEST_FIELDS = (
    ("max_output_tokens", gen_ai.GEN_AI_REQUEST_MAX_TOKENS),
    ("temperature", gen_ai.GEN_AI_REQUEST_TEMPERATURE),
    ("top_p", gen_ai.GEN_AI_REQUEST_TOP_P),
    ("top_k", gen_ai.GEN_AI_REQUEST_TOP_K),
    ("seed", gen_ai.GEN_AI_REQUEST_SEED),
    ("presence_penalty", gen_ai.GEN_AI_REQUEST_PRESENCE_PENALTY),
    ("frequency_penalty", gen_ai.GEN_AI_REQUEST_FREQUENCY_PENALTY),
    ("candidate_count", gen_ai.GEN_AI_REQUEST_CHOICE_COUNT),
)


class Traces:
    """The traces of one process. `processor` builds the exporter of spans."""

    def __init__(self, processor: "Callable[[], SpanProcessor] | None" = None) -> None:
        self._processor = processor
        self._provider: TracerProvider | None = None

    def open(self) -> None:
        """Start the exporter's thread. Not in `__init__`: worker processes are forked after that."""
        # OpenTelemetry's own log lines contain addresses and answers of the collector. `_LossLogger` logs instead.
        own = logging.getLogger("opentelemetry")
        own.propagate = False
        own.handlers[:] = [logging.NullHandler()]
        named = Resource({SERVICE_NAME: _NAME, SERVICE_VERSION: __version__})
        # Later ones win: the operator's variables over our name, and that over OpenTelemetry's `unknown_service`.
        resource = Resource.create().merge(named).merge(OTELResourceDetector().detect())
        # `aclose` has a time limit, which OpenTelemetry's own shutdown at exit has not.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor((self._processor or build_processor)())
        self.tracer = self._provider.get_tracer(_NAME, __version__)

    async def aclose(self) -> None:
        """Send the last spans, for at most `CLOSE_TIMEOUT_S` seconds."""
        if self._provider is None:
            return
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        provider = self._provider

        def close() -> None:
            provider.shutdown()
            loop.call_soon_threadsafe(done.set)

        # A daemon thread: one of an executor would keep the process alive until the collector answers.
        threading.Thread(target=close, name="traces", daemon=True).start()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await done.wait()
        except TimeoutError:
            log.warning("traces: the collector did not take the last spans in time")

    def wrap(self, app: ASGIApp, name_of: Callable[[str], RouteName]) -> ASGIApp:
        """Wrap an application, so that its requests have spans. `name_of` returns the route of a path."""
        return _TracingMiddleware(app, self, name_of)

    def start_call(
        self, upstream: UpstreamSettings, verb: str, method: str, model: str, request: GenerateContentRequest | None
    ) -> "TracedCall":
        """Begin the span of a call."""
        return TracedCall(self, upstream, verb, method, model, request)

    def add_open_circuits(self, upstream: str, more: int) -> None:
        """Do nothing: circuits belong to no request."""


class _TracingMiddleware:
    """Opens a span around each request except probes. Its parent is the client's `traceparent`, if it sent one."""

    def __init__(self, app: ASGIApp, traces: Traces, name_of: Callable[[str], RouteName]) -> None:
        self._app = app
        self._traces = traces
        self._name_of = name_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        route = None if scope["type"] == "lifespan" else self._name_of(scope["path"])
        if route is None or route.is_quiet:
            await self._app(scope, receive, send)
            return
        method = scope.get("method", "GET")
        name = method if method in _METHODS else "HTTP"
        # Without `tracestate`, which is a client's own text, and with an empty context, so that nothing else is a
        # parent.
        parent = _PARENT.extract({"traceparent": header(scope, b"traceparent") or ""}, contexts.Context())
        attributes = {HTTP_REQUEST_METHOD: method if method in _METHODS else "_OTHER", URL_SCHEME: scope["scheme"]}
        span = self._traces.tracer.start_span(name, parent, SpanKind.SERVER, attributes)
        record_of(scope).trace_id = format_trace_id(span.get_span_context().trace_id)
        status = 0

        async def observe_send(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        token = contexts.attach(set_span_in_context(span))
        try:
            await self._app(scope, receive, observe_send)
        finally:
            contexts.detach(token)
            _end_request(span, name, route.template, scope, status)


def _end_request(span: Span, name: str, route: str | None, scope: Scope, status: int) -> None:
    """Set what is known at the end of a request. By the conventions a 4xx is no error of a server span."""
    exchange = record_of(scope).exchange
    if route is not None:
        span.update_name(f"{name} {route}")
        span.set_attribute(HTTP_ROUTE, route)
    if status:
        span.set_attribute(HTTP_RESPONSE_STATUS_CODE, status)
    if exchange is not None:
        span.set_attribute("adapter.request_id", exchange.id)
        span.set_attribute("adapter.outcome", exchange.outcome)
        if exchange.model_asked:
            span.set_attribute(gen_ai.GEN_AI_REQUEST_MODEL, loggable(exchange.model_asked))
    if exchange is not None and exchange.outcome in ("gone", "broken"):
        _mark_failed(span, exchange.error or "cancelled")
    elif status >= 500:
        _mark_failed(span, exchange.error if exchange is not None and exchange.error else str(status))
    span.end()


class TracedCall:
    """The span of a call to a model, with a child for each attempt; implements `upstream.observer.CallObserver`."""

    def __init__(
        self,
        traces: Traces,
        upstream: UpstreamSettings,
        verb: str,
        method: str,
        model: str,
        request: GenerateContentRequest | None,
    ) -> None:
        self._tracer = traces.tracer
        self._begun = time.perf_counter()
        self._attempts = 0
        self._attempt: Span | None = None
        self._last: GenerateContentResponse | None = None
        self._usage: UsageMetadata | None = None
        self._reasons: dict[int, str] = {}
        self._first: float | None = None
        self._stream = method == "streamGenerateContent"
        parts = urlsplit(upstream.url)
        self._server: dict[str, AttributeValue] = {SERVER_ADDRESS: parts.hostname or ""}
        self._server[SERVER_PORT] = parts.port or (443 if parts.scheme == "https" else 80)
        operation = _OPERATIONS.get(method, _OTHER)
        self._http: dict[str, AttributeValue] = {HTTP_REQUEST_METHOD: verb if verb in _METHODS else "_OTHER"}
        if operation != _OTHER:
            self._http[URL_TEMPLATE] = _TEMPLATES.get(method, f"models/{{model}}:{method}")
        attributes = {
            **self._server,
            gen_ai.GEN_AI_OPERATION_NAME: operation,
            gen_ai.GEN_AI_PROVIDER_NAME: _provider_name(upstream, parts.hostname),
            "adapter.upstream": upstream.name,
            **_request_attributes(request),
        }
        if model:
            attributes[gen_ai.GEN_AI_REQUEST_MODEL] = loggable(model)
        if self._stream:
            attributes[gen_ai.GEN_AI_REQUEST_STREAM] = True
        self._span = self._tracer.start_span(
            f"{operation} {loggable(model)}" if model else operation, None, SpanKind.CLIENT, attributes
        )

    def on_attempt(self, headers: dict[str, str]) -> None:
        """Begin the span of an attempt, and send its id to the upstream (`traceparent`)."""
        attributes = {**self._server, **self._http}
        if self._attempts:
            attributes[HTTP_REQUEST_RESEND_COUNT] = self._attempts
        self._attempts += 1
        below = set_span_in_context(self._span)
        span = self._tracer.start_span(str(self._http[HTTP_REQUEST_METHOD]), below, SpanKind.CLIENT, attributes)
        carried: dict[str, str] = {}
        _PARENT.inject(carried, set_span_in_context(span))
        if "traceparent" in carried:
            headers["traceparent"] = carried["traceparent"]
        self._attempt = span

    def on_head(self, status: int) -> None:
        """Set the HTTP status of the attempt."""
        if self._attempt is not None:
            self._attempt.set_attribute(HTTP_RESPONSE_STATUS_CODE, status)

    def on_error(self, error: UpstreamError) -> None:
        """End the span of a failed attempt."""
        self._end_attempt(error)

    def on_reply(self, response: GenerateContentResponse, payload: bytes) -> None:  # noqa: ARG002 - the interface has it
        """Remember time, usage and finish reasons for the end of the span."""
        if self._first is None:
            self._first = time.perf_counter() - self._begun
        self._last = response
        if response.usage_metadata is not None:
            self._usage = response.usage_metadata
        for candidate in response.candidates or ():
            if candidate.finish_reason is not None:
                self._reasons[candidate.index or 0] = loggable(candidate.finish_reason)

    def __enter__(self) -> Self:
        """Return the observer: the span has begun already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the span of the call."""
        self._end_attempt(error)
        self._span.set_attributes(self._answer_attributes())
        if error is not None:
            _mark_failed(self._span, outcome(error))
        self._span.end()

    def _end_attempt(self, error: BaseException | None) -> None:
        span, self._attempt = self._attempt, None
        if span is None:
            return
        if error is not None:
            _mark_failed(span, outcome(error))
        span.end()

    def _answer_attributes(self) -> dict[str, AttributeValue]:
        """Return the attributes that describe the answer."""
        attributes: dict[str, AttributeValue] = {}
        if self._reasons:
            attributes[gen_ai.GEN_AI_RESPONSE_FINISH_REASONS] = [reason for _, reason in sorted(self._reasons.items())]
        if self._last is not None and self._last.response_id:
            attributes[gen_ai.GEN_AI_RESPONSE_ID] = loggable(self._last.response_id)
        if self._last is not None and self._last.model_version:
            attributes[gen_ai.GEN_AI_RESPONSE_MODEL] = loggable(self._last.model_version)
        if self._stream and self._first is not None:
            attributes[gen_ai.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] = self._first
        return attributes | _tokens(self._usage)


def _mark_failed(span: Span, kind: str) -> None:
    """Mark a span as failed, by the kind of the error alone: its message may quote contents."""
    span.set_attribute(ERROR_TYPE, kind)
    span.set_status(StatusCode.ERROR)


def _provider_name(upstream: UpstreamSettings, host: str | None) -> str:
    if upstream.auth == "vertex":
        return gen_ai.GenAiProviderNameValues.GCP_VERTEX_AI.value
    google = host == "generativelanguage.googleapis.com"
    values = gen_ai.GenAiProviderNameValues
    return values.GCP_GEMINI.value if google else values.GCP_GEN_AI.value


def _request_attributes(request: GenerateContentRequest | None) -> Mapping[str, AttributeValue]:
    """Return the numeric parameters of a request."""
    config = None if request is None else request.generation_config
    if config is None:
        return {}
    attributes: dict[str, AttributeValue] = {
        name: value for field, name in _REQUEST_FIELDS if (value := getattr(config, field)) is not None
    }
    if config.response_mime_type == "application/json":
        attributes[gen_ai.GEN_AI_OUTPUT_TYPE] = gen_ai.GenAiOutputTypeValues.JSON.value
    return attributes


def _tokens(usage: UsageMetadata | None) -> dict[str, AttributeValue]:
    """Return token counts. By the conventions the input includes cached tokens, the output includes reasoning."""
    if usage is None:
        return {}
    return {
        gen_ai.GEN_AI_USAGE_INPUT_TOKENS: (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0),
        gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS: (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
        gen_ai.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: usage.cached_content_token_count or 0,
        gen_ai.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: usage.thoughts_token_count or 0,
    }


def build_processor() -> SpanProcessor:
    """Build the exporter to the collector. It runs in a thread, and drops spans once its queue is full."""
    return BatchSpanProcessor(_LossLogger(OTLPSpanExporter()))


class _LossLogger(SpanExporter):
    """Wraps an exporter: logs once when spans begin to be lost, and once when they arrive again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export spans; log a change between success and failure."""
        result = self._exporter.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._failing:
            log.warning("traces: the collector does not accept spans (OTEL_EXPORTER_OTLP_ENDPOINT); they are lost")
        elif self._failing and not failed:
            log.info("traces: the collector accepts spans again")
        self._failing = failed
        return result

    def shutdown(self) -> None:
        """Shut the exporter down."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the exporter."""
        return self._exporter.force_flush(timeout_millis)
