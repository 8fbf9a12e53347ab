"""Keys that change while a process serves: SIGHUP has them read again.

What runs keeps the keys it began with. All other settings wait for a new process, which is what several workers get.
"""

import asyncio
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from adapter.server.access import Access
from adapter.server.service import Service
from adapter.settings import Settings, SettingsError, further_upstreams

log = logging.getLogger("adapter")

Reload = Callable[[], Settings]
"""Reads the settings again. Raises `SettingsError`."""


@contextmanager
def on_hangup(service: Service, further: Sequence[Service], reload: Reload | None) -> Iterator[None]:
    """Take new keys on SIGHUP; not at a terminal, whose end is told by the same signal."""
    at_terminal = sys.stdin is not None and sys.stdin.isatty()
    alone = threading.current_thread() is not threading.main_thread()
    if reload is None or at_terminal or alone or not hasattr(signal, "SIGHUP"):
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, take_keys, service, further, reload)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


def take_keys(service: Service, further: Sequence[Service], reload: Reload) -> None:
    """Use the keys as they are now: those of the clients, and those of each upstream."""
    fresh = read_again(reload)
    if fresh is None:
        return
    service.access = Access(fresh)
    service.upstream.use_keys(fresh.upstream_keys)
    for place, one in zip(further, further_upstreams(fresh), strict=False):
        place.upstream.use_keys(one.upstream_keys)
    log.info("the keys were read again")


def read_again(reload: Reload) -> Settings | None:
    """The settings as they are now; None, and a word in the log, where they are no good."""
    try:
        return reload()
    except SettingsError as error:
        log.error("the settings stay as they are: %s", error)
        return None
