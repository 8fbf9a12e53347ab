"""The emulator over HTTP: Google's paths, headers and framing."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Send

from adapter.emulator import service, vertex_embeddings
from adapter.emulator.core.errors import Refusal, bad_key, bad_token, bullet, invalid, no_key
from adapter.emulator.core.models import Model, as_resource
from adapter.emulator.generation import continuation as continuing
from adapter.emulator.http.batches import METHODS, BatchEndpoints, EmulatedBatches, fault_of
from adapter.emulator.http.faults import MARK, Fault, html, overload_refusal, split_model
from adapter.emulator.http.files import FileEndpoints, Files, key_of
from adapter.emulator.http.record import Record
from adapter.emulator.http.wire_form import chunks, event, pretty, whole
from adapter.emulator.parsing.parser import parse, read_json
from adapter.emulator.settings import EmulatorSettings

JSON = "application/json; charset=UTF-8"
VERSIONS = ("v1beta", "v1")
VERTEX_VERSIONS = ("v1beta1", "v1")
OAUTH_PREFIX = "ya29."
HEADERS = {"vary": "Origin, X-Origin, Referer", "server-timing": "gfet4t7; dur=1"}


def create_emulator(settings: EmulatorSettings | None = None) -> Starlette:
    """Return an ASGI application, which remembers its requests in `app.state.record`."""
    chosen = settings or EmulatorSettings()
    record = Record()
    files = Files(chosen.clock)
    batches = EmulatedBatches(files, chosen)
    emulator = Emulator(chosen, record, files, batches)
    routes = [
        *BatchEndpoints(batches, emulator.authorise).routes(),
        *FileEndpoints(files, emulator.authorise, chosen.max_body).routes(),
        *(Route(f"/{version}/models", partial(emulator.models, version), methods=["GET"]) for version in VERSIONS),
        *(
            Route(
                f"/{version}/projects/{{project}}/locations/{{location}}/publishers/google/{{target:path}}",
                emulator.call_vertex,
                methods=["POST"],
            )
            for version in VERTEX_VERSIONS
        ),
        *(
            Route(f"/{version}/publishers/google/{{target:path}}", emulator.vertex_models, methods=["GET"])
            for version in VERTEX_VERSIONS
        ),
        Route("/v1beta/decisions", emulator.decide, methods=["POST"]),
        *(
            Route(f"/{version}/{{target:path}}", partial(emulator.call, version), methods=["GET", "POST"])
            for version in VERSIONS
        ),
        Route("/emulator/stats", emulator.stats, methods=["GET"]),
        Route("/emulator/requests", emulator.requests, methods=["GET"]),
    ]
    app = Starlette(routes=routes, exception_handlers={Refusal: answer_refusal, 404: page, 405: page})
    app.state.record = record
    return app


async def answer_refusal(request: Request, error: Exception) -> Response:
    """Answer with a google.rpc.Status, in an array where a stream would have been one."""
    assert isinstance(error, Refusal)
    as_array = request.url.path.endswith(":streamGenerateContent") and request.query_params.get("alt") != "sse"
    return status(error, wrapped=as_array)


def status(error: Refusal, *, wrapped: bool) -> Response:
    """Return the error as JSON."""
    body = [error.body()] if wrapped else error.body()
    return Response(pretty(body), error.code, HEADERS, JSON)


async def page(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Answer a path that is not the API's with a page of Google's front end."""
    return as_page(html(404, "Not Found"))


def as_page(page: tuple[int, str, bytes]) -> Response:
    """Return a page (status, media type, body) as a response."""
    code, type_, body = page
    return Response(body, code, media_type=type_)


def as_json(body: Any) -> Response:
    """Return a whole answer as JSON."""
    return Response(pretty(body), media_type=JSON, headers=HEADERS)


