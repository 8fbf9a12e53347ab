"""The file under many writers that are killed, on a disk that is full, and in a folder that cannot be written."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from adapter.store.shared.sqlite_calls import connect
from adapter.store.signatures.sqlite_calls import LAYOUT
from tests.store.entries import find_known
from tests.support.guards import PATIENCE
from tests.support.paths import REPOSITORY

WRITER = """
import asyncio, sys
from pathlib import Path
from adapter.store.shared.base import StoreLimits
from adapter.store.signatures.sqlite import SqliteStore
from adapter.wire.signatures import Issued, Signature

async def main(path, worker):
    store = SqliteStore(Path(path), StoreLimits())
    await store.open()
    async def writer(lane):
        for number in range(1_000_000):
            key = f"{worker}-{lane}-{number}"
            await store.put([Issued(key, Signature(value=key))], "c")
            print(key, flush=True)
    await asyncio.gather(*map(writer, range(3)))

asyncio.run(main(*sys.argv[1:]))
"""

PROGRAM = """
import asyncio, json, os, resource, sys
from adapter.store import open_store
from adapter.wire.signatures import Issued, Signature
from tests.support.guards import PATIENCE
from tests.support.guards import PATIENCE

async def main(path, at_the_start):
    if at_the_start == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if at_the_start == "read-only" and os.geteuid() == 0:
        os.seteuid(65534)  # to root nothing is read-only
    store = await open_store("sqlite:" + path)
    await store.put([Issued("before", Signature(value="x"))], "c")
    resource.setrlimit(resource.RLIMIT_FSIZE, (0 if at_the_start == 'full' else 20_000,) * 2)
    await store.put([Issued(f"k{n}", Signature(value="x" * 10_000)) for n in range(20)], "c")
    found = await store.get(["before", "k0", "k19"], "c")
    print(json.dumps({**store.describe(), "found": sorted(found)}))
    await store.aclose()

asyncio.run(main(*sys.argv[1:]))
"""


def facts_of(program, *arguments):
    """The JSON that a program of its own prints last."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def workers_killed_at_once(path, round_):
    """Four processes write until each is killed, at a moment of its own; the keys whose `put` had returned."""
    moments = random.Random(round_)
    command = [sys.executable, "-c", WRITER, str(path)]
    workers = [
        subprocess.Popen([*command, f"{round_}-{number}"], stdout=subprocess.PIPE, cwd=REPOSITORY)
        for number in range(4)
    ]
    awaited = []
    for worker in workers:
        awaited.append(worker.stdout.readline())
    for worker in workers:
        time.sleep(moments.uniform(0.0, 0.15))
        os.kill(worker.pid, signal.SIGKILL)
    for worker in workers:
        awaited += worker.stdout.readlines()
        worker.stdout.close()
        assert worker.wait() == -signal.SIGKILL
    return {line.decode().strip() for line in awaited if line.endswith(b"\n")}


@pytest.mark.faults
async def test_many_workers_killed_at_any_point_lose_nothing_that_was_awaited(path, reopened):
    awaited = set()
    for round_ in range(5):
        awaited |= await asyncio.to_thread(workers_killed_at_once, path, round_)
        store = await reopened(max_age=1e12)
        assert await find_known(store, *awaited) == awaited
        await store.aclose()
        connection = connect(path, LAYOUT)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
    assert len(awaited) > 100


@pytest.mark.faults
def test_a_disk_that_fills_up_costs_the_entries_on_it_and_is_warned_of(path):
    facts = facts_of(PROGRAM, path, "not yet")
    assert facts["kind"] == "sqlite"
    assert facts["failed"] == 20
    assert "cannot be written" in facts["warning"]
    assert facts["found"] == ["before", "k0", "k19"], "they are still in memory"


@pytest.mark.faults
def test_a_disk_that_is_full_at_the_start_means_memory_and_a_warning(path):
    facts = facts_of(PROGRAM, path, "full")
    assert facts["kind"] == "memory"
    assert "kept in memory only" in facts["warning"]
    assert facts["found"] == ["before", "k0", "k19"]


@pytest.mark.faults
@pytest.mark.parametrize("exists", [False, True], ids=["without a file", "with a file"])
def test_a_folder_that_may_only_be_read_means_memory_and_a_warning(path, exists, tmp_path):
    path.parent.mkdir()
    if exists:
        connect(path, LAYOUT).close()
    for place in (*path.parent.iterdir(), path.parent):
        place.chmod(0o555 if place.is_dir() else 0o444)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    facts = facts_of(PROGRAM, path, "read-only")
    path.parent.chmod(0o755)
    assert facts["kind"] == "memory"
    assert str(path) in facts["warning"]
    assert facts["found"] == ["before", "k0", "k19"]
