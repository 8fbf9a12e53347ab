"""`python -m benchmarks`: every gateway under every workload, in rounds, as one table."""

import argparse
import base64
import json
import statistics
import subprocess
import sys
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.gateways import OTHER_CORE, UPSTREAM_PORT, Gateway, gateway, possible, upstream
from benchmarks.upstream import EVENTS
from benchmarks.workloads import ALL, Workload

BARE = ("nginx", "httpx2", "aiohttp")
OF_OURS = ("adapter", *BARE)
OPEN_STREAMS = 500
FIRST_PORT = 18_910

GOALS = {
    "small chat, 16": {
        "nginx": (6, 10),
        "httpx2": (0.2, 0.33),
        "aiohttp": (0.77, 1.0),
        "Portkey": (0.1, 0.17),
        "LiteLLM": (0.0125, 0.017),
    },
    "20 KB, 10 tools, 16": {
        "nginx": (9, 9),
        "httpx2": (0.3, 0.3),
        "Portkey": (0.125, 0.125),
        "LiteLLM": (0.017, 0.017),
    },
    "1 MB image, 8": {"nginx": (3.5, 3.5), "httpx2": (1.1, 1.1), "Portkey": (0.17, 0.17), "LiteLLM": (0.1, 0.1)},
    "native call of 1.2 MB, 8": {"aiohttp": (1.3, 1.3)},
    "100 embeddings, 8": {"aiohttp": (1.5, 1.5)},
    "100 embeddings as numbers, 8": {"aiohttp": (1.5, 1.5)},
    "streams, 50, unpaced": {"nginx": (3, 4), "Portkey": (0.4, 0.4), "LiteLLM": (0.04, 0.04)},
}
"""The adapter's cost as a multiple of another's: what to reach, and what is the least acceptable."""

Samples = dict[tuple[str, str], list[dict[str, float]]]


def measure(target: Gateway, workload: Workload, scale: float) -> dict[str, float]:
    """One round of one workload. Leaves the program when an answer was wrong."""
    urllib.request.urlopen(f"http://127.0.0.1:{UPSTREAM_PORT}/gap/{workload.gap}").read()
    count = max(workload.concurrency, round(workload.requests * scale))
    plan = {
        "request": base64.b64encode(target.request(workload)).decode(),
        "concurrency": workload.concurrency,
        "count": count,
        "stream": workload.stream,
        "port": target.port,
        "mark": workload.mark,
    }
    before = target.cpu()
    command = ["taskset", "-c", str(OTHER_CORE), sys.executable, "-m", "benchmarks.load"]
    ran = subprocess.run(command, input=json.dumps(plan).encode(), capture_output=True, check=True)
    seen: dict[str, Any] = json.loads(ran.stdout)
    if seen["wrong"]:
        raise SystemExit(f"{target.name} answered {workload.name!r} wrongly: {seen['wrong']}")
    units = count * (EVENTS if workload.stream else 1)
    cost = (target.cpu() - before) / units * 1e6
    return {**{key: seen[key] for key in ("p50", "p99", "first_p50")}, "cpu": cost, "rate": units / seen["seconds"]}


@contextmanager
def running(names: Sequence[str], rivals: Path) -> Iterator[list[Gateway]]:
    """All gateways, started anew."""
    with ExitStack() as stack:
        yield [stack.enter_context(gateway(name, FIRST_PORT + n, rivals)) for n, name in enumerate(names)]


def one_round(targets: list[Gateway], workloads: list[Workload], scale: float, samples: Samples) -> None:
    """All gateways in turn, workload by workload, each warmed up first; paced streams need no warmth."""
    for workload in workloads:
        for target in (one for one in targets if workload.is_of_all or one.name in OF_OURS):
            if not workload.gap:
                measure(target, workload, scale / 8)
            samples[workload.name, target.name].append(measure(target, workload, scale))


