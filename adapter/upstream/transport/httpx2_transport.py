"""The second transport, on httpx2: the one that speaks to proxies, and the fallback if `AsyncioTransport` has a fault.

httpx2's errors are mapped to ours by two tables, for the head and for the body. `UpstreamError` is all that gets out.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from functools import partial

import httpx2

from adapter.upstream.errors import (
    UpstreamBusy,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from adapter.upstream.settings import UpstreamSettings
from adapter.upstream.transport.base import Request, retry_stale_connections, size_of, tls_context
from adapter.wire.gemini.pieces import Piece

SHARD = 50
"""Connections in one pool. httpx2 goes through all connections of a pool on each request, so a large pool is slow."""

_BROKE = "The connection to Gemini broke before it answered."


def _no_connection(error: Exception) -> UpstreamUnavailable:
    """Map a failed connection. A refused connection may work a moment later; a refused certificate will not."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return UpstreamUnavailable("Gemini's TLS certificate or handshake was refused.")
        cause = cause.__cause__ or cause.__context__
    return UpstreamUnavailable("No connection to Gemini.", again=True)


def _no_head(error: Exception, reused: bool) -> UpstreamError:
    """Map a missing or malformed head.

    httpx2 has one exception for both; only its text tells a connection that was closed without a byte. A malformed
    head on a reused connection may be bytes of the answer before, beyond its stated length.
    """
    if reused or "without sending a response" in str(error):
        return UpstreamUnavailable(_BROKE, stale=reused)
    return UpstreamProtocolError("The upstream's answer is not HTTP.")


_ERRORS: tuple[tuple[type[Exception], Callable[[Exception, bool], UpstreamError]], ...] = (
    (httpx2.ConnectTimeout, lambda _, __: UpstreamTimeout("connect")),
    (httpx2.PoolTimeout, lambda _, __: UpstreamBusy()),
    (httpx2.TimeoutException, lambda _, __: UpstreamTimeout("first byte")),
    (TimeoutError, lambda _, __: UpstreamTimeout("total")),
    (httpx2.ProxyError, lambda _, __: UpstreamUnavailable("The proxy refused the call.")),
    (httpx2.ConnectError, lambda error, _: _no_connection(error)),
    (httpx2.NetworkError, lambda _, reused: UpstreamUnavailable(_BROKE, stale=reused)),
    (httpx2.RemoteProtocolError, _no_head),
    (httpx2.TransportError, lambda _, __: UpstreamProtocolError("The upstream's answer is not HTTP.")),
)
"""The exceptions of waiting for a head, the most specific class first."""

_BODY_ERRORS: tuple[tuple[type[Exception], Callable[[], UpstreamError]], ...] = (
    (httpx2.TimeoutException, lambda: UpstreamTimeout("between bytes")),
    (TimeoutError, lambda: UpstreamTimeout("total")),
    (httpx2.RequestError, UpstreamTruncated),
)
"""The exceptions of reading a body."""


class Httpx2Response:
    """An answer of httpx2; implements `transport.Response`."""

    def __init__(self, response: httpx2.Response, deadline: float, release: Callable[[], None]) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._chunks = response.aiter_bytes()
        self._deadline = deadline
        self._release = release

    async def read(self) -> bytes:
        """Return the next piece of the body; `b""` at its end. Raises `UpstreamError`."""
        # `timeout_at` interrupts only what waits: a body that never pauses would run past the deadline.
        if time.monotonic() >= self._deadline:
            raise UpstreamTimeout("total")
        try:
            async with asyncio.timeout_at(self._deadline):
                chunk = b""
                # An empty piece would mean the end of the body.
                while not chunk:
                    chunk = await anext(self._chunks)
                return chunk
        except StopAsyncIteration:
            return b""
        except (httpx2.RequestError, TimeoutError) as error:
            raise next(make() for kind, make in _BODY_ERRORS if isinstance(error, kind)) from error

    async def aclose(self) -> None:
        """Release the connection; httpx2 closes it if the body was not read to its end."""
        self._release()
        self._release = _nothing
        await self._response.aclose()


