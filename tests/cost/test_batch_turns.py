"""Cost property: a batch that is translated and collected lets others have a turn after a few milliseconds of work.

Counted is the CPU of the loop's own thread between two turns, so that a busy machine decides nothing. The emulator is
in a process of its own.
"""

import asyncio
import gc
import json
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from tests.server.batches.running import begin, line, wait_for_end
from tests.support.guards import PATIENCE
from tests.support.live import bare_environment, free_port, wait_for
from tests.support.paths import REPOSITORY
from tests.support.scripted import Emulated, adapter
from tests.support.size import IS_LARGE

SLICE = 0.010
"""Seconds of CPU between two turns."""

LINES = 5_000 if IS_LARGE else 200
FILLER = "x" * 4_000
"""Fifty thousand lines with it are as large as a batch may be."""


@pytest.fixture
def gemini(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "adapter", "emulate", "--port", str(port)]
    environment = bare_environment(tmp_path / "emulator")
    process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    wait_for(f"{url}/emulator/stats", process)
    yield Emulated(url)
    process.terminate()
    process.wait(PATIENCE)


class Turns:
    """The CPU of this thread between each two turns of a task that always wants one."""

    def __init__(self):
        self.stretches: list[float] = []

    async def take(self):
        while True:
            begun = time.thread_time()
            await asyncio.sleep(0)
            self.stretches.append(time.thread_time() - begun)

    @property
    def too_long(self):
        return [one for one in self.stretches if one > SLICE]


@contextmanager
def watching():
    """Watch turns while the block runs. The collector, which any server has, is none of the batch's work."""
    turns = Turns()
    gc.collect()
    gc.disable()
    task = asyncio.create_task(turns.take())
    try:
        yield turns
    finally:
        task.cancel()
        gc.enable()


@pytest.mark.parametrize("platform", ["studio", "relay"])
async def test_others_have_a_turn_after_each_slice_of_a_batch(gemini, tmp_path, platform):
    given = {"store": f"sqlite:{tmp_path / 'store.sqlite3'}", "upstream_platform": platform, "batch_rate": 1e6}
    content = b"\n".join(json.dumps(line(str(number), f"{number} {FILLER}")).encode() for number in range(LINES))
    async with adapter(gemini, **given) as client:
        batch = await begin(client, content=content)
        with watching() as turns:
            done = await wait_for_end(client, batch)
    assert done["request_counts"]["completed"] == LINES
    assert len(turns.stretches) > LINES / 10
    # Measured: 3 ms at most. A page that the system has to fetch may make one longer.
    assert len(turns.too_long) <= 2, sorted(turns.too_long)
