"""Calls carried by httpx2: through proxies and over HTTP/2."""

from collections.abc import Callable, Mapping
from functools import partial

import httpx2

from adapter.upstream.errors import UpstreamError, UpstreamProtocolError, UpstreamTimeout, UpstreamUnavailable
from adapter.upstream.transport import Request

SHARD = 50
"""Connections in one pool: httpx2 looks at each of them on each call, so a large pool is slow."""


def _mapped(error: Exception, connect: float, reused: bool) -> UpstreamError:
    """httpx2's errors, most specific first."""
    match error:
        case httpx2.PoolTimeout():
            return UpstreamTimeout("pool", connect)
        case httpx2.TimeoutException():
            return UpstreamTimeout("connect", connect)
        case httpx2.ProxyError():
            return UpstreamUnavailable("The proxy refused the call.", sent=False)
        case httpx2.ConnectError():
            return UpstreamUnavailable("No connection to the upstream.", sent=False)
        case httpx2.DecodingError():
            return UpstreamProtocolError("The upstream's answer cannot be decompressed.")
        case _:
            return UpstreamUnavailable("The connection to the upstream broke.", sent=True, reused=reused)


class Httpx2Response:
    """An answer; see `transport.Response`."""

    def __init__(self, response: httpx2.Response, done: Callable[[], None]) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._pieces = response.aiter_bytes()
        self._done = done

    async def read(self) -> bytes:
        """See `transport.Response`."""
        try:
            return await anext(self._pieces, b"")
        except httpx2.RequestError as error:
            raise _mapped(error, 0, reused=False) from error

    async def aclose(self) -> None:
        """See `transport.Response`."""
        self._done()
        await self._response.aclose()


class Httpx2Transport:
    """Pools of at most `SHARD` connections; no cookies, no redirects, no environment."""

    def __init__(self, max_connections: int = 1_000, proxy: str | None = None, http2: bool = False) -> None:
        self._limits = httpx2.Limits(max_connections=min(SHARD, max_connections), keepalive_expiry=30)
        self._proxy = proxy
        self._http2 = http2
        self._pools: dict[int, httpx2.AsyncHTTPTransport] = {}
        self._busy = [0] * max(1, -(-max_connections // SHARD))

    def _pick(self) -> int:
        """The first pool with a free connection, so that few calls keep few connections; else the least busy one."""
        free = (index for index, busy in enumerate(self._busy) if busy < SHARD)
        return next(free, self._busy.index(min(self._busy)))

    def _open(self, index: int) -> httpx2.AsyncHTTPTransport:
        if index not in self._pools:
            proxy = httpx2.Proxy(self._proxy) if self._proxy else None
            self._pools[index] = httpx2.AsyncHTTPTransport(
                limits=self._limits, proxy=proxy, http2=self._http2, trust_env=False
            )
        return self._pools[index]

    def _release(self, index: int, held: list[int]) -> None:
        """Give one place back, once."""
        if held:
            held.clear()
            self._busy[index] -= 1

    async def send(self, request: Request, connect: float) -> Httpx2Response:
        """See `transport.Transport`."""
        index = self._pick()
        opened: list[str] = []

        async def trace(name: str, _info: object) -> None:
            if "connect_tcp" in name:
                opened.append(name)

        message = httpx2.Request(
            request.method,
            request.url,
            headers=dict(request.headers),
            content=request.body,
            extensions={"timeout": {"connect": connect, "pool": connect}, "trace": trace},
        )
        release = partial(self._release, index, [index])
        self._busy[index] += 1
        try:
            response = await self._open(index).handle_async_request(message)
        except httpx2.RequestError as error:
            release()
            raise _mapped(error, connect, reused=not opened) from error
        except BaseException:
            release()
            raise
        response.request = message
        return Httpx2Response(response, release)

    async def aclose(self) -> None:
        """See `transport.Transport`."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.aclose()
