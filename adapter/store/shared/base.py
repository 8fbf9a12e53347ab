"""What every store of signatures promises."""

from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2b
from typing import Protocol

import msgspec

from adapter.wire.limits import LimitExceeded
from adapter.wire.signatures import AMBIGUOUS, Issued, Signature

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LimitExceeded)
"""What decoding an entry can raise that was damaged, or that is not ours."""

URL_SCHEMES = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss"}
"""What a URL may start with, and what the client library calls it."""


class StoreLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much is kept: for so many seconds, so many bytes and entries in all, and so many bytes in one entry.

    An entry's size is that of its JSON. `max_entries` bounds what lies in memory; a file is bounded by `max_bytes`.
    """

    max_age: float = 30 * 24 * 3600.0
    max_bytes: int = 1024 * 1024 * 1024
    max_entries: int = 100_000
    max_entry: int = 8 * 1024 * 1024
    memory_bytes: int = 128 * 1024 * 1024


class Records(dict[str, Signature]):
    """Records by key. `is_complete`: what is missing is not known; else the store could not be read."""

    is_complete: bool = True


def combined(before: Signature | None, signature: Signature) -> Signature:
    """What stands under a key made of words after another record came for it."""
    return signature if before is None or before == signature else AMBIGUOUS


class SignatureStore(Protocol):
    """Signatures by client and key. A client never sees what was issued to another."""

    async def open(self) -> None:
        """Make ready, inside the event loop that will use it. Raises `StoreUnusable`."""
        ...

    async def get(self, keys: Collection[str], client: str) -> Records:
        """What is known of `keys`, each of which can only be one answer's."""
        ...

    async def get_by_words(self, keys: Collection[str], client: str) -> Records:
        """What is known of `keys` made of words: as all processes see it now, since another answer may have come."""
        ...

    async def put(self, issued: Sequence[Issued], client: str) -> None:
        """Keep these; returns when they will survive what the store promises to survive.

        Under a key made of words a second, different record makes the entry `AMBIGUOUS`, and it stays so. Nobody waits
        for `NOTHING` alone.

        Never raises for a full disk and the like, since the answer that the entries belong to is good: what could not
        be kept is counted, and `describe` warns of it.
        """
        ...

    async def aclose(self) -> None:
        """Finish writing and let go of everything."""
        ...

    def describe(self) -> dict[str, object]:
        """For /healthz: `kind`, `entries` in memory, `bytes`, `refused` (how many were too large), `warning` if any.

        A file adds its `path`, and `failed`: how many entries could not be written to it.
        """
        ...


class StoreUnusable(Exception):
    """This store cannot be used here; the text says why."""


def scoped(key: str, client: str) -> bytes:
    """The name under which a client's key is kept. A hash, so that neither lies on the disk in clear."""
    return all_scoped((key,), client)[0]


def all_scoped(keys: Iterable[str], client: str) -> list[bytes]:
    """The names of many keys: a long history asks for hundreds, and what the client adds to them is hashed once."""
    begun = blake2b(digest_size=20, key=blake2b(client.encode()).digest())
    names = []
    for key in keys:
        hashed = begun.copy()
        hashed.update(key.encode("utf-8", "surrogatepass"))
        names.append(hashed.digest())
    return names


def without_password(where: str) -> str:
    """A store's name as it may be shown: a URL without who asks, and with what password."""
    scheme, mark, rest = where.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}" if mark else where
