"""The promises of every store."""

import asyncio

import msgspec
import pytest

from adapter.store.shared.base import StoreLimits, scoped_name
from adapter.store.signatures.memory import MemoryStore
from adapter.store.signatures.sqlite import SqliteStore
from adapter.wire.signatures import AMBIGUOUS, NOTHING, Issued, Signature
from tests.store.entries import find_known, issue


async def test_what_was_put_comes_back_whole(make):
    store = await make()
    signature = Signature(value="c2ln", id="abc", origin="studio", parts=msgspec.Raw(b'[{"text":"x"}]'))
    await store.put([Issued("call_1", signature), *issue("call_2")], "c")
    found = await store.get(["call_1", "call_2", "call_3"], "c")
    assert set(found) == {"call_1", "call_2"}
    assert (found["call_1"].value, found["call_1"].id, found["call_1"].origin) == ("c2ln", "abc", "studio")
    assert bytes(found["call_1"].parts) == b'[{"text":"x"}]'


async def test_nothing_is_known_of_nothing(make):
    store = await make()
    assert await store.get([], "c") == {}
    await store.put([], "c")
    assert await find_known(store, "a") == set()


async def test_clients_do_not_see_each_other(make):
    store = await make()
    await store.put(issue("a"), "one")
    assert await find_known(store, "a", client="two") == set()
    assert await find_known(store, "a", client="one") == {"a"}


def test_a_key_and_its_client_cannot_be_read_or_confused():
    names = {
        scoped_name("b", "a"),
        scoped_name("ab", ""),
        scoped_name("", "ab"),
        scoped_name("a", "b"),
        scoped_name("a\x00b", ""),
    }
    assert len(names) == 5
    assert {len(name) for name in names} == {20}
    assert scoped_name("\ud800", "c") != scoped_name("?", "c")


async def test_the_last_writing_wins(make):
    store = await make()
    await store.put(issue("a"), "c")
    await store.put([Issued("a", Signature(value="new"))], "c")
    assert (await store.get(["a"], "c"))["a"].value == "new"


async def test_a_store_tells_when_records_were_written(make, clock):
    store = await make()
    clock.now = 1_000.0
    await store.put(issue("a"), "one")
    clock.now = 1_060.0
    await store.put(issue("b"), "one")
    assert await store.get_times(["a", "b", "c"], "one") == {"a": 1_000.0, "b": 1_060.0}
    assert await store.get_times(["a"], "two") == {}


async def test_entries_grow_too_old(make, clock):
    store = await make(max_age=100.0)
    await store.put(issue("a"), "c")
    clock.now += 99.0
    await store.put(issue("b"), "c")
    assert await find_known(store, "a", "b") == {"a", "b"}
    clock.now += 1.0
    assert await find_known(store, "a", "b") == {"b"}


async def test_an_entry_that_is_too_large_is_refused_and_counted(make):
    store = await make(max_entry=1_000)
    await store.put([*issue("large", size=1_000), *issue("small")], "c")
    await store.put(issue("large", size=1_000), "c")
    assert await find_known(store, "large", "small") == {"small"}
    assert store.describe()["refused"] == 2


async def test_many_puts_and_gets_at_once_all_succeed(make):
    store = await make()

    async def entry(number):
        await store.put(issue(f"a{number}", f"b{number}"), "c")
        return await find_known(store, f"a{number}", f"b{number}")

    assert [len(found) for found in await asyncio.gather(*map(entry, range(300)))] == [2] * 300


async def test_a_store_describes_itself(make):
    store = await make()
    await store.put(issue("a"), "c")
    facts = store.describe()
    assert facts["kind"] in ("memory", "sqlite", "redis")
    assert facts["entries"] == 1
    assert facts["bytes"] > 0
    assert "warning" not in facts
    assert msgspec.json.encode(facts)


async def test_memory_lets_go_of_what_was_unused_for_longest():
    store = MemoryStore(StoreLimits(max_entries=3))
    await store.put(issue("a", "b", "c"), "c")
    await find_known(store, "a")
    await store.put(issue("d"), "c")
    assert await find_known(store, "a", "b", "c", "d") == {"a", "c", "d"}


@pytest.mark.parametrize("limit", ["max_bytes", "memory_bytes"])
async def test_memory_is_bounded_in_bytes(limit):
    store = MemoryStore(StoreLimits(**{limit: 5_000}))
    for number in range(100):
        await store.put(issue(f"k{number}", size=500), "c")
    assert store.describe()["bytes"] <= 5_000
    assert 5 <= store.describe()["entries"] < 10
    assert await find_known(store, "k99") == {"k99"}


WORDS = Signature(value="one", origin="studio")


async def test_of_two_records_under_the_same_words_neither_is_kept(make):
    store = await make()
    await store.put([Issued("turn:1", WORDS, by_words=True), Issued("turn:2", WORDS, by_words=True)], "c")
    await store.put([Issued("turn:1", WORDS, by_words=True)], "c")
    assert await store.get_by_words(["turn:1", "turn:2", "turn:3"], "c") == {"turn:1": WORDS, "turn:2": WORDS}
    await store.put([Issued("turn:1", Signature(value="other"), by_words=True)], "c")
    assert await store.get_by_words(["turn:1", "turn:2"], "c") == {"turn:1": AMBIGUOUS, "turn:2": WORDS}
    await store.put([Issued("turn:1", WORDS, by_words=True)], "c")
    assert await store.get_by_words(["turn:1"], "c") == {"turn:1": AMBIGUOUS}
    assert await store.get_by_words(["turn:2"], "another client") == {}


async def test_an_answer_without_anything_makes_an_equal_ones_record_ambiguous(make):
    store = await make()
    await store.put([Issued("turn:1", NOTHING, by_words=True)], "c")
    while not await store.get_by_words(["turn:1"], "c"):
        await asyncio.sleep(0.01)
    await store.put([Issued("turn:1", WORDS, by_words=True)], "c")
    assert await store.get_by_words(["turn:1"], "c") == {"turn:1": AMBIGUOUS}


async def test_what_another_process_made_ambiguous_is_seen_at_once(path):
    one, other = SqliteStore(path, StoreLimits()), SqliteStore(path, StoreLimits())
    for store in (one, other):
        await store.open()
    await one.put([Issued("turn:1", WORDS, by_words=True)], "c")
    assert await one.get_by_words(["turn:1"], "c") == {"turn:1": WORDS}
    await other.put([Issued("turn:1", NOTHING, by_words=True), Issued("id:1", WORDS)], "c")
    assert await one.get_by_words(["turn:1"], "c") == {"turn:1": AMBIGUOUS}
    for store in (one, other):
        await store.aclose()
