"""Every check of the project, in one command: `python -m tests [--quick | --tests | arguments for pytest]`.

Lint comes first. Then three lanes run side by side: types, the tests of the two pure layers, whose coverage must be
complete, and all other tests. `--quick` is what most changes need, `--tests` all tests without lint, types and
coverage, for a further version of Python; docs/testing.md tells about the rest.
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

COSTLY = {"tests/translate/test_linear.py"}
"""Pure tests that measure CPU: they run without coverage, which would be measured too."""

PURE = sorted(
    {
        "tests/test_conformance.py",
        *(path.as_posix() for folder in ("translate", "wire") for path in Path("tests", folder).rglob("test_*.py")),
    }
    - COSTLY
)
"""What covers `wire` and `translate`; coverage makes tests slow, so only these are run with it."""

COVERAGE = [
    *(f"--cov=adapter/{layer}" for layer in ("wire", "translate")),
    "--cov-report=term-missing:skip-covered",
    "--cov-fail-under=100",
]

HOUSE = ["tests/test_layers.py", "tests/test_rules.py", "tests/test_drift.py", "tests/test_docs.py"]
"""The rules of the house, which any change may break."""

KNOWN_RED: list[str] = []
"""Tests that were red on 2026-11-30 and are still to be mended, here or in what they test; each run names them."""

APART_FOLDERS = ["tests/clients", "tests/replicas", "tests/faults"]
"""Folders of such groups alone: not even their imports are needed."""

APART = ("clients", "install", "browser", "replicas", "faults")
"""Groups that need downloads, programs of the system, or more time: .ci/run adds them."""

CORES = os.cpu_count() or 1

AT_ONCE = str(2 * CORES)
"""How many tests run at once: many of them wait for servers and processes of their own."""

PURE_AT_ONCE = str(CORES // 2 if CORES > 2 else 0)
"""How many pure tests run at once; 0: in one process, without workers that would collect them all again."""

TYPES_ADVICE = "run python -m mypy; what it may leave out in tests, and why, is in pyproject.toml"
TEST_ADVICE = "run one alone with python -m pytest FILE -k NAME; docs/testing.md tells what failures of each kind mean"
PURE_ADVICE = (
    "a failed test: run it alone. Lines that are missing must be reached by a case in conformance/ or by tests in"
    " tests/wire and tests/translate; those of the server do not count"
)


class Lane(NamedTuple):
    """A check that runs beside others; what it says is kept until it is over."""

    command: list[str]
    advice: str
    process: subprocess.Popen[bytes]
    output: Path

    @classmethod
    def start(cls, command: list[str], advice: str, folder: str) -> "Lane":
        """Start a check; what it says goes to a file in a folder."""
        descriptor, path = tempfile.mkstemp(dir=folder)
        with os.fdopen(descriptor, "wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        return cls(command, advice, process, Path(path))

    def end(self) -> list[str]:
        """Wait for its end and print what it said; the names of what failed."""
        code = self.process.wait()
        print("$", shortened(self.command))
        print(self.output.read_text(encoding="utf-8", errors="replace"), flush=True)
        return [f"{shortened(self.command)}\n    {self.advice}"] if code else []


def shortened(command: list[str]) -> str:
    """A command as it can be read."""
    text = " ".join(["python", *command[1:]])
    return text if len(text) < 400 else f"{text[:400]} ..."


def run(command: list[str], advice: str = "") -> list[str]:
    """Run one check that shows what it does; its name if it fails."""
    print("$", shortened(command), flush=True)
    code = subprocess.run(command, check=False).returncode
    return [f"{shortened(command)}\n    {advice}"] if code else []


def lint() -> None:
    """Run ruff; it is quick, so nothing else starts where it fails."""
    failed = [name for check in LINT for name in run(check, "python -m ruff check --fix . && python -m ruff format .")]
    if failed:
        leave(failed)


def leave(failed: list[str]) -> None:
    """End with what failed and what to do."""
    if failed:
        print("FAILED:", *failed, sep="\n  ")
        sys.exit(1)


def without_groups() -> list[str]:
    """What leaves out the groups that run apart, and what is red."""
    if KNOWN_RED:
        print("SKIPPED, known to be red:", *KNOWN_RED, sep="\n  ", flush=True)
    left_out = [f"--ignore={path}" for path in APART_FOLDERS] + [f"--deselect={name}" for name in KNOWN_RED]
    return ["-m", f"not ({' or '.join(APART)})", *left_out]


def everything(folder: str) -> list[str]:
    """Run the three lanes; what failed."""
    others = [*without_groups(), *(f"--ignore={path}" for path in PURE)]
    lanes = [
        Lane.start([*PYTEST, "-n", PURE_AT_ONCE, *COVERAGE, *PURE], PURE_ADVICE, folder),
        Lane.start(TYPES, TYPES_ADVICE, folder),
    ]
    failed = run([*PYTEST, "-n", AT_ONCE, *others], TEST_ADVICE)
    return failed + [name for lane in lanes for name in lane.end()]


def quick(folder: str) -> list[str]:
    """Run what most changes need; what failed."""
    types = Lane.start(TYPES, TYPES_ADVICE, folder)
    failed = run([*PYTEST, "-x", "-n", str(CORES), *PURE, *HOUSE], TEST_ADVICE)
    return failed + types.end()


def main() -> None:
    """Run all checks, the quick ones, or pytest with the arguments given."""
    # Otherwise each of the many processes compiles every module again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    arguments = sys.argv[1:]
    if arguments == ["--tests"]:
        leave(run([*PYTEST, "-n", AT_ONCE, *without_groups()], TEST_ADVICE))
        return
    lint()
    if arguments and arguments != ["--quick"]:
        leave(run([*PYTEST, *arguments]))
        return
    with tempfile.TemporaryDirectory() as folder:
        leave(quick(folder) if arguments else everything(folder))


if __name__ == "__main__":
    main()
