"""A live adapter: the real process, on a free port of the loopback address."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import SystemRandom
from typing import Any, NamedTuple

from tests.support.guards import PATIENCE
from tests.support.paths import REPOSITORY

CHANCE = SystemRandom()
OURS = ("ADAPTER_", "GEMINI_", "GOOGLE_")


class Live(NamedTuple):
    """A running adapter: `url` has no path, `health` is the first answer of /healthz."""

    url: str
    health: dict[str, Any]
    process: subprocess.Popen[Any]


def free_port() -> int:
    """Return a free port that the system does not give away by itself (it starts at 32768)."""
    while True:
        port = CHANCE.randrange(10_000, 32_000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def bare_environment(state: Path) -> dict[str, str]:
    """Return an environment without the user's keys, settings and state."""
    keep = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    keep.pop("VIRTUAL_ENV", None)
    return {**keep, "XDG_STATE_HOME": str(state)}


def wait_for(url: str | urllib.request.Request, process: subprocess.Popen[Any]) -> dict[str, Any]:
    """Wait until a URL, or a request, is answered; return the JSON."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except OSError:
            time.sleep(0.05)
    asked = url if isinstance(url, str) else url.full_url
    raise AssertionError(f"no answer from {asked} in {PATIENCE:.0f} s")


@contextmanager
def adapter(
    state: Path,
    *arguments: str,
    settings: Mapping[str, str] | None = None,
    port: int = 0,
    module: str = "adapter",
    **popen: Any,
) -> Iterator[Live]:
    """`adapter serve` with these arguments and settings, by `python -m` of a module; stopped at the end."""
    port = port or free_port()
    command = [sys.executable, "-m", module, "serve", "--port", str(port), *arguments]
    environment = {**bare_environment(state), **(settings or {})}
    process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, **popen)
    url = f"http://127.0.0.1:{port}"
    try:
        yield Live(url, wait_for(f"{url}/healthz", process), process)
    finally:
        process.terminate()
        process.wait(PATIENCE)
