"""Mixed load with faults for a long time: `python -m tests.tools.soak --minutes 30`. Needs two cores and Linux.

One core runs the adapter, the other the emulator and the clients. Ends with 1 unless every answer was right and the
adapter's memory stayed flat: the mean of the last fifth of the time is at most 5% above that of the second fifth (the
first fills caches), and what was open at the start is all that is open at the end.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

import aiohttp
import click

from tests.support.live import bare_environment, free_port, wait_for
from tests.support.paths import REPOSITORY
from tests.tools.soak.kinds import Clients, Wrong

SAMPLE_EVERY = 2.0
FLAT = 1.05


class Sample(NamedTuple):
    """The adapter at one moment: resident bytes, and open files."""

    at: float
    resident: int
    files: int


def sample(pid: int) -> Sample:
    """Look at a process (proc(5))."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return Sample(time.monotonic(), pages * os.sysconf("SC_PAGE_SIZE"), len(list(Path(f"/proc/{pid}/fd").iterdir())))


@contextmanager
def running(command: list[str], core: int, environment: dict[str, str], url: str) -> Iterator[int]:
    """A process on one core, that answers at a URL; its id."""
    cores = os.sched_getaffinity(0)
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=output, stderr=output)
        os.sched_setaffinity(process.pid, {sorted(cores)[core % len(cores)]})
        try:
            wait_for(url, process)
            yield process.pid
        finally:
            process.terminate()
            process.wait(60)


class Soak:
    """The clients, and what they saw."""

    def __init__(self, url: str, pid: int, seed: int) -> None:
        self._url = url
        self._pid = pid
        self._random = Random(seed)
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.samples: list[Sample] = []

    async def run(self, seconds: float, clients: int) -> None:
        """Ask for so long, by so many clients."""
        self._ends_at = time.monotonic() + seconds
        timeout = aiohttp.ClientTimeout(total=60)
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(self._url, timeout=timeout, connector=connector) as session,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._look())
            for _ in range(clients):
                group.create_task(self._ask(Clients(session, Random(self._random.random()))))

    async def _look(self) -> None:
        while time.monotonic() < self._ends_at:
            self.samples.append(sample(self._pid))
            await asyncio.sleep(SAMPLE_EVERY)

    async def _ask(self, clients: Clients) -> None:
        kinds = clients.kinds()
        weights = [weight for _, weight, _ in kinds]
        while time.monotonic() < self._ends_at:
            ((name, _, ask),) = self._random.choices(kinds, weights)
            try:
                await ask()
            except (Wrong, aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
                self.wrong.append(f"{name}: {error!r}"[:1_000])
            self.counts[name] += 1
            await asyncio.sleep(self._random.uniform(0.0, 0.02))

    def memory(self) -> list[float]:
        """Mean of the resident megabytes in each fifth of the time."""
        fifth = len(self.samples) // 5
        parts = [self.samples[start : start + fifth] for start in range(0, 5 * fifth, fifth)]
        return [statistics.mean(one.resident for one in part) / 2**20 for part in parts]


def report(soak: Soak, before: Sample, after: Sample, cpu: float, seconds: float) -> bool:
    """Print what was seen; whether all is well."""
    _, early, *_, late = fifths = soak.memory()
    total = sum(soak.counts.values())
    flat, closed = late <= early * FLAT, after.files <= before.files + 2
    print(f"{total} exchanges in {seconds:.0f} s ({total / seconds:.0f}/s): {dict(soak.counts)}")
    print(f"wrong answers: {len(soak.wrong)}")
    for text in soak.wrong[:10]:
        print(f"  {text}")
    growth = 100 * (late / early - 1)
    print(f"resident memory in MB, by fifths of the time: {', '.join(f'{one:.1f}' for one in fifths)}")
    print(f"from the second to the last: {growth:+.1f}%, {'flat' if flat else 'GROWS'}")
    print(f"open files: {before.files} before, {after.files} after, {'closed' if closed else 'LEFT OPEN'}")
    print(f"the adapter's processor time: {cpu:.0f} s, {1000 * cpu / max(1, total):.2f} ms for each exchange")
    return flat and closed and not soak.wrong


def processor_seconds(pid: int) -> float:
    """The resources that a process has used so far (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@click.command()
@click.option("--minutes", default=30.0, show_default=True, help="How long.")
@click.option("--clients", default=16, show_default=True, help="How many ask at once.")
@click.option("--seed", default=1, show_default=True, help="What they ask, and in what order.")
@click.option("--store", default=None, help="The adapter's store; default: a SQLite file that is deleted at the end.")
def main(minutes: float, clients: int, seed: int, store: str | None) -> None:
    """Run the soak; ends with 1 if anything was wrong."""
    emulator, port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = bare_environment(Path(folder))
        settings = {
            "ADAPTER_UPSTREAM_URL": f"http://127.0.0.1:{emulator}",
            "ADAPTER_UPSTREAM_KEYS": "any",
            "ADAPTER_LOG_LEVEL": "error",
            "ADAPTER_RETRIES": "0",
            "ADAPTER_STORE": store or f"sqlite:{folder}/signatures.sqlite3",
        }
        emulate = [sys.executable, "-m", "adapter", "emulate", "--port", str(emulator)]
        serve = [sys.executable, "-m", "tests.tools.soak.serve", "serve", "--port", str(port)]
        url = f"http://127.0.0.1:{port}"
        with (
            running(emulate, 1, environment, f"http://127.0.0.1:{emulator}/emulator/stats"),
            running(serve, 0, {**environment, **settings}, f"{url}/healthz") as pid,
        ):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
            before, used = sample(pid), processor_seconds(pid)
            soak = Soak(url, pid, seed)
            asyncio.run(soak.run(60 * minutes, clients))
            cpu = processor_seconds(pid) - used
            # Idle connections to the upstream are kept for a while.
            time.sleep(20)
            good = report(soak, before, sample(pid), cpu, 60 * minutes)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
