"""Signatures in Redis or Valkey, which all replicas share.

A `put` returns when the server has the entries, so that any replica finds them; what the server survives is its own
affair (`appendonly yes`). A server that is down or slow makes nothing fail: entries are kept in memory, what was put
meanwhile is handed to the server once it answers again, and what only the server knew counts as missing.
"""

import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from redis.asyncio import Redis

from adapter.store.shared.base import StoreLimits, StoreUnusable, all_scoped, scoped
from adapter.store.shared.redis_link import PAUSE, TIMEOUT, Link, Refused, Unreachable, ping
from adapter.store.signatures.memory import Cache, Entry
from adapter.wire.base import Wire, decode, encode
from adapter.wire.limits import TooManyUnknownFields
from adapter.wire.signatures import Issued, Signature

PREFIX = b"gemini-openai-adapter:signature:1:"
"""Before each name; the number is the layout of the value."""

AT_ONCE = 100
"""Names in one round trip."""

BYTES_AT_ONCE = 1024 * 1024
"""Bytes written in one round trip, unless one entry has more."""

OWED = 10_000
"""Entries, and a quarter of `memory_bytes`, that wait for a server that does not answer."""


class Kept(Wire):
    """The value of one key: `written` is a Unix time."""

    written: float
    signature: Signature


Entries = dict[bytes, Entry]


class RedisStore:
    """See `base.SignatureStore`. A cache in memory stands before the server; what it lacks is asked of the server."""

    def __init__(
        self,
        url: str,
        limits: StoreLimits,
        *,
        clock: Callable[[], float] = time.time,
        timeout: float = TIMEOUT,
        pause: float = PAUSE,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._cache = Cache(limits.max_entries, limits.memory_bytes, limits.max_age, clock)
        self._owed = Cache(OWED, limits.memory_bytes // 4, limits.max_age, clock)
        self._link = Link(
            url, timeout=timeout, pause=pause, meanwhile="signatures are kept in memory", caught_up=self._pay
        )
        self._refused = 0
        self._failed = 0
        self._warning: str | None = None

    async def open(self) -> None:
        """See `SignatureStore`. A server that does not answer yet is no reason not to start."""
        with suppress(StoreUnusable):
            await self._link.run(ping)

    async def get(self, keys: Collection[str], client: str) -> dict[str, Signature]:
        """See `SignatureStore`. What a silent server holds counts as missing."""
        names = dict(zip(all_scoped(keys, client), keys, strict=True))
        found = {key: signature for name, key in names.items() if (signature := self._cache.get(name)) is not None}
        missing = [name for name, key in names.items() if key not in found]
        try:
            for start in range(0, len(missing), AT_ONCE):
                for name, signature in (await self._read(missing[start : start + AT_ONCE])).items():
                    found[names[name]] = signature
        except StoreUnusable as error:
            self._warn(error)
        return found

    async def _read(self, names: list[bytes]) -> dict[bytes, Signature]:
        """What the server holds of these names, and does not hold too long. Raises `StoreUnusable`."""
        values: list[Any] = await self._link.run(lambda redis: redis.mget([PREFIX + name for name in names]))
        signatures: dict[bytes, Signature] = {}
        for name, value in zip(names, values, strict=True):
            kept = self._kept(value) if value is not None else None
            if kept is not None and kept.written > self._clock() - self._limits.max_age:
                self._cache.put(name, Entry(kept.signature, len(value), kept.written))
                signatures[name] = kept.signature
        return signatures

    def _kept(self, value: bytes) -> Kept | None:
        try:
            return decode(value, Kept)[0]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TooManyUnknownFields) as error:
            self._warning = f"{self._link.shown} holds what is no signature: {error}"
            return None

    async def put(self, issued: Sequence[Issued], client: str) -> None:
        """See `SignatureStore`. What a silent server misses waits in memory until it answers."""
        now = self._clock()
        entries: Entries = {}
        for key, signature in issued:
            size = len(encode(signature))
            if size > self._limits.max_entry:
                self._refused += 1
                continue
            entry = entries[scoped(key, client)] = Entry(signature, size, now)
            self._cache.put(scoped(key, client), entry)
        try:
            for some in _batches(entries):
                await self._link.run(self._writing(some))
        except Unreachable:
            for name, entry in entries.items():
                self._owed.put(name, entry)
        except Refused as error:
            self._failed += len(entries)
            self._warn(error)

    def _writing(self, entries: Entries) -> Callable[[Redis], Awaitable[None]]:
        milliseconds = max(1, round(self._limits.max_age * 1000))

        async def write(redis: Redis) -> None:
            async with redis.pipeline(transaction=False) as pipeline:
                for name, entry in entries.items():
                    kept = Kept(written=entry.written, signature=entry.signature)
                    pipeline.set(PREFIX + name, encode(kept), px=milliseconds)
                await pipeline.execute()

        return write

    async def _pay(self) -> None:
        """Write what was put while the server was silent. Raises `Unreachable`, and keeps the rest."""
        while owed := self._owed.oldest(AT_ONCE):
            for some in _batches(owed):
                try:
                    await self._link.ask(self._writing(some))
                except Refused as error:
                    self._failed += len(some)
                    self._warn(error)
                self._owed.forget(some)

    def _warn(self, error: StoreUnusable) -> None:
        """Keep what the server said; that it says nothing is the link's to tell, as long as it lasts."""
        if not isinstance(error, Unreachable):
            self._warning = str(error)

    async def aclose(self) -> None:
        """See `SignatureStore`."""
        await self._link.aclose()

    def describe(self) -> dict[str, object]:
        """See `SignatureStore`. `bytes` are those in memory; `owed` entries wait for a server that is silent."""
        facts: dict[str, object] = {
            "kind": "redis",
            "url": self._link.shown,
            "entries": len(self._cache),
            "bytes": self._cache.size,
            "owed": len(self._owed),
            "refused": self._refused,
            "failed": self._failed,
        }
        warning = self._link.warning or self._warning
        return {**facts, "warning": warning} if warning else facts


def _batches(entries: Entries) -> Iterator[Entries]:
    """The entries in round trips of at most `AT_ONCE` and about `BYTES_AT_ONCE`."""
    some: Entries = {}
    size = 0
    for name, entry in entries.items():
        if some and (len(some) == AT_ONCE or size + entry.size > BYTES_AT_ONCE):
            yield some
            some, size = {}, 0
        some[name] = entry
        size += entry.size
    if some:
        yield some
