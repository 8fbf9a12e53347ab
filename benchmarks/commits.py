"""`python -m benchmarks.commits COMMIT...`: the cost of this tree and of other commits, in one run.

Each commit is checked out into a temporary directory and served with the packages of this environment. Without
`--instructions` the CPU time is measured, round by round with all of them in turn. With it valgrind counts the
instructions of user code, which a busy machine does not change: two servers answer different numbers of requests, and
the difference is what the requests cost.
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.__main__ import measure, requests
from benchmarks.agents import row
from benchmarks.gateways import (
    BASE_PORT,
    ROOT,
    VALGRIND,
    Gateway,
    adapter_arguments,
    answers,
    counted_by_valgrind,
    environment,
    gateway,
    run_process,
    upstream,
)
from benchmarks.workloads import ALL, Workload

PORT = BASE_PORT + 60
HERE = "this tree"
TIMES = 3
"""The second server answers so many times the requests of the first."""

_NAMES = (
    "small chat, 16",
    "20 KB, 10 tools, 16",
    "1 MB image, 8",
    "history of 200 calls, 8",
    "history of 400 calls, 8",
    "streams, 50, unpaced",
)
COMPARED = [
    *(one for one in ALL if one.name in _NAMES),
    row(1, 40, "repeated"),
    row(1, 40, "appended"),
    *(row(calls, 40, how) for calls in (200, 400) for how in ("repeated", "repeated, unknown ids")),
    *(row(calls, 40, "appended") for calls in (100, 400)),
    *(row(calls, 40, "appended", over=over) for over in ("responses", "previous_response_id") for calls in (100, 400)),
    *(row(calls, 40, "never seen") for calls in (100, 400)),
]
INSTRUCTIONS_FOR = {
    "small chat, 16": 100,
    "20 KB, 10 tools, 16": 50,
    "agent, 1 call, repeated": 40,
    "agent, 1 call, appended": 40,
    "streams, 50, unpaced": 10,
}
"""Requests of the first server; 4 for large ones."""


@contextmanager
def checked_out(commits: Sequence[str]) -> Iterator[dict[str, Path]]:
    """Check out each commit into a directory; this tree is one of them."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        trees = {}
        for commit in commits:
            tree = Path(folder) / commit.replace("/", "-")
            _git("worktree", "add", "--quiet", "--detach", str(tree), commit)
            stack.callback(_git, "worktree", "remove", "--force", str(tree))
            trees[commit] = tree
        yield {**trees, HERE: ROOT}


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, check=True)


Costs = dict[str, dict[str, float]]
"""Figures by workload and commit."""


def cpu(trees: dict[str, Path], workloads: list[Workload], rounds: int) -> Costs:
    """Microseconds of CPU for each request: medians of the rounds."""
    seen: dict[tuple[str, str], list[float]] = defaultdict(list)
    for number in range(rounds):
        for workload in workloads:
            for commit in sorted(trees, reverse=bool(number % 2)):
                with gateway("adapter", PORT, Path(), root=trees[commit]) as target:
                    seen[workload.name, commit].append(measure(target, workload, *requests(workload, 1.0))["cpu"])
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return {one.name: {commit: statistics.median(seen[one.name, commit]) for commit in trees} for one in workloads}


class Counter:
    """A tree's adapter under valgrind."""

    def __init__(self, process: subprocess.Popen[bytes], logs: Path) -> None:
        self._process = process
        self._logs = logs

    def cost(self, workload: Workload) -> float:
        """Thousands of instructions for each request."""
        few = INSTRUCTIONS_FOR.get(workload.name, workload.concurrency)
        counts = [self._count(workload, number) for number in (few, few * TIMES)]
        return (counts[1] - counts[0]) / (few * (TIMES - 1)) / workload.units / 1000

    def _count(self, workload: Workload, number: int) -> int:
        """Count the instructions of a server that answers so many requests."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(adapter_arguments(PORT)).encode() + b"\n")
        self._process.stdin.flush()
        pid = int(self._process.stdout.readline())
        try:
            answers(f"http://127.0.0.1:{PORT}/healthz", 600)
            measure(Gateway("adapter", PORT, pid, 0.0), workload, number, workload.concurrency)
        finally:
            os.kill(pid, signal.SIGTERM)
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.1)
        if not (count := counted_by_valgrind(log := self._logs / str(pid))):
            raise SystemExit(f"the server ended too early: {log.read_text()}")
        return count


@contextmanager
def counter(tree: Path) -> Iterator[Counter]:
    """Start a tree's adapter under valgrind."""
    with tempfile.TemporaryDirectory() as logs, tempfile.TemporaryDirectory() as scratch:
        command = [*VALGRIND, f"--log-file={logs}/%p", sys.executable, str(ROOT / "benchmarks/serve_forks.py")]
        with run_process(command, cwd=tree, pipes=True, variables=environment(Path(scratch))) as process:
            yield Counter(process, Path(logs))


def instructions(trees: dict[str, Path], workloads: list[Workload]) -> Costs:
    """Thousands of instructions for each request."""
    costs: Costs = {one.name: {} for one in workloads}
    for commit, tree in trees.items():
        with counter(tree) as counting:
            for workload in workloads:
                costs[workload.name][commit] = counting.cost(workload)
                print(f"{commit}: {workload.name}: {costs[workload.name][commit]:,.0f}", file=sys.stderr)
    return costs


def table(costs: Costs, commits: Sequence[str], unit: str) -> list[str]:
    """Rows of Markdown; the last columns have the costs of this tree as multiples of the others'."""
    others = [commit for commit in commits if commit != HERE]
    heads = ["workload", *(f"{commit}, {unit}" for commit in commits), *(f"of {commit}" for commit in others)]
    rows = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, cost in costs.items():
        figures = [f"{cost[commit]:,.0f}" for commit in commits]
        ratios = [f"{cost[HERE] / cost[commit]:.2f}" for commit in others]
        rows.append(f"| {' | '.join([name, *figures, *ratios])} |")
    return rows


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.commits")
    parser.add_argument("commits", nargs="*", help="what to compare this tree with")
    parser.add_argument("--only", default="", help="a pattern in the names of workloads")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--instructions", action="store_true", help="count with valgrind instead of measuring CPU time")
    options = parser.parse_args()
    workloads = [one for one in COMPARED if re.search(options.only, one.name)]
    with checked_out(options.commits) as trees, upstream():
        if options.instructions:
            costs = instructions(trees, workloads)
        else:
            costs = cpu(trees, workloads, options.rounds)
        print("\n".join(table(costs, list(trees), "thousands" if options.instructions else "µs")))


if __name__ == "__main__":
    main()
