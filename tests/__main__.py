"""Every check of the project, in one command: `python -m tests [--quick | --tests | arguments for pytest]`.

Lint comes first. Then six lanes run side by side: types, the tests of the two pure layers, whose coverage must be
complete, those of the layers that use the network (three lanes), and all others. `--quick` is what most changes need,
`--tests` all tests without lint, types and coverage, for a further version of Python; docs/testing.md tells the rest.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

PYTHON = sys.executable

LINT = [[PYTHON, "-m", "ruff", "check", "."], [PYTHON, "-m", "ruff", "format", "--check", "."]]
TYPES = [PYTHON, "-m", "mypy"]
PYTEST = [PYTHON, "-m", "pytest", "-q"]

UNTRACED = {"tests/translate/test_linear.py"}
"""Pure tests that measure CPU: they run without coverage, which would be measured too."""

CASES = "tests/test_conformance.py"

UNITS = sorted(
    {path.as_posix() for folder in ("translate", "wire") for path in Path("tests", folder).rglob("test_*.py")}
    - UNTRACED
)

PURE = [CASES, *UNITS]
"""The tests that cover `wire` and `translate`; coverage makes tests slow, so only these run with it."""

ENDPOINTS = ["tests/server/endpoints", "tests/server/pipeline"]
STORED = ["tests/server/batches", "tests/server/state", "tests/server/observe"]
NETWORK = [f"tests/{layer}" for layer in ("server", "upstream", "store", "emulator")]
"""Two thirds of the other tests, by their duration: they wait for sockets, so one lane of them needs half a core."""

COVERAGE = [
    *("-p", "tests.support.traced_calls"),
    *(f"--cov=adapter/{layer}" for layer in ("wire", "translate")),
    "--cov-report=term-missing:skip-covered",
    "--cov-fail-under=100",
]

HOUSE = ["tests/test_layers.py", "tests/test_rules.py", "tests/test_drift.py", "tests/test_docs.py"]
"""The rules of the house, which any change may break."""

KNOWN_RED: list[str] = []
"""Tests that fail since 2026-11-30 and are still to be mended, with the code that they test; each run names them."""

APART_FOLDERS = ["tests/clients", "tests/replicas", "tests/faults"]
"""Folders of such groups alone: not even their imports are needed."""

APART = ("clients", "install", "browser", "replicas", "faults")
"""Groups that need downloads, programs of the system, or more time: .ci/run adds them."""

CORES = os.cpu_count() or 1

AT_ONCE = str(CORES // 2 if CORES > 2 else 0)
"""The number of workers of a lane; 0: one process, since each worker would collect all tests."""

TYPES_ADVICE = "run python -m mypy; what it may leave out in tests, and why, is in pyproject.toml"
TEST_ADVICE = "run one alone with python -m pytest FILE -k NAME; docs/testing.md tells what failures of each kind mean"
PURE_ADVICE = (
    "a failed test: run it alone. Lines that are missing must be reached by a case in conformance/ or by tests in"
    " tests/wire and tests/translate; those of the server do not count"
)


class Lane(NamedTuple):
    """A check that runs beside others, and what to do where it fails."""

    command: list[str]
    advice: str = TEST_ADVICE

    def start(self, folder: str) -> "RunningLane":
        """Start the check; its output goes to a file in a folder."""
        descriptor, path = tempfile.mkstemp(dir=folder)
        with os.fdopen(descriptor, "wb") as output:
            process = subprocess.Popen(self.command, stdout=output, stderr=subprocess.STDOUT)
        return RunningLane(self, process, Path(path))


class RunningLane(NamedTuple):
    """A check that runs."""

    lane: Lane
    process: subprocess.Popen[bytes]
    output: Path

    def end(self) -> list[str]:
        """Wait for the end of the check and print its output; return the lines about its failure."""
        code = self.process.wait()
        print("$", shorten(self.lane.command))
        print(self.output.read_text(encoding="utf-8", errors="replace"), flush=True)
        return failure(self.lane) if code else []


def failure(lane: Lane) -> list[str]:
    """The lines about a failed check at the end of the output: its command, and advice."""
    return [f"{shorten(lane.command)}\n    {lane.advice}"]


def shorten(command: list[str]) -> str:
    """Return a command short enough to read."""
    text = " ".join(["python", *command[1:]])
    return text if len(text) < 400 else f"{text[:400]} ..."


def run(lane: Lane) -> list[str]:
    """Run one check with its output on the terminal; return the lines about its failure."""
    print("$", shorten(lane.command), flush=True)
    return failure(lane) if subprocess.run(lane.command, check=False).returncode else []


def run_beside(shown: Lane, *others: Lane) -> list[str]:
    """Run checks in parallel, one of them with its output on the terminal; return the lines about those that failed."""
    with tempfile.TemporaryDirectory() as folder:
        running = [lane.start(folder) for lane in others]
        failed = run(shown)
        return failed + [name for lane in running for name in lane.end()]


def lint() -> None:
    """Run ruff. It is quick, so nothing else starts if it fails."""
    advice = "python -m ruff check --fix . && python -m ruff format ."
    failed = [name for check in LINT for name in run(Lane(check, advice))]
    if failed:
        leave(failed)


def leave(failed: list[str]) -> None:
    """End with the failed checks, and advice."""
    if failed:
        print("FAILED:", *failed, sep="\n  ")
        sys.exit(1)


def without_groups() -> list[str]:
    """Options of pytest that leave out the groups that run apart and the tests that are known to fail."""
    if KNOWN_RED:
        print("SKIPPED, known to be red:", *KNOWN_RED, sep="\n  ", flush=True)
    left_out = [*ignoring(*APART_FOLDERS), *(f"--deselect={name}" for name in KNOWN_RED)]
    return ["-m", f"not ({' or '.join(APART)})", *left_out]


def others() -> tuple[Lane, ...]:
    """The tests that are not pure, in four lanes."""
    chosen = [
        ignoring(*PURE, *NETWORK),
        ENDPOINTS,
        STORED,
        [*NETWORK, *ignoring(*ENDPOINTS, *STORED)],
    ]
    return tuple(Lane([*PYTEST, "-n", AT_ONCE, *without_groups(), *paths]) for paths in chosen)


def ignoring(*paths: str) -> list[str]:
    """Return the arguments that leave out paths."""
    return [f"--ignore={path}" for path in paths]


def everything() -> list[str]:
    """Run all checks that a change must pass; return the lines about those that failed."""
    pure = Lane([*PYTEST, "-n", AT_ONCE, *COVERAGE, *PURE], PURE_ADVICE)
    return run_beside(*others(), pure, Lane(TYPES, TYPES_ADVICE))


def tests() -> list[str]:
    """Run all tests alone; return the lines about those that failed."""
    return run_beside(*others(), Lane([*PYTEST, "-n", AT_ONCE, *PURE]))


def quick() -> list[str]:
    """Run the checks that most changes need; return the lines about those that failed."""
    first, second = ([*PYTEST, "-x", "-n", AT_ONCE, *chosen] for chosen in ([CASES, *HOUSE], UNITS))
    return run_beside(Lane(first), Lane(second), Lane(TYPES, TYPES_ADVICE))


def main() -> None:
    """Run all checks, the quick ones, or pytest with the arguments given."""
    # Otherwise each of the many processes compiles every module again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    arguments = sys.argv[1:]
    if arguments == ["--tests"]:
        leave(tests())
        return
    lint()
    if arguments == ["--quick"]:
        leave(quick())
    elif arguments:
        leave(run(Lane([*PYTEST, *arguments])))
    else:
        leave(everything())


if __name__ == "__main__":
    main()
