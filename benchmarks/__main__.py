"""`python -m benchmarks`: every gateway under every workload, in rounds, as one table."""

import argparse
import json
import subprocess
import sys
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.agents import AGENTS
from benchmarks.gateways import BARE, BASE_PORT, OTHER_CORE, UPSTREAM_PORT, Gateway, gateway, is_installed, upstream
from benchmarks.goals import STREAM_KB, Samples, differences, grade, grade_ratio, median_of
from benchmarks.workloads import ALL, Workload

OPEN_STREAMS = 500
FIRST_STREAMS = 100
FIRST_PORT = BASE_PORT + 10


@contextmanager
def load(target: Gateway, workload: Workload, count: int, warm: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the load client from the end of its warm-up; a line on its standard input starts the measuring."""
    urllib.request.urlopen(f"http://127.0.0.1:{UPSTREAM_PORT}/set/{workload.answer}/{workload.gap}").read()
    command = ["taskset", "-c", str(OTHER_CORE), sys.executable, "-m", "benchmarks.load"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(target.plan(workload, count, warm)).encode() + b"\n")
        process.stdin.flush()
        if process.stdout.readline() != b"ready\n":
            raise SystemExit(f"the load {workload.name!r} on {target.name} did not begin")
        try:
            yield process
        finally:
            # After its end nothing is killed; if this program is to end, it does not wait for the load.
            process.kill()


def measure(target: Gateway, workload: Workload, count: int, warm: int) -> dict[str, float]:
    """Measure one round of one workload. Ends the program if an answer was wrong."""
    with load(target, workload, count, warm) as process:
        before = target.cpu()
        seen: dict[str, Any] = json.loads(process.communicate(b"go\n")[0])
    if seen["wrong"]:
        raise SystemExit(f"{target.name} answered {workload.name!r} wrongly: {seen['wrong']}")
    units = count * workload.units
    cost = (target.cpu() - before) / units * 1e6
    told = {key: seen[key] for key in ("p50", "p99", "first_p50", "size")}
    return {**told, "cpu": cost, "rate": units / seen["seconds"]}


def requests(workload: Workload, scale: float) -> tuple[int, int]:
    """Return the number of measured requests, and of those before: at least one per connection of a conversation."""
    count = max(workload.concurrency, round(workload.requests * scale))
    if workload.turns:
        return count, 2 * workload.concurrency
    return count, 0 if workload.gap else max(workload.concurrency, count // 8)


@contextmanager
def running(names: Sequence[str], rivals: Path) -> Iterator[list[Gateway]]:
    """Start all gateways."""
    with ExitStack() as stack:
        yield [stack.enter_context(gateway(name, FIRST_PORT + n, rivals)) for n, name in enumerate(names)]


def one_round(targets: list[Gateway], workloads: list[Workload], scale: float, samples: Samples) -> None:
    """Measure all gateways in turn, workload by workload."""
    for workload in workloads:
        for target in (one for one in targets if workload.is_of(one.name)):
            samples[workload.name, target.name].append(measure(target, workload, *requests(workload, scale)))


def table(samples: Samples, names: Sequence[str], workloads: list[Workload]) -> list[str]:
    """Rows of Markdown: medians, and the adapter's cost as a multiple of each other's."""
    rows = [
        "| workload | gateway | KB | CPU µs | adapter is | per second | p50 ms | p99 ms | first chunk p50 ms |",
        "|---" * 9 + "|",
    ]
    for workload in workloads:
        own = median_of(samples, workload.name, "adapter", "cpu")
        for name in filter(workload.is_of, names):
            keys = ("cpu", "rate", "p50", "p99", "first_p50", "size")
            cpu, rate, p50, p99, first, size = (median_of(samples, workload.name, name, key) for key in keys)
            ratio = "" if name == "adapter" else f"{own / cpu:.3g}x {grade_ratio(workload.name, name, own / cpu)}"
            begun = f"{first:.2f}" if workload.stream else ""
            cells = [workload.name, name, f"{size / 1000:,.1f}", f"{cpu:,.1f} per {workload.unit}", ratio]
            rows.append(f"| {' | '.join([*cells, f'{rate:,.0f}', f'{p50:.2f}', f'{p99:.2f}', begun])} |")
    return rows


def memory(targets: list[Gateway]) -> list[str]:
    """Measure each gateway's memory at rest, and for each open stream."""
    rows = ["| gateway | start to first answer s | idle MB | KB per open stream |", "|---|---|---|---|"]
    for target in targets:
        idle = target.memory()
        each = open_streams(target)
        said = grade(each, STREAM_KB, STREAM_KB) if target.name == "adapter" else ""
        rows.append(f"| {target.name} | {target.started_in:.2f} | {idle:.1f} | {each:.1f} {said} |")
    return rows


def open_streams(target: Gateway) -> float:
    """Kilobytes more for each of many streams while they are open.

    The first streams of a process are not counted. They pay for what it makes once, such as threads and caches, and
    they fill the page's list, which holds the last hundred exchanges whether streams are open or not.
    """
    workload = Workload("", {**ALL[0].body, "stream": True}, OPEN_STREAMS, OPEN_STREAMS, stream=True, gap=0.05)
    measure(target, workload._replace(concurrency=FIRST_STREAMS, gap=0.0), FIRST_STREAMS, 0)
    before = target.memory()
    with load(target, workload, OPEN_STREAMS, 0) as client:
        assert client.stdin is not None
        client.stdin.write(b"go\n")
        client.stdin.close()
        most = before
        while client.poll() is None:
            most = max(most, target.memory())
            try:
                client.wait(0.5)
            except subprocess.TimeoutExpired:
                continue
    return (most - before) * 1024 / OPEN_STREAMS


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a quarter of the requests")
    parser.add_argument("--agents", action="store_true", help="what agents send: a hundred tools, long histories")
    parser.add_argument("--only", default="", help="part of a workload's name")
    parser.add_argument("--with-litellm", action="store_true", help="LiteLLM's proxy, in RIVALS/litellm")
    parser.add_argument("--with-portkey", action="store_true", help="Portkey's gateway, in RIVALS/portkey")
    parser.add_argument("--rivals", type=Path, default=Path(".venv-rivals"), help="where those are installed")
    parser.add_argument("--no-memory", action="store_true", help="leave out the open streams")
    options = parser.parse_args()
    extra = ["LiteLLM"] * options.with_litellm + ["Portkey"] * options.with_portkey
    names = ["adapter", *filter(is_installed, BARE), *extra]
    workloads = [one for one in (AGENTS if options.agents else ALL) if options.only in one.name]
    with ExitStack() as stack:
        stack.enter_context(upstream())
        rivals = options.rivals.resolve()
        held: list[str] = []
        if not (options.no_memory or options.agents):
            with running(names, rivals) as targets:
                held = memory(targets)
        samples: Samples = defaultdict(list)
        for turn in range(1, options.rounds + 1):
            # One process is faster than the next by where its memory happens to lie: each round has others.
            with running(names, rivals) as targets:
                one_round(targets, workloads, 0.25 if options.quick else 1.0, samples)
            print(f"round {turn} of {options.rounds}", file=sys.stderr)
        print("\n".join(table(samples, names, workloads)))
        print("\n" + "\n".join([*differences(samples), "", *held]))


if __name__ == "__main__":
    main()
