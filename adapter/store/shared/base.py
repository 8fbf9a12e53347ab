"""The interface of signature stores, and the names under which all stores keep entries."""

from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2b
from typing import Protocol

import msgspec

from adapter.wire.limits import LimitExceeded
from adapter.wire.signatures import AMBIGUOUS, Issued, Signature

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LimitExceeded)
"""The exceptions that decoding a damaged or foreign entry can raise."""

URL_SCHEMES = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss"}
"""Schemes of store URLs, each with the name that the client library knows."""


class StoreLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a signature store: age in seconds, bytes in all, entries in memory, bytes of one entry.

    An entry's size is that of its JSON. `max_entries` and `memory_bytes` limit what is in memory, `max_bytes` a file.
    """

    max_age: float = 30 * 24 * 3600.0
    max_bytes: int = 1024 * 1024 * 1024
    max_entries: int = 100_000
    max_entry: int = 8 * 1024 * 1024
    memory_bytes: int = 128 * 1024 * 1024


class Records(dict[str, Signature]):
    """Records by key. Unless `is_complete`, the store could not be read, so a missing key proves nothing."""

    is_complete: bool = True


def combine(before: Signature | None, signature: Signature) -> Signature:
    """Return what is stored under a prefix digest after another record came for it: the same one, or `AMBIGUOUS`."""
    return signature if before is None or before == signature else AMBIGUOUS


class SignatureStore(Protocol):
    """Stores signatures by client and key. A client never sees signatures of another one."""

    async def open(self) -> None:
        """Open the store, in the event loop that will use it. Raises `StoreUnusable`."""
        ...

    async def get(self, keys: Collection[str], client: str) -> Records:
        """Read records by keys that only one answer can have (call ids). A cache may answer."""
        ...

    async def get_by_words(self, keys: Collection[str], client: str) -> Records:
        """Read records by prefix digests, without a cache: another process may have made one ambiguous meanwhile."""
        ...

    async def get_times(self, keys: Collection[str], client: str) -> dict[str, float]:
        """Return when records were written (Unix seconds), for the page at /."""
        ...

    async def put(self, issued: Sequence[Issued], client: str) -> None:
        """Store records. Returns when they are as durable as the store promises.

        Under a prefix digest a second, different record makes the entry `AMBIGUOUS`, for ever. If all records are
        `NOTHING`, the call returns at once, since nothing would be lost with them.

        Never raises for a full disk and the like, since the answer that the records belong to is good: failures are
        counted, and `describe` has a warning.
        """
        ...

    async def aclose(self) -> None:
        """Finish writing and let go of everything."""
        ...

    def describe(self) -> dict[str, object]:
        """Return facts for /healthz: `kind`, `entries` in memory, `bytes`, `refused` (too large), maybe `warning`.

        A file adds `path` and `failed`, the number of entries that could not be written.
        """
        ...


class StoreUnusable(Exception):
    """The store cannot be used; the message says why."""


def scoped_name(key: str, client: str) -> bytes:
    """Return the name of an entry: a hash of client and key, so that neither is on the disk in clear."""
    return scoped_names((key,), client)[0]


def scoped_names(keys: Iterable[str], client: str) -> list[bytes]:
    """Return the names of many keys. A long history needs hundreds, so the client's part is hashed only once."""
    own = blake2b(client.encode()).digest()
    return [blake2b(key.encode("utf-8", "surrogatepass"), digest_size=20, key=own).digest() for key in keys]


def redact_password(where: str) -> str:
    """Remove user and password from a store's URL."""
    scheme, mark, rest = where.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}" if mark else where
