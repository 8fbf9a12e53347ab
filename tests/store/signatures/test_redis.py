"""The promises of the shared store beyond the others: no request fails because a server is down or slow."""

import asyncio
import logging
import time

import pytest

from adapter.store.shared.base import StoreLimits
from adapter.store.signatures.redis import PREFIX, RedisStore
from adapter.wire.signatures import Issued, Signature
from tests.store.entries import find_known, issue
from tests.store.opening import opening
from tests.support.guards import until
from tests.support.key_value import PASSWORD, key_value_server
from tests.support.live import free_port

TIMEOUT, PAUSE = 0.3, 0.1
PATIENT = 10.0
"""Seconds of patience for tests in which a busy server must not count as one that is down."""


@pytest.fixture
async def replicas(clock):
    """Opens stores as replicas would, each with a memory of its own."""

    def build(url, timeout=TIMEOUT, **limits):
        return RedisStore(url, StoreLimits(**limits), clock=clock, timeout=timeout, pause=PAUSE)

    async with opening(build) as replica:
        yield replica


@pytest.fixture
def own_server(tmp_path):
    """A server that the test may break."""
    with key_value_server(tmp_path) as server:
        yield server


async def test_what_one_replica_puts_another_finds(replicas, redis_url):
    one, two = await replicas(redis_url), await replicas(redis_url)
    assert await find_known(two, "a") == set()
    await one.put(issue("a", "b"), "c")
    assert await find_known(two, "a", "b") == {"a", "b"}
    assert await find_known(two, "a", client="d") == set()


async def test_more_keys_than_one_round_trip_takes_are_found(replicas, redis_url):
    keys = [f"k{number}" for number in range(730)]
    await (await replicas(redis_url)).put(issue(*keys), "c")
    assert await find_known(await replicas(redis_url), *keys) == set(keys)


async def test_large_entries_go_in_round_trips_of_their_own(replicas, redis_url):
    keys = [f"k{number}" for number in range(8)]
    await (await replicas(redis_url)).put(issue(*keys, size=600_000), "c")
    assert await find_known(await replicas(redis_url), *keys) == set(keys)


async def test_an_entry_larger_than_the_memory_for_all_is_still_found(replicas, redis_url):
    await (await replicas(redis_url)).put(issue("a", size=5_000), "c")
    assert await find_known(await replicas(redis_url, memory_bytes=1_000), "a") == {"a"}


async def test_the_server_forgets_after_the_bounded_age(replicas, redis_url, server):
    store = await replicas(redis_url, max_age=0.2)
    await store.put(issue("a"), "c")
    assert server.ask("DBSIZE") == b":1\r\n"
    await until(lambda: server.ask("DBSIZE") == b":0\r\n")


async def test_an_entry_ages_from_its_writing_wherever_it_lies(replicas, redis_url, clock):
    one, two = await replicas(redis_url, max_age=100.0), await replicas(redis_url, max_age=100.0)
    await one.put(issue("a"), "c")
    clock.now += 60.0
    assert await find_known(two, "a") == {"a"}
    clock.now += 60.0
    assert await find_known(two, "a") == set()
    assert await find_known(await replicas(redis_url, max_age=100.0), "a") == set()


async def test_no_key_and_no_client_lies_on_the_server_in_clear(replicas, redis_url, server):
    store = await replicas(redis_url)
    await store.put([Issued("call_visible", Signature(value="x"))], "client-secret")
    names = server.ask("KEYS", "*")
    assert PREFIX in names
    assert b"call_visible" not in names
    assert b"client-secret" not in names


async def test_the_password_is_never_shown(replicas, own_server, caplog):
    store = await replicas(own_server.url)
    own_server.kill()
    assert await find_known(store, "a") == set()
    assert "does not answer" in str(store.describe())
    assert PASSWORD not in str(store.describe()) + caplog.text


@pytest.mark.faults
async def test_a_server_that_is_down_at_the_start_is_warned_of_and_found_later(replicas, own_server):
    own_server.kill()
    store = await replicas(own_server.url)
    assert "does not answer" in store.describe()["warning"]
    await store.put(issue("early"), "c")
    assert await find_known(store, "early") == {"early"}
    own_server.start()
    await until(lambda: "warning" not in store.describe())
    assert await find_known(await replicas(own_server.url), "early") == {"early"}


@pytest.mark.faults
async def test_what_is_put_during_an_outage_reaches_the_others_after_it(replicas, own_server):
    one, two = await replicas(own_server.url), await replicas(own_server.url)
    await one.put(issue("before"), "c")
    own_server.kill()
    keys = [f"k{number}" for number in range(250)]
    await one.put(issue(*keys), "c")
    assert one.describe()["owed"] == 250
    assert await find_known(one, "before", *keys) == {"before", *keys}
    assert await find_known(two, "before", *keys) == set()
    own_server.start()
    await until(lambda: "warning" not in one.describe() and "warning" not in two.describe())
    assert await find_known(two, "before", *keys) == {"before", *keys}
    assert (one.describe()["owed"], one.describe()["failed"]) == (0, 0)


@pytest.mark.faults
async def test_a_restart_between_two_calls_is_not_noticed(replicas, own_server):
    store = await replicas(own_server.url)
    await store.put(issue("a"), "c")
    own_server.kill()
    own_server.start()
    await store.put(issue("b"), "c")
    assert "warning" not in store.describe()
    assert await find_known(await replicas(own_server.url), "a", "b") == {"a", "b"}


