"""Signatures in Redis or Valkey, shared by all replicas.

A `put` returns when the server has the entries, so that any replica finds them. How durable they are there is up to the
server's configuration (`appendonly yes`).

While the server is down (see `redis_link`) no request fails: reads use the cache, and what only the server has counts
as missing. Writes go to `_owed`, a bounded buffer, and are sent once the server answers again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis

from adapter.store.shared.base import UNREADABLE, Records, StoreLimits, StoreUnusable, scoped_name, scoped_names
from adapter.store.shared.redis_link import PAUSE, TIMEOUT, Link, Refused, Unreachable, ping
from adapter.store.signatures.memory import Cache, Entry
from adapter.wire.base import Wire, decode, encode
from adapter.wire.signatures import AMBIGUOUS, NOTHING, Issued, Signature

PREFIX = b"gemini-openai-adapter:signature:1:"
"""Prefix of each key; the number is the version of the value's layout."""

NAMES_PER_TRIP = 100
"""Names per round trip."""

BYTES_PER_TRIP = 1024 * 1024
"""Bytes per round trip, unless one entry is larger."""

_BY_WORDS = b"words:"
"""Marks entries under prefix digests among the owed ones, since they are written in another way."""

MAX_OWED = 10_000
"""Owed entries at most; their bytes may take a quarter of `memory_bytes`."""


class StoredSignature(Wire):
    """The value of one key; `written` is Unix seconds."""

    written: float
    signature: Signature


Entries = dict[bytes, Entry]


