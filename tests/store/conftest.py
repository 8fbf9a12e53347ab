from collections.abc import Callable
from typing import Any

import pytest

from adapter.store.shared.base import StoreLimits
from adapter.store.signatures.memory import MemoryStore
from adapter.store.signatures.redis import RedisStore
from adapter.store.signatures.sqlite import SqliteStore
from tests.store.opening import opening
from tests.support.clocks import Clock
from tests.support.key_value import key_value_server


@pytest.fixture
def clock():
    """Unix time, as the test sets it."""
    return Clock(1_000_000.0)


@pytest.fixture
def path(tmp_path):
    """The path of the file."""
    return tmp_path / "state" / "signatures.sqlite3"


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A Redis or Valkey that lives as long as the tests."""
    with key_value_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(server):
    """The URL of a server that holds nothing."""
    server.ask("FLUSHALL")
    return server.url


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def make(request, path, clock):
    """Opens stores of one kind."""
    kinds: dict[str, Callable[[StoreLimits], Any]] = {
        "memory": lambda limits: MemoryStore(limits, clock=clock),
        "sqlite": lambda limits: SqliteStore(path, limits, clock=clock),
        "redis": lambda limits: RedisStore(request.getfixturevalue("redis_url"), limits, clock=clock),
    }
    async with opening(lambda **limits: kinds[request.param](StoreLimits(**limits))) as make:
        yield make


@pytest.fixture
async def reopened(path, clock):
    """Opens the same file again and again."""
    async with opening(lambda **limits: SqliteStore(path, StoreLimits(**limits), clock=clock)) as reopen:
        yield reopen
