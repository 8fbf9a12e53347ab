"""The folder of a batch on the disk: its journal and its files, from which any process resumes it after a crash.

    ROOT/batches/CLIENT/BATCH_ID/
        lock            held by the process that runs the batch; it lets go when it dies, however it dies
        state.json      the journal, replaced as a whole, on the disk before what it speaks of is begun
        input.jsonl     the input file, linked: it may be deleted meanwhile
        lines           where each request stands in it, and the numbers of its rows
        refused.jsonl   lines of the error file for requests that never became rows
        rows-N.jsonl    the rows of job N
        answers-N.jsonl what Gemini answered to them
        asked           numbers of lines whose requests go out one by one (`row_log.py`)
        done.jsonl      their lines of the output, as they are answered
        cancel          there as soon as a client has cancelled the batch

Phases, each of which may begin again from its start:

    translate   lines become rows                               the journal has no jobs
    submit      rows are uploaded, jobs are begun               `is_intended` is set before Gemini is asked for it
    wait        until all jobs have ended
    ask         instead of these: request by request            `asked` and `done.jsonl` say how far each has got
    collect     answers become the output and the error file    under names that follow from the batch's, so once
"""

import logging
import os
import shutil
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from adapter.store.files.directory import ANYBODY, sync_folder
from adapter.store.files.disk import try_lock, write_all
from adapter.wire.base import encode
from adapter.wire.gemini.errors import Status
from adapter.wire.openai.batches import Batch

log = logging.getLogger("adapter")

_COLUMNS = 6


class JobRecord(msgspec.Struct, kw_only=True):
    """One job: its rows, the file that has them at Gemini, and what became of it. `job` is Gemini's name of it.

    `needed_pin` names the key that its requests need, `pin` the one that it was begun with.
    """

    model: str
    method: str
    needed_pin: str
    rows: int = 0
    pin: str = ""
    file_name: str = ""
    is_uploaded: bool = False
    is_intended: bool = False
    job: str = ""
    state: str = ""
    output: str = ""
    error: Status | None = None


class BatchState(msgspec.Struct, kw_only=True):
    """The journal. `output_life` is in seconds."""

    batch: Batch
    output_life: int
    is_native: bool
    phase: str = "translate"
    jobs: list[JobRecord] = []
    refused: int = 0


class LinePlace(NamedTuple):
    """The place of one request: in the input file, and in the rows of its job.

    `offset` and `size` are bytes; `line` counts from 1; `first` is the number of its first row, `rows` how many it has.
    """

    offset: int
    size: int
    line: int
    job: int
    first: int
    rows: int


class LinePlaces:
    """The places of all requests, in memory some 50 bytes each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values = array("q")

    def append(self, place: LinePlace) -> None:
        """Add a place."""
        self._values.extend(place)

    def save(self) -> None:
        """Write all of them. It blocks."""
        with os.fdopen(os.open(self._path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            self._values.tofile(file)
            file.flush()
            os.fsync(file.fileno())

    def load(self) -> None:
        """Read all of them."""
        self._values = array("q", self._path.read_bytes())

    def __len__(self) -> int:
        return len(self._values) // _COLUMNS

    def __iter__(self) -> Iterator[LinePlace]:
        for at in range(0, len(self._values), _COLUMNS):
            yield LinePlace(*self._values[at : at + _COLUMNS])


class BatchFolder:
    """The folder of one batch."""

    def __init__(self, path: Path, client: str) -> None:
        self.path = path
        self.client = client
        self._lock = -1

    @property
    def batch_id(self) -> str:
        """Return the batch's id."""
        return self.path.name

    @property
    def exists(self) -> bool:
        """Return whether the folder has a batch to run."""
        return (self.path / "state.json").exists()

    def is_older_than(self, seconds: float) -> bool:
        """Return whether the batch has not changed for so long. It blocks."""
        try:
            return (self.path / "state.json").stat().st_mtime < time.time() - seconds
        except FileNotFoundError:
            return False

    def create(self, state: BatchState, source: Path) -> None:
        """Make the folder, with the input. It blocks. Raises `OSError`."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = self.path / "input.jsonl"
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
            target.chmod(0o600)
        self.save(encode(state))
        sync_folder(self.path.parent)

    def acquire(self) -> bool:
        """Take the lock; False if another process has it, or if there is nothing to run."""
        try:
            descriptor = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        except FileNotFoundError:
            return False
        try:
            is_locked = try_lock(descriptor)
        except OSError as error:
            log.warning("cannot lock %s, so no process runs the batch: %s", self.path, error)
            is_locked = False
        if not is_locked:
            os.close(descriptor)
            return False
        # The process that ran the batch before may have removed the folder between the two calls.
        if not self.exists:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def release(self) -> None:
        """Release the lock."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def load(self) -> BatchState:
        """Read the journal. Raises `OSError`, `msgspec.MsgspecError`."""
        return msgspec.json.decode((self.path / "state.json").read_bytes(), type=BatchState)

    def save(self, journal: bytes) -> None:
        """Replace the journal, an encoded `BatchState`; it is on the disk when this returns. It blocks."""
        fresh = self.path / "state.json.new"
        descriptor = os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        try:
            write_all(descriptor, journal)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.replace(self.path / "state.json")
        sync_folder(self.path)

    @property
    def is_cancelled(self) -> bool:
        """Return whether a client has cancelled it."""
        return (self.path / "cancel").exists()

    def cancel(self) -> bool:
        """Mark it as cancelled, for whichever process runs it; False if it has ended."""
        if not self.exists:
            return False
        (self.path / "cancel").touch(mode=0o600)
        return True

    def remove(self) -> None:
        """Remove the folder: the batch has ended. The journal goes first, so nobody runs it again. It blocks."""
        (self.path / "state.json").unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)


class BatchFolders:
    """The folders of all batches that have not ended, below the directory of files."""

    def __init__(self, root: Path) -> None:
        self._root = root / "batches"

    def of(self, batch_id: str, client: str) -> BatchFolder:
        """Return the folder of a batch; it may not exist."""
        return BatchFolder(self._root / (client or ANYBODY) / batch_id, client)

    def all(self) -> list[BatchFolder]:
        """List the existing folders. It blocks."""
        if not self._root.is_dir():
            return []
        return [
            BatchFolder(path, "" if folder.name == ANYBODY else folder.name)
            for folder in self._root.iterdir()
            for path in folder.iterdir()
        ]
