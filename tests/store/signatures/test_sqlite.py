"""The promises of the file beyond the other stores."""

import asyncio
import multiprocessing
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from typing import cast

import pytest

from adapter.store.shared import sqlite_calls as shared_calls
from adapter.store.shared import workers
from adapter.store.shared.base import StoreLimits
from adapter.store.signatures import sqlite
from adapter.store.signatures import sqlite_calls as file
from adapter.store.signatures.sqlite import SqliteStore
from adapter.wire.signatures import AMBIGUOUS, NOTHING, Issued, Signature
from tests.store.entries import find_known, issue
from tests.support.guards import PATIENCE
from tests.support.paths import REPOSITORY


async def test_a_restart_keeps_everything(reopened):
    store = await reopened()
    await store.put(issue("a", "b"), "c")
    await store.aclose()
    store = await reopened()
    assert await find_known(store, "a", "b") == {"a", "b"}
    assert await find_known(store, "a", client="d") == set()


async def test_what_another_process_writes_is_seen_at_once(reopened):
    """A miss is never remembered."""
    one, two = await reopened(), await reopened()
    assert await find_known(two, "a") == set()
    await one.put(issue("a"), "c")
    assert await find_known(two, "a") == {"a"}


async def test_the_cache_answers_without_the_file(reopened, monkeypatch):
    one, two = await reopened(), await reopened()
    await one.put(issue("a"), "c")
    assert await find_known(two, "a") == {"a"}
    monkeypatch.setattr(file, "read", None)
    assert await find_known(one, "a") == {"a"}
    assert await find_known(two, "a") == {"a"}


async def test_more_keys_than_one_query_takes_are_found(reopened):
    keys = [f"k{number}" for number in range(1_700)]
    await (await reopened()).put(issue(*keys), "c")
    assert await find_known(await reopened(), *keys) == set(keys)


async def test_the_file_is_bounded_in_bytes_and_keeps_the_newest(reopened, monkeypatch):
    monkeypatch.setattr(sqlite, "EVICT_EVERY", 10)
    store = await reopened(max_bytes=300_000)
    for number in range(200):
        await store.put(issue(f"k{number}", size=10_000), "c")
    assert store.describe()["bytes"] <= 300_000 + 10 * 13_000
    await store.aclose()
    store = await reopened(max_bytes=300_000)
    assert store.describe()["bytes"] <= 300_000
    found = await find_known(store, *(f"k{number}" for number in range(200)))
    assert "k199" in found
    assert 10 <= len(found) <= 30
    assert found == {f"k{number}" for number in range(200 - len(found), 200)}


async def test_old_entries_leave_the_file(reopened, clock, path):
    store = await reopened(max_age=100.0)
    await store.put(issue(*(f"k{number}" for number in range(120))), "c")
    clock.now += 60.0
    await store.put(issue("young"), "c")
    clock.now += 60.0
    await store.aclose()
    await (await reopened(max_age=100.0)).aclose()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM signatures").fetchone() == (1,)
    connection.close()


async def test_the_file_is_the_users_alone_and_holds_no_key_in_clear(reopened, path):
    store = await reopened()
    await store.put([Issued("call_visible", Signature(value="x"))], "client-secret")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for name in path.parent.iterdir():
        assert stat.S_IMODE(name.stat().st_mode) == 0o600, name
        assert b"call_visible" not in name.read_bytes()
        assert b"client-secret" not in name.read_bytes()


async def test_a_file_that_others_may_read_is_closed_to_them(reopened, path):
    path.parent.mkdir()
    path.touch(0o644)
    await reopened()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_file_is_in_wal_mode(reopened, path):
    await reopened()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA user_version").fetchone() == (file.LAYOUT.version,)
    connection.close()


async def test_a_cancelled_put_is_written_and_harms_no_other(reopened):
    store = await reopened()
    tasks = [asyncio.create_task(store.put(issue(f"k{number}"), "c")) for number in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(end, asyncio.CancelledError) for end in ends] == [True, False] * 10
    await store.aclose()
    keys = [f"k{number}" for number in range(20)]
    assert await find_known(await reopened(), *keys) == set(keys)


async def test_closing_waits_for_what_is_being_written(reopened):
    store = await reopened()
    tasks = [asyncio.create_task(store.put(issue(f"k{number}"), "c")) for number in range(5)]
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(store.put(issue("late"), "c")))
    await asyncio.sleep(0)
    await store.aclose()
    await asyncio.gather(*tasks)
    assert len(await find_known(await reopened(), "late", *(f"k{number}" for number in range(5)))) == 6


async def test_puts_that_come_together_share_transactions(reopened, monkeypatch):
    batches = []
    write = file.write

    def write_and_count(connection, rows):
        batches.append(len(rows))
        write(connection, rows)

    monkeypatch.setattr(file, "write", write_and_count)
    store = await reopened()
    await asyncio.gather(*(store.put(issue(f"k{number}"), "c") for number in range(100)))
    assert sum(batches) == 100
    assert len(batches) < 10


