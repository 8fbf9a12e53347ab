"""`python -m benchmarks.page`: the cost of keeping the last 100 exchanges for the page at /.

The same load goes to two adapters in turn, one with the page and one without; nobody looks at the page. The difference
of their CPU time and of their memory is what keeping costs.
"""

import argparse
import statistics
from contextlib import ExitStack
from pathlib import Path

from benchmarks.__main__ import measure, requests
from benchmarks.agents import AGENTS
from benchmarks.gateways import BASE_PORT, gateway, upstream
from benchmarks.workloads import ALL

PORT = BASE_PORT + 40
WITH, WITHOUT = "adapter", "adapter without page"
SHOWN = (
    "small chat, 16",
    "20 KB, 10 tools, 16",
    "1 MB image, 8",
    "history of 200 calls, 8",
    "100 embeddings, 8",
    "agent, 100 calls, appended",
    "agent, 400 calls, appended",
    "agent, 400 calls, never seen",
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="part of a workload's name")
    parser.add_argument("--scale", type=float, default=1.0, help="how many of the usual requests a round has")
    options = parser.parse_args()
    print("| workload | with, µs | without, µs | keeping, µs | keeping, MB |\n|---|---|---|---|---|")
    for workload in (one for one in (*ALL, *AGENTS) if one.name in SHOWN and options.only in one.name):
        costs: dict[str, list[float]] = {WITH: [], WITHOUT: []}
        held: dict[str, list[float]] = {WITH: [], WITHOUT: []}
        with ExitStack() as stack:
            stack.enter_context(upstream())
            for number in range(options.rounds):
                for name in (WITH, WITHOUT) if number % 2 else (WITHOUT, WITH):
                    with gateway(name, PORT, Path()) as target:
                        seen = measure(target, workload, *requests(workload, options.scale))
                        costs[name].append(seen["cpu"])
                        held[name].append(target.memory())
        micro = {name: statistics.median(values) for name, values in costs.items()}
        memory = {name: statistics.median(values) for name, values in held.items()}
        kept = [micro[WITH] - micro[WITHOUT], memory[WITH] - memory[WITHOUT]]
        row = [f"{value:.1f}" for value in (micro[WITH], micro[WITHOUT], *kept)]
        print(f"| {workload.name} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