def table(samples: Samples, names: Sequence[str], workloads: list[Workload]) -> list[str]:
    """Rows of Markdown: medians, and the adapter's cost as a multiple of each other's."""
    rows = [
        "| workload | gateway | CPU µs | adapter is | per second | p50 ms | p99 ms | first chunk p50 ms |",
        "|---" * 8 + "|",
    ]
    for workload in workloads:
        own = median(samples, workload, "adapter", "cpu")
        for name in (one for one in names if workload.is_of_all or one in OF_OURS):
            values = [median(samples, workload, name, key) for key in ("cpu", "rate", "p50", "p99", "first_p50")]
            cpu, rate, p50, p99, first = values
            ratio = "" if name == "adapter" else f"{own / cpu:.3g}x {verdict(workload.name, name, own / cpu)}"
            begun = f"{first:.2f}" if workload.stream else ""
            cells = [workload.name, name, f"{cpu:.1f} per {workload.unit}", ratio, f"{rate:,.0f}"]
            rows.append(f"| {' | '.join([*cells, f'{p50:.2f}', f'{p99:.2f}', begun])} |")
    return rows


def median(samples: Samples, workload: Workload, name: str, key: str) -> float:
    """Over the rounds."""
    return statistics.median(sample[key] for sample in samples[workload.name, name])


def verdict(workload: str, name: str, ratio: float) -> str:
    """How a ratio stands to its goal."""
    goal = GOALS.get(workload, {}).get(name)
    if goal is None:
        return ""
    return "(goal)" if ratio <= goal[0] else "(least)" if ratio <= goal[1] else f"(**missed**: {goal[1]:.3g}x)"


def memory(targets: list[Gateway]) -> list[str]:
    """What each holds at rest, and for each open stream."""
    rows = ["| gateway | start to first answer s | idle MB | KB per open stream |", "|---|---|---|---|"]
    for target in targets:
        idle = target.memory()
        rows.append(f"| {target.name} | {target.started_in:.2f} | {idle:.1f} | {open_streams(target):.1f} |")
    return rows


def open_streams(target: Gateway) -> float:
    """Kilobytes more for each of many streams while they are open."""
    workload = Workload("", {**ALL[0].body, "stream": True}, OPEN_STREAMS, OPEN_STREAMS, stream=True, gap=0.05)
    urllib.request.urlopen(f"http://127.0.0.1:{UPSTREAM_PORT}/gap/{workload.gap}").read()
    plan = {
        "request": base64.b64encode(target.request(workload)).decode(),
        "concurrency": OPEN_STREAMS,
        "count": OPEN_STREAMS,
        "stream": True,
        "port": target.port,
        "mark": workload.mark,
    }
    before = target.memory()
    command = ["taskset", "-c", str(OTHER_CORE), sys.executable, "-m", "benchmarks.load"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as load:
        assert load.stdin is not None
        load.stdin.write(json.dumps(plan).encode())
        load.stdin.close()
        most = before
        while load.poll() is None:
            most = max(most, target.memory())
            try:
                load.wait(0.5)
            except subprocess.TimeoutExpired:
                continue
    return (most - before) * 1024 / OPEN_STREAMS


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a quarter of the requests")
    parser.add_argument("--only", default="", help="part of a workload's name")
    parser.add_argument("--with-litellm", action="store_true", help="LiteLLM's proxy, in RIVALS/litellm")
    parser.add_argument("--with-portkey", action="store_true", help="Portkey's gateway, in RIVALS/portkey")
    parser.add_argument("--rivals", type=Path, default=Path(".venv-rivals"), help="where those are installed")
    parser.add_argument("--no-memory", action="store_true", help="leave out the open streams")
    options = parser.parse_args()
    extra = ["LiteLLM"] * options.with_litellm + ["Portkey"] * options.with_portkey
    names = ["adapter", *filter(possible, BARE), *extra]
    workloads = [one for one in ALL if options.only in one.name]
    with ExitStack() as stack:
        stack.enter_context(upstream())
        rivals = options.rivals.resolve()
        held: list[str] = []
        if not options.no_memory:
            with running(names, rivals) as targets:
                held = memory(targets)
        samples: Samples = defaultdict(list)
        for turn in range(1, options.rounds + 1):
            # One process is faster than the next by where its memory happens to lie: each round has others.
            with running(names, rivals) as targets:
                one_round(targets, workloads, 0.25 if options.quick else 1.0, samples)
            print(f"round {turn} of {options.rounds}", file=sys.stderr)
        print("\n".join(table(samples, names, workloads)))
        print("\n" + "\n".join(held))


if __name__ == "__main__":
    main()
