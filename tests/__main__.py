"""Every check of the project, in one command: `python -m tests [arguments for pytest]`.

Lint, types, tests with coverage, and the gate on the coverage of the two pure layers. Stops at the first that fails.
"""

import os
import subprocess
import sys

PYTHON = sys.executable

CHECKS = [
    [PYTHON, "-m", "ruff", "check", "."],
    [PYTHON, "-m", "ruff", "format", "--check", "."],
    [PYTHON, "-m", "mypy"],
]

COVERED = "adapter/wire/*,adapter/translate/*"

APART = ("clients", "install", "browser", "replicas", "faults")
"""Groups that need downloads, programs of the system, or more time: .ci/run adds them."""

AT_ONCE = str(2 * (os.cpu_count() or 1))
"""How many tests run at once: half of them wait for something at any time."""


def run(command: list[str]) -> None:
    """Run one check; leave with its exit code if it fails."""
    print("$", " ".join(["python", *command[1:]]), flush=True)
    code = subprocess.run(command, check=False).returncode
    if code:
        sys.exit(code)


def main() -> None:
    """Run all checks; arguments go to pytest, and turn the coverage gate off."""
    for check in CHECKS:
        run(check)
    if len(sys.argv) > 1:
        run([PYTHON, "-m", "pytest", *sys.argv[1:]])
        return
    run([PYTHON, "-m", "pytest", "-n", AT_ONCE, "--cov", "--cov-report=", "-m", f"not ({' or '.join(APART)})"])
    run([PYTHON, "-m", "coverage", "report", f"--include={COVERED}", "--fail-under=100", "--show-missing"])


if __name__ == "__main__":
    main()
