"""An event stream to one client: committed late, kept alive, ended honestly.

The 200 goes out with the first event, or after `commit_after` seconds, so that an early failure is a normal HTTP
error. A later failure is an error event; nothing ever looks like a finished answer that is none.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Protocol

import msgspec
from starlette.types import Send

from adapter.server.asgi import ClientGone, encoded
from adapter.settings import Settings
from adapter.translate.chat_stream import ChatStream
from adapter.translate.errors import Failure
from adapter.upstream.client import Reply
from adapter.upstream.errors import UpstreamError
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.openai.chat import ChatCompletionChunk
from adapter.wire.signatures import Issued
from adapter.wire.sse import COMMENT, DONE, event

_FIELDS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


MAX_TAPPED = 500
"""Events of one stream that are kept for the page at /."""


class Machine(Protocol):
    """What turns Gemini's events into chunks."""

    @property
    def finished(self) -> bool:
        """Whether the answer is complete."""
        ...

    def feed(self, response: GenerateContentResponse, unknown: Mapping[str, msgspec.Raw]) -> list[ChatCompletionChunk]:
        """The chunks for one event."""
        ...

    def close(self) -> list[ChatCompletionChunk]:
        """The last chunks."""
        ...

    def take_issued(self) -> list[Issued]:
        """Signatures to store before those chunks go out."""
        ...


class EventStream:
    """Writes events; a client that takes none for `write_timeout` seconds is gone."""

    def __init__(
        self, send: Send, headers: Mapping[str, str], settings: Settings, tap: list[bytes] | None = None
    ) -> None:
        self._send = send
        self._headers = headers
        self._settings = settings
        self._tap = tap
        self._clock = asyncio.get_running_loop().time
        self.started = False
        self.last_write = self._clock()

    async def start(self) -> None:
        """Send the 200."""
        if not self.started:
            self.started = True
            fields = [*_FIELDS, *encoded(self._headers)]
            await self._send({"type": "http.response.start", "status": 200, "headers": fields})

    async def write(self, data: bytes) -> None:
        """Send one event."""
        try:
            async with asyncio.timeout(self._settings.write_timeout):
                await self.start()
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
        except TimeoutError:
            raise ClientGone from None
        self.last_write = self._clock()
        if self._tap is not None and len(self._tap) < MAX_TAPPED:
            self._tap.append(data)

    async def end(self) -> None:
        """Close the stream. Nothing may be awaited after it: uvicorn reports an ended answer as a disconnect."""
        await self._send({"type": "http.response.body", "body": b""})

    async def keep_alive(self, heartbeat: Callable[[], bytes] | None) -> None:
        """Commit when it is time, then send heartbeats in silence, until cancelled or the client is gone."""
        with suppress(ClientGone):
            await self._beat(heartbeat)

    async def _beat(self, heartbeat: Callable[[], bytes] | None) -> None:
        await asyncio.sleep(self._settings.commit_after)
        if not self.started:
            await self.write(heartbeat() if heartbeat else COMMENT)
        while heartbeat:
            silent = self._clock() - self.last_write
            if silent >= self._settings.heartbeat_after:
                await self.write(heartbeat())
                silent = 0.0
            await asyncio.sleep(self._settings.heartbeat_after - silent)


@asynccontextmanager
async def beside(work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run something beside the body of the `with`, and stop it at the end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def heartbeat_of(settings: Settings, machine: ChatStream) -> Callable[[], bytes] | None:
    """What a silent stream sends."""
    match settings.heartbeat:
        case "comment":
            return lambda: COMMENT
        case "chunk":
            return lambda: event(machine.empty_chunk())
        case "off":
            return None


async def relay(
    stream: EventStream,
    events: AsyncGenerator[Reply],
    machine: Machine,
    keep: Callable[[list[Issued]], Coroutine[object, object, None]],
    failure: Callable[[Exception], Failure],
) -> None:
    """Pass an answer on, up to its last event. An error before the first byte is raised, a later one is sent."""

    async def pass_on(chunks: list[ChatCompletionChunk]) -> None:
        if issued := machine.take_issued():
            await keep(issued)
        for chunk in chunks:
            await stream.write(event(chunk))

    try:
        try:
            async with aclosing(events):
                async for reply in events:
                    await pass_on(machine.feed(reply.response, reply.unknown))
        except UpstreamError:
            if not machine.finished:
                raise
        await pass_on(machine.close())
    except ClientGone:
        raise
    except Exception as error:
        if not stream.started:
            raise
        await stream.write(event(failure(error).body))
    else:
        await stream.write(DONE)
