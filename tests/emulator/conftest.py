"""An emulator without HTTP, one behind an ASGI transport, and one on a real port."""

import datetime
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from adapter.emulator import EmulatorSettings, create_emulator
from tests.support.guards import PATIENCE


@pytest.fixture(scope="session")
def live() -> Iterator[str]:
    """The address of an emulator on an ephemeral port."""
    yield from serve(EmulatorSettings(clock=before_any_shutdown))


@pytest.fixture
def slow() -> Iterator[str]:
    """The same with a pause between chunks."""
    yield from serve(EmulatorSettings(chunk_delay=0.15))


def before_any_shutdown() -> float:
    """A moment at which every model of the table was served."""
    return datetime.datetime(2026, 2, 1, tzinfo=datetime.UTC).timestamp()


def serve(settings: EmulatorSettings) -> Iterator[str]:
    """Run until the test is over."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_emulator(settings), log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=PATIENCE)
    listener.close()