async def test_the_event_loop_never_waits_for_the_file(reopened, path):
    """Another process holds the write lock: the loop runs on, reads go on, the put waits."""
    store = await reopened()
    await store.put(issue("a"), "c")
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    put = asyncio.create_task(store.put(issue("b"), "c"))
    for _ in range(100):
        await asyncio.sleep(0)
        assert await find_known(store, "a", "unknown") == {"a"}
    assert not put.done()
    blocker.execute("COMMIT")
    blocker.close()
    await put


async def test_a_file_that_cannot_be_written_costs_the_entries_not_the_answer(reopened, path, monkeypatch):
    monkeypatch.setattr(shared_calls, "LOCK_TIMEOUT_S", 0.05)
    store = await reopened()
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    await store.put(issue("a", "b"), "c")
    facts = store.describe()
    assert facts["failed"] == 2
    assert "cannot be written: database is locked" in facts["warning"]
    assert await find_known(store, "a") == {"a"}, "it is still in memory"
    blocker.execute("COMMIT")
    blocker.close()
    await store.put(issue("d"), "c")
    assert await find_known(await reopened(), "a", "d") == {"d"}


async def test_a_transaction_that_fails_leaves_nothing_behind(reopened):
    store = await reopened()

    def damage(connection):
        with pytest.raises(sqlite3.Error):
            file.write(
                connection, [file.SignatureRow(b"x", 1.0, b"{}"), file.SignatureRow(b"y", cast(float, None), b"{}")]
            )
        return file.read(connection, [b"x"], 0.0), connection.in_transaction

    assert await store._file.write(damage) == ([], False)


async def test_a_file_that_cannot_be_read_is_warned_of(reopened, path):
    store = await reopened()
    await store._file.write(lambda connection: connection.execute("DROP TABLE signatures"))
    assert await find_known(store, "a") == set()
    assert "cannot be read" in store.describe()["warning"]


async def test_a_locked_change_of_mode_is_asked_for_again(path, monkeypatch):
    monkeypatch.setattr(shared_calls, "LOCK_TIMEOUT_S", 0.05)

    class Locked:
        def execute(self, _sql):
            raise sqlite3.OperationalError("database is locked")

    with pytest.raises(sqlite3.OperationalError):
        shared_calls._set_wal_mode(cast(sqlite3.Connection, Locked()))


def write_from_a_process(path, number, count, errors):
    async def main():
        store = SqliteStore(path, StoreLimits())
        await store.open()
        for start in range(0, count, 10):
            await asyncio.gather(*(store.put(issue(f"p{number}-{start + i}"), "c") for i in range(10)))
        facts = store.describe()
        await store.aclose()
        return facts["failed"]

    errors.put(asyncio.run(main()))


@pytest.mark.faults
async def test_several_processes_write_at_once(path, reopened):
    context = multiprocessing.get_context("spawn")
    errors = context.Queue()
    processes = [context.Process(target=write_from_a_process, args=(path, n, 200, errors)) for n in range(4)]
    for process in processes:
        process.start()
    failed = [await asyncio.to_thread(errors.get, True, 60) for _ in processes]
    for process in processes:
        await asyncio.to_thread(process.join)
    errors.close()
    errors.join_thread()
    assert failed == [0, 0, 0, 0]
    keys = [f"p{number}-{entry}" for number in range(4) for entry in range(200)]
    assert await find_known(await reopened(), *keys) == set(keys)


WRITER = """
import asyncio, sys
from pathlib import Path
from typing import cast
from adapter.store.shared.base import StoreLimits
from adapter.store.signatures.sqlite import SqliteStore
from adapter.wire.signatures import NOTHING, Issued, Signature

async def main():
    store = SqliteStore(Path(sys.argv[1]), StoreLimits())
    await store.open()
    async def writer(lane):
        for number in range(1_000_000):
            await store.put([Issued(f"{lane}-{number}", Signature(value="x" * 2_000))], "c")
            print(f"{lane}-{number}", flush=True)
    await asyncio.gather(*map(writer, range(4)))

asyncio.run(main())
"""


def killed_writer(path):
    """The keys whose `put` had returned when the process was killed in the middle of its work."""
    with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, cwd=REPOSITORY) as process:
        lines = [process.stdout.readline() for _ in range(300)]
        os.kill(process.pid, signal.SIGKILL)
        lines += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    return [line.decode().strip() for line in lines if line.endswith(b"\n")]


