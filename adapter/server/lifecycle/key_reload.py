"""Key reload: SIGHUP makes the server read its key files again. Running calls end with the old keys."""

import asyncio
import logging
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from adapter.server.limits.access import Access
from adapter.settings import Settings, SettingsError, further_upstreams, has_key_files, reload_keys
from adapter.upstream.client import Upstream

log = logging.getLogger("adapter")


def reload_settings(settings: Settings) -> Settings:
    """Return the settings with the keys that the files hold now; if that fails, log it and return them unchanged."""
    try:
        return reload_keys(settings)
    except SettingsError as error:
        log.error("key reload failed, the old keys stay in use: %s", error)
        return settings


@contextmanager
def reload_keys_on_sighup(settings: Settings, access: Access, upstreams: Sequence[Upstream]) -> Iterator[None]:
    """Handle SIGHUP, if there are key files. Otherwise the signal ends the process, as usual for a closed terminal."""
    number = getattr(signal, "SIGHUP", None)
    if number is None or not has_key_files(settings) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def reload() -> None:
        reloaded = reload_settings(settings)
        if reloaded is settings:
            return
        access.replace(reloaded)
        for upstream, upstream_settings in zip(upstreams, [reloaded, *further_upstreams(reloaded)], strict=True):
            upstream.replace_keys(upstream_settings.upstream_keys)
        log.info(
            "keys reloaded: %d for the upstream, %d of clients",
            len(reloaded.upstream_keys),
            len(reloaded.client_keys) + len(reloaded.clients),
        )

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(number, reload)
    try:
        yield
    finally:
        loop.remove_signal_handler(number)
