"""Fuzz for some time: `python -m tests.fuzz --minutes 10`. Each kind of failure is printed once, with its seed."""

import itertools
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from random import Random

import click

from tests.fuzz import driving
from tests.fuzz.in_process import InProcess, in_process


def attempts(app: InProcess) -> dict[str, Callable[[Random], object]]:
    """The kinds of attempts by their names."""
    return {"ask": lambda random: driving.ask(app, random), "translate": driving.translate, "answer": driving.answer}


def place_of(error: BaseException) -> str:
    """Where and how an attempt failed, without what differs between two that are alike."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {frame.filename}:{frame.lineno}"


@click.command()
@click.option("--minutes", default=10.0, show_default=True, help="How long.")
@click.option("--seed", default=None, type=int, help="Of the first attempt; default: the time.")
@click.option("--only", default=None, help="One kind of attempt: ask, translate or answer.")
@click.option("--once", is_flag=True, help="Only the first attempt, to see a failure again.")
def main(minutes: float, seed: int | None, only: str | None, once: bool) -> None:
    """Run attempts until the time is over; ends with 1 if any failed."""
    first = int(time.time()) if seed is None else seed
    ends_at = time.monotonic() + 60 * minutes
    counts: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    with in_process() as app:
        kinds = {name: attempt for name, attempt in attempts(app).items() if only in (None, name)}
        for number in itertools.count(first):
            for name, attempt in kinds.items():
                try:
                    counts[f"{name} {attempt(Random(number)) or ''}".strip()] += 1
                except Exception as error:  # noqa: BLE001 - whatever happens is what is looked for
                    place = f"{name}: {place_of(error)}"
                    failures[place] += 1
                    if failures[place] == 1:
                        print(f"--- --only {name} --seed {number} --once")
                        traceback.print_exception(error, limit=-6, file=sys.stdout)
                        sys.stdout.flush()
            if once or time.monotonic() > ends_at:
                break
    print(f"{sum(counts.values())} attempts passed: {dict(sorted(counts.items()))}")
    print(f"{sum(failures.values())} failed: {dict(failures)}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
