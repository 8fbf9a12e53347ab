"""One Redis or Valkey server, asked with a short time limit, and left alone while it does not answer.

The first failure ends the asking: from then on a task of its own sends a ping every second, and no request waits for
the server until it has answered one.
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

from adapter.store.shared.base import URL_SCHEMES, StoreUnusable, without_password

log = logging.getLogger("adapter")

T = TypeVar("T")

TIMEOUT = 0.5
"""Seconds for one question, the connection included."""

PAUSE = 1.0
"""Seconds between two pings of a server that does not answer."""

CONNECTIONS = 50
"""Connections of one process; who finds all in use waits."""

_SILENT = (OSError, NotConnected, NotInTime)


class Unreachable(StoreUnusable):
    """The server does not answer, or did not lately."""


class Refused(StoreUnusable):
    """The server answers, with an error: no memory left, read only, not allowed."""


class Link:
    """A pool of connections with a time limit. `meanwhile` tells the operator what a silent server means.

    `caught_up` is called when the server answers again; where it raises `Unreachable`, the server is silent still.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float,
        pause: float,
        meanwhile: str,
        caught_up: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.shown = without_password(url)
        self.warning: str | None = None
        self._timeout = timeout
        self._pause = pause
        self._meanwhile = meanwhile
        self._caught_up = caught_up
        self._pinging: asyncio.Task[None] | None = None
        self._redis = Redis.from_pool(pool(url, timeout))

    async def run(self, ask: Callable[[Redis], Awaitable[T]]) -> T:
        """Ask, unless the server is known not to answer. Raises `Unreachable`, `Refused`."""
        if self._pinging is not None:
            raise Unreachable(self.warning)
        try:
            return await self.ask(ask)
        except Unreachable as error:
            self._leave_alone(str(error))
            raise

    async def ask(self, ask: Callable[[Redis], Awaitable[T]]) -> T:
        """Ask, whatever is known of the server. Raises `Unreachable`, `Refused`."""
        try:
            async with asyncio.timeout(self._timeout):
                return await ask(self._redis)
        except _SILENT as error:
            raise Unreachable(f"{self.shown} does not answer: {str(error) or 'too slow'}") from error
        except RedisError as error:
            raise Refused(f"{self.shown} refuses: {error}") from error

    def _leave_alone(self, warning: str) -> None:
        self.warning = warning
        if self._pinging is None:
            log.warning("%s; %s until it does", warning, self._meanwhile)
            self._pinging = asyncio.create_task(self._until_it_answers())

    async def _until_it_answers(self) -> None:
        while True:
            await asyncio.sleep(self._pause)
            try:
                await self.ask(ping)
                if self._caught_up is not None:
                    await self._caught_up()
            except StoreUnusable as error:
                self.warning = str(error)
            else:
                break
        self.warning = self._pinging = None
        log.warning("%s answers again", self.shown)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._pinging is not None:
            self._pinging.cancel()
            await asyncio.wait([self._pinging])
        await self._redis.aclose()


async def ping(redis: Redis) -> None:
    """The smallest question."""
    await redis.ping()


def pool(url: str, timeout: float) -> BlockingConnectionPool:
    """Connections to a Redis; whoever has it closes it."""
    scheme, _, rest = url.partition("://")
    # One retry, at once: a connection that was idle while the server restarted is dead, a new one is not.
    return BlockingConnectionPool.from_url(
        f"{URL_SCHEMES[scheme]}://{rest}",
        max_connections=CONNECTIONS,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 1),
    )
