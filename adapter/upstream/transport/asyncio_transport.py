"""The default transport: a connection pool on plain asyncio, with httptools to read the answers.

The pool has `max_connections` slots. A slot is in one of these states:

    free      no connection; counted by `_free_slots`
    opening   a task is connecting
    idle      its connection waits for a request, in `_idle`
    busy      its connection carries a request

Transitions:

    from      event                                   to        who
    free      `_acquire` finds no idle connection     opening   the call
    opening   connected                               busy      the call
    opening   failed or cancelled                     free      the call, through `_free_slot`
    idle      `_reuse_idle`, younger than 30 s        busy      the call
    idle      `_reuse_idle`, older, or closed         free      the connection, through `_discard`
    busy      the answer was read to its end          idle      the connection, through `_release`
    busy      anything else                           free      the connection, through `_discard`

A call that finds neither an idle connection nor a free slot waits in `_waiters`, first come first served, at most
`settings.connect` seconds. Whoever releases a connection or frees a slot hands it to the first waiter. A waiter that
is cancelled in that very moment must hand it on (`_hand_on`), or the slot would be lost for ever.
"""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable, Coroutine
from urllib.parse import urlsplit

import aiohappyeyeballs

from adapter.upstream.errors import UpstreamBusy, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from adapter.upstream.settings import UpstreamSettings
from adapter.upstream.transport.base import Request, retry_stale_connections, size_of, tls_context
from adapter.upstream.transport.http1 import Connection, IncomingResponse

IDLE_TIMEOUT_S = 30.0
"""Seconds after which an idle connection is closed: servers close theirs, too, and a request would meet a dead one."""

HAPPY_EYEBALLS_DELAY_S = 0.25
"""Seconds before the next address is tried in parallel (RFC 8305, section 8)."""

DNS_TIMEOUT_S = 1.0
"""Seconds for a DNS look-up when an earlier one told addresses: a slow resolver delays no call for long."""

_ERRORS: tuple[tuple[type[Exception], Callable[[], UpstreamError]], ...] = (
    (TimeoutError, lambda: UpstreamTimeout("connect")),
    (socket.gaierror, lambda: UpstreamUnavailable("Gemini's host name has no address.", again=True)),
    (ssl.SSLError, lambda: UpstreamUnavailable("Gemini's TLS certificate or handshake was refused.")),
    (OSError, lambda: UpstreamUnavailable("No connection to Gemini.", again=True)),
)
"""The exceptions of opening a connection, the most specific class first."""


