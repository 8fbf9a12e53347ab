"""The contents of files: one file of the disk for each, below a directory that all processes share.

    files/CLIENT/NAME        a complete file; its time of modification is when it expires
    files/CLIENT/NAME.part   one that is being written

CLIENT is the hash of the client's key. A file appears under its name at once and whole (a rename), after its bytes are
on the disk. What has expired, and what was begun a day ago and not finished, is removed by `sweep`, in whichever
process; nobody needs to be asked for that, since the file itself says when.
"""

import asyncio
import hashlib
import os
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from adapter.store.files.disk import run_to_end, write_all
from adapter.store.shared.base import StoreUnusable

PIECE = 1024 * 1024
"""Bytes that are written and read at a time: more would only cost memory."""

COUNT_EVERY = 16 * PIECE
"""Bytes after which a client's files are counted again."""

MAX_FILES = 100_000
"""Files of one client: each costs a place in every count and a record that is never pushed out, however small it is."""

UNFINISHED = ".part"
UNFINISHED_LIFE = 24 * 3600.0
"""Seconds after which a file that is being written counts as left behind."""

ANYBODY = "anybody"
"""Stands for the client of a server that asks for no keys."""

_NAME = re.compile(r"[a-z_]+-?[0-9a-f]{8,64}")
_CLIENT = re.compile(r"[0-9a-f]{64}")


class QuotaExceeded(Exception):
    """A client's files would have more bytes, or be more, than it may store."""


class FileDirectory:
    """Stores contents by client and name. `quota` is how many bytes one client may store."""

    def __init__(self, root: Path, quota: int, *, is_temporary: bool = False) -> None:
        self.root = root
        self._quota = quota
        self._is_temporary = is_temporary

    def open(self) -> None:
        """Create the directory, readable by this user alone. Raises `StoreUnusable`."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.root.stat().st_mode & 0o077:
                self.root.chmod(0o700)
            probe = self.root / f".{secrets.token_hex(8)}"
            os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            probe.unlink()
        except OSError as error:
            raise StoreUnusable(f"{self.root}: {error}") from error

    def close(self) -> None:
        """Remove a temporary directory."""
        if self._is_temporary:
            shutil.rmtree(self.root, ignore_errors=True)

    def folder(self, client: str) -> Path:
        """Return the folder of one client's files."""
        if client and not _CLIENT.fullmatch(client):
            raise ValueError("the id of a client is the hash of its key")
        return self.root / "files" / (client or ANYBODY)

    def path(self, name: str, client: str) -> Path:
        """Return where a complete file is. Names are made here, so one of another form is a bug."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"not the name of a file: {name[:100]!r}")
        return self.folder(client) / name

    def count_bytes(self, client: str) -> int:
        """Return how many bytes a client's files have, unfinished ones included. It blocks."""
        total = 0
        with suppress(FileNotFoundError), os.scandir(self.folder(client)) as entries:
            for entry in entries:
                # Another process may remove it meanwhile.
                with suppress(FileNotFoundError):
                    total += entry.stat().st_size
        return total

    async def create(self, name: str, client: str, *, has_quota: bool = True) -> "FileWriter":
        """Begin a file. Unless it is the server's own, the client's quota bounds its bytes.

        Raises `QuotaExceeded` where the client has `MAX_FILES` files, `OSError`.
        """
        path = self.path(name, client)
        return await asyncio.to_thread(self._create, path, client, has_quota)

    def _create(self, path: Path, client: str, has_quota: bool) -> "FileWriter":
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if has_quota and sum(1 for _entry in os.scandir(path.parent)) >= MAX_FILES:
            raise QuotaExceeded
        unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}{UNFINISHED}")
        count_left = partial(self._count_left, client) if has_quota else None
        descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        return FileWriter(descriptor, unfinished, path, count_left)

    def _count_left(self, client: str) -> int:
        """Return how many more bytes a client may store; below zero if it has stored too many. It blocks."""
        return self._quota - self.count_bytes(client)

    async def size(self, name: str, client: str) -> int | None:
        """Return a file's size; None if it is not there."""
        try:
            return (await asyncio.to_thread(self.path(name, client).stat)).st_size
        except FileNotFoundError:
            return None

    async def expiry(self, name: str, client: str) -> float:
        """Return when a file expires (Unix seconds). Raises `FileNotFoundError`."""
        return (await asyncio.to_thread(self.path(name, client).stat)).st_mtime

    async def delete(self, name: str, client: str) -> None:
        """Delete a file, if it is there. Raises `OSError`."""
        await asyncio.to_thread(self.path(name, client).unlink, missing_ok=True)

    async def read(self, name: str, client: str) -> AsyncIterator[bytes]:
        """Read a file piece by piece. Raises `FileNotFoundError`; once it is open, it can be read to its end."""
        with await asyncio.to_thread(self.path(name, client).open, "rb") as file:
            while piece := await asyncio.to_thread(file.read, PIECE):
                yield piece

    def find_expired(self, now: float) -> list[tuple[str, str]]:
        """Return name and client of the complete files that have expired. It blocks."""
        expired = [path for path in self._find_old(now) if not path.name.endswith(UNFINISHED)]
        return [(path.name, "" if path.parent.name == ANYBODY else path.parent.name) for path in expired]

    def sweep(self, now: float | None = None) -> int:
        """Remove what has expired; return how many files that were. It blocks."""
        removed = 0
        for path in self._find_old(time.time() if now is None else now):
            with suppress(FileNotFoundError):
                path.unlink()
                removed += 1
        return removed

    def _find_old(self, now: float) -> Iterator[Path]:
        """Yield files that have expired, and those that were begun long ago and not finished."""
        for path in self._all_files():
            with suppress(FileNotFoundError):
                written = path.stat().st_mtime
                if (written + UNFINISHED_LIFE if path.name.endswith(UNFINISHED) else written) < now:
                    yield path

    def _all_files(self) -> Iterator[Path]:
        with suppress(FileNotFoundError):
            for folder in (self.root / "files").iterdir():
                yield from folder.iterdir()


