"""The link to one Redis or Valkey server. A server that is down makes no request wait.

States of a `Link`:

    up     requests ask the server, each with a short time limit
    down   `run` raises `Unreachable` at once; a task pings the server every second

Transitions: a question without an answer leads from up to down; a ping with an answer, and `on_reconnect` without an
error, lead back to up. `Refused` is an answer, so it changes nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as NotInTime

from adapter.store.shared.base import URL_SCHEMES, StoreUnusable, redact_password

log = logging.getLogger("adapter")

T = TypeVar("T")

TIMEOUT = 0.5
"""Seconds for one command, connecting included."""

PAUSE = 1.0
"""Seconds between pings of a server that is down."""

CONNECTIONS = 50
"""Connections of one process; a command that finds none free waits."""

_SILENT = (OSError, NotConnected, NotInTime)


class Unreachable(StoreUnusable):
    """The server does not answer, or did not answer the last ping."""


class Refused(StoreUnusable):
    """The server answers with an error: out of memory, read only, not allowed."""


class Link:
    """A connection pool with a time limit in seconds; the module's docstring has its states.

    `meanwhile` is the part of the log line that says what a server that is down means ("responses are not stored").
    `on_reconnect` runs when the server answers again; if it raises `Unreachable`, the link stays down. The stores count
    in `refused` what is too large, and in `failed` what the server did not take.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float,
        pause: float,
        meanwhile: str,
        on_reconnect: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.safe_url = redact_password(url)
        self.warning: str | None = None
        self.refused = 0
        self.failed = 0
        self._complaint: str | None = None
        self._timeout = timeout
        self._pause = pause
        self._meanwhile = meanwhile
        self._on_reconnect = on_reconnect
        self._pinging: asyncio.Task[None] | None = None
        self._redis = Redis.from_pool(connection_pool(url, timeout))

    async def run(self, ask: Callable[[Redis], Awaitable[T]]) -> T:
        """Send a command, unless the server is known to be down. Raises `Unreachable`, `Refused`."""
        if self._pinging is not None:
            raise Unreachable(self.warning)
        try:
            return await self.ask(ask)
        except Unreachable as error:
            self._start_pinging(str(error))
            raise
        except Refused as error:
            self.report_refusal(error)
            raise

    def report_refusal(self, error: Refused) -> None:
        """Report an error that the server answered with. This warning stays."""
        self._complaint = str(error)

    def report_damaged(self, error: Exception) -> None:
        """Report an entry that cannot be decoded. This warning stays."""
        self._complaint = f"{self.safe_url} has an entry that is not a signature: {error}"

    async def ask(self, ask: Callable[[Redis], Awaitable[T]]) -> T:
        """Send a command even if the server is known to be down. Raises `Unreachable`, `Refused`."""
        try:
            async with asyncio.timeout(self._timeout):
                return await ask(self._redis)
        except _SILENT as error:
            raise Unreachable(f"{self.safe_url} does not answer: {str(error) or 'too slow'}") from error
        except RedisError as error:
            raise Refused(f"{self.safe_url} refuses: {error}") from error

    def _start_pinging(self, warning: str) -> None:
        self.warning = warning
        if self._pinging is None:
            log.warning("%s; until it does, %s", warning, self._meanwhile)
            self._pinging = asyncio.create_task(self._ping_until_answer())

    async def _ping_until_answer(self) -> None:
        while True:
            await asyncio.sleep(self._pause)
            try:
                await self.ask(ping)
                if self._on_reconnect is not None:
                    await self._on_reconnect()
            except StoreUnusable as error:
                self.warning = str(error)
            else:
                break
        self.warning = self._pinging = None
        # At the level of the warning that this one ends, so that whoever saw that one sees this one.
        log.warning("%s answers again", self.safe_url)

    def describe(self, **counts: int) -> dict[str, object]:
        """Return facts for /healthz: `kind`, `url`, the store's own counts, `refused`, `failed`, maybe `warning`."""
        facts: dict[str, object] = {
            "kind": "redis",
            "url": self.safe_url,
            **counts,
            "refused": self.refused,
            "failed": self.failed,
        }
        warning = self.warning or self._complaint
        return {**facts, "warning": warning} if warning else facts

    async def aclose(self) -> None:
        """Close all connections."""
        if self._pinging is not None:
            self._pinging.cancel()
            await asyncio.wait([self._pinging])
        await self._redis.aclose()


async def ping(redis: Redis) -> None:
    """Send the cheapest command."""
    await redis.ping()


def connection_pool(url: str, timeout: float) -> BlockingConnectionPool:
    """Build a connection pool; the caller closes it. `timeout` is in seconds."""
    scheme, _, rest = url.partition("://")
    # One retry at once: connections that were idle while the server restarted are dead, a new one works.
    return BlockingConnectionPool.from_url(
        f"{URL_SCHEMES[scheme]}://{rest}",
        max_connections=CONNECTIONS,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 1),
    )
