"""An emulator on a real port."""

import socket
import threading
import time
from collections.abc import Iterator

import uvicorn

from adapter.emulator import EmulatorSettings, create_emulator
from tests.support.guards import PATIENCE


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
