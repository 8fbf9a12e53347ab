"""Calls to Gemini's methods, with time limits and retries around one transport."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from adapter.upstream.aiohttp_transport import AiohttpTransport
from adapter.upstream.auth import Auth, Caller
from adapter.upstream.errors import (
    MAX_ERROR_BODY,
    InvalidModelName,
    Phase,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
    from_stream,
    status_of,
)
from adapter.upstream.httpx2_transport import Httpx2Transport
from adapter.upstream.retry import RetryPolicy, told_wait
from adapter.upstream.settings import UpstreamSettings, base_url
from adapter.upstream.sse import EventDecoder, EventTooLarge
from adapter.upstream.transport import Request, Response, Transport
from adapter.wire.base import decode, encode
from adapter.wire.gemini.generate import GenerateContentRequest, GenerateContentResponse
from adapter.wire.gemini.models import ListModelsResponse, Model

__all__ = ["Caller", "Reply", "Upstream", "open_transport"]

T = TypeVar("T")

_MODEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,127}")
_COLLECTIONS = ("models", "tunedModels")
_JSON = {"content-type": "application/json", "accept-encoding": "gzip"}
_ERROR_EVENT = re.compile(rb'\s*\{\s*"error"\s*:')


class Reply(NamedTuple):
    """An answer, or one event of a stream, and its unknown fields by path."""

    response: GenerateContentResponse
    unknown: dict[str, msgspec.Raw]


def open_transport(settings: UpstreamSettings) -> Transport:
    """The transport that the settings name."""
    if settings.http_client == "httpx2":
        return Httpx2Transport(settings.max_connections, settings.proxy, http2=False)
    return AiohttpTransport(settings.max_connections, settings.proxy)


def model_path(model: str) -> str:
    """`models/NAME` for a name with or without its collection. Raises `InvalidModelName`."""
    collection, slash, name = model.partition("/")
    if not slash:
        collection, name = "models", model
    if collection not in _COLLECTIONS or not _MODEL.fullmatch(name) or ".." in name:
        raise InvalidModelName(f"{model[:80]!r} is not the name of a model")
    return f"{collection}/{quote(name)}"


class Upstream:
    """One upstream. Its methods raise `UpstreamError` and its kinds, and `InvalidModelName`."""

    def __init__(
        self,
        settings: UpstreamSettings,
        transport: Transport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.settings = settings
        self._url = base_url(settings.url)
        self._transport = transport or open_transport(settings)
        self._auth = Auth(settings)
        self._retry = RetryPolicy(settings.attempts, settings.retry_server_errors)
        self._sleep = sleep

    async def generate(
        self, model: str, request: GenerateContentRequest, caller: Caller, seconds: float | None = None
    ) -> Reply:
        """generateContent. `seconds` is how long the caller will wait, if it says so."""
        path = f"{model_path(model)}:generateContent"
        async with self._deadline(seconds), self._answer("POST", path, caller, encode(request), seconds) as response:
            return _decoded(await self._read(response, self.settings.max_answer))

    async def stream(
        self, model: str, request: GenerateContentRequest, caller: Caller, seconds: float | None = None
    ) -> AsyncGenerator[Reply]:
        """streamGenerateContent, event by event. Closing the generator closes the connection."""
        if not self.settings.streaming:
            yield await self.generate(model, request, caller, seconds)
            return
        path = f"{model_path(model)}:streamGenerateContent?alt=sse"
        decoder = EventDecoder(self.settings.max_event)
        async with self._answer("POST", path, caller, encode(request), seconds) as response:
            async for chunk in self._chunks(response, seconds):
                for payload in _feed(decoder, chunk):
                    yield _event(payload)
            for payload in decoder.close():
                yield _event(payload)

    async def models(self, caller: Caller) -> list[Model]:
        """All models, page by page."""
        models: list[Model] = []
        token: str | None = ""
        while token is not None:
            query = urlencode({"pageSize": 1000, **({"pageToken": token} if token else {})})
            async with self._deadline(None), self._answer("GET", f"models?{query}", caller, None, None) as response:
                page = _typed(await self._read(response, self.settings.max_answer), ListModelsResponse)
            models += page.models or []
            token = page.next_page_token or None
        return models

    async def model(self, name: str, caller: Caller) -> Model:
        """One model."""
        async with self._deadline(None), self._answer("GET", model_path(name), caller, None, None) as response:
            return _typed(await self._read(response, self.settings.max_answer), Model)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    def _total(self, seconds: float | None) -> float:
        limit = self.settings.limits.total
        return limit if seconds is None else min(limit, seconds)

    @asynccontextmanager
    async def _deadline(self, seconds: float | None) -> AsyncIterator[None]:
        total = self._total(seconds)
        async with _limit("total", total):
            yield

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, caller: Caller, body: bytes | None, seconds: float | None
    ) -> AsyncIterator[Response]:
        """A successful answer, after as many attempts as are allowed; closed at the end."""
        self._retry.calls += 1
        try:
            response = await self._attempts(method, path, caller, body, self._total(seconds))
            try:
                yield response
            finally:
                await response.aclose()
        finally:
            self._retry.calls -= 1

    async def _attempts(self, method: str, path: str, caller: Caller, body: bytes | None, total: float) -> Response:
        clock = asyncio.get_running_loop().time
        deadline = clock() + total
        attempt = 1
        while True:
            key = self._auth.pick(caller)
            try:
                response = await self._send(method, path, key, body)
            except UpstreamError as error:
                self._auth.learn(key, error, told_wait(error))
                wait = self._retry.wait(error, attempt, deadline - clock(), self._auth.has_other(key))
                if wait is None:
                    raise
                await self._pause(wait)
                attempt += 1
            else:
                self._auth.succeeded(key)
                return response

    async def _pause(self, seconds: float) -> None:
        self._retry.waiting += 1
        try:
            await self._sleep(seconds)
        finally:
            self._retry.waiting -= 1

    async def _send(self, method: str, path: str, key: str | None, body: bytes | None) -> Response:
        limits = self.settings.limits
        request = Request(method, f"{self._url}/{path}", {**_JSON, **self._auth.headers(key)}, body)
        async with _limit("first byte", limits.first_byte):
            response = await self._transport.send(request, limits.connect)
        if response.status == 200:
            return response
        try:
            raise await self._error(response)
        finally:
            await response.aclose()

    async def _error(self, response: Response) -> UpstreamError:
        body = await self._read(response, MAX_ERROR_BODY, cut=True)
        return UpstreamError(response.status, status_of(response.status, body), _seconds(response))

    async def _read(self, response: Response, limit: int, *, cut: bool = False) -> bytes:
        """The whole body, up to a limit: beyond it an error, or, with `cut`, nothing more."""
        pieces: list[bytes] = []
        size = 0
        async for chunk in self._chunks(response, None):
            size += len(chunk)
            if size > limit:
                if cut:
                    break
                raise UpstreamProtocolError(f"The upstream's answer has more than {limit} bytes.")
            pieces.append(chunk)
        return b"".join(pieces)

    async def _chunks(self, response: Response, seconds: float | None) -> AsyncGenerator[bytes]:
        """The body's pieces, each within the limit between bytes, all within the total."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._total(seconds)
        between = self.settings.limits.between_bytes
        while True:
            remaining = deadline - clock()
            phase: Phase = "between bytes" if between <= remaining else "total"
            async with _limit(phase, min(between, remaining)):
                chunk = await response.read()
            if not chunk:
                return
            yield chunk


@asynccontextmanager
async def _limit(phase: Phase, seconds: float) -> AsyncIterator[None]:
    """A time limit, as the error that tells its phase."""
    try:
        async with asyncio.timeout(seconds) as timer:
            yield
    except TimeoutError:
        if timer.expired():
            raise UpstreamTimeout(phase, seconds) from None
        raise


def _seconds(response: Response) -> float | None:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else None


def _feed(decoder: EventDecoder, chunk: bytes) -> list[bytes]:
    try:
        return decoder.feed(chunk)
    except EventTooLarge as error:
        raise UpstreamProtocolError(f"The upstream's stream holds {error}.") from None


def _event(payload: bytes) -> Reply:
    if _ERROR_EVENT.match(payload):
        raise from_stream(payload)
    return _decoded(payload)


def _decoded(body: bytes) -> Reply:
    try:
        return Reply(*decode(body, GenerateContentResponse))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise UpstreamProtocolError(f"The upstream's answer is not Gemini's: {error}.") from None


def _typed(body: bytes, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamProtocolError(f"The upstream's answer is not Gemini's: {error}.") from None
