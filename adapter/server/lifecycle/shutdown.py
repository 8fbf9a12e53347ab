"""Graceful shutdown on SIGTERM and SIGINT.

States of `GracefulShutdown`:

    serving    requests are accepted
    delay      `/readyz` answers 503, so that load balancers look away; requests are still accepted
    grace      uvicorn accepts no connections any more; running requests go on
    over       running requests end with an error event, so that their clients know; then the process ends

Transitions:

    from       event                                to       after
    serving    a signal, or `begin`                 delay    at once
    delay      `delay` seconds have passed          grace
    grace      `grace` more seconds have passed     over
    any        a second SIGTERM                     over     at once, unless this is one of several workers

uvicorn by itself would cut running requests without a word. Its own signal handlers are therefore wrapped here and
called at the end of the delay. A worker ignores the second SIGTERM, since it gets two for one shutdown: systemd sends
one to the whole group, and then its parent process sends another.
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
    """The process ends before the answer is complete."""


class GracefulShutdown:
    """Tracks the running requests, and ends them when the grace period is over. `delay` and `grace`: seconds."""

    def __init__(self, delay: float, grace: float) -> None:
        self.has_begun = False
        self._loop = asyncio.get_running_loop()
        self._delay = delay
        self._grace = grace
        self.is_over = False
        self.running: set[Interruptible] = set()

    def limit(self) -> Interruptible:
        """Run the body of the `with` until the grace period is over, then raise `ShuttingDown` in it."""
        if self.is_over:
            raise ShuttingDown
        return Interruptible(self.running, self._loop)

    def begin(self) -> None:
        """Begin the shutdown; a second call changes nothing."""
        if self.has_begun:
            return
        self.has_begun = True
        self._loop.call_later(self._delay + self._grace, self._end)

    def _end(self) -> None:
        self.is_over = True
        for body in self.running:
            body.interrupt(ShuttingDown())

    @contextmanager
    def handle_signals(self, *, second_signal_ends: bool = True) -> Iterator[None]:
        """Wrap uvicorn's signal handlers while the `with` block runs. Does nothing outside the main thread.

        `second_signal_ends`: whether a second SIGTERM ends the grace period.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = self._loop
        server_handlers = {number: signal.getsignal(number) for number in SIGNALS}
        terms = 0

        def on_signal(number: int, frame: FrameType | None) -> None:
            nonlocal terms
            handler = server_handlers[signal.Signals(number)]
            again = self.has_begun
            terms += number == signal.SIGTERM
            if terms > 1 and second_signal_ends:
                loop.call_soon_threadsafe(self._end)
            loop.call_soon_threadsafe(self.begin)
            if not callable(handler):
                return
            if again or not self._delay:
                handler(number, frame)
            else:
                loop.call_soon_threadsafe(loop.call_later, self._delay, handler, number, None)

        for number in SIGNALS:
            signal.signal(number, on_signal)
        try:
            yield
        finally:
            for number, handler in server_handlers.items():
                signal.signal(number, handler)
