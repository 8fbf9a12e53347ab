"""The promises of all stores of documents, and those of the file beyond them."""

import asyncio
import sqlite3
import stat
from collections.abc import Callable
from typing import Any

import pytest

from adapter.store import open_documents
from adapter.store.documents import sqlite as sqlite_documents
from adapter.store.documents import sqlite_calls
from adapter.store.documents.base import Changed, Document, DocumentLimits, MemoryDocuments, Selection
from adapter.store.documents.redis import RedisDocuments
from adapter.store.documents.sqlite import SqliteDocuments
from adapter.store.shared import sqlite_calls as shared_calls
from tests.store.documents.families import family, find_known
from tests.store.opening import opening


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def make(request, path, clock):
    """Opens stores of one kind."""
    kinds: dict[str, Callable[[DocumentLimits], Any]] = {
        "memory": lambda limits: MemoryDocuments(limits, clock=clock),
        "sqlite": lambda limits: SqliteDocuments(path, limits, clock=clock),
        "redis": lambda limits: RedisDocuments(request.getfixturevalue("redis_url"), limits, clock=clock),
    }
    async with opening(lambda **limits: kinds[request.param](DocumentLimits(**limits))) as make:
        yield make


@pytest.fixture
async def reopened(path, clock):
    """Opens the same file again and again."""
    async with opening(lambda **limits: SqliteDocuments(path, DocumentLimits(**limits), clock=clock)) as reopen:
        yield reopen


BOUNDED = pytest.mark.parametrize("make", ["memory", "sqlite"], indirect=True)
"""Limits of the store; the bytes that a server holds are bounded by its own settings."""


async def test_what_was_put_is_found_by_its_own_client_only(make):
    store = await make()
    assert await store.put([Document("a", b"one"), Document("b", b"two")], "c")
    assert await store.get(["a", "b", "x"], "c") == {"a": b"one", "b": b"two"}
    assert await store.get(["a"], "other") == {}
    assert await store.delete("a", "other") is False
    assert await store.children("a", "other") == []


async def test_a_later_body_takes_the_place_of_an_earlier_one(make):
    store = await make()
    await store.put(family("a", "a1"), "c")
    await store.put([Document("a", b"new")], "c")
    await store.put([Document("a1", b"newer", "a")], "c")
    assert await store.get(["a", "a1"], "c") == {"a": b"new", "a1": b"newer"}
    assert await store.children("a", "c") == [b"newer"]


async def test_documents_are_stored_only_where_others_are_what_was_read(make):
    store = await make()
    await store.put(family("a", "a1"), "c")
    news = [Document("b", b"new"), Document("a2", b"new", "a")]
    wrong: list[dict[str, bytes | None]] = [
        {"a": b"other"}, {"a": None}, {"a1": b"a"}, {"b": b""}, {"a": b"a", "x": b"x"}, {"a": b"a", "a1": None},
    ]  # fmt: skip
    for expected in wrong:
        with pytest.raises(Changed):
            await store.put(news, "c", expected=expected)
    assert await find_known(store, "a", "a1", "a2", "b") == {"a", "a1"}
    assert await store.put(news, "c", expected={"a": b"a", "a1": b"a1", "b": None, "a2": None})
    with pytest.raises(Changed):
        await store.put(news, "c", expected={"b": None})
    with pytest.raises(Changed):
        await store.put(news, "other", expected={"a": b"a"})
    assert await store.put(news, "other", expected={"a": None})


async def test_what_is_too_old_is_not_there_for_whoever_expects_it(make, clock):
    store = await make(max_age=100)
    await store.put(family("a", "a1"), "c")
    clock.now += 101
    with pytest.raises(Changed):
        await store.put([Document("b", b"x")], "c", expected={"a1": b"a1"})
    assert await store.put([Document("b", b"x")], "c", expected={"a": None, "a1": None})


async def test_of_writers_that_have_read_the_same_one_is_first(make):
    store = await make()
    puts = [store.put([Document("a", b"%d" % number)], "c", expected={"a": None}) for number in range(8)]
    outcomes = await asyncio.gather(*puts, return_exceptions=True)
    assert sum(isinstance(one, Changed) for one in outcomes) == 7
    assert (await store.get(["a"], "c"))["a"] == b"%d" % outcomes.index(True)


async def test_children_come_in_the_order_of_their_writing(make):
    store = await make()
    await store.put(family("a", "z", "m"), "c")
    await store.put([Document("b", b"b", "a")], "c")
    assert await store.children("a", "c") == [b"z", b"m", b"b"]
    assert await store.children("a", "c", Selection(newest_first=True)) == [b"b", b"m", b"z"]
    assert await store.children("a", "c", Selection(limit=2)) == [b"z", b"m"]
    assert await store.children("a", "c", Selection(after="z")) == [b"m", b"b"]
    assert await store.children("a", "c", Selection(after="m", newest_first=True, limit=1)) == [b"z"]
    assert await store.children("a", "c", Selection(after="unknown")) == []


