"""Responses that nobody waits for: each runs in one process; every process can follow and cancel it.

The running process stores the response, its events in pieces, and a sign of life. Another process reads these. To
cancel the response it stores a mark, which the running process finds.
"""

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import takewhile

import msgspec

from adapter.server.lifecycle.shutdown import ShuttingDown
from adapter.server.pipeline.errors import Busy
from adapter.server.pipeline.event_stream import Answer, Relay, relaying
from adapter.server.pipeline.responding import ResponseEventWriter, Turn
from adapter.server.pipeline.service import Service
from adapter.server.state.not_stored import NotStored
from adapter.server.state.recall import UNFINISHED
from adapter.server.state.records import answer_of, response_documents
from adapter.server.state.stored_objects import State
from adapter.store import UNREADABLE, Document, DocumentStore
from adapter.translate.responses.envelope import blank, error_of
from adapter.wire.base import encode
from adapter.wire.openai.response_events import Completed, Event, Failed, Incomplete, StreamError
from adapter.wire.openai.responses_answer import Response, ResponseError
from adapter.wire.openai.stored import StoredAnswer, StoredResponse
from adapter.wire.sse import DONE, named_event

log = logging.getLogger("adapter")

BEAT = 1.0
"""Seconds between two signs of life; events are stored, and marks looked for, at the same pace."""

# Many times `BEAT`: a process that waits for a slow store, or computes, for some seconds is not dead.
DEAD_AFTER = 30.0
"""Seconds without a sign of life after which a response's process counts as dead."""

POLL = 0.25
"""Seconds between two looks at a response that another process runs."""

MAX_HELD_BYTES = 4 * 1024 * 1024
"""Bytes of events that are read from memory; older ones are read from the store."""

PATIENCE = 5.0
"""Seconds in which events that must exist are looked for in the store; then the end is sent without them."""

_ENDS = {"completed": Completed, "incomplete": Incomplete}

PIECES_AT_ONCE = 16
"""The number of pieces of stored events that are read together."""


class Log:
    """The events of one response since its start; written ones may leave memory."""

    def __init__(self) -> None:
        self.first = 0
        # Its request was answered with `queued` already: an error can only be an event.
        self.has_begun = True
        self.ended = False
        self._frames: list[bytes] = []
        self._size = 0
        self._written = 0
        self._changed = asyncio.Event()

    async def write(self, *frames: bytes, more: bool = False) -> None:
        """Add events, and wake the followers; with `more`, the events that follow at once wake them."""
        self._frames += frames
        self._size += sum(map(len, frames))
        self.ended = self.ended or DONE in frames
        if not more:
            self._changed.set()
            self._changed = asyncio.Event()

    @property
    def end(self) -> int:
        """The position of the next event."""
        return self.first + len(self._frames)

    def has_nothing_from(self, position: int) -> bool:
        """Return whether no event will come for a reader at this position."""
        return position > self.end or (self.ended and position == self.end)

    async def read(self, position: int) -> list[bytes]:
        """Return the events from a position on; wait for the next one. Empty if they ended, or have left memory."""
        while position == self.end and not self.ended:
            await self._changed.wait()
        return self._frames[position - self.first :] if position >= self.first else []

    def unwritten_events(self) -> tuple[int, bytes]:
        """Return the position of the first unwritten event, and all unwritten bytes."""
        return self._written, b"".join(self._frames[self._written - self.first :])

    def mark_written(self, data: bytes) -> None:
        """Count these events as written, and forget the oldest ones beyond `MAX_HELD_BYTES`."""
        # Each frame ends with a blank line, and JSON on one line has none inside.
        self._written += data.count(b"\n\n")
        gone = 0
        while self._size > MAX_HELD_BYTES and self.first + gone < self._written:
            self._size -= len(self._frames[gone])
            gone += 1
        del self._frames[:gone]
        self.first += gone


