"""Three adapters, what they share, and the proxy in front, as deploy/ describes them, on the loopback address."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.guards import PATIENCE
from tests.support.key_value import KeyValueServer, key_value_server
from tests.support.live import bare_environment, free_port, wait_for
from tests.support.paths import REPOSITORY

PROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
REPLICAS = 3

SETTINGS = {
    "ADAPTER_UPSTREAM_KEYS": "any",
    "ADAPTER_UPSTREAM_NAME": "emulator",
    "ADAPTER_LOG_LEVEL": "error",
    # The proxy looks five times a second here.
    "ADAPTER_SHUTDOWN_DELAY": "1",
    "ADAPTER_SHUTDOWN_GRACE": "20",
}


class Replica:
    """One `adapter serve`, at an address that outlives its process."""

    def __init__(self, state: Path, settings: dict[str, str]) -> None:
        self.port = free_port()
        self._command = [sys.executable, "-m", "adapter", "serve", "--port", str(self.port)]
        self._environment = {**bare_environment(state), **SETTINGS, **settings}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it is ready."""
        self.process = subprocess.Popen(
            self._command, cwd=REPOSITORY, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(f"http://127.0.0.1:{self.port}/readyz", self.process)

    def end(self, number: int) -> None:
        """Send a signal, and wait until the process is gone."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(PATIENCE)
            self.process = None


class Cluster:
    """The URL for clients, and the processes that a test may break."""

    def __init__(self, url: str, emulator: str, replicas: list[Replica], store: KeyValueServer) -> None:
        self.url = url
        self.replicas = replicas
        self.store = store
        self._emulator = emulator

    def stats(self) -> dict[str, Any]:
        """The emulator's figures."""
        with urllib.request.urlopen(f"{self._emulator}/emulator/stats", timeout=PATIENCE) as answer:
            found: dict[str, Any] = json.load(answer)
            return found


@contextmanager
def cluster(folder: Path, chunk_delay: float = 0.01) -> Iterator[Cluster]:
    """All of it, running; the test is skipped where a program is missing."""
    if PROXY is None:
        pytest.skip("haproxy is not installed")
    with ExitStack() as stack:
        store = stack.enter_context(key_value_server(folder))
        emulator = stack.enter_context(_emulator(chunk_delay))
        settings = {"ADAPTER_STORE": store.url, "ADAPTER_UPSTREAM_URL": emulator}
        replicas = [Replica(folder, settings) for _ in range(REPLICAS)]
        for replica in replicas:
            stack.callback(replica.end, signal.SIGKILL)
            replica.start()
        url = stack.enter_context(_proxy(folder, [replica.port for replica in replicas]))
        yield Cluster(url, emulator, replicas, store)


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def _emulator(chunk_delay: float) -> Iterator[str]:
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "adapter", "emulate", "--port", str(port), "--chunk-delay", str(chunk_delay)]
    with _running(command) as process:
        wait_for(f"{url}/emulator/stats", process)
        yield url


@contextmanager
def _proxy(folder: Path, ports: list[int]) -> Iterator[str]:
    """HAProxy with the file under deploy/, but for the addresses and how often it looks."""
    port = free_port()
    servers = "\n".join(f"    server replica{number} 127.0.0.1:{one}" for number, one in enumerate(ports))
    text = (REPOSITORY / "deploy" / "haproxy.cfg").read_text()
    for pattern, new in (
        (r"bind :8080", f"bind 127.0.0.1:{port}"),
        (r" +server-template .*", servers),
        (r"check inter 1s", "check inter 200ms"),
    ):
        text, count = re.subn(pattern, new, text)
        assert count == 1, pattern
    path = folder / "haproxy.cfg"
    path.write_text(text)
    with _running([PROXY or "", "-f", str(path)]) as process:
        _until_served(f"http://127.0.0.1:{port}/healthz", process)
        yield f"http://127.0.0.1:{port}"


def _until_served(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, "haproxy ended"
        with suppress(OSError), urllib.request.urlopen(url, timeout=PATIENCE):
            return
        time.sleep(0.05)
    raise AssertionError(f"no answer from {url}")
