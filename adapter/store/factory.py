"""The store that a setting names."""

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from adapter.store.base import SignatureStore
from adapter.store.memory import MemoryStore
from adapter.store.sqlite import SqliteStore


def default_path(environment: Mapping[str, str]) -> Path:
    """Where the file lies: the user's state directory (XDG Base Directory Specification 0.8)."""
    state = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "gemini-openai-adapter" / "signatures.sqlite3"


async def open_store(name: str) -> SignatureStore:
    """An open store: `memory`, `sqlite`, or `sqlite:PATH`. A file that cannot be used means memory, with a warning.

    Raises `ValueError` for any other name.
    """
    kind, _, path = name.partition(":")
    if name == "memory":
        return MemoryStore()
    if kind != "sqlite":
        raise ValueError(f"{name!r} is not a store: memory, sqlite or sqlite:PATH")
    store = SqliteStore(Path(path) if path else default_path(os.environ))
    try:
        await store.open()
    except (OSError, sqlite3.Error) as error:
        await store.aclose()
        return MemoryStore(warning=f"signatures are kept in memory only, and lost at the end: {error}")
    return store