class WrittenEvents:
    """Reads the events of one response from the store, one piece after the other."""

    def __init__(self, documents: DocumentStore, response_id: str, client: str) -> None:
        self.end = 0
        self.ended = False
        self._documents = documents
        self._response_id = response_id
        self._client = client
        self._piece = 0

    async def read(self, position: int) -> list[bytes]:
        """Return the next events from the store; empty while no more are stored."""
        while not self.ended and (pieces := await self._next_pieces()):
            first, frames = int(pieces[0][0]), [frame for _, data in pieces for frame in _frames(data)]
            self._piece += len(pieces)
            self.end, self.ended = first + len(frames), frames[-1] == DONE
            if position < self.end:
                return frames[max(0, position - first) :]
        return []

    async def _next_pieces(self) -> list[list[bytes]]:
        """Return the pieces that follow without a gap: for each the position of its first event, and its events."""
        keys = [_piece(self._response_id, number) for number in range(self._piece, self._piece + PIECES_AT_ONCE)]
        stored = await self._documents.get(keys, self._client)
        pieces = takewhile(lambda piece: piece[0].isdigit(), (stored.get(key, b"").split(b"\n", 1) for key in keys))
        return [piece for piece in pieces if len(piece) == 2]


class Job:
    """One response that runs in this process."""

    def __init__(self, service: Service, state: State, turn: Turn, writer: ResponseEventWriter) -> None:
        self.log = Log()
        self._service = service
        self._state = state
        self._turn = turn
        self._writer = writer
        self._pieces = 0
        self._is_cancelled = False
        self._over = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    def cancel(self) -> None:
        """Cancel the response, because the client asked for it."""
        self._is_cancelled = True
        self.task.cancel()

    async def _run(self) -> None:
        """Run the response from its start to its end."""
        writing = asyncio.create_task(self._write_down())
        try:
            await self._respond()
        finally:
            # Not cancelled: a piece that was written all the same would be written again, longer, behind the back of
            # whoever has read it.
            self._over.set()
            await asyncio.wait([writing])
            # After a bug, too: whoever follows would wait for ever.
            if not self.log.ended:
                await self.log.write(DONE)
            await self._write_piece()
            self._record_end()

    def _record_end(self) -> None:
        """Count the answer's tokens and losses, which the record of its request leaves out; log a failure."""
        exchange = self._writer.exchange
        if self._service.recorder.metrics is not None:
            self._service.recorder.metrics.count_reply(exchange)
        if exchange.error:
            log.warning("background response %s failed: %s", self._turn.stamp.id, exchange.error)

    async def _respond(self) -> None:
        service, writer = self._service, self._writer
        try:
            async with relaying(Relay(self.log, writer), service.shutdown.limit) as client, self._open() as answer:
                await client.pass_on(answer)
        except asyncio.CancelledError:
            # The end is stored already, and a second one would contradict it.
            if writer.ended:
                return
            frames = await (writer.cancel() if self._is_cancelled else writer.fail(ShuttingDown()))
            for frame in frames:
                await self.log.write(frame)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Answer]:
        """Open Gemini's answer, after the first events of the response itself."""
        for frame in self._writer.start():
            await self.log.write(frame)
        async with self._service.answering.open(self._turn.plans, self._turn.client, None) as answer:
            yield answer

    async def _write_down(self) -> None:
        """Write events and signs of life, and look whether a client has cancelled the response."""
        response_id, client = self._turn.stamp.id, self._turn.client.id
        while not self._over.is_set():
            # The time of day, since other processes read it, maybe on another machine.
            sign = Document(_life(response_id), encode(time.time()), response_id)
            await self._state.put([sign], client)
            await self._write_piece()
            if not self._is_cancelled and await self._state.documents.get([_mark(response_id)], client):
                self.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT):
                    await self._over.wait()

    async def _write_piece(self) -> None:
        first, data = self.log.unwritten_events()
        if data:
            response_id = self._turn.stamp.id
            piece = Document(_piece(response_id, self._pieces), encode(first) + b"\n" + data, response_id)
            # What could not be written goes into the same piece again, together with what has come since.
            if await self._state.put([piece], self._turn.client.id):
                self._pieces += 1
                self.log.mark_written(data)