@pytest.mark.faults
async def test_a_server_that_answers_nothing_costs_its_time_limit_once(replicas, own_server, caplog):
    caplog.set_level(logging.INFO)
    store = await replicas(own_server.url)
    own_server.freeze()
    begun = time.monotonic()
    await asyncio.gather(*(find_known(store, f"k{number}") for number in range(20)))
    first = time.monotonic() - begun
    begun = time.monotonic()
    for number in range(200):
        await store.put(issue(f"p{number}"), "c")
        await find_known(store, f"q{number}")
    rest = time.monotonic() - begun
    assert first >= TIMEOUT * 0.9
    # Each of the 400 would have taken its time limit.
    assert first + rest < 200 * TIMEOUT
    own_server.thaw()
    await until(lambda: "warning" not in store.describe())
    assert await find_known(await replicas(own_server.url), "p0", "p199") == {"p0", "p199"}
    assert [record.getMessage().partition(" ")[2] for record in caplog.records if record.name == "adapter"] == [
        "does not answer: too slow; until it does, signatures are kept in memory",
        "answers again",
    ]


@pytest.mark.faults
async def test_what_waits_for_a_server_is_bounded(replicas):
    store = await replicas(f"redis://127.0.0.1:{free_port()}", memory_bytes=40_000)
    await store.put(issue(*(f"k{number}" for number in range(100)), size=1_000), "c")
    assert 5 <= store.describe()["owed"] < 10
    assert await find_known(store, "k99") == {"k99"}


async def test_a_full_server_costs_the_entries_and_still_reads(replicas, own_server):
    store = await replicas(own_server.url)
    await store.put(issue("a"), "c")
    own_server.ask("CONFIG", "SET", "maxmemory", "1")
    await store.put(issue("b"), "c")
    facts = store.describe()
    assert facts["failed"] == 1
    assert "refuses" in facts["warning"]
    assert await find_known(store, "b") == {"b"}
    assert await find_known(await replicas(own_server.url), "a", "b") == {"a"}


async def test_entries_by_words_that_a_full_server_refuses_are_counted_too(replicas, own_server):
    store = await replicas(own_server.url)
    own_server.ask("CONFIG", "SET", "maxmemory", "1")
    by_words = [Issued(f"w{number}", Signature(value="QUJD"), by_words=True) for number in range(3)]
    await store.put([*issue("a", "b"), *by_words], "c")
    assert store.describe()["failed"] == 5
    await store.put(by_words, "c")
    assert store.describe()["failed"] == 8


async def test_a_server_that_may_only_be_read_costs_the_entries(replicas, own_server):
    own_server.ask("REPLICAOF", "127.0.0.1", "1")
    store = await replicas(own_server.url)
    await store.put(issue("a"), "c")
    assert "read only" in store.describe()["warning"]
    assert await find_known(store, "a") == {"a"}


async def test_a_wrong_password_is_warned_of(replicas, own_server):
    store = await replicas(own_server.url.replace(PASSWORD, "another"))
    await store.put(issue("a"), "c")
    assert await find_known(store, "a") == {"a"}
    assert "invalid username-password pair" in store.describe()["warning"]


@pytest.mark.parametrize(
    "value",
    ["", "not JSON", "[]", b'{"written": "\xff"}', '{"written":9e9}', '{"written":9e9,"signature":{"value":1}}'],
)
async def test_a_value_of_another_kind_or_shape_counts_as_missing(replicas, redis_url, server, value):
    store = await replicas(redis_url)
    await store.put(issue("a", "b"), "c")
    server.ask("FLUSHALL")
    one, two = (PREFIX + name for name in store._cache.least_used(2))
    server.ask("LPUSH", one, "x")
    server.ask("SET", two, value)
    other = await replicas(redis_url)
    assert await find_known(other, "a", "b") == set()
    assert "has an entry that is not a signature" in other.describe()["warning"]


async def test_a_newer_version_may_add_fields(replicas, redis_url, server):
    store = await replicas(redis_url)
    await store.put(issue("a"), "c")
    (name,) = store._cache.least_used(1)
    server.ask("SET", PREFIX + name, '{"written":9e9,"more":1,"signature":{"value":"new","other":[]}}')
    found = await (await replicas(redis_url)).get(["a"], "c")
    assert found["a"].value == "new"


async def test_a_caller_who_leaves_harms_no_other(replicas, redis_url):
    store = await replicas(redis_url, timeout=PATIENT)
    tasks = [asyncio.create_task(store.put(issue(f"k{number}"), "c")) for number in range(100)]
    await asyncio.sleep(0.002)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert "warning" not in store.describe()
    kept = {f"k{number}" for number in range(1, 100, 2)}
    assert await find_known(await replicas(redis_url, timeout=PATIENT), *kept) == kept


async def test_more_callers_than_connections_are_all_served(replicas, redis_url):
    store = await replicas(redis_url, timeout=PATIENT)
    await asyncio.gather(*(store.put(issue(f"k{number}"), "c") for number in range(300)))
    other = await replicas(redis_url, timeout=PATIENT)
    found = await asyncio.gather(*(find_known(other, f"k{number}") for number in range(300)))
    assert [len(one) for one in found] == [1] * 300
