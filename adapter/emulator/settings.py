"""The emulator's settings."""

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass

DEVELOPMENT_KEY = b"gemini-emulator-development-key"
"""Signs thought signatures unless another key is set; not a secret, so that workers and restarts agree."""

MAX_BODY = 100 * 1024 * 1024
"""Inline data may reach 100 MB (ai.google.dev file input methods, 2026-01)."""


@dataclass(frozen=True)
class EmulatorSettings:
    """Settings of the emulator; defaults are the real server's, as far as an emulator without accounts has them."""

    signature_key: bytes = DEVELOPMENT_KEY
    verify_signatures: bool = True
    """False: signatures that another server issued are taken; missing ones are still refused."""
    verify_files: bool = True
    """False: requests may name files that were not uploaded here."""
    require_result_ids: bool = False
    """True: models from 3.6 on refuse a function response without the id of its call."""
    api_keys: frozenset[str] | None = None
    """None: any key that is not empty."""
    require_key: bool = True
    relay: bool = False
    """True: an API key as `Authorization: Bearer` is taken too, and models that Google has shut down are served."""
    chunk_delay: float = 0.0
    """Seconds between the chunks of a stream."""
    batch_delay: float = 0.0
    """Seconds of its clock before a batch begins."""
    max_body: int = MAX_BODY
    clock: Callable[[], float] = time.time
    """The clock for the calendar of models, the expiry of files, and response ids."""

    def day(self) -> datetime.date | None:
        """Return today's date in UTC, for the calendar of models; None on a relay."""
        return None if self.relay else datetime.datetime.fromtimestamp(self.clock(), datetime.UTC).date()
