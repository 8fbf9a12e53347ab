"""What every signature store offers, and how its entries are keyed and bounded."""

from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import Protocol

import msgspec

from adapter.wire.signatures import Issued, Signature


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How much is kept, and for how long. Sizes are in bytes, the age in seconds."""

    age: float = 30 * 24 * 3600
    total: int = 512 * 1024 * 1024
    entry: int = 8 * 1024 * 1024


class SignatureStore(Protocol):
    """Keeps signatures under keys; each client key sees only its own."""

    async def open(self) -> None:
        """Open files and start threads; inside the event loop that uses the store."""
        ...

    async def get(self, keys: Collection[str], client: str) -> dict[str, Signature]:
        """The entries that are known, by key."""
        ...

    async def put(self, issued: Sequence[Issued], client: str) -> None:
        """Keep entries; returns when they are as safe as the store makes them."""
        ...

    def describe(self) -> dict[str, object]:
        """What /healthz tells: the kind, what it holds, and a warning if there is one."""
        ...

    async def aclose(self) -> None:
        """Finish what is under way, and close."""
        ...


def scoped(key: str, client: str) -> bytes:
    """The key at rest: a hash of the client and the key, so that neither is there in clear."""
    return blake2b(key.encode("utf-8", "surrogatepass"), key=blake2b(client.encode()).digest(), digest_size=16).digest()