class FileWriter:
    """Writes one file, until `commit` or `discard`; `size` is the number of bytes so far.

    `count_left` returns how many more bytes its client may store; what is written counts. Others of the client's files
    may be written at the same time, so it is asked again and again, and before the file appears.
    """

    def __init__(self, descriptor: int, unfinished: Path, path: Path, count_left: Callable[[], int] | None) -> None:
        self.size = 0
        self._written = 0
        self._count_left = count_left
        # How far it may be written before the bytes are counted again.
        self._counted_until = 0 if count_left is not None else 2**62
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._descriptor = descriptor
        self._unfinished = unfinished
        self._path = path
        self._pieces: list[bytes] = []
        self._held = 0

    async def write(self, data: bytes) -> None:
        """Add bytes. Raises `QuotaExceeded`, `OSError`."""
        self.size += len(data)
        self._pieces.append(data)
        self._held += len(data)
        if self._held >= PIECE:
            await self._flush()

    async def _flush(self) -> None:
        pieces, self._pieces, self._held = self._pieces, [], 0
        await run_to_end(self._write, pieces)

    def _write(self, pieces: list[bytes]) -> None:
        size = sum(map(len, pieces))
        if self._count_left is not None and self._written + size > self._counted_until:
            left = self._count_left()
            if size > left:
                raise QuotaExceeded
            self._counted_until = self._written + min(left, COUNT_EVERY)
        for piece in pieces:
            self._md5.update(piece)
            write_all(self._descriptor, piece)
        self._written += size

    async def md5(self) -> str:
        """Return the MD5 sum of what came so far, in hexadecimal digits. Raises `QuotaExceeded`, `OSError`."""
        await self._flush()
        return self._md5.hexdigest()

    async def commit(self, expires_at: float) -> None:
        """Let the file appear, once its bytes are on the disk. It expires at a Unix time.

        Raises `QuotaExceeded`, `OSError`.
        """
        await self._flush()
        await run_to_end(self._commit, expires_at)

    def _commit(self, expires_at: float) -> None:
        if self._count_left is not None and self._count_left() < 0:
            raise QuotaExceeded
        os.fsync(self._descriptor)
        os.utime(self._descriptor, (expires_at, expires_at))
        os.close(self._descriptor)
        self._descriptor = -1
        self._unfinished.replace(self._path)
        sync_folder(self._path.parent)

    async def discard(self) -> None:
        """Give up, unless the file is complete already."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            await asyncio.to_thread(self._unfinished.unlink, missing_ok=True)


def read_at(path: Path, offset: int, size: int) -> bytes:
    """Read some bytes of a file from an offset on. It blocks. Raises `OSError`."""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk: a rename alone may be lost with the power.

    Windows has nothing of the kind.
    """
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def temporary_directory(quota: int) -> FileDirectory:
    """Return a directory that lives as long as the process, for a store in memory."""
    return FileDirectory(Path(tempfile.mkdtemp(prefix="gemini-openai-adapter-")), quota, is_temporary=True)