class RedisStore:
    """A signature store on a server, with a cache in memory in front of it."""

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
        self._owed = Cache(MAX_OWED, limits.memory_bytes // 4, limits.max_age, clock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._link = Link(
            url, timeout=timeout, pause=pause, meanwhile="signatures are kept in memory", on_reconnect=self._write_owed
        )

    async def open(self) -> None:
        """Connect. A server that does not answer yet does not stop the start."""
        with suppress(StoreUnusable):
            await self._link.run(ping)

    async def get(self, keys: Collection[str], client: str) -> Records:
        """Read records from the cache, the missing ones from the server."""
        names = dict(zip(scoped_names(keys, client), keys, strict=True))
        records = Records()
        for name, key in names.items():
            if (signature := self._cache.get(name)) is not None:
                records[key] = signature
        return await self._add_from_server(
            records, {name: key for name, key in names.items() if key not in records}, cached=True
        )

    async def get_by_words(self, keys: Collection[str], client: str) -> Records:
        """Read records from the server alone: another replica may have made one ambiguous."""
        names = dict(zip(scoped_names(keys, client), keys, strict=True))
        return await self._add_from_server(Records(), names, cached=False)

    async def _add_from_server(self, records: Records, missing: dict[bytes, str], *, cached: bool) -> Records:
        """Add the records that the server has. If it fails, `records.is_complete` becomes False."""
        names = list(missing)
        try:
            for start in range(0, len(names), NAMES_PER_TRIP):
                for name, signature in (await self._read(names[start : start + NAMES_PER_TRIP], cached=cached)).items():
                    records[missing[name]] = signature
        except StoreUnusable:
            records.is_complete = False
        return records

    async def _read(self, names: list[bytes], *, cached: bool) -> dict[bytes, Signature]:
        """Read names from the server, without entries that are too old. Raises `StoreUnusable`."""
        values: list[Any] = await self._link.run(lambda redis: redis.mget([PREFIX + name for name in names]))
        signatures: dict[bytes, Signature] = {}
        for name, value in zip(names, values, strict=True):
            stored = self._decode_value(value) if value is not None else None
            # The server's own expiry is not enough: an entry that was owed was written late, with a whole lifetime from
            # then on.
            if stored is not None and stored.written > self._clock() - self._limits.max_age:
                if cached:
                    self._cache.put(name, Entry(stored.signature, len(value), stored.written))
                signatures[name] = stored.signature
        return signatures

    def _decode_value(self, value: bytes) -> StoredSignature | None:
        try:
            return decode(value, StoredSignature)[0]
        except UNREADABLE as error:
            self._link.report_damaged(error)
            return None

    async def get_times(self, keys: Collection[str], client: str) -> dict[str, float]:
        """Return when records were written, as far as the cache has them after a read."""
        await self.get(keys, client)
        return self._cache.get_times(dict(zip(scoped_names(keys, client), keys, strict=True)))

    async def put(self, issued: Sequence[Issued], client: str) -> None:
        """Store records. While the server is down they are owed to it, in memory."""
        now = self._clock()
        entries: Entries = {}
        by_words: Entries = {}
        for key, signature, is_shared in issued:
            size = len(encode(signature))
            if size > self._limits.max_entry:
                self._link.refused += 1
                continue
            entry = Entry(signature, size, now)
            if is_shared:
                by_words[scoped_name(key, client)] = entry
            else:
                entries[scoped_name(key, client)] = entry
                self._cache.put(scoped_name(key, client), entry)
        if not entries and all(entry.signature == NOTHING for entry in by_words.values()):
            self._start_task(self._write(entries, by_words))
        else:
            await self._write(entries, by_words)

    def _start_task(self, work: Coroutine[None, None, None]) -> None:
        """Run a coroutine that nobody waits for. The set keeps the task from being garbage collected."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self, entries: Entries, by_words: Entries) -> None:
        left = len(entries) + len(by_words)
        try:
            for some in _batches(entries):
                await self._link.run(self._plain_write(some))
                left -= len(some)
            if by_words:
                await self._link.run(self._combining_write(by_words))
        except Unreachable:
            for name, entry in entries.items():
                self._owed.put(name, entry)
            for name, entry in by_words.items():
                self._owed.put(_BY_WORDS + name, entry)
        except Refused:
            self._link.failed += left

    def _combining_write(self, entries: Entries) -> Callable[[Redis], Awaitable[None]]:
        """Write entries under prefix digests: one that another answer has already becomes ambiguous."""
        milliseconds = max(1, round(self._limits.max_age * 1000))

        async def write(redis: Redis) -> None:
            values = await _claim(redis, entries, milliseconds)
            rivals = {name: entry for name, entry in entries.items() if self._differs(values[name], entry)}
            if rivals:
                await self._plain_write({name: Entry(AMBIGUOUS, 0, one.written) for name, one in rivals.items()})(redis)

        return write

    def _differs(self, value: bytes | None, entry: Entry) -> bool:
        """Return whether the server has a different value for this entry."""
        if value is None:
            return False
        stored = self._decode_value(value)
        return stored is None or stored.signature != entry.signature

    def _plain_write(self, entries: Entries) -> Callable[[Redis], Awaitable[None]]:
        milliseconds = max(1, round(self._limits.max_age * 1000))

        async def write(redis: Redis) -> None:
            async with redis.pipeline(transaction=False) as pipeline:
                for name, entry in entries.items():
                    stored = StoredSignature(written=entry.written, signature=entry.signature)
                    pipeline.set(PREFIX + name, encode(stored), px=milliseconds)
                await pipeline.execute()

        return write

    async def _write_owed(self) -> None:
        """Write what was put while the server was down. Raises `Unreachable`, and keeps the rest."""
        while owed := self._owed.least_used(NAMES_PER_TRIP):
            for some in _batches(owed):
                by_words = {name: entry for name, entry in some.items() if name.startswith(_BY_WORDS)}
                by_ids = {name: entry for name, entry in some.items() if name not in by_words}
                for write, part in ((self._plain_write, by_ids), (self._combining_write, _strip_mark(by_words))):
                    try:
                        await self._link.ask(write(part))
                    except Refused as error:
                        self._link.failed += len(part)
                        self._link.report_refusal(error)
                self._owed.remove(some)

    async def aclose(self) -> None:
        """Wait for running writes, then close the connections."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._link.aclose()

    def describe(self) -> dict[str, object]:
        """Return facts for /healthz. `bytes` are those in memory; `owed` entries wait for a server that is down."""
        return self._link.describe(entries=len(self._cache), bytes=self._cache.size, owed=len(self._owed))


def _strip_mark(entries: Entries) -> Entries:
    """Return entries under their names without the mark."""
    return {name.removeprefix(_BY_WORDS): entry for name, entry in entries.items()}


async def _claim(redis: Redis, entries: Entries, milliseconds: int) -> dict[bytes, bytes | None]:
    """Write entries that do not exist yet (SET NX), and return what is there afterwards, by name."""
    places: dict[bytes, int] = {}
    async with redis.pipeline(transaction=False) as pipeline:
        for name, entry in entries.items():
            stored = StoredSignature(written=entry.written, signature=entry.signature)
            pipeline.set(PREFIX + name, encode(stored), px=milliseconds, nx=True)
            places[name] = len(pipeline)
            pipeline.get(PREFIX + name)
        answers = await pipeline.execute()
    return {name: answers[place] for name, place in places.items()}


def _batches(entries: Entries) -> Iterator[Entries]:
    """Split entries into round trips of at most `NAMES_PER_TRIP` names and about `BYTES_PER_TRIP` bytes."""
    some: Entries = {}
    size = 0
    for name, entry in entries.items():
        if some and (len(some) == NAMES_PER_TRIP or size + entry.size > BYTES_PER_TRIP):
            yield some
            some, size = {}, 0
        some[name] = entry
        size += entry.size
    if some:
        yield some
