"""The end of a process: readiness goes first, then the listener, then what still runs when the grace period is over.

The server (uvicorn) stops accepting and waits on SIGTERM and SIGINT; what it cuts off, it cuts without a word. So the
signal is seen here before it: `/readyz` says so at once, the server is told after `delay` seconds, in which load
balancers look away, and after `grace` more each request still running ends with an error that its client sees. A second
SIGTERM ends the grace period, but not that of one of several workers: systemd tells it, and then its parent does.
"""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from adapter.server.http.interrupt import Interruptible

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class ShuttingDown(Exception):
    """The process ends before the answer did."""


class Drain:
    """What runs, and until when it may."""

    def __init__(self, delay: float, grace: float) -> None:
        self.begun = False
        self._loop = asyncio.get_running_loop()
        self._delay = delay
        self._grace = grace
        self.ended = False
        self.running: set[Interruptible] = set()

    def limited(self) -> Interruptible:
        """Run the body of the `with` for as long as there is time, then raise `ShuttingDown`: at once if it is over."""
        if self.ended:
            raise ShuttingDown
        return Interruptible(self.running, self._loop)

    def begin(self) -> None:
        """Time runs from now on, for what runs and what is to come."""
        if self.begun:
            return
        self.begun = True
        self._loop.call_later(self._delay + self._grace, self._end)

    def _end(self) -> None:
        self.ended = True
        for body in self.running:
            body.interrupt(ShuttingDown())

    @contextmanager
    def on_signals(self, *, hurried: bool = True) -> Iterator[None]:
        """See the server's signals before it does; in the main thread, the only one that gets any.

        `hurried`: whether a second SIGTERM ends the grace period.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = self._loop
        servers = {number: signal.getsignal(number) for number in SIGNALS}
        terms = 0

        def seen(number: int, frame: FrameType | None) -> None:
            nonlocal terms
            handler = servers[signal.Signals(number)]
            again = self.begun
            terms += number == signal.SIGTERM
            if terms > 1 and hurried:
                loop.call_soon_threadsafe(self._end)
            loop.call_soon_threadsafe(self.begin)
            if not callable(handler):
                return
            if again or not self._delay:
                handler(number, frame)
            else:
                loop.call_soon_threadsafe(loop.call_later, self._delay, handler, number, None)

        for number in SIGNALS:
            signal.signal(number, seen)
        try:
            yield
        finally:
            for number, handler in servers.items():
                signal.signal(number, handler)