class Jobs:
    """The responses that run in this process, and access to those of all others."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._limit = service.max_background
        self._running: dict[tuple[str, str], Job] = {}

    async def start(self, turn: Turn, writer: ResponseEventWriter) -> Response:
        """Start a response; return its state so far. Raises `Busy`, `NotStored`."""
        if len(self._running) >= self._limit:
            raise Busy(f"{self._limit} background responses are running, which is the limit: try again later.")
        now = blank(turn.view, turn.stamp)
        if turn.state is None or not await turn.state.keep(now, turn.past, turn.client.id, turn.work):
            text = "The response was not started, because it cannot be stored: try again, or without `background`."
            raise NotStored(text, status=503, code="not_stored")
        key = (turn.stamp.id, turn.client.id)
        job = self._running[key] = Job(self._service, turn.state, turn, writer)
        job.task.add_done_callback(lambda _: self._running.pop(key))
        return blank(turn.view, turn.stamp, "queued")

    async def find(self, response_id: str, client: str) -> StoredResponse:
        """Return a stored response; if its process died, as a failed one. Raises `NotStored`."""
        state = self._service.state
        record = await state.response(response_id, client)
        answer = answer_of(record)
        if answer.status in UNFINISHED and (response_id, client) not in self._running:
            life = await state.documents.get([_life(response_id)], client)
            last = _time_of(life.get(_life(response_id), b""))
            created = msgspec.json.decode(record.response, type=Response).created_at
            # Before its first sign of life only its age tells anything.
            if time.time() - max(last, created) > DEAD_AFTER:
                return await _store_end(self._state_of(answer), record, client, "failed")
        return record

    async def cancel(self, response_id: str, client: str) -> StoredResponse:
        """Cancel a response, wherever it runs; return its state afterwards. Raises `NotStored`."""
        record = await self.find(response_id, client)
        if not answer_of(record).background:
            raise NotStored("Only responses that were created with `background` can be cancelled.", status=400)
        if answer_of(record).status not in UNFINISHED:
            return record
        if (job := self._running.get((response_id, client))) is not None:
            job.cancel()
            # Unlike `await`, this raises none of its errors, which are not those of this request.
            await asyncio.wait([job.task])
        else:
            mark = Document(_mark(response_id), b"true", response_id)
            await self._state_of(answer_of(record)).put([mark], client)
            await self._wait_until_ended(response_id, client)
        return await self.find(response_id, client)

    async def _wait_until_ended(self, response_id: str, client: str) -> None:
        """Wait until a response that another process runs has ended, but not too long."""
        with suppress(TimeoutError):
            # The other process looks for marks once every `BEAT`, and has to store the end as well.
            async with asyncio.timeout(5 * BEAT):
                # The awaited event happens in another process.
                while answer_of(await self.find(response_id, client)).status in UNFINISHED:  # noqa: ASYNC110
                    await asyncio.sleep(POLL)

    def _state_of(self, answer: StoredAnswer) -> State:
        """Return the store for a response; one with `store: false` expires soon."""
        return self._service.state if answer.store else self._service.unstored

    def running(self, response_id: str, client: str) -> Job | None:
        """Return the job of a response that runs in this process."""
        return self._running.get((response_id, client))

    async def follow(self, response_id: str, client: str, position: int) -> AsyncGenerator[list[bytes]]:
        """Yield the events of a response from a position on, as they come, up to the end. Raises `NotStored`."""
        follower = Follower(self, self._service.state, response_id, client, position)
        while frames := await follower.read():
            yield frames

    async def aclose(self) -> None:
        """End what runs: it may use the time that is left where the process was told to end, and fails otherwise."""
        tasks = [job.task for job in self._running.values()]
        if not self._service.shutdown.has_begun:
            for task in tasks:
                task.cancel()
        if tasks:
            await asyncio.wait(tasks)


class Follower:
    """Reads the events of one response from a position on, for one client.

    They come from memory where the response runs in this process, otherwise from the store, where another process
    writes them down. A client may name any position: where no event is or will be, to wait would be to wait for ever.

    | the position                                | what is read                                        |
    |---------------------------------------------|-----------------------------------------------------|
    | in memory, or that of the next event        | events, as they come                                |
    | in the store                                | events, piece by piece                              |
    | not in the store, the response still runs   | events, once they are written down                  |
    | not in the store, though it must exist      | `PATIENCE` later the end, as the stored response is |
    | behind the end, or beyond the next event    | the end alone                                       |
    """

    def __init__(self, jobs: Jobs, state: State, response_id: str, client: str, position: int) -> None:
        self._jobs = jobs
        self._about = (response_id, client)
        self._position = position
        self._written = WrittenEvents(state.documents, response_id, client)
        self._until = math.inf
        self._has_ended = False

    async def read(self) -> list[bytes]:
        """Read the next events; the last is `DONE`, and nothing comes after it. Raises `NotStored`."""
        frames: list[bytes] = []
        while not frames and not self._has_ended:
            job = self._jobs.running(*self._about)
            if job is not None and self._position >= job.log.first:
                frames = await self._from_memory(job.log)
            else:
                frames = await self._from_store()
        self._position += len(frames)
        self._has_ended = not frames or frames[-1] == DONE
        return frames

    async def _from_memory(self, log: Log) -> list[bytes]:
        return [DONE] if log.has_nothing_from(self._position) else await log.read(self._position)

    async def _from_store(self) -> list[bytes]:
        """Return the written events; the end if no more can come; nothing if it is worth looking again."""
        if frames := await self._written.read(self._position):
            self._until = math.inf
            return frames
        if self._written.ended:
            return [DONE]
        response = msgspec.json.decode((await self._jobs.find(*self._about)).response, type=Response)
        is_over = response.status not in UNFINISHED
        if is_over or self._position > self._written.end:
            self._until = min(self._until, time.monotonic() + PATIENCE)
        if time.monotonic() < self._until:
            await asyncio.sleep(POLL)
            return []
        return [*map(named_event, _lost_end(response, self._position)), DONE] if is_over else [DONE]


def _lost_end(response: Response, number: int) -> list[Event]:
    """Return the last events of a response whose own were lost; `number` is that of the first one."""
    events: list[Event] = []
    if response.error is not None:
        events.append(StreamError(sequence_number=number, error=error_of(response.error)))
    end = _ENDS.get(response.status, Failed)
    return [*events, end(sequence_number=number + len(events), response=response)]


async def _store_end(state: State, record: StoredResponse, client: str, status: str) -> StoredResponse:
    """Store the end of a response whose process did not."""
    response = msgspec.json.decode(record.response, type=Response)
    response.status = status
    response.error = ResponseError(
        code="server_error", message="The process that ran this response ended.", type="server_error"
    )
    own = b",".join(map(bytes, record.input))
    await state.put(response_documents(response, own, len(record.input), record.history), client)
    return StoredResponse(response=msgspec.Raw(encode(response)), input=record.input, history=record.history)


def _time_of(sign: bytes) -> float:
    """Return the time of a sign of life; if it cannot be read, one long ago."""
    try:
        return msgspec.json.decode(sign, type=float)
    except UNREADABLE:
        return 0.0


def _life(response_id: str) -> str:
    return f"life:{response_id}"


def _mark(response_id: str) -> str:
    return f"cancel:{response_id}"


def _frames(data: bytes) -> list[bytes]:
    return [frame + b"\n\n" for frame in data.split(b"\n\n") if frame]


def _piece(response_id: str, number: int) -> str:
    return f"events:{response_id}:{number}"
