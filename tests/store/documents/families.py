"""Documents with children, for tests of what stores them."""

from adapter.store.documents.base import Document


async def find_known(store, *keys, client="c"):
    return set(await store.get(keys, client))


def family(parent, *children):
    return [Document(parent, parent.encode()), *(Document(child, child.encode(), parent) for child in children)]
