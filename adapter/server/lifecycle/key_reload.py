"""Keys that stand in files are read again on SIGHUP, and no request is lost: calls under way end with the old ones."""

import asyncio
import logging
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from adapter.server.limits.access import Access
from adapter.settings import Settings, SettingsError, further_upstreams, has_files, read_again
from adapter.upstream.client import Upstream

log = logging.getLogger("adapter")


def fresh(settings: Settings) -> Settings:
    """The settings with the keys that their files hold now; as they are, with a word in the log, if that fails."""
    try:
        return read_again(settings)
    except SettingsError as error:
        log.error("keys stay as they were: %s", error)
        return settings


@contextmanager
def keys_read_on_hangup(settings: Settings, access: Access, upstreams: Sequence[Upstream]) -> Iterator[None]:
    """Listen to the signal, where there are such files; it ends the process otherwise, as a closed terminal does."""
    number = getattr(signal, "SIGHUP", None)
    if number is None or not has_files(settings) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def again() -> None:
        found = fresh(settings)
        if found is settings:
            return
        access.replace(found)
        for upstream, one in zip(upstreams, [found, *further_upstreams(found)], strict=True):
            upstream.replace_keys(one.upstream_keys)
        log.info(
            "keys were read again: %d for the upstream, %d of clients",
            len(found.upstream_keys),
            len(found.client_keys) + len(found.clients),
        )

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(number, again)
    try:
        yield
    finally:
        loop.remove_signal_handler(number)
