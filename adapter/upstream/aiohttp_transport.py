"""Calls carried by aiohttp: the cheapest by far for each call and each chunk."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from types import SimpleNamespace

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

_ERRORS: tuple[tuple[type[Exception], Callable[[SimpleNamespace], UpstreamError]], ...] = (
    (aiohttp.ConnectionTimeoutError, lambda seen: UpstreamBusy() if seen.queued else UpstreamTimeout("connect")),
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

    def __init__(self, response: aiohttp.ClientResponse, between_bytes: float) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
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
        self._response.close()


class AiohttpTransport:
    """One session; opened by the first call, inside the event loop that uses it."""

    def __init__(self, settings: UpstreamSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        settings = self._settings
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        trace.on_connection_queued_start.append(_note_queued)
        trace.on_connection_queued_end.append(_note_dequeued)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=settings.max_connections,
                keepalive_timeout=30,
                ssl=tls_context(settings.url, settings.ca_file) or True,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[trace],
            trust_env=False,
        )

    async def send(self, request: Request) -> AiohttpResponse:
        """See `transport.Transport`."""
        if self._session is None:
            self._session = self._open()
        return await past_stale_connections(partial(self._send, self._session, request))

    async def _send(self, session: aiohttp.ClientSession, request: Request) -> AiohttpResponse:
        settings = self._settings
        seen = SimpleNamespace(reused=False, queued=False)
        remaining = request.deadline - asyncio.get_running_loop().time()
        try:
            response = await session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=_payload(request.body),
                timeout=aiohttp.ClientTimeout(
                    total=max(remaining, 0.001), connect=settings.connect, sock_read=settings.first_byte
                ),
                allow_redirects=False,
                proxy=settings.proxy,
                trace_request_ctx=seen,
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise next(make(seen) for kind, make in _ERRORS if isinstance(error, kind)) from error
        return AiohttpResponse(response, settings.between_bytes)

    async def aclose(self) -> None:
        """See `transport.Transport`."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _payload(body: bytes | None) -> bytes | BytesIO | None:
    """aiohttp writes a file piece by piece, and bytes at once, which it warns of when they are many."""
    return BytesIO(body) if body and len(body) > LARGE else body


async def _note_reuse(_session: object, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.reused = True


async def _note_queued(_session: object, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.queued = True


async def _note_dequeued(_session: object, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.queued = False
