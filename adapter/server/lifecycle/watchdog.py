"""An event loop that is stuck: a thread writes where, and ends a process that another one replaces.

uvicorn asks its workers whether they live, but a thread of theirs answers. The one here is faulthandler's: it needs no
lock of the interpreter, so it also sees code that never lets go of it. What it writes are names of functions and lines
of source, no values.
"""

import asyncio
import faulthandler
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from adapter.server.observe.log_sink import descriptor_of

SIGNS = 10
"""Signs of life in the time that a process may be stuck."""


@contextmanager
def watched(seconds: float, *, replaced: bool) -> Iterator[None]:
    """Watch the running event loop; 0 seconds: not at all. `replaced`: whether a process that ends is replaced."""
    log = descriptor_of(sys.stderr)
    if not seconds or log is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    sign = asyncio.create_task(_signs(seconds, replaced, log))
    try:
        yield
    finally:
        sign.cancel()
        faulthandler.cancel_dump_traceback_later()


async def _signs(seconds: float, replaced: bool, log: int) -> None:
    while True:
        faulthandler.dump_traceback_later(seconds, file=log, exit=replaced)
        await asyncio.sleep(seconds / SIGNS)
