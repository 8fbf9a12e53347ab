"""Entries for the stores' tests."""

from adapter.wire.signatures import Issued, Signature


def issue(*keys, size=10):
    return [Issued(key, Signature(value=key + "=" * size, id=f"id-{key}", origin="studio")) for key in keys]


async def find_known(store, *keys, client="c"):
    return set(await store.get(keys, client))
