"""Signatures in Redis or Valkey, which all replicas share.

A `put` returns when the server has the entries, so that any replica finds them; what the server survives is its own
affair (`appendonly yes`). A server that is down or slow makes nothing fail: entries are kept in memory, what was put
meanwhile is handed to the server once it answers again, and what only the server knew counts as missing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis

from adapter.store.shared.base import UNREADABLE, Records, StoreLimits, StoreUnusable, all_scoped, scoped
from adapter.store.shared.redis_link import PAUSE, TIMEOUT, Link, Refused, Unreachable, ping
from adapter.store.signatures.memory import Cache, Entry
from adapter.wire.base import Wire, decode, encode
from adapter.wire.signatures import AMBIGUOUS, NOTHING, Issued, Signature

PREFIX = b"gemini-openai-adapter:signature:1:"
"""Before each name; the number is the layout of the value."""

AT_ONCE = 100
"""Names in one round trip."""

BYTES_AT_ONCE = 1024 * 1024
"""Bytes written in one round trip, unless one entry has more."""

_BY_WORDS = b"words:"
"""Before the names of entries of words among those that wait for the server."""

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
        self._tasks: set[asyncio.Task[None]] = set()
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

    async def get(self, keys: Collection[str], client: str) -> Records:
        """Read from the cache, then from the server."""
        names = dict(zip(all_scoped(keys, client), keys, strict=True))
        found = Records()
        for name, key in names.items():
            if (signature := self._cache.get(name)) is not None:
                found[key] = signature
        return await self._add(found, {name: key for name, key in names.items() if key not in found}, cached=True)

    async def get_by_words(self, keys: Collection[str], client: str) -> Records:
        """Read from the server alone: another replica may have written there since this one read it."""
        names = dict(zip(all_scoped(keys, client), keys, strict=True))
        return await self._add(Records(), names, cached=False)

    async def _add(self, found: Records, missing: dict[bytes, str], *, cached: bool) -> Records:
        """Add what the server has of these names. A silent one is noted, and nothing is remembered of it."""
        names = list(missing)
        try:
            for start in range(0, len(names), AT_ONCE):
                for name, signature in (await self._read(names[start : start + AT_ONCE], cached=cached)).items():
                    found[missing[name]] = signature
        except StoreUnusable as error:
            self._warn(error)
            found.is_complete = False
        return found

    async def _read(self, names: list[bytes], *, cached: bool) -> dict[bytes, Signature]:
        """What the server holds of these names, and does not hold too long. Raises `StoreUnusable`."""
        values: list[Any] = await self._link.run(lambda redis: redis.mget([PREFIX + name for name in names]))
        signatures: dict[bytes, Signature] = {}
        for name, value in zip(names, values, strict=True):
            kept = self._kept(value) if value is not None else None
            if kept is not None and kept.written > self._clock() - self._limits.max_age:
                if cached:
                    self._cache.put(name, Entry(kept.signature, len(value), kept.written))
                signatures[name] = kept.signature
        return signatures

    def _kept(self, value: bytes) -> Kept | None:
        try:
            return decode(value, Kept)[0]
        except UNREADABLE as error:
            self._warning = f"{self._link.shown} holds what is no signature: {error}"
            return None

    async def put(self, issued: Sequence[Issued], client: str) -> None:
        """See `SignatureStore`. What a silent server misses waits in memory until it answers."""
        now = self._clock()
        entries: Entries = {}
        by_words: Entries = {}
        for key, signature, is_shared in issued:
            size = len(encode(signature))
            if size > self._limits.max_entry:
                self._refused += 1
                continue
            entry = Entry(signature, size, now)
            if is_shared:
                by_words[scoped(key, client)] = entry
            else:
                entries[scoped(key, client)] = entry
                self._cache.put(scoped(key, client), entry)
        if not entries and all(entry.signature == NOTHING for entry in by_words.values()):
            self._in_background(self._write(entries, by_words))
        else:
            await self._write(entries, by_words)

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        """Do this without anybody who waits for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self, entries: Entries, by_words: Entries) -> None:
        try:
            for some in _batches(entries):
                await self._link.run(self._writing(some))
            if by_words:
                await self._link.run(self._combining(by_words))
        except Unreachable:
            for name, entry in entries.items():
                self._owed.put(name, entry)
            for name, entry in by_words.items():
                self._owed.put(_BY_WORDS + name, entry)
        except Refused as error:
            self._failed += len(entries)
            self._warn(error)

    def _combining(self, entries: Entries) -> Callable[[Redis], Awaitable[None]]:
        """Write entries of words: what another answer has under the same name becomes ambiguous."""
        milliseconds = max(1, round(self._limits.max_age * 1000))

        async def write(redis: Redis) -> None:
            values = await _claim(redis, entries, milliseconds)
            rivals = {name: entry for name, entry in entries.items() if self._differs(values[name], entry)}
            if rivals:
                await self._writing({name: Entry(AMBIGUOUS, 0, one.written) for name, one in rivals.items()})(redis)

        return write

    def _differs(self, value: bytes | None, entry: Entry) -> bool:
        """Whether the server has something else than this entry."""
        if value is None:
            return False
        kept = self._kept(value)
        return kept is None or kept.signature != entry.signature

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
                by_words = {name: entry for name, entry in some.items() if name.startswith(_BY_WORDS)}
                by_ids = {name: entry for name, entry in some.items() if name not in by_words}
                try:
                    await self._link.ask(self._writing(by_ids))
                    await self._link.ask(self._combining(_without_mark(by_words)))
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
        if self._tasks:
            await asyncio.wait(self._tasks)
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


def _without_mark(entries: Entries) -> Entries:
    """Entries of words under their own names."""
    return {name.removeprefix(_BY_WORDS): entry for name, entry in entries.items()}


async def _claim(redis: Redis, entries: Entries, milliseconds: int) -> dict[bytes, bytes | None]:
    """Write what is not there yet, and read what is there then, by name."""
    places: dict[bytes, int] = {}
    async with redis.pipeline(transaction=False) as pipeline:
        for name, entry in entries.items():
            kept = Kept(written=entry.written, signature=entry.signature)
            pipeline.set(PREFIX + name, encode(kept), px=milliseconds, nx=True)
            places[name] = len(pipeline)
            pipeline.get(PREFIX + name)
        answers = await pipeline.execute()
    return {name: answers[place] for name, place in places.items()}


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
