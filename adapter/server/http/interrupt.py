"""Interrupts: raise an exception of one's choice inside a running `with` block, from outside its task."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Self

import msgspec


# Without `eq`, so that it can be in a set, by its identity.
class Interruptible(msgspec.Struct, eq=False):
    """A context manager whose body `interrupt()` ends, in the same way as `asyncio.timeout` does.

    The task is cancelled, and the cancellation is turned into the exception at the end of the body. A cancellation by
    somebody else stays one: `task.cancelling()` counts them.

    While its body runs, this object is in the set that it got, if any. The loop may be passed to save a system call
    (Python 3.11).
    """

    _among: "set[Interruptible] | None" = None
    _loop: asyncio.AbstractEventLoop | None = None
    _task: asyncio.Task[object] | None = None
    _cancelling: int = 0
    _reason: Exception | None = None

    def interrupt(self, reason: Exception) -> None:
        """Raise `reason` where the body waits. Does nothing if the body has ended or was interrupted before."""
        if self._reason is None and self._task is not None:
            self._reason = reason
            self._task.cancel()

    def __enter__(self) -> Self:
        task = self._task = asyncio.current_task(self._loop)
        if task is not None:
            self._cancelling = task.cancelling()
        if self._among is not None:
            self._among.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self._among is not None:
            self._among.discard(self)
        reason, self._reason = self._reason, None
        if reason is None or task is None:
            return
        try:
            if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
                raise reason from None
        finally:
            # The exception's traceback refers to this frame: kept here, both would form a cycle that keeps the whole
            # request in memory until a full garbage collection.
            del reason


class Until(Interruptible, eq=False, kw_only=True):
    """Interrupts its body with `reason` when a coroutine returns; cancels the coroutine when the body ends."""

    watch: Coroutine[object, object, None]
    reason: Exception
    _watcher: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._watcher = asyncio.create_task(self.watch)
        self._watcher.add_done_callback(self._leave)
        return super().__enter__()

    def _leave(self, watcher: asyncio.Task[None]) -> None:
        if not watcher.cancelled():
            self.interrupt(self.reason)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watcher is not None:
            # It would do nothing any more, and cost one more callback for each stream.
            self._watcher.remove_done_callback(self._leave)
            self._watcher.cancel()
        super().__exit__(kind, error, trace)
