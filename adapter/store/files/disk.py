"""Disk work outside the event loop, complete writes, and locks between processes."""

import asyncio
import os
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

P = ParamSpec("P")
T = TypeVar("T")


async def run_to_end(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work in a thread; who is cancelled meanwhile is so when the work has ended.

    A thread cannot be stopped. Whoever closed its file or released its lock before it ends would let it write to what
    has got the same descriptor since, or over what another process has written.
    """
    task = asyncio.create_task(asyncio.to_thread(work, *args, **kwargs))
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from task.exception()
    return task.result()


def write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes: on a disk that gets full, one `os.write` writes the first of them and raises nothing."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def try_lock(descriptor: int) -> bool:
    """Lock an open file for this process; False if another one has it. Closing it lets go, and so does any death.

    Raises `OSError` where files cannot be locked, as on some network disks.
    """
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        # The second is what Windows says.
        return False
    return True