async def _each(pieces: Sequence[Piece]) -> AsyncIterator[bytes]:
    """Yield the pieces of a body, one by one: httpx2 would join a list."""
    for piece in pieces:
        yield bytes(piece)


def _nothing() -> None:
    pass


class Httpx2Transport:
    """Several pools of at most `SHARD` connections each. No cookies, no redirects, no proxy from the environment."""

    def __init__(self, settings: UpstreamSettings) -> None:
        self._settings = settings
        self._size = min(SHARD, settings.max_connections)
        shards = -(-settings.max_connections // self._size)
        self._pools: list[httpx2.AsyncHTTPTransport | None] = [None] * shards
        self._busy = [0] * shards
        self._tls: ssl.SSLContext | None = None

    def _shard(self) -> int:
        """Choose the first pool with a free slot, so that few calls need few connections; else the least busy one."""
        free = next((i for i, busy in enumerate(self._busy) if busy < self._size), None)
        return min(range(len(self._busy)), key=self._busy.__getitem__) if free is None else free

    def _pool(self, shard: int) -> httpx2.AsyncHTTPTransport:
        pool = self._pools[shard]
        if pool is None:
            settings = self._settings
            self._tls = self._tls or tls_context(settings.url, settings.ca_file)
            pool = self._pools[shard] = httpx2.AsyncHTTPTransport(
                # Without a context the URL is plain HTTP, where there is nothing to verify.
                verify=self._tls or False,
                limits=httpx2.Limits(max_connections=self._size, keepalive_expiry=30),
                proxy=settings.proxy,
                trust_env=False,
            )
        return pool

    def send(self, request: Request) -> Coroutine[object, object, Httpx2Response]:
        """Send a request and return its answer once the head has arrived. Raises `UpstreamError`."""
        return retry_stale_connections(self._send, request)

    async def _send(self, request: Request) -> Httpx2Response:
        message, limits, dialled = self._message(request)
        shard = self._shard()
        pool = self._pool(shard)
        response: httpx2.Response | None = None
        self._busy[shard] += 1
        try:
            async with asyncio.timeout_at(request.deadline):
                response = await pool.handle_async_request(message)
        except (httpx2.RequestError, TimeoutError) as error:
            raise next(make(error, not dialled) for kind, make in _ERRORS if isinstance(error, kind)) from error
        finally:
            if response is None:
                self._release(shard)
        # httpx2 looks at this dict again for each read: from here on silence is limited, not the wait for the head.
        limits["read"] = self._settings.between_bytes
        # So that httpx2's errors name their request; outside of its client nobody sets it.
        response.request = message
        return Httpx2Response(response, request.deadline, partial(self._release, shard))

    def _message(self, request: Request) -> tuple[httpx2.Request, dict[str, float], list[str]]:
        """Build the request; return it with its time limits and a list that fills if a new connection is opened."""
        settings = self._settings
        limits = {"connect": settings.connect, "pool": settings.connect, "read": settings.first_byte, "write": 60.0}
        dialled: list[str] = []

        async def trace(event: str, _info: object) -> None:
            if "connect_tcp" in event:
                dialled.append(event)

        extensions = {"timeout": limits, "trace": trace}
        headers = dict(request.headers)
        content: bytes | AsyncIterator[bytes] | None = None
        if request.body is not None and not isinstance(request.body, bytes):
            headers["content-length"] = str(size_of(request.body))
            content = _each(request.body)
        else:
            content = request.body
        message = httpx2.Request(request.method, request.url, headers=headers, content=content, extensions=extensions)
        return message, limits, dialled

    def _release(self, shard: int) -> None:
        self._busy[shard] -= 1

    async def aclose(self) -> None:
        """Close all connections."""
        pools, self._pools = self._pools, [None] * len(self._pools)
        for pool in pools:
            if pool is not None:
                await pool.aclose()
