"""`python -m benchmarks.instructions`: the instructions of a request, which other work on the machine does not change.

valgrind counts the instructions that a gateway executes itself, without the kernel's. Two runs with different numbers
of requests are compared, so that what a process does once falls out.
"""

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.__main__ import measure
from benchmarks.gateways import (
    BARE,
    BASE_PORT,
    TWO_WORKERS,
    VALGRIND,
    counted_by_valgrind,
    gateway,
    is_installed,
    upstream,
)
from benchmarks.workers import wait_for_both
from benchmarks.workloads import ALL, Workload

FEW, MANY = 500, 2_000
PORT = BASE_PORT + 30


def count_instructions(name: str, workload: Workload, requests: int) -> int:
    """Instructions of one run, of all its processes."""
    with tempfile.TemporaryDirectory() as folder:
        with gateway(name, PORT, Path(), under=[*VALGRIND, f"--log-file={folder}/%p"]) as target:
            if name == TWO_WORKERS:
                wait_for_both(target)
            measure(target, workload, requests, 2 * workload.concurrency)
        return sum(map(counted_by_valgrind, Path(folder).iterdir()))


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions")
    parser.add_argument("--only", default="small chat, 16", help="part of a workload's name")
    parser.add_argument("--workers", action="store_true", help="one and two workers of the adapter, no other gateway")
    options = parser.parse_args()
    names = ["adapter", TWO_WORKERS] if options.workers else ["adapter", *filter(is_installed, BARE)]
    with ExitStack() as stack:
        stack.enter_context(upstream())
        print("| workload | gateway | thousands of instructions per request |\n|---|---|---|")
        for workload in (one for one in ALL if options.only in one.name and not one.stream):
            for name in names:
                cost = (count_instructions(name, workload, MANY) - count_instructions(name, workload, FEW)) / (
                    MANY - FEW
                )
                print(f"| {workload.name} | {name} | {cost / 1000:.0f} |", flush=True)


if __name__ == "__main__":
    main()
