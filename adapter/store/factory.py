"""Opens the store that a setting names."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from adapter import extras
from adapter.store.documents.base import DocumentLimits, DocumentStore, MemoryDocuments
from adapter.store.documents.sqlite import SqliteDocuments
from adapter.store.files.directory import FileDirectory, temporary_directory
from adapter.store.shared.base import URL_SCHEMES, SignatureStore, StoreLimits, StoreUnusable, redact_password
from adapter.store.signatures.memory import MemoryStore
from adapter.store.signatures.sqlite import SqliteStore

_DATABASE = re.compile(r"(/\d{0,4})?")


def default_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the default path, in the user's state directory (XDG Base Directory 0.8: relative paths are ignored).

    Raises `StoreUnusable` where the user has no home.
    """
    state = Path(environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():
        state = _expand_home(Path("~/.local/state"))
    return state / "gemini-openai-adapter" / "signatures.sqlite3"


def check_name(where: str) -> None:
    """Raise `ValueError`, with what to do, unless `where` names a store that can be used here."""
    kind, _, rest = where.partition(":")
    if kind in URL_SCHEMES and rest.startswith("//"):
        _check_url(where)
    elif where != "memory" and kind != "sqlite":
        shown = redact_password(where)
        raise ValueError(f"no such store: {shown!r}; use memory, sqlite, sqlite:PATH or redis://HOST:PORT")


def _check_url(url: str) -> None:
    if not _is_server_url(url):
        raise ValueError(f"not a store's URL: {redact_password(url)!r}; use redis://:PASSWORD@HOST:PORT/DATABASE")
    if not extras.has("redis"):
        raise ValueError(f"Redis and Valkey need their client: {extras.install_line('redis')}")


def _is_server_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    extra = parts.query or parts.fragment
    return bool(parts.hostname and port != 0 and _DATABASE.fullmatch(parts.path) and not extra)


async def open_store(where: str = "sqlite", limits: StoreLimits | None = None) -> SignatureStore:
    """Open the signature store that `where` names: `memory`, `sqlite` (default path), `sqlite:PATH`, or a Redis URL.

    If the file cannot be used, the result is a store in memory, and its `describe` has a warning: a server without
    stored signatures is better than none. A Redis need not answer yet. Raises `ValueError` as `check_name` does.
    """
    limits = limits or StoreLimits()
    check_name(where)
    kind, _, path = where.partition(":")
    if where == "memory":
        return MemoryStore(limits)
    if kind in URL_SCHEMES:
        return await _open_redis(where, limits)
    try:
        store = SqliteStore(_file_path(path), limits)
        await store.open()
    except StoreUnusable as error:
        return MemoryStore(
            limits, warning=f"signatures are kept in memory only, and lost when the process ends: {error}"
        )
    return store


RESPONSES = "responses"
FILE_RECORDS = "records"
"""Document stores, each with limits of its own: of responses and conversations, and of files, uploads and batches."""


async def open_documents(
    where: str = "sqlite", limits: DocumentLimits | None = None, name: str = RESPONSES
) -> DocumentStore:
    """Open the document store `name` that belongs to `where`, as `open_store` does.

    Each has a file of its own, so that large documents neither displace nor delay signatures, and responses do not
    displace what is known of files.
    """
    limits = limits or DocumentLimits()
    check_name(where)
    kind, _, path = where.partition(":")
    if kind in URL_SCHEMES:
        remote: DocumentStore = extras.load("adapter.store.documents.redis", "redis").RedisDocuments(where, limits)
        await remote.open()
        return remote
    if kind != "sqlite":
        return MemoryDocuments(limits)
    try:
        beside = _file_path(path)
        store = SqliteDocuments(beside.with_name(f"{beside.stem}-{name}{beside.suffix}"), limits)
        await store.open()
    except StoreUnusable as error:
        return MemoryDocuments(
            limits, warning=f"{name} are kept in memory only, and lost when the process ends: {error}"
        )
    return store


def open_files(where: str, files_dir: str | None, quota: int) -> FileDirectory:
    """Open the directory of files: `files_dir`, or one beside the file that `where` names. Raises `StoreUnusable`.

    For a store in memory it is a temporary one; for a Redis, which is on no disk here, one in the user's state
    directory, so replicas on several machines need `files_dir`.
    """
    kind, _, path = where.partition(":")
    if files_dir is None and kind == "memory":
        try:
            return temporary_directory(quota)
        except OSError as error:
            raise StoreUnusable(str(error)) from error
    if files_dir is not None:
        root = _expand_home(Path(files_dir))
    else:
        beside = _file_path(path if kind == "sqlite" else "")
        root = beside.with_name(f"{beside.stem}-files")
    directory = FileDirectory(root, quota)
    directory.open()
    return directory


def _file_path(text: str) -> Path:
    return _expand_home(Path(text)) if text else default_path()


def _expand_home(path: Path) -> Path:
    """Expand `~`. Raises `StoreUnusable` for a user without a home, as in some containers."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise StoreUnusable("no home folder is known: set XDG_STATE_HOME, or --store sqlite:PATH") from None


async def shared_store_fault(where: str, limits: DocumentLimits | None = None) -> str | None:
    """Tell why several processes cannot share the file that `where` names; None if they can, or if it is no file.

    A Redis is shared in any case, also one that does not answer yet.
    """
    if where.partition(":")[0] != "sqlite":
        return None
    signatures, documents = await open_store(where), await open_documents(where, limits)
    warnings = [store.describe().get("warning") for store in (signatures, documents)]
    await documents.aclose()
    await signatures.aclose()
    return next((str(warning) for warning in warnings if warning), None)


async def _open_redis(url: str, limits: StoreLimits) -> SignatureStore:
    store: SignatureStore = extras.load("adapter.store.signatures.redis", "redis").RedisStore(url, limits)
    await store.open()
    return store
