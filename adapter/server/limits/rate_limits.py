"""Rate limits per client (extra `limits`), counted in this process or together with all that share a Redis."""

import logging
import time
from typing import Any

from limits import parse
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError
from limits.storage import storage_from_string

from adapter import extras
from adapter.server.limits.admission import RateLimitExceeded

log = logging.getLogger("adapter")

PATIENCE = 0.3
"""Seconds that a request waits for the shared counters."""

PAUSE = 5.0
"""Seconds without the shared counters after they failed: each request would wait for them in vain."""


class RateLimiter:
    """Counts requests of clients. If the shared store fails, this process counts alone for `PAUSE` seconds.

    So a failing Redis makes the limits looser, by the number of processes, but refuses nobody.
    """

    def __init__(self, store: str) -> None:
        self._own = MovingWindowRateLimiter(MemoryStorage())
        link = extras.load("adapter.store.shared.redis_link", "redis") if _is_shared(store) else None
        self._pool = link.connection_pool(store, PATIENCE) if link is not None else None
        self._shared = MovingWindowRateLimiter(_storage(store, self._pool)) if self._pool else None
        self._shared_again_at = 0.0

    async def hit(self, client: str, rates: tuple[str, ...]) -> None:
        """Count one request against each rate ("60/minute"). Raises `RateLimitExceeded`."""
        for rate in rates:
            if self._shared is None or time.monotonic() < self._shared_again_at:
                await _hit(self._own, client, rate)
                continue
            try:
                await _hit(self._shared, client, rate)
            except StorageError as error:
                self._shared_again_at = time.monotonic() + PAUSE
                log.warning(
                    "rate limits: the shared store failed, this process counts alone for a while: %s",
                    type(error.__cause__ or error).__name__,
                )
                await _hit(self._own, client, rate)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.aclose()


async def _hit(limiter: MovingWindowRateLimiter, client: str, text: str) -> None:
    rate = parse(text)
    if not await limiter.hit(rate, "adapter", client):
        stats = await limiter.get_window_stats(rate, "adapter", client)
        raise RateLimitExceeded(rate.amount, max(0.0, stats.reset_time - time.time()))


def _is_shared(store: str) -> bool:
    return store.startswith("redis")


def _storage(store: str, pool: Any) -> Storage:
    given = {"implementation": "redispy", "wrap_exceptions": True, "connection_pool": pool}
    made = storage_from_string(f"async+{store}", **given)
    assert isinstance(made, Storage)
    return made