async def test_sizes_are_told_without_loading_and_a_page_ends_where_it_would_be_too_large(make):
    store = await make()
    await store.put([Document("a", b"12345"), *(Document(f"a/{n}", bytes(n), "a") for n in (3, 4, 5))], "c")
    assert await store.size(["a", "a/3", "b"], "c") == 8
    assert await store.size(["a"], "other") == 0
    assert (await store.size_of_children("a", "c"), await store.size_of_children("b", "c")) == (12, 0)
    for most, lengths in ((100, [3, 4, 5]), (11, [3, 4]), (7, [3, 4]), (1, [3]), (None, [3, 4, 5])):
        assert list(map(len, await store.children("a", "c", Selection(max_bytes=most)))) == lengths
    assert list(map(len, await store.children("a", "c", Selection(max_bytes=8, newest_first=True)))) == [5]


async def test_a_document_takes_its_children_along(make):
    store = await make()
    await store.put(family("a", "a1"), "c")
    await store.put(family("b", "b1"), "c")
    assert await store.delete("a", "c") is True
    assert await store.delete("a", "c") is False
    assert await find_known(store, "a", "a1", "b", "b1") == {"b", "b1"}


async def test_a_child_goes_alone(make):
    store = await make()
    await store.put(family("a", "a1", "a2"), "c")
    assert await store.delete("a1", "c") is True
    assert await store.children("a", "c") == [b"a2"]
    assert await find_known(store, "a", "a1", "a2") == {"a", "a2"}


async def test_a_child_without_its_parent_is_not_kept(make):
    store = await make()
    await store.put([Document("a1", b"x", "a")], "c")
    assert await find_known(store, "a1") == set()
    await store.put([Document("a", b"x")], "c")
    assert await store.children("a", "c") == []


async def test_old_documents_are_gone_and_children_keep_theirs_young(make, clock):
    store = await make(max_age=100.0)
    await store.put(family("a", "a1"), "c")
    await store.put(family("b", "b1"), "c")
    clock.now += 60.0
    await store.put([Document("b2", b"b2", "b")], "c")
    clock.now += 60.0
    assert await find_known(store, "a", "a1", "b", "b1", "b2") == {"b", "b1", "b2"}
    assert await store.children("a", "c") == []
    assert await store.children("b", "c") == [b"b1", b"b2"]


async def test_some_documents_are_forgotten_earlier(make, clock):
    store = await make(max_age=100.0)
    await store.put(family("long", "long1"), "c")
    await store.put(family("short", "short1"), "c", max_age=10.0)
    await store.put(family("never", "never1"), "c", max_age=1_000.0)
    clock.now += 8.0
    await store.put([Document("short2", b"x", "short")], "c", max_age=10.0)
    clock.now += 8.0
    assert await find_known(store, "long", "short", "short1", "short2", "never") == {
        "long",
        "short",
        "short1",
        "short2",
        "never",
    }
    clock.now += 3.0
    assert await find_known(store, "long", "long1", "short", "short1", "short2", "never") == {"long", "long1", "never"}
    assert await store.children("short", "c") == []
    clock.now += 90.0
    assert await find_known(store, "long", "long1", "never", "never1") == set()


async def test_one_that_was_to_be_forgotten_early_may_be_deleted_or_stay(make, clock):
    store = await make(max_age=100.0)
    await store.put([Document("a", b"a"), Document("b", b"b")], "c", max_age=10.0)
    await store.put([Document("b", b"b")], "c")
    assert await store.delete("a", "c")
    clock.now += 50.0
    assert await find_known(store, "a", "b") == {"b"}


@BOUNDED
async def test_the_number_is_bounded_and_the_oldest_go_first(make, clock, monkeypatch):
    monkeypatch.setattr(sqlite_documents, "EVICT_EVERY", 2)
    store = await make(max_count=3)
    for name in "abcde":
        clock.now += 1.0
        await store.put(family(name, name * 2), "c")
    assert await find_known(store, *"abcde") == set("cde")
    assert await find_known(store, "aa", "bb", "cc") == {"cc"}


@BOUNDED
async def test_the_bytes_are_bounded(make, clock):
    store = await make(max_bytes=1_000_000)
    for number in range(100):
        clock.now += 1.0
        await store.put([Document(f"k{number}", b"x" * 50_000)], "c")
    found = await find_known(store, *(f"k{number}" for number in range(100)))
    assert 10 <= len(found) <= 20
    assert found == {f"k{number}" for number in range(100 - len(found), 100)}
    assert store.describe()["bytes"] <= 1_100_000


