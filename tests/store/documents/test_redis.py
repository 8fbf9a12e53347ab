"""Documents in Redis or Valkey: what they promise beyond other stores of them, and what a silent server means."""

import time

import pytest

from adapter.store import open_documents
from adapter.store.documents.base import Document, DocumentLimits
from adapter.store.documents.redis import PREFIX, RedisDocuments
from tests.store.documents.families import family, find_known
from tests.store.opening import opening
from tests.support.guards import until
from tests.support.key_value import PASSWORD, key_value_server


@pytest.fixture
async def make_at(clock):
    """Opens stores at a URL."""

    def build(url, **limits):
        return RedisDocuments(url, DocumentLimits(**limits), clock=clock, timeout=0.3, pause=0.1)

    async with opening(build) as make_at:
        yield make_at


@pytest.fixture
def make(make_at, redis_url):
    """Opens stores at a server that holds nothing."""

    async def make(**limits):
        return await make_at(redis_url, **limits)

    return make


async def test_what_one_replica_writes_another_sees_at_once(make):
    one, two = await make(), await make()
    await one.put(family("a", "a1"), "c")
    assert await find_known(two, "a", "a1") == {"a", "a1"}
    await two.delete("a", "c")
    assert await find_known(one, "a", "a1") == set()


async def test_nothing_is_left_on_the_server_when_all_is_too_old(make, server):
    store = await make(max_age=0.3)
    await store.put([*family("a", "a1", "a2"), Document("b", b"x")], "c")
    assert server.ask("DBSIZE") == b":5\r\n"
    await until(lambda: server.ask("DBSIZE") == b":0\r\n")


async def test_nothing_is_left_on_the_server_when_all_is_deleted(make, server):
    store = await make()
    await store.put(family("a", "a1", "a2"), "c")
    await store.delete("a1", "c")
    await store.delete("a", "c")
    assert server.ask("DBSIZE") == b":0\r\n"


async def test_no_key_and_no_client_lies_on_the_server_in_clear(make, server):
    store = await make()
    await store.put([Document("resp_visible", b"x")], "client-secret")
    names = server.ask("KEYS", "*")
    assert PREFIX in names
    assert b"resp_visible" not in names
    assert b"client-secret" not in names


async def test_nothing_is_asked_about_nothing(make):
    store = await make()
    assert await store.get([], "c") == {}
    assert await store.put([], "c")


@pytest.mark.faults
async def test_a_server_that_is_away_has_nothing_and_keeps_nothing_and_costs_no_time(make_at, tmp_path):
    with key_value_server(tmp_path) as server:
        store = await make_at(server.url)
        assert await store.put(family("a", "a1"), "c")
        server.freeze()
        assert await store.get(["a"], "c") == {}
        begun = time.monotonic()
        for _ in range(50):
            assert await store.put([Document("b", b"x")], "c") is False
            assert await store.children("a", "c") == []
            assert await store.delete("a", "c") is False
        # Each of the 150 would have taken its time limit of 0.3 s.
        assert time.monotonic() - begun < 75 * 0.3
        facts = store.describe()
        assert facts["failed"] == 50
        assert "does not answer" in facts["warning"]
        assert PASSWORD not in str(facts)
        server.thaw()
        await until(lambda: "warning" not in store.describe())
        assert await find_known(store, "a", "a1", "b") == {"a", "a1"}


async def test_a_full_server_refuses_and_still_reads(make_at, tmp_path):
    with key_value_server(tmp_path) as server:
        store = await make_at(server.url)
        await store.put([Document("a", b"x")], "c")
        server.ask("CONFIG", "SET", "maxmemory", "1")
        assert await store.put([Document("b", b"x")], "c") is False
        assert "refuses" in store.describe()["warning"]
        assert await find_known(store, "a", "b") == {"a"}


async def test_a_url_opens_a_server_for_documents_too(redis_url):
    store = await open_documents(redis_url)
    assert store.describe()["kind"] == "redis"
    await store.aclose()
