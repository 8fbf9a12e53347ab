"""An event stream to one client: the 200 waits for the first event, heartbeats fill silence, late failures are events.

The 200 goes out with the first event, or after `commit_after` seconds, so that an early failure is a normal HTTP
error. A later failure is an error event; an answer that is not complete never looks complete.

States of an `EventStream`:

    waiting     nothing is written: an error is still a normal HTTP error
    holding     events that came together are collected, up to `MAX_HELD_BYTES`; the head is not out
    committed   the head is out: from now on an error is an event

Transitions:

    from        event                                                      to
    waiting     `write` without `more`; `commit_after` seconds are over    committed
    waiting     `write` with `more`                                        holding
    holding     `write` without `more`, or too much is held                committed
    committed   `end`, or an error's frames                                ended: the response is complete
    any         a write takes longer than `write_timeout`                  gone: `keep_alive` returns, the body ends

The endpoint's body writes through `Relay`; `keep_alive` runs beside it and writes only in silence.

Who closes what when the client leaves, innermost first. Each is a `with` of the endpoint, so that the order is the
same at any moment, also between the first event and its write:

    opened by              on leaving
    `Answering.open`       closes the call that runs, or all parallel ones, with their connections to Gemini; the
                           observers see cancelled calls
    `relaying`             writes the last frames or the error; nothing if the client is gone
    `Call.event_stream`    stops the heartbeats, then ends the response
    `http_entry`           gives back the slot and the bytes of the body, and logs the request
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import NamedTuple, Protocol

import msgspec
from starlette.types import Send

from adapter.server.http.asgi import ClientGone, to_printable_values
from adapter.server.http.response_writer import writer_for
from adapter.server.observe.timed_frames import MAX_TAPPED, TimedFrames
from adapter.settings import StreamSettings
from adapter.translate.plan import Plan
from adapter.upstream.client import Reply, ReplyStream
from adapter.upstream.errors import UpstreamError
from adapter.wire.signatures import Issued
from adapter.wire.sse import COMMENT

_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    # `no-transform`: compressed on the way (nginx: gzip_types), a stream comes in one piece after its end.
    "cache-control": "no-cache, no-transform",
    # nginx would collect it in a buffer otherwise, heartbeats included.
    "x-accel-buffering": "no",
}
_NO_HEAD: Mapping[str, str] = {}

MAX_HELD_BYTES = 65_536
"""The most bytes of events that are held for the events that follow at once."""


class Answer(NamedTuple):
    """A started answer: the plan that is answered, and its events, the first of which has arrived."""

    plan: Plan
    events: ReplyStream


class Writer(Protocol):
    """Writes an answer for one client: Gemini's events become frames of its stream.

    | call        | when                                                             |
    |-------------|------------------------------------------------------------------|
    | `heartbeat` | in silence, before the answer begins too                         |
    | `begin`     | once, when it is known whose answer it is, before the first event |
    | `feed`      | for each event                                                   |
    | `close`     | once, behind the last event                                      |
    | `fail`      | once in place of `close`, maybe without a `begin`                 |
    """

    def begin(self, plan: Plan) -> None:
        """Remember the plan that is answered."""
        ...

    @property
    def is_finished(self) -> bool:
        """Return whether the answer is complete; an error of Gemini's after that is ignored."""
        ...

    def feed(self, reply: Reply) -> bytes | list[bytes]:
        """Return the frames for one event: a list, or plain bytes for one frame without signatures to store."""
        ...

    def take_issued(self) -> list[Issued]:
        """Return the signatures to store before the frames made so far are sent, and forget them."""
        ...

    async def keep(self, issued: list[Issued]) -> None:
        """Store signatures, so that the client's next request can replay them."""
        ...

    async def close(self) -> list[bytes]:
        """Return the last frames; the signatures to which they refer are stored before."""
        ...

    async def fail(self, error: Exception) -> list[bytes]:
        """Return the last frames of a stream that ends too early."""
        ...

    def heartbeat(self) -> bytes:
        """Return an empty chunk, for settings that choose chunks as heartbeats."""
        ...


class FrameSink(Protocol):
    """The receiver of frames."""

    @property
    def has_begun(self) -> bool:
        """Return whether anything was written: from then on an error is an event."""
        ...

    async def write(self, *frames: bytes, more: bool = False) -> None:
        """Send these frames and the held ones; with `more`, they may be held for those that follow at once."""
        ...


