import pytest

from adapter.store.base import StoreLimits
from adapter.store.memory import MemoryStore
from adapter.store.sqlite import SqliteStore
from tests.store.entries import Clock


@pytest.fixture
def clock():
    """Unix time, as the test sets it."""
    return Clock()


@pytest.fixture
def path(tmp_path):
    """Where the file will be."""
    return tmp_path / "state" / "signatures.sqlite3"


@pytest.fixture(params=["memory", "sqlite"])
async def make(request, path, clock):
    """Opens stores of one kind; all are closed at the end."""
    made = []

    async def make(**limits):
        limits = StoreLimits(**limits)
        store = (
            MemoryStore(limits, clock=clock) if request.param == "memory" else SqliteStore(path, limits, clock=clock)
        )
        await store.open()
        made.append(store)
        return store

    yield make
    for store in made:
        await store.aclose()


@pytest.fixture
async def reopened(path, clock):
    """Opens the same file again and again."""
    made = []

    async def reopen(**limits):
        store = SqliteStore(path, StoreLimits(**limits), clock=clock)
        await store.open()
        made.append(store)
        return store

    yield reopen
    for store in made:
        await store.aclose()
