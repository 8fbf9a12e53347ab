"""Watchdog: if the event loop is stuck, a thread writes a traceback, and may end the process.

uvicorn's own health check of its workers is answered by a thread of theirs, so it does not notice a stuck event loop.
The thread here is faulthandler's. It needs no interpreter lock, so it works even if some C code never releases it. It
writes names of functions and line numbers, never values.
"""

import asyncio
import faulthandler
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from adapter.server.observe.log_sink import file_descriptor

POSTPONEMENTS = 10
"""The number of times that the event loop postpones the traceback within the time limit."""


@contextmanager
def watch_event_loop(seconds: float, *, replaced: bool) -> Iterator[None]:
    """Watch the running event loop; 0 `seconds` turns this off.

    `replaced`: a process that ends is replaced by another one, so a stuck process is ended, too.
    """
    log = file_descriptor(sys.stderr)
    if not seconds or log is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    postponing = asyncio.create_task(_postpone_dump(seconds, replaced, log))
    try:
        yield
    finally:
        postponing.cancel()
        faulthandler.cancel_dump_traceback_later()


async def _postpone_dump(seconds: float, replaced: bool, log: int) -> None:
    while True:
        faulthandler.dump_traceback_later(seconds, file=log, exit=replaced)
        await asyncio.sleep(seconds / POSTPONEMENTS)
