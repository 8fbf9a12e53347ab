"""Calls carried by asyncio alone: a pool of connections to the one upstream, and httptools to read the answers."""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable
from urllib.parse import urlsplit

import aiohappyeyeballs

from adapter.upstream.errors import UpstreamBusy, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from adapter.upstream.settings import UpstreamSettings
from adapter.upstream.transport.base import MAX_STALE, Request, tls_context
from adapter.upstream.transport.http1 import Answer, Connection

KEPT = 30.0
"""Seconds for which an idle connection is kept."""

ATTEMPT = 0.25
"""Seconds after which the next address is tried beside the one before (RFC 8305, section 8)."""

LOOK_UP = 1.0
"""Seconds that a look-up of the upstream's name may take where an earlier one has told its addresses."""

_ERRORS: tuple[tuple[type[Exception], Callable[[], UpstreamError]], ...] = (
    (TimeoutError, lambda: UpstreamTimeout("connect")),
    (socket.gaierror, lambda: UpstreamUnavailable("Gemini's host name has no address.", again=True)),
    (ssl.SSLError, lambda: UpstreamUnavailable("Gemini's TLS certificate or handshake was refused.")),
    (OSError, lambda: UpstreamUnavailable("No connection to Gemini.", again=True)),
)
"""What making a connection can raise, most specific first."""


_LAST = (*[False] * MAX_STALE, True)


class AsyncioTransport:
    """At most `max_connections` connections; the one that was used last is used first, so that few stay warm."""

    def __init__(self, settings: UpstreamSettings) -> None:
        self._settings = settings
        self._where = urlsplit(settings.url)
        self._origin = f"{self._where.scheme}://{self._where.netloc}"
        self._clock = asyncio.get_running_loop().time
        self._tls: ssl.SSLContext | None = None
        self._addresses: list[aiohappyeyeballs.AddrInfoType] = []
        self._idle: deque[Connection] = deque()
        self._connections: set[Connection] = set()
        self._places = settings.max_connections
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()

    async def send(self, request: Request) -> Answer:
        """See `transport.Transport`."""
        for last in _LAST:
            connection = self._warm() or await self._connection(request.deadline)
            answer = connection.call(self._head(request), request.body, request.deadline, self._settings.between_bytes)
            try:
                await answer.head(self._settings.first_byte)
            except BaseException as error:
                await answer.aclose()
                if last or not isinstance(error, UpstreamUnavailable) or not error.stale:
                    raise
            else:
                return answer
        raise AssertionError("the last try returns or raises")

    def _head(self, request: Request) -> bytes:
        """The request's line and header fields; their values were checked where they came from."""
        head = f"{request.method} {request.url.removeprefix(self._origin)} HTTP/1.1\r\nhost: {self._where.netloc}\r\n"
        for name, value in request.headers.items():
            head += f"{name}: {value}\r\n"
        if request.body is not None:
            head += f"content-length: {len(request.body)}\r\n"
        return f"{head}\r\n".encode("latin-1")

    def _warm(self) -> Connection | None:
        """An idle connection; those that were idle for too long are closed."""
        idle = self._idle
        if not idle:
            return None
        too_old = self._clock() - KEPT
        while idle and idle[0].idle_since < too_old:
            idle.popleft().abort()
        while idle:
            connection = idle.pop()
            if not connection.closed:
                return connection
        return None

    async def _connection(self, deadline: float) -> Connection:
        """A connection that another call leaves, or a new one in a free place. Raises `UpstreamError`."""
        now = asyncio.get_running_loop().time()
        until = min(now + self._settings.connect, max(deadline, now))
        left = await self._place(until)
        while left is not None and left.closed:
            left = await self._place(until)
        return left or await self._new(until)

    async def _place(self, until: float) -> Connection | None:
        """Wait in line for a connection, or for a place for a new one (None). Raises `UpstreamBusy`."""
        if self._places:
            self._places -= 1
            return None
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout_at(until):
                return await turn
        except TimeoutError:
            self._give_up(turn)
            raise UpstreamBusy from None
        except asyncio.CancelledError:
            self._give_up(turn)
            raise

    def _give_up(self, turn: "asyncio.Future[Connection | None]") -> None:
        """What was given to somebody who no longer waits goes to the next."""
        if not turn.done() or turn.cancelled():
            self._waiting = deque(other for other in self._waiting if other is not turn)
        elif (connection := turn.result()) is None:
            self._leave()
        elif not connection.closed:
            self._rest(connection)

    async def _new(self, until: float) -> Connection:
        connection: Connection | None = None
        try:
            async with asyncio.timeout_at(until):
                connection = await self._dial()
        except (OSError, TimeoutError) as error:
            raise next(make() for kind, make in _ERRORS if isinstance(error, kind)) from error
        finally:
            if connection is None:
                self._leave()
        self._connections.add(connection)
        return connection

    async def _dial(self) -> Connection:
        loop = asyncio.get_running_loop()
        host, tls = self._where.hostname or "", self._where.scheme == "https"
        port = self._where.port or (443 if tls else 80)
        addresses = await self._look_up(host, port)
        connected = await aiohappyeyeballs.start_connection(addresses, happy_eyeballs_delay=ATTEMPT, loop=loop)
        if tls and self._tls is None:
            self._tls = tls_context(self._settings.url, self._settings.ca_file)
        _, connection = await loop.create_connection(
            lambda: Connection(self._rest, self._lost),
            sock=connected,
            ssl=self._tls,
            server_hostname=host if tls else None,
        )
        if connection.closed:
            raise ConnectionResetError
        return connection

    async def _look_up(self, host: str, port: int) -> list[aiohappyeyeballs.AddrInfoType]:
        """The addresses of the upstream; those of the last look-up where this one fails, or takes too long."""
        look_up = asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        try:
            async with asyncio.timeout(LOOK_UP if self._addresses else None):
                self._addresses = list(await look_up)
        except (OSError, TimeoutError):
            if not self._addresses:
                raise
        return self._addresses

    def _rest(self, connection: Connection) -> None:
        """A connection can carry the next call."""
        turn = self._next_turn()
        if turn is None:
            self._idle.append(connection)
        else:
            turn.set_result(connection)

    def _lost(self, connection: Connection) -> None:
        """A connection is closed."""
        if connection in self._connections:
            self._connections.remove(connection)
            self._leave()

    def _leave(self) -> None:
        """A place is free."""
        turn = self._next_turn()
        if turn is None:
            self._places += 1
        else:
            turn.set_result(None)

    def _next_turn(self) -> "asyncio.Future[Connection | None] | None":
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                return turn
        return None

    async def aclose(self) -> None:
        """See `transport.Transport`."""
        for connection in self._connections:
            connection.abort()
        self._idle.clear()