class EventStream:
    """Writes events; a client that takes none for `write_timeout` seconds is gone.

    `headers` go out with the first event; they may be set until then, when it is known who answers.
    """

    def __init__(self, send: Send, settings: StreamSettings, tap: TimedFrames | None = None) -> None:
        self.headers: Mapping[str, str] = _NO_HEAD
        self._writer = writer_for(send)
        self._settings = settings
        self._tap = tap
        self._clock = asyncio.get_running_loop().time
        self._held: list[bytes] = []
        self._held_size = 0
        self._writing_since: float | None = None
        self._commit_at = self._clock() + settings.commit_after
        self._last_write = self._clock()
        self._started = False
        # Closes the stream. Nothing may be awaited after it: uvicorn reports an ended answer as a disconnect.
        self.end = self._writer.finish

    @property
    def has_begun(self) -> bool:
        """Return whether anything was written: from then on an error is an event."""
        return self._started or bool(self._held)

    async def write(self, *frames: bytes, more: bool = False) -> None:
        """Send these events and the held ones; with `more`, hold up to `MAX_HELD_BYTES` for those that follow."""
        # `TimedFrames.record` in line: this runs for each event of each stream.
        if self._tap is not None and len(self._tap) < MAX_TAPPED:
            self._tap += frames
            self._tap.times += [time.perf_counter()] * len(frames)
        # Most events come alone, and are neither held nor copied.
        if self._held or more or len(frames) != 1:
            self._held += frames
            self._held_size += sum(map(len, frames))
            if not self._held or (more and self._held_size <= MAX_HELD_BYTES):
                return
            frames = (b"".join(self._held),)
            self._held.clear()
            self._held_size = 0
        head = _NO_HEAD
        if not self._started:
            self._started = True
            head = {**_HEADERS, **to_printable_values(self.headers)}
        self._last_write = self._writing_since = self._clock()
        await self._writer.send_piece(frames[0], head)
        self._writing_since = None

    async def keep_alive(self, heartbeat: Callable[[], bytes] | None) -> None:
        """Commit when it is time, then send heartbeats in silence; return when the client takes nothing any more.

        `heartbeat` makes a chunk that says nothing, for settings that want one; without it there are no heartbeats.
        """
        settings = self._settings
        if settings.heartbeat == "off":
            heartbeat = None
        while True:
            # Nothing is due at once: most streams are at their end before this goes on.
            await asyncio.sleep(self._idle(heartbeat is not None))
            if self._is_stalled():
                return
            if self._beat_is_due(heartbeat is not None):
                try:
                    # `_is_stalled` cannot see this write, since this loop waits for it.
                    async with asyncio.timeout(settings.write_timeout):
                        await self.write(heartbeat() if heartbeat and settings.heartbeat == "chunk" else COMMENT)
                except TimeoutError:
                    return

    def _is_stalled(self) -> bool:
        since = self._writing_since
        return since is not None and self._clock() - since >= self._settings.write_timeout

    def _beat_is_due(self, beats: bool) -> bool:
        if self._writing_since is not None:
            return False
        if not self._started:
            return self._clock() >= self._commit_at
        return beats and self._clock() - self._last_write >= self._settings.heartbeat_after

    def _idle(self, beats: bool) -> float:
        """Return the seconds until a commit or a heartbeat may be due."""
        now, settings = self._clock(), self._settings
        # Also without a write: one that begins while this sleeps is then found after two limits at the latest.
        times = [(self._writing_since or now) + settings.write_timeout]
        if not self._started:
            times.append(self._commit_at)
            if beats:
                # By then events may have come, and silence after them.
                times.append(now + settings.heartbeat_after)
        elif beats and self._writing_since is None:
            times.append(self._last_write + settings.heartbeat_after)
        return max(0.0, min(times) - now)


class Relay(msgspec.Struct, eq=False):
    """Passes the events of an answer to a sink, as the frames that a writer makes of them.

    `_record`, if given, is called with the answer before its first event is passed on.
    """

    sink: FrameSink
    writer: Writer
    _record: Callable[[Answer], None] | None = None

    async def pass_on(self, answer: Answer) -> None:
        """Pass an answer on, up to its last event."""
        if self._record is not None:
            self._record(answer)
        sink, writer, events = self.sink, self.writer, answer.events
        writer.begin(answer.plan)
        while (reply := await events.next()) is not None:
            frames, more = writer.feed(reply), reply.more
            # Many streams wait at once: none holds an event that it has passed on.
            del reply
            if isinstance(frames, bytes):
                await sink.write(frames, more=more)
            else:
                await self.write(frames, writer.take_issued(), more=more)
            del frames

    async def write(self, frames: list[bytes], issued: list[Issued], *, more: bool = False) -> None:
        """Write frames, once the signatures that were issued with them are stored."""
        if issued:
            await self.writer.keep(issued)
        await self.sink.write(*frames, more=more)


@asynccontextmanager
async def relaying(
    relay: Relay, limit: Callable[[], AbstractContextManager[object]] = nullcontext
) -> AsyncIterator[Relay]:
    """Run a body that opens an answer and passes it on; then write the last frames.

    An error of the body is raised before the first byte; after it the client is told in the stream. The body runs
    inside `limit`, which may raise (`GracefulShutdown.limit`).
    """
    writer = relay.writer
    try:
        try:
            with limit():
                yield relay
        except UpstreamError:
            if not writer.is_finished:
                raise
        await relay.write(await writer.close(), writer.take_issued())
    except ClientGone:
        # Nobody is left to read an error event.
        raise
    except Exception as error:
        if not relay.sink.has_begun:
            raise
        await relay.write(await writer.fail(error), writer.take_issued())
