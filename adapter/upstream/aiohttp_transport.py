"""Calls carried by aiohttp: the cheapest by far for each call and each chunk."""

import asyncio
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from io import BytesIO
from socket import socket
from typing import NamedTuple

import aiohttp

from adapter.upstream.errors import (
    UpstreamBusy,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from adapter.upstream.settings import UpstreamSettings
from adapter.upstream.transport import Request, past_stale_connections, tls_context

LARGE = 1024 * 1024

_BROKE = "The connection to Gemini broke before it answered."

_dialled: ContextVar[list[aiohttp.AddrInfoType]] = ContextVar("dialled")
"""The addresses that the running call has dialled. aiohttp's tracing tells it too, at a sixth of a call's cost."""


class _Seen(NamedTuple):
    """Circumstances of a failure: a kept connection was used; more calls are under way than connections may be."""

    reused: bool
    full: bool


_ERRORS: tuple[tuple[type[Exception], Callable[[_Seen], UpstreamError]], ...] = (
    (aiohttp.ConnectionTimeoutError, lambda seen: UpstreamBusy() if seen.full else UpstreamTimeout("connect")),
    (aiohttp.SocketTimeoutError, lambda _: UpstreamTimeout("first byte")),
    (TimeoutError, lambda _: UpstreamTimeout("total")),
    (aiohttp.ClientConnectorDNSError, lambda _: UpstreamUnavailable("Gemini's host name has no address.", again=True)),
    (aiohttp.ClientSSLError, lambda _: UpstreamUnavailable("Gemini's TLS certificate or handshake was refused.")),
    (aiohttp.ClientConnectorError, lambda _: UpstreamUnavailable("No connection to Gemini.", again=True)),
    (aiohttp.ClientHttpProxyError, lambda _: UpstreamUnavailable("The proxy refused the call.")),
    (aiohttp.ServerDisconnectedError, lambda seen: UpstreamUnavailable(_BROKE, stale=seen.reused)),
    (aiohttp.ClientOSError, lambda seen: UpstreamUnavailable(_BROKE, stale=seen.reused)),
    (aiohttp.ClientError, lambda _: UpstreamProtocolError("The upstream's answer is not HTTP.")),
)
"""What waiting for an answer's head can raise, most specific first."""

_BODY_ERRORS: tuple[tuple[type[Exception], Callable[[], UpstreamError]], ...] = (
    (aiohttp.SocketTimeoutError, lambda: UpstreamTimeout("between bytes")),
    (TimeoutError, lambda: UpstreamTimeout("total")),
    (aiohttp.ClientError, UpstreamTruncated),
)
"""What reading a body can raise."""


class AiohttpResponse:
    """An answer; see `transport.Response`."""

    def __init__(self, response: aiohttp.ClientResponse, between_bytes: float, release: Callable[[], None]) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._release: Callable[[], None] | None = release
        if (connection := response.connection) is not None and (protocol := connection.protocol) is not None:
            protocol.read_timeout = between_bytes
            protocol.start_timeout()

    async def read(self) -> bytes:
        """See `transport.Response`."""
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise next(make() for kind, make in _BODY_ERRORS if isinstance(error, kind)) from error

    async def aclose(self) -> None:
        """See `transport.Response`."""
        if self._release is not None:
            self._release()
            self._release = None
            self._response.close()


class AiohttpTransport:
    """One session; opened by the first call, inside the event loop that uses it."""

    def __init__(self, settings: UpstreamSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._running = 0

    def _open(self) -> aiohttp.ClientSession:
        settings = self._settings
        connector = aiohttp.TCPConnector(
            limit=settings.max_connections,
            keepalive_timeout=30,
            ssl=tls_context(settings.url, settings.ca_file) or True,
            socket_factory=_socket,
        )
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)

    async def send(self, request: Request) -> AiohttpResponse:
        """See `transport.Transport`."""
        if self._session is None:
            self._session = self._open()
        return await past_stale_connections(partial(self._send, self._session, request))

    async def _send(self, session: aiohttp.ClientSession, request: Request) -> AiohttpResponse:
        dialled: list[aiohttp.AddrInfoType] = []
        _dialled.set(dialled)
        response: aiohttp.ClientResponse | None = None
        self._running += 1
        try:
            response = await self._head(session, request)
        except (aiohttp.ClientError, TimeoutError) as error:
            seen = _Seen(reused=not dialled, full=self._running > self._settings.max_connections)
            raise next(make(seen) for kind, make in _ERRORS if isinstance(error, kind)) from error
        finally:
            if response is None:
                self._release()
        return AiohttpResponse(response, self._settings.between_bytes, self._release)

    async def _head(self, session: aiohttp.ClientSession, request: Request) -> aiohttp.ClientResponse:
        settings = self._settings
        remaining = request.deadline - asyncio.get_running_loop().time()
        return await session.request(
            request.method,
            request.url,
            headers=request.headers,
            data=_payload(request.body),
            timeout=aiohttp.ClientTimeout(
                total=max(remaining, 0.001), connect=settings.connect, sock_read=settings.first_byte
            ),
            allow_redirects=False,
            proxy=settings.proxy,
        )

    def _release(self) -> None:
        self._running -= 1

    async def aclose(self) -> None:
        """See `transport.Transport`."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _socket(address: aiohttp.AddrInfoType) -> socket:
    _dialled.get([]).append(address)
    return socket(*address[:3])


def _payload(body: bytes | None) -> bytes | BytesIO | None:
    """aiohttp writes a file piece by piece, and bytes at once, which it warns of when they are many."""
    return BytesIO(body) if body and len(body) > LARGE else body
