"""Calls carried by aiohttp."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import NamedTuple

import aiohttp

from adapter.upstream.errors import UpstreamError, UpstreamProtocolError, UpstreamTimeout, UpstreamUnavailable
from adapter.upstream.transport import Request


class _Meaning(NamedTuple):
    """What one of aiohttp's errors means; the texts hold no URL, which may name a project."""

    kind: type[Exception]
    message: str
    sent: bool


_BROKE = "The connection to the upstream broke."
_MEANINGS = (
    _Meaning(aiohttp.ClientConnectorDNSError, "The upstream's name has no address.", sent=False),
    _Meaning(aiohttp.ClientSSLError, "The upstream's TLS certificate was refused.", sent=False),
    _Meaning(aiohttp.ClientProxyConnectionError, "No connection to the proxy.", sent=False),
    _Meaning(aiohttp.ClientHttpProxyError, "The proxy refused the call.", sent=False),
    _Meaning(aiohttp.ClientConnectorError, "No connection to the upstream.", sent=False),
    _Meaning(aiohttp.ServerDisconnectedError, _BROKE, sent=True),
    _Meaning(aiohttp.ClientPayloadError, _BROKE, sent=True),
    _Meaning(aiohttp.ClientOSError, _BROKE, sent=True),
)
"""Most specific first; any other error means that the answer is not HTTP."""


def _mapped(error: Exception, reused: bool) -> UpstreamError:
    for kind, message, sent in _MEANINGS:
        if isinstance(error, kind):
            return UpstreamUnavailable(message, sent=sent, reused=sent and reused)
    return UpstreamProtocolError("The upstream's answer is not HTTP.")


class AiohttpResponse:
    """An answer; see `transport.Response`."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response

    async def read(self) -> bytes:
        """See `transport.Response`."""
        try:
            return await self._response.content.readany()
        except aiohttp.ClientError as error:
            raise _mapped(error, reused=False) from error

    async def aclose(self) -> None:
        """See `transport.Response`."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class AiohttpTransport:
    """One session: no cookies, no redirects, no environment. Opened by the first call, inside its event loop."""

    def __init__(self, max_connections: int = 1_000, proxy: str | None = None) -> None:
        self._max_connections = max_connections
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._max_connections, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[trace],
            trust_env=False,
        )

    async def send(self, request: Request, connect: float) -> AiohttpResponse:
        """See `transport.Transport`."""
        session = self._session = self._session or self._open()
        seen = SimpleNamespace(reused=False)
        try:
            response = await session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.body,
                timeout=aiohttp.ClientTimeout(total=None, connect=connect),
                allow_redirects=False,
                proxy=self._proxy,
                trace_request_ctx=seen,
            )
        except aiohttp.ServerTimeoutError:
            raise UpstreamTimeout("connect", connect) from None
        except aiohttp.ClientError as error:
            raise _mapped(error, seen.reused) from error
        return AiohttpResponse(response)

    async def aclose(self) -> None:
        """See `transport.Transport`."""
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _note_reuse(_session: object, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.reused = True