@pytest.mark.faults
async def test_kill_9_loses_nothing_that_was_awaited(path, reopened):
    for _ in range(3):
        awaited = await asyncio.to_thread(killed_writer, path)
        store = await reopened(max_age=1e12)
        assert len(awaited) >= 300
        assert await find_known(store, *awaited) == set(awaited)
        check = await store._file.read(lambda connection: connection.execute("PRAGMA integrity_check").fetchone())
        assert check == ("ok",)
        await store.aclose()
        path.unlink()


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"value": 5}', b"[" * 5_000], ids=repr)
async def test_a_damaged_row_counts_as_missing_is_warned_of_and_replaced(reopened, path, body):
    store = await reopened()
    await store.put(issue("a", "b"), "c")
    await store.aclose()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE signatures SET body = ? WHERE id = 1", (body,))
    raw.close()
    store = await reopened()
    assert await find_known(store, "a", "b") == {"b"}
    assert "not a signature" in store.describe()["warning"]
    await store.put(issue("a"), "c")
    assert await find_known(await reopened(), "a", "b") == {"a", "b"}


async def test_a_lock_is_waited_for_once_and_its_warning_goes_with_it(reopened, path, monkeypatch):
    monkeypatch.setattr(shared_calls, "LOCK_TIMEOUT_S", 0.5)
    store = await reopened()
    await store.put(issue("first"), "c")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waits = []
    for key in ("second", "third", "fourth"):
        begun = time.monotonic()
        await store.put(issue(key), "c")
        waits.append(time.monotonic() - begun)
    assert "locked" in store.describe()["warning"]
    other.execute("ROLLBACK")
    other.close()
    await store.put(issue("fifth"), "c")
    assert "warning" not in store.describe()
    assert store.describe()["failed"] == 3
    # Not how long, but that the later ones wait less than the first.
    assert waits[0] >= 0.5
    assert max(waits[1:]) < waits[0] or min(waits[1:]) < 0.5
    assert await find_known(await reopened(), "first", "fifth") == {"first", "fifth"}


@pytest.mark.parametrize("what", ["the file", "the folder"])
async def test_a_file_that_is_removed_while_it_is_open_is_begun_anew_and_said(reopened, path, what, caplog):
    store = await reopened()
    await store.put(issue("lost"), "c")
    if what == "the folder":
        shutil.rmtree(path.parent)
    else:
        for one in path.parent.glob(f"{path.name}*"):
            one.unlink()
    await store.put(issue("kept"), "c")
    assert "was removed" in store.describe()["warning"]
    assert [record for record in caplog.records if "was removed" in record.message]
    assert path.stat().st_mode & 0o077 == 0
    assert await find_known(await reopened(), "lost", "kept") == {"kept"}


async def test_answers_without_anything_share_one_transaction_and_are_seen_at_once(path, monkeypatch):
    written: list[int] = []
    write = sqlite._write
    monkeypatch.setattr(workers, "LATE_S", 3_600.0)
    monkeypatch.setattr(sqlite, "_write", lambda *args: written.append(len(args[1])) or write(*args))
    store, other = SqliteStore(path, StoreLimits()), SqliteStore(path, StoreLimits())
    for one in (store, other):
        await one.open()
    written.clear()
    for number in [*range(10), 3, 3]:
        await store.put([Issued(f"turn:{number}", NOTHING, by_words=True)], "c")
    assert await store.get_by_words(["turn:11"], "c") == {}
    assert written == []
    assert await store.get_by_words(["turn:3"], "c") == {"turn:3": NOTHING}
    assert written == [10]
    await store.put([Issued("turn:a", NOTHING, by_words=True)], "c")
    await store.put(issue("a"), "c")
    assert written == [10, 2]
    monkeypatch.setattr(workers, "LATE_S", 0.0)
    await store.put([Issued("turn:b", NOTHING, by_words=True)], "c")
    while not await other.get_by_words(["turn:b"], "c"):
        await asyncio.sleep(0.01)
    await store.put([Issued(f"many:{n}", NOTHING, by_words=True) for n in range(workers.MAX_LATE)], "c")
    await store.put([Issued("turn:c", NOTHING, by_words=True)], "c")
    for one in (store, other):
        await one.aclose()
    assert written == [10, 2, 1, workers.MAX_LATE + 1]


async def test_what_waits_is_seen_although_the_same_name_is_being_written(path, monkeypatch):
    going_on, running = threading.Event(), asyncio.Event()
    loop, write = asyncio.get_running_loop(), sqlite._write
    store = SqliteStore(path, StoreLimits())
    await store.open()

    def writing(*args):
        loop.call_soon_threadsafe(running.set)
        assert going_on.wait(PATIENCE)
        return write(*args)

    monkeypatch.setattr(workers, "LATE_S", 3_600.0)
    monkeypatch.setattr(sqlite, "_write", writing)
    signed = asyncio.create_task(store.put([Issued("turn:a", Signature(value="s"), by_words=True)], "c"))
    await running.wait()
    await store.put([Issued("turn:a", NOTHING, by_words=True)], "c")
    going_on.set()
    await signed
    assert await store.get_by_words(["turn:a"], "c") == {"turn:a": AMBIGUOUS}
    await store.aclose()
