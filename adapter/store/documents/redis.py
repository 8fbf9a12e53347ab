"""Documents in Redis or Valkey, shared by all replicas.

A document without a parent is a hash with its body, the time of the last write, and the bodies of its children, so that
all of them expire together. Two more kinds of keys: the order of its children (a list), and for each child the name of
its parent. Lua scripts make each operation one atomic step. The server's own `maxmemory` limits numbers and bytes; its
policy should be `volatile-ttl`, which evicts first what expires first.
"""

import time
from collections.abc import Callable, Collection, Sequence
from itertools import accumulate
from typing import Any

from redis.asyncio import Redis

from adapter.store.documents.base import ALL, NOTHING_EXPECTED, Changed, Document, DocumentLimits, Expected, Selection
from adapter.store.shared.base import StoreUnusable, scoped_name
from adapter.store.shared.redis_link import PAUSE, Link, ping

PREFIX = b"gemini-openai-adapter:document:1:"
"""Prefix of each key; the number is the version of the values' layout."""

TIMEOUT = 2.0
"""Seconds for one command: longer than for signatures, since documents may contain images."""

BODY, WRITTEN = b"body", b"written"
"""Fields of a hash. Those of children are 20 bytes long, so no name is used twice."""

_PUT = """
local prefix, milliseconds, now, since = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local first = 6 + 3 * tonumber(ARGV[5])
for at = 6, first - 1, 3 do
  local root = redis.call('GET', prefix .. 'parent:' .. ARGV[at])
  local found = redis.call('HMGET', prefix .. (root or ARGV[at]), 'written', root and ARGV[at] or 'body')
  local body = found[1] and tonumber(found[1]) > since and found[2]
  if (body and 'y' .. body or 'n') ~= ARGV[at + 1] .. ARGV[at + 2] then
    return 0
  end
end
for at = first, #ARGV, 3 do
  local name, parent, body = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local root = parent ~= '' and parent or name
  local document, order = prefix .. root, prefix .. 'order:' .. root
  local kept = true
  if parent == '' then
    redis.call('HSET', document, 'body', body, 'written', now)
  elseif redis.call('EXISTS', document) == 1 then
    if redis.call('HSET', document, name, body, 'written', now) > 0 then
      redis.call('RPUSH', order, name)
    end
    redis.call('SET', prefix .. 'parent:' .. name, root)
  else
    kept = false
  end
  if kept then
    redis.call('PEXPIRE', document, milliseconds)
    redis.call('PEXPIRE', order, milliseconds)
    for _, child in ipairs(redis.call('LRANGE', order, 0, -1)) do
      redis.call('PEXPIRE', prefix .. 'parent:' .. child, milliseconds)
    end
  end
end
return 1
"""

_GET = """
local prefix, found = ARGV[1], {}
for at = 2, #ARGV do
  local root = redis.call('GET', prefix .. 'parent:' .. ARGV[at])
  local fields = redis.call('HMGET', prefix .. (root or ARGV[at]), 'written', root and ARGV[at] or 'body')
  found[#found + 1] = fields[1]
  found[#found + 1] = fields[2]
end
return found
"""

_SIZE = """
local prefix, total = ARGV[1], 0
for at = 2, #ARGV do
  local root = redis.call('GET', prefix .. 'parent:' .. ARGV[at])
  total = total + redis.call('HSTRLEN', prefix .. (root or ARGV[at]), root and ARGV[at] or 'body')
end
return total
"""

_SIZES_OF_CHILDREN = """
local document, sizes = ARGV[1], {}
for at = 2, #ARGV do
  sizes[at - 1] = redis.call('HSTRLEN', document, ARGV[at])
end
return sizes
"""

_DELETE = """
local prefix, since, name = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local root = redis.call('GET', prefix .. 'parent:' .. name)
local written = redis.call('HGET', prefix .. (root or name), 'written')
if not written or tonumber(written) <= since then
  return 0
end
if root then
  redis.call('DEL', prefix .. 'parent:' .. name)
  redis.call('LREM', prefix .. 'order:' .. root, 0, name)
  return redis.call('HDEL', prefix .. root, name)
end
for _, child in ipairs(redis.call('LRANGE', prefix .. 'order:' .. name, 0, -1)) do
  redis.call('DEL', prefix .. 'parent:' .. child)
end
redis.call('DEL', prefix .. 'order:' .. name)
return redis.call('DEL', prefix .. name)
"""