class Emulator:
    """The handlers; all state is the record and the files."""

    def __init__(self, settings: EmulatorSettings, record: Record, files: Files, batches: EmulatedBatches) -> None:
        self.settings = settings
        self.record = record
        self.files = files
        self.batches = batches

    async def stats(self, request: Request) -> Response:  # noqa: ARG002
        """Answer `GET /emulator/stats`: the counters."""
        return JSONResponse(self.record.stats())

    async def requests(self, request: Request) -> Response:  # noqa: ARG002
        """Answer `GET /emulator/requests`: the last requests."""
        return JSONResponse(list(self.record.requests))

    async def models(self, version: str, request: Request) -> Response:
        """Answer `models.list`."""
        self.authorise(request)
        query = request.query_params
        page_size, page_token = query.get("pageSize", ""), query.get("pageToken", "")
        return as_json(service.list_models(version, page_size, page_token, self.settings.day()))

    async def call(self, version: str, request: Request) -> Response:
        """Answer a path under a model's name."""
        name, _, method = request.path_params["target"].partition(":")
        if not name.startswith("models/"):
            return as_page(html(404, "Not Found"))
        if request.method == "GET" and not method:
            self.authorise(request)
            return as_json(as_resource(self.model(name, version, "get", request)))
        if request.method != "POST" or method not in (*service.MESSAGES, *METHODS):
            return as_page(html(404, "Not Found"))
        try:
            if method in METHODS:
                return await self.begin_batch(version, name.removeprefix("models/"), method, request)
            return await self.method(version, name.removeprefix("models/"), method, request)
        except Refusal:
            self.record.counts["rejected"] += 1
            raise

    async def begin_batch(self, version: str, name: str, method: str, request: Request) -> Response:
        """Answer `batchGenerateContent` and `asyncBatchEmbedContent`."""
        self.authorise(request)
        raw = await self.body(request)
        body = read_json(raw)
        self.record.request(method, name, dict(request.query_params), body, len(raw))
        base, fault = fault_of(name)
        model = self.model(base, version, method, request)
        return as_json(self.batches.create(body, method, model, fault, key_of(request)))

    async def decide(self, request: Request) -> Response:
        """Answer `decisions.create`, which names its model in the body."""
        self.authorise(request)
        raw = await self.body(request)
        body = read_json(raw)
        try:
            name = service.decision_model(body)
            self.record.request("createDecision", name, dict(request.query_params), body, len(raw))
            base, fault = split_model(name)
            self.model(base, "v1beta", "createDecision", request)
            if fault is not None and fault.refusal is not None:
                raise fault.refusal
            return as_json(service.decide(body, name.removeprefix(base).removeprefix(MARK)))
        except Refusal:
            self.record.counts["rejected"] += 1
            raise

    async def call_vertex(self, request: Request) -> Response:
        """Answer a call on Vertex AI's paths: by token; `countTokens` and embeddings have another form."""
        name, _, method = request.path_params["target"].partition(":")
        if not name.startswith("models/") or method not in {**service.MESSAGES, **vertex_embeddings.MESSAGES}:
            return as_page(html(404, "Not Found"))
        self.authorise_vertex(request)
        try:
            return await self.method("v1beta", name.removeprefix("models/"), method, request)
        except Refusal:
            self.record.counts["rejected"] += 1
            raise

    async def vertex_models(self, request: Request) -> Response:
        """Answer `publishers.models.list` and `.get`."""
        self.authorise_vertex(request)
        target = request.path_params["target"]
        if target == "models":
            listed = service.list_models("v1beta", request.query_params.get("pageSize", ""), "")["models"]
            return as_json({"publisherModels": [{"name": f"publishers/google/{one['name']}"} for one in listed]})
        resource = as_resource(service.find_model(target.removeprefix("models/"), "v1beta", "get"))
        return as_json({"name": f"publishers/google/{resource['name']}"})

    def authorise_vertex(self, request: Request) -> None:
        """Check the OAuth token: under a project's paths Vertex AI takes no API keys."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.startswith(OAUTH_PREFIX):
            raise bad_token()

    async def method(self, version: str, name: str, method: str, request: Request) -> Response:
        """Check key, body and model in the order of the real server, then answer."""
        self.authorise(request)
        raw = await self.body(request)
        body = read_json(raw)
        self.record.request(method, name, dict(request.query_params), body, len(raw))
        if method == "countTokens" and "project" in request.path_params and isinstance(body, dict):
            body = {"generateContentRequest": {"model": f"models/{name}", **body}}
        on_vertex = "project" in request.path_params and method in vertex_embeddings.MESSAGES
        parsed = parse(body, (vertex_embeddings.MESSAGES if on_vertex else service.MESSAGES)[method])
        if " " in name or not name:
            raise invalid(bullet("model", "unexpected model name format"))
        if self.settings.verify_files:
            self.files.check(parsed, key_of(request))
        base, fault = split_model(name)
        model = self.model(base, version, "get" if on_vertex else method, request)
        if fault is not None:
            await asyncio.sleep(fault.before)
        if fault is not None and fault.page is not None:
            return as_page(fault.page)
        if fault is not None and fault.refusal is not None:
            if not fault.wrapped:
                raise fault.refusal
            return status(fault.refusal, wrapped=True)
        if on_vertex:
            return as_json(vertex_embeddings.embed(method, parsed, model))
        return self.answer(method, parsed, model, request, fault)

    def model(self, name: str, version: str, method: str, request: Request) -> Model:
        """Return the model's row, by AI Studio's calendar on AI Studio's paths."""
        day = None if "project" in request.path_params else self.settings.day()
        return service.find_model(name.removeprefix("models/"), version, method, day)

    def answer(
        self, method: str, parsed: dict[str, Any], model: Model, request: Request, fault: Fault | None
    ) -> Response:
        """Answer a parsed request by its method."""
        match method:
            case "generateContent":
                return self.generate(parsed, model, fault)
            case "streamGenerateContent":
                return self.stream(parsed, model, fault, sse=request.query_params.get("alt") == "sse")
            case "countTokens":
                return as_json(service.count_tokens(parsed, model))
            case "embedContent":
                return as_json(service.embed(parsed, model))
            case _:
                return as_json(service.embed_batch(parsed, model))

    def authorise(self, request: Request) -> None:
        """Check a key in the header or the query, an OAuth token, or on a relay a key as a token."""
        key = request.headers.get("x-goog-api-key") or request.query_params.get("key", "")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not key and scheme.lower() == "bearer":
            if not self.settings.relay and not token.startswith(OAUTH_PREFIX):
                raise bad_token()
            if token.startswith(OAUTH_PREFIX):
                return
            key = token.strip()
        if not key and self.settings.require_key:
            raise no_key()
        if key and self.settings.api_keys is not None and key not in self.settings.api_keys:
            raise bad_key()

    async def body(self, request: Request) -> bytes:
        """Read the body, up to the limit."""
        received = bytearray()
        async for piece in request.stream():
            received += piece
            if len(received) > self.settings.max_body:
                raise invalid(f"Request payload size exceeds the limit: {self.settings.max_body} bytes.")
        return bytes(received)

    def generate(self, parsed: dict[str, Any], model: Model, fault: Fault | None) -> Response:
        """Answer `generateContent`."""
        request, number = continuing.split_token(parsed) if fault is not None and fault.calls > 1 else (parsed, 0)
        generated = service.answer(request, model, self.settings)
        self.record.count_signatures(generated.signatures)
        body = [whole(generated.reply)]
        if fault is not None and fault.calls > 1:
            body = [continuing.join_chunks(in_part(list(chunks(generated.reply)), number, fault))]
        if fault is not None and fault.reshape is not None:
            body = fault.reshape(body)
        headers = HEADERS | {"x-gemini-service-tier": generated.reply.usage.tier}
        if fault is not None and fault.cut:
            return CutResponse(half(pretty(body[0])), media_type=JSON, headers=headers)
        return Response(pretty(body[0]), media_type=JSON, headers=headers)

    def stream(self, parsed: dict[str, Any], model: Model, fault: Fault | None, *, sse: bool) -> Response:
        """Answer `streamGenerateContent`, as events or as an array."""
        request, number = continuing.split_token(parsed) if fault is not None and fault.calls > 1 else (parsed, 0)
        generated = service.answer(request, model, self.settings, streaming=True)
        self.record.count_signatures(generated.signatures)
        responses: Iterator[dict[str, Any]] = chunks(generated.reply)
        if fault is not None and fault.calls > 1:
            responses = iter(in_part(list(responses), number, fault))
        if fault is not None and fault.reshape is not None:
            responses = iter(fault.reshape(list(responses)))
        frames = map(event, responses) if sse else array(responses)
        if fault is not None and fault.frames is not None:
            frames = fault.frames(list(frames))
        headers = HEADERS | {"x-gemini-service-tier": generated.reply.usage.tier, "content-disposition": "attachment"}
        headers["content-type"] = "text/event-stream" if sse else JSON
        kind = CutResponse if fault is not None and fault.cut else StreamingResponse
        return kind(self.send_frames(frames, fault or Fault()), headers=headers)

    async def send_frames(self, frames: Iterator[bytes], fault: Fault) -> AsyncIterator[bytes]:
        """Yield one frame after the other; each is made when the one before is on its way."""
        self.record.counts["open_streams"] += 1
        pause = fault.between or self.settings.chunk_delay
        try:
            for index, frame in enumerate(frames):
                if index:
                    await asyncio.sleep(fault.after_first if index == 1 and fault.after_first else pause)
                self.record.counts["chunks"] += 1
                yield frame
        finally:
            self.record.counts["open_streams"] -= 1


def in_part(found: list[dict[str, Any]], number: int, fault: Fault) -> list[dict[str, Any]]:
    """Return the chunks of the part that a request asks for."""
    if fault.lost and number:
        raise overload_refusal()
    return continuing.cut_part(found, number, fault.calls, stuck=fault.stuck)


class CutResponse(StreamingResponse):
    """A body that never ends properly, so that the server closes the connection under the client."""

    async def stream_response(self, send: Send) -> None:
        """Send the body without its end."""

        async def send_unfinished(message: Message) -> None:
            if message.get("more_body", True):
                await send(message)

        await super().stream_response(send_unfinished)


def array(responses: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """Yield a JSON array, written as its elements come."""
    for index, response in enumerate(responses):
        yield (b",\r\n" if index else b"[") + pretty(response)
    yield b"]"


async def half(body: bytes) -> AsyncIterator[bytes]:
    """Yield half of a body."""
    yield body[: len(body) // 2]