class AsyncioTransport:
    """Sends requests over at most `max_connections` connections to one upstream; the docstring above has the states.

    The connection that was used last is used first, so that few stay open when there is little to do.
    """

    def __init__(self, settings: UpstreamSettings) -> None:
        self._settings = settings
        self._url = urlsplit(settings.url)
        self._origin = f"{self._url.scheme}://{self._url.netloc}"
        self._clock = asyncio.get_running_loop().time
        self._tls: ssl.SSLContext | None = None
        self._addresses: list[aiohappyeyeballs.AddrInfoType] = []
        self._idle: deque[Connection] = deque()
        self._connections: set[Connection] = set()
        self._free_slots = settings.max_connections
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()

    def send(self, request: Request) -> Coroutine[object, object, IncomingResponse]:
        """Send a request and return its answer once the head has arrived. Raises `UpstreamError`.

        A reused connection that the upstream had closed meanwhile is no failure: the request goes out on the next one.
        """
        return retry_stale_connections(self._send, request)

    async def _send(self, request: Request) -> IncomingResponse:
        connection = self._reuse_idle() or await self._acquire(request.deadline)
        answer = connection.send_request(
            self._head(request), request.body, request.deadline, self._settings.between_bytes
        )
        try:
            await answer.head(self._settings.first_byte)
        except BaseException:
            # Also for a cancellation: the connection would keep its slot for ever.
            await answer.aclose()
            raise
        return answer

    def _head(self, request: Request) -> bytes:
        """Write the request line and the header fields. Their values were checked where they came from."""
        path, body = request.url.removeprefix(self._origin), request.body
        length = "" if body is None else f"content-length: {size_of(body)}\r\n"
        fields = "\r\n".join([*map(": ".join, request.headers.items()), length])
        head = f"{request.method} {path} HTTP/1.1\r\nhost: {self._url.netloc}\r\n{fields}\r\n"
        return head.encode("latin-1")

    def _reuse_idle(self) -> Connection | None:
        """Take an idle connection, if there is one, and close those that were idle for too long."""
        idle = self._idle
        if not idle:
            return None
        too_old = self._clock() - IDLE_TIMEOUT_S
        while idle and idle[0].idle_since < too_old:
            idle.popleft().abort()
        while idle:
            connection = idle.pop()
            if not connection.closed:
                return connection
        return None

    async def _acquire(self, deadline: float) -> Connection:
        """Wait for a connection that another call releases, or open one in a free slot. Raises `UpstreamError`."""
        now = asyncio.get_running_loop().time()
        until = min(now + self._settings.connect, deadline)
        connection = await self._wait_for_slot(until)
        # It may have been closed between being handed over and this task's turn.
        while connection is not None and connection.closed:
            connection = await self._wait_for_slot(until)
        return connection or await self._open(until)

    async def _wait_for_slot(self, until: float) -> Connection | None:
        """Wait for a connection, or for a free slot (None). Raises `UpstreamBusy`."""
        if self._free_slots:
            self._free_slots -= 1
            return None
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout_at(until):
                return await waiter
        except TimeoutError:
            self._hand_on(waiter)
            raise UpstreamBusy from None
        except asyncio.CancelledError:
            self._hand_on(waiter)
            raise

    def _hand_on(self, waiter: "asyncio.Future[Connection | None]") -> None:
        """Leave the queue. If the waiter was cancelled after it was handed something, hand that on."""
        if not waiter.done() or waiter.cancelled():
            self._waiters = deque(other for other in self._waiters if other is not waiter)
        elif (connection := waiter.result()) is None:
            self._free_slot()
        elif not connection.closed:
            self._release(connection)

    async def _open(self, until: float) -> Connection:
        connection: Connection | None = None
        try:
            async with asyncio.timeout_at(until):
                connection = await self._connect()
        except (OSError, TimeoutError) as error:
            raise next(make() for kind, make in _ERRORS if isinstance(error, kind)) from error
        finally:
            if connection is None:
                self._free_slot()
        self._connections.add(connection)
        return connection

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        host, tls = self._url.hostname or "", self._url.scheme == "https"
        port = self._url.port or (443 if tls else 80)
        addresses = await self._resolve(host, port)
        connected = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=HAPPY_EYEBALLS_DELAY_S, loop=loop
        )
        if tls and self._tls is None:
            self._tls = tls_context(self._settings.url, self._settings.ca_file)
        _, connection = await loop.create_connection(
            lambda: Connection(self._release, self._discard),
            sock=connected,
            ssl=self._tls,
            server_hostname=host if tls else None,
        )
        # Lost before the pool knew of it: `discard` has found nothing to remove, and would not come again.
        if connection.closed:
            raise ConnectionResetError
        return connection

    async def _resolve(self, host: str, port: int) -> list[aiohappyeyeballs.AddrInfoType]:
        """Look up the upstream's addresses; if that fails or takes too long, return those of the last look-up."""
        look_up = asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        try:
            async with asyncio.timeout(DNS_TIMEOUT_S if self._addresses else None):
                self._addresses = list(await look_up)
        except (OSError, TimeoutError):
            if not self._addresses:
                raise
        return self._addresses

    def _release(self, connection: Connection) -> None:
        """Take back a connection that can carry another request."""
        waiter = self._next_waiter()
        if waiter is None:
            self._idle.append(connection)
        else:
            waiter.set_result(connection)

    def _discard(self, connection: Connection) -> None:
        """Forget a closed connection."""
        if connection in self._connections:
            self._connections.remove(connection)
            self._free_slot()

    def _free_slot(self) -> None:
        """Give a slot back."""
        waiter = self._next_waiter()
        if waiter is None:
            self._free_slots += 1
        else:
            waiter.set_result(None)

    def _next_waiter(self) -> "asyncio.Future[Connection | None] | None":
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    async def aclose(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.abort()
        self._idle.clear()
