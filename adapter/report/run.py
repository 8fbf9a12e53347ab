"""Judges a whole recording: on every core, in bounded memory, and from where an interrupted run stopped.

The main process reads, links conversations and adds up; worker processes translate. At most two chunks a worker are on
their way, so that memory does not grow with the recording. Chunks are added up in order: what a saved run holds is
always a beginning of the recording, and going on means to read that beginning again without judging it.
"""

import multiprocessing
import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from itertools import islice
from pathlib import Path

import msgspec

from adapter.report.conversations import Conversations
from adapter.report.files import read_file
from adapter.report.records import RecordedPiece, RecordedRequest, Unreadable
from adapter.report.tally import TrafficTally, read_counter
from adapter.report.verdicts import Judge

CHUNK = 50
SAVED_EVERY = 20
"""Chunks from one saving of the run to the next."""

MOST_REASONS = 100

Numbered = tuple[int, RecordedRequest]


class Result(msgspec.Struct):
    """The result of a run.

    `pieces` counts all that was read; `formats` has the requests by format, `unreadable` the rest by reason, with the
    place of the first of each in `places`.
    """

    pieces: int = 0
    conversations: int = 0
    formats: Counter[str] = msgspec.field(default_factory=Counter)
    unreadable: Counter[str] = msgspec.field(default_factory=Counter)
    places: dict[str, str] = {}
    tally: TrafficTally = msgspec.field(default_factory=TrafficTally)


class SavedRun(msgspec.Struct, forbid_unknown_fields=True):
    """An interrupted run. `recording` and `question` must be the same for it to go on."""

    recording: list[tuple[str, int, int]]
    question: str
    judged: int
    tally: TrafficTally


_judge: Judge | None = None


def _start_worker(make_judge: Callable[[], Judge]) -> None:
    global _judge  # noqa: PLW0603  A worker process has one judge, made once.
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    _judge = make_judge()


def _leave_with_parent() -> None:
    """End this worker when the main process is gone: one that was killed stops no pool."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _judge_chunk(chunk: list[Numbered]) -> TrafficTally:
    assert _judge is not None
    return judge_all(_judge, chunk)


def judge_all(judge: Judge, numbered: Iterable[Numbered]) -> TrafficTally:
    """Judge requests with their conversations' numbers, and return the tally."""
    tally = TrafficTally()
    for number, recorded in numbered:
        tally.add(number, recorded, asked_model(recorded), judge.judge(recorded))
    return tally


class _Asked(msgspec.Struct):
    model: str = ""


def asked_model(recorded: RecordedRequest) -> str:
    """Return the model that a request names, or "" where it names none."""
    try:
        return msgspec.json.decode(recorded.body, type=_Asked).model
    except msgspec.ValidationError:
        return ""


class ReportRun:
    """One run over files. `progress` is called with the number of requests that have been judged so far."""

    def __init__(
        self,
        files: list[Path],
        make_judge: Callable[[], Judge],
        *,
        processes: int | None = None,
        saved: Path | None = None,
        question: str = "",
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._files = files
        self._make_judge = make_judge
        self._processes = processes or os.cpu_count() or 1
        self._saved = saved
        self._question = question
        self._progress = progress
        self._result = Result()
        self._judged = 0
        self._unsaved = 0

    def execute(self) -> Result:
        """Judge everything.

        Raises:
            OSError: A file cannot be read.
            InterruptedRun: The saved run is about other files or another question.

        """
        self._resume()
        numbered = islice(self._number_requests(), self._judged, None)
        chunks = iter(lambda: list(islice(numbered, CHUNK)), [])
        if self._processes == 1:
            judge = self._make_judge()
            for chunk in chunks:
                self._add(judge_all(judge, chunk))
        else:
            # Spawned, since a fork would copy the locks of the thread that draws the progress bar.
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(self._processes, spawn, _start_worker, (self._make_judge,)) as pool:
                for tally in self._in_order(pool, chunks):
                    self._add(tally)
        if self._saved is not None:
            self._saved.unlink(missing_ok=True)
        return self._result

    def _in_order(self, pool: Executor, chunks: Iterator[list[Numbered]]) -> Iterator[TrafficTally]:
        waiting: deque[Future[TrafficTally]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(_judge_chunk, chunk))
            if len(waiting) >= 2 * self._processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _number_requests(self) -> Iterator[Numbered]:
        conversations = Conversations()
        for path in self._files:
            for name, piece in read_file(path):
                self._result.pieces += 1
                if isinstance(piece, Unreadable):
                    self._count_unreadable(piece)
                else:
                    self._result.formats[name] += 1
                    number = conversations.number_of(piece)
                    self._result.conversations = len(conversations)
                    yield number, piece

    def _count_unreadable(self, piece: RecordedPiece) -> None:
        assert isinstance(piece, Unreadable)
        reason = piece.reason
        if reason not in self._result.unreadable and len(self._result.unreadable) >= MOST_REASONS:
            reason = "other reasons"
        self._result.unreadable[reason] += 1
        self._result.places.setdefault(reason, f"{piece.place.file}, {piece.place.position}".rstrip(", "))

    def _add(self, tally: TrafficTally) -> None:
        self._result.tally.merge(tally)
        self._judged += tally.judged_count
        self._progress(self._judged)
        self._unsaved += 1
        if self._saved is not None and self._unsaved >= SAVED_EVERY:
            self._save(self._saved)
            self._unsaved = 0

    def _save(self, path: Path) -> None:
        saved = SavedRun(recording_of(self._files), self._question, self._judged, self._result.tally)
        beside = path.with_name(path.name + ".part")
        beside.write_bytes(msgspec.msgpack.encode(saved))
        beside.replace(path)

    def _resume(self) -> None:
        if self._saved is None or not self._saved.exists():
            return
        try:
            saved = msgspec.msgpack.decode(self._saved.read_bytes(), type=SavedRun, dec_hook=read_counter)
        except msgspec.MsgspecError as error:
            raise InterruptedRun(
                f"{self._saved} is not an interrupted run ({error}): delete it, or name another file"
            ) from None
        if saved.recording != recording_of(self._files) or saved.question != self._question:
            raise InterruptedRun(
                f"{self._saved} belongs to a run with other files or options: delete it, or name another"
            )
        self._judged, self._result.tally = saved.judged, saved.tally


class InterruptedRun(Exception):
    """A saved run cannot go on; the message says why and what to do."""


def recording_of(files: list[Path]) -> list[tuple[str, int, int]]:
    """Return name, size in bytes and time of change in nanoseconds of each file."""
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
