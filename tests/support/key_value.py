"""A real Valkey or Redis from the system's packages, on a free port of the loopback address."""

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.guards import PATIENCE, wait_until
from tests.support.live import free_port

PROGRAM = shutil.which("valkey-server") or shutil.which("redis-server")
PASSWORD = "planted-store-password"


class KeyValueServer:
    """The process, which can be stopped, frozen and started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        keeps = ["--save", "", "--appendonly", "yes", "--requirepass", PASSWORD]
        self._command = [PROGRAM or "", *where, *keeps, *options]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(self._answers, "an answer of the key-value server")

    def _answers(self) -> bool:
        with suppress(OSError):
            return self.ask("PING").startswith(b"+PONG")
        return False

    def kill(self) -> None:
        """End it at once; its file keeps what was acknowledged."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def freeze(self) -> None:
        """Let it accept connections and answer nothing."""
        assert self._process is not None, "it was killed"
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None, "it was killed"
        self._process.send_signal(signal.SIGCONT)

    def ask(self, *words: str | bytes) -> bytes:
        """Send one command and return the raw answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            connection.sendall(_command("AUTH", PASSWORD) + _command(*words))
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        return answer.removeprefix(b"+OK\r\n")


def _command(*words: str | bytes) -> bytes:
    coded = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in coded)


@contextmanager
def key_value_server(folder: Path, *options: str) -> Iterator[KeyValueServer]:
    """Run a Redis or Valkey server; the test is skipped if none is installed."""
    if PROGRAM is None:
        pytest.skip("neither valkey-server nor redis-server is installed")
    server = KeyValueServer(folder, *options)
    server.start()
    try:
        yield server
    finally:
        server.kill()
