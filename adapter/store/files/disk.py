"""Work on the disk that must not hold the event loop, and bytes that must be written to their last."""

import asyncio
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

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