async def test_what_is_too_large_is_refused_with_all_that_came_with_it(make):
    store = await make(max_entry=100)
    assert await store.put([Document("a", b"x" * 100)], "c")
    assert await store.put([Document("b", b"x"), Document("d", b"x" * 101)], "c") is False
    assert await find_known(store, "a", "b", "d") == {"a"}
    assert store.describe()["refused"] == 2


async def test_a_restart_keeps_everything(reopened):
    store = await reopened()
    await store.put(family("a", "a1"), "c")
    await store.aclose()
    store = await reopened()
    assert await find_known(store, "a", "a1") == {"a", "a1"}
    assert await store.children("a", "c") == [b"a1"]


async def test_what_another_process_writes_is_seen_at_once(reopened):
    one, two = await reopened(), await reopened()
    await one.put([Document("a", b"1")], "c")
    assert await two.get(["a"], "c") == {"a": b"1"}
    await two.put([Document("a", b"2")], "c")
    assert await one.get(["a"], "c") == {"a": b"2"}
    await one.delete("a", "c")
    assert await two.get(["a"], "c") == {}


async def test_the_file_is_the_users_alone_and_holds_no_key_in_clear(reopened, path):
    store = await reopened()
    await store.put([Document("resp_visible", b"x")], "client-secret")
    for name in path.parent.iterdir():
        assert stat.S_IMODE(name.stat().st_mode) == 0o600, name
        assert b"resp_visible" not in name.read_bytes()
        assert b"client-secret" not in name.read_bytes()


async def test_puts_that_come_together_share_transactions(reopened, monkeypatch):
    batches = []
    write = sqlite_calls.write

    def count(connection, puts, since):
        batches.append(len(puts))
        return write(connection, puts, since)

    monkeypatch.setattr(sqlite_calls, "write", count)
    store = await reopened()
    kept = await asyncio.gather(*(store.put([Document(f"k{number}", b"x")], "c") for number in range(100)))
    assert all(kept)
    assert sum(batches) == 100
    assert len(batches) < 10


async def test_the_event_loop_never_waits_for_the_file(reopened, path):
    store = await reopened()
    await store.put([Document("a", b"x")], "c")
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    put = asyncio.create_task(store.put([Document("b", b"x")], "c"))
    for _ in range(100):
        await asyncio.sleep(0)
        assert await find_known(store, "a", "b") == {"a"}
    assert not put.done()
    blocker.execute("COMMIT")
    blocker.close()
    assert await put


async def test_a_file_that_cannot_be_written_says_so(reopened, path, monkeypatch):
    monkeypatch.setattr(shared_calls, "LOCK_TIMEOUT_S", 0.05)
    store = await reopened()
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    assert await store.put(family("a", "a1"), "c") is False
    facts = store.describe()
    assert facts["failed"] == 2
    assert "cannot be written: database is locked" in facts["warning"]
    blocker.execute("COMMIT")
    blocker.close()
    assert await store.put([Document("b", b"x")], "c")
    assert await find_known(store, "a", "b") == {"b"}


async def test_a_file_that_cannot_be_read_is_warned_of(reopened):
    store = await reopened()
    await store._file.write(lambda connection: connection.execute("DROP TABLE documents"))
    assert await find_known(store, "a") == set()
    assert await store.children("a", "c") == []
    assert "cannot be read" in store.describe()["warning"]
    assert await store.delete("a", "c") is False
    assert "cannot be written" in store.describe()["warning"]


async def test_a_setting_names_the_file_beside_the_signatures(tmp_path):
    store = await open_documents(f"sqlite:{tmp_path / 'state.sqlite3'}")
    facts = store.describe()
    await store.aclose()
    assert (facts["kind"], facts["path"]) == ("sqlite", str(tmp_path / "state-responses.sqlite3"))
    assert (await open_documents("memory")).describe()["kind"] == "memory"


async def test_a_file_that_cannot_be_used_means_memory_and_a_warning(tmp_path):
    (tmp_path / "file").touch()
    store = await open_documents(f"sqlite:{tmp_path / 'file' / 'state.sqlite3'}")
    facts = store.describe()
    assert facts["kind"] == "memory"
    assert "kept in memory only" in facts["warning"]


async def test_a_file_that_is_removed_while_it_is_open_keeps_what_is_stored_from_then_on(tmp_path):
    """`store: true` is a promise: what is written to a removed file is lost without an error."""
    path = tmp_path / "responses.sqlite3"
    store = SqliteDocuments(path, DocumentLimits())
    await store.open()
    assert await store.put([Document("lost", b"1")], "c")
    for one in tmp_path.iterdir():
        one.unlink()
    assert await store.put([Document("kept", b"2")], "c")
    warning = store.describe()["warning"]
    await store.aclose()
    again = SqliteDocuments(path, DocumentLimits())
    await again.open()
    found = await again.get(["lost", "kept"], "c")
    await again.aclose()
    assert found == {"kept": b"2"}
    assert "was removed" in warning
