"""The event loop of a worker process.

`serve` only names it to uvicorn, so that it is not imported where there is no uvloop (Windows).
"""

import asyncio
import os
from pathlib import Path

from adapter.server.app import CONNECTIONS_VARIABLE
from adapter.server.http.shared_listener import SharingLoop


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Make the event loop (uvicorn calls this in each worker)."""
    return SharingLoop(Path(os.environ[CONNECTIONS_VARIABLE]))
