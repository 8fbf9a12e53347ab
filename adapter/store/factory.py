"""The store that a setting names."""

import os
from collections.abc import Mapping
from pathlib import Path

from adapter.store.base import SignatureStore, StoreLimits, StoreUnusable
from adapter.store.memory import MemoryStore
from adapter.store.sqlite import SqliteStore


def default_path(environ: Mapping[str, str] = os.environ) -> Path:
    """The file in the user's state directory (XDG Base Directory Specification 0.8: relative paths are ignored)."""
    state = Path(environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():
        state = Path.home() / ".local" / "state"
    return state / "gemini-openai-adapter" / "signatures.sqlite3"


async def open_store(where: str = "sqlite", limits: StoreLimits | None = None) -> SignatureStore:
    """The store that `where` names, open: `memory`, `sqlite` (its default path) or `sqlite:PATH`.

    Where the file cannot be used, a store in memory whose `describe` warns of it. Raises `ValueError` for other names.
    """
    limits = limits or StoreLimits()
    kind, _, path = where.partition(":")
    if where == "memory":
        return MemoryStore(limits)
    if kind != "sqlite":
        raise ValueError(f"no such store: {where!r}; use memory, sqlite or sqlite:PATH")
    store = SqliteStore(_path(path), limits)
    try:
        await store.open()
    except StoreUnusable as error:
        return MemoryStore(limits, warning=f"signatures are kept in memory only, and lost at the end: {error}")
    return store


def _path(text: str) -> Path:
    return Path(text).expanduser() if text else default_path()
