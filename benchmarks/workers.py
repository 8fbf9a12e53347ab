"""`python -m benchmarks.workers`: one worker and two compared: cost of a request, shares of the load, memory.

All workers run on one core, so that two are not cheaper by having more caches. Of the processes below `adapter serve`
those that serve are the two that took most CPU time; the rest is the parent and its resource tracker.
"""

import argparse
import socket
import statistics
import sys
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from benchmarks.__main__ import measure, requests
from benchmarks.agents import AGENTS
from benchmarks.gateways import BASE_PORT, TWO_WORKERS, Gateway, cpu_of, gateway, pss_of, tree, upstream
from benchmarks.goals import grade
from benchmarks.workloads import ALL, Workload
from tests.support.worker_sockets import owners

PORT = BASE_PORT + 70
GOAL = 1.05
"""The most that a request may cost with two workers, as a multiple of its cost with one."""

SPLIT = 0.4
"""The least share of the load that each of two workers gets."""

NAMES = ("small chat, 16", "20 KB, 10 tools, 16", "streams, 50, unpaced", "agent, 100 calls, appended")
COMPARED = [one for one in [*ALL, *AGENTS] if one.name in NAMES]


def wait_for_both(target: Gateway) -> None:
    """Wait until each of two workers accepts connections: the first answers while the second still starts."""
    serving: set[int] = set()
    while len(serving) < 2:
        with ExitStack() as opened:
            for _ in range(2):
                opened.enter_context(socket.create_connection(("127.0.0.1", target.port)))
            time.sleep(0.2)
            serving = set(owners(tree(target.pid), target.port).values())


def measure_shares(target: Gateway, workload: Workload) -> tuple[float, float]:
    """Return the cost of a request, and the smaller worker's share of the CPU time; 1.0 for one worker."""
    before = {pid: cpu_of(pid) for pid in tree(target.pid)}
    cost = measure(target, workload, *requests(workload, 1.0))["cpu"]
    *_, second, first = sorted([0.0, *(cpu_of(pid) - seconds for pid, seconds in before.items())])
    return cost, second / (first + second) if target.name == TWO_WORKERS else 1.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    costs: dict[tuple[str, str], list[float]] = defaultdict(list)
    shares: dict[str, list[float]] = defaultdict(list)
    held: dict[str, list[float]] = {}
    with upstream():
        for number in range(options.rounds):
            for name in ("adapter", TWO_WORKERS) if number % 2 else (TWO_WORKERS, "adapter"):
                with gateway(name, PORT, Path()) as target:
                    if name == TWO_WORKERS:
                        wait_for_both(target)
                    for workload in COMPARED:
                        cost, share = measure_shares(target, workload)
                        costs[workload.name, name].append(cost)
                        shares[workload.name].append(share)
                    held[name] = sorted((pss_of(pid) / 1024 for pid in tree(target.pid)), reverse=True)
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    print("| workload | one worker, µs | two workers, µs | ratio | the smaller share |\n|---|---|---|---|---|")
    for workload in COMPARED:
        one, two = (statistics.median(costs[workload.name, name]) for name in ("adapter", TWO_WORKERS))
        ratio, share = two / one, statistics.median(one for one in shares[workload.name] if one < 1)
        said = [f"{one:,.1f}", f"{two:,.1f}", f"{ratio:.3f} {grade(ratio, GOAL, GOAL)}"]
        fair = "(goal)" if share >= SPLIT else f"(**missed**: {SPLIT})"
        print(f"| {workload.name} | {' | '.join(said)} | {share:.2f} {fair} |")
    for name, processes in held.items():
        print(f"\n{name}, after all of this: MB of each process: {', '.join(f'{size:.1f}' for size in processes)}")


if __name__ == "__main__":
    main()