class RedisDocuments:
    """A document store on a server. While the server is down nothing is read and nothing is stored."""

    def __init__(
        self,
        url: str,
        limits: DocumentLimits,
        *,
        clock: Callable[[], float] = time.time,
        timeout: float = TIMEOUT,
        pause: float = PAUSE,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._link = Link(url, timeout=timeout, pause=pause, meanwhile="responses are not stored")

    async def open(self) -> None:
        """Connect. A server that does not answer yet does not stop the start."""
        await self._ask(ping)

    async def get(self, keys: Collection[str], client: str) -> dict[str, bytes]:
        """Read documents."""
        names = {scoped_name(key, client): key for key in keys}
        if not names:
            return {}
        bodies = await self._ask(_script(_GET, PREFIX, *names)) or []
        since = self._min_written()
        pairs = zip(names.values(), bodies[::2], bodies[1::2], strict=False)
        return {key: body for key, written, body in pairs if body is not None and float(written) > since}

    async def put(
        self,
        documents: Sequence[Document],
        client: str,
        max_age: float | None = None,
        expected: Expected = NOTHING_EXPECTED,
    ) -> bool:
        """Store documents. Returns when the server has them."""
        if not self._limits.allow(documents):
            self._link.refused += len(documents)
            return False
        lives = self._limits.max_age if max_age is None else min(max_age, self._limits.max_age)
        written = self._limits.written_at(self._clock(), max_age)
        values: list[bytes | float] = [PREFIX, max(1, round(lives * 1000)), written, self._min_written(), len(expected)]
        for key, was in expected.items():
            values += scoped_name(key, client), b"n" if was is None else b"y", was or b""
        for key, body, parent in documents:
            values += scoped_name(key, client), scoped_name(parent, client) if parent else b"", body
        outcome = await self._ask(_script(_PUT, *values))
        if outcome is None:
            self._link.failed += len(documents)
        elif not outcome:
            raise Changed
        return outcome is not None

    async def delete(self, key: str, client: str) -> bool:
        """Delete a document and its children."""
        return bool(await self._ask(_script(_DELETE, PREFIX, self._min_written(), scoped_name(key, client))))

    async def size(self, keys: Collection[str], client: str) -> int:
        """Return how many bytes `get` would load; documents that are too old count, too."""
        names = [scoped_name(key, client) for key in keys]
        return int(await self._ask(_script(_SIZE, PREFIX, *names), 0)) if names else 0

    async def size_of_children(self, parent: str, client: str) -> int:
        """Return how many bytes the children have."""
        root = scoped_name(parent, client)
        names: list[bytes] = await self._ask(lambda redis: redis.lrange(PREFIX + b"order:" + root, 0, -1)) or []
        return sum(await self._sizes(root, names))

    async def _sizes(self, root: bytes, names: Sequence[bytes]) -> list[int]:
        return await self._ask(_script(_SIZES_OF_CHILDREN, PREFIX + root, *names)) or []

    async def children(self, parent: str, client: str, selection: Selection = ALL) -> list[bytes]:
        """Read a document's children."""
        root = scoped_name(parent, client)
        names: list[bytes] = await self._ask(lambda redis: redis.lrange((PREFIX + b"order:" + root), 0, -1)) or []
        wanted = selection.pick(names, client)
        if selection.max_bytes is not None:
            totals = accumulate(await self._sizes(root, wanted))
            wanted = wanted[: max(1, sum(total <= selection.max_bytes for total in totals))]
        if not wanted:
            return []
        values: list[Any] = await self._ask(lambda redis: redis.hmget(PREFIX + root, [WRITTEN, *wanted])) or [None]
        written, *bodies = values
        if written is None or float(written) <= self._min_written():
            return []
        return [body for body in bodies if body is not None]

    async def _ask(self, ask: Callable[[Redis], Any], otherwise: Any = None) -> Any:
        try:
            return await self._link.run(ask)
        except StoreUnusable:
            # The link reports it.
            return otherwise

    def _min_written(self) -> float:
        return self._clock() - self._limits.max_age

    async def aclose(self) -> None:
        """Close the connections."""
        await self._link.aclose()

    def describe(self) -> dict[str, object]:
        """Return facts for /healthz. The number of bytes is known only to the server."""
        return self._link.describe()


def _script(text: str, *values: bytes | float) -> Callable[[Redis], Any]:
    return lambda redis: redis.eval(text, 0, *values)
