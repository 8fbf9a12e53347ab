"""A Gemini-shaped upstream that does what a test says, on real sockets; and the adapter in front of it."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol, cast

import httpx2
import uvicorn

from adapter.emulator import EmulatorSettings, create_emulator
from adapter.server.app import create_app
from adapter.server.http.uvicorn_protocol import build_protocol
from adapter.server.observe.log_sink import LogSink
from adapter.server.observe.request_log import RequestLog
from adapter.server.routes import ENDPOINTS
from adapter.settings import Settings
from tests.support.guards import PATIENCE

Object = dict[str, Any]
"""A JSON object."""

PLAIN_ASGI = os.environ.get("PLAIN_ASGI") == "1"
"""Whether the adapter is served as by any other ASGI server: `PLAIN_ASGI=1 python -m pytest tests/server/endpoints`."""

USAGE = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}


def answer(*parts: str | Object, finish: str | None = "STOP", **candidate: Any) -> Object:
    """Return a whole answer of Gemini's, or one event."""
    content = {"role": "model", "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}
    one = {"index": 0, "content": content, **({"finishReason": finish} if finish else {}), **candidate}
    return {"candidates": [one], "usageMetadata": USAGE, "modelVersion": "gemini-3.5-flash", "responseId": "r1"}


def frame(event: Any) -> bytes:
    """Return an event as Gemini frames it."""
    return f"data: {json.dumps(event)}\r\n\r\n".encode()


class Seen(NamedTuple):
    """One request that reached the upstream."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Upstream:
    """Answers each request with the script; `seen` is what came, `gone` is set when a caller hangs up."""

    def __init__(self, script: "Script | None") -> None:
        self.script = script
        self.seen: list[Seen] = []
        self.gone = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, request after request, until either side closes it."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._request(head.decode(), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.gone.set()
        finally:
            writer.close()

    async def _request(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value for line in lines if line for name, value in [line.split(": ", 1)]}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.seen.append(Seen(method, path, headers, json.loads(body) if body else None))
        assert self.script is not None, f"{first} came, and nothing was to be asked"
        script = asyncio.create_task(self.script(Call(self.seen[-1], len(self.seen), writer)))
        hung_up = asyncio.create_task(reader.read(1))
        done, _ = await asyncio.wait([script, hung_up], return_when=asyncio.FIRST_COMPLETED)
        if hung_up in done:
            script.cancel()
            raise asyncio.IncompleteReadError(b"", None)
        hung_up.cancel()
        await asyncio.wait([hung_up])
        await script


class Call(NamedTuple):
    """One request as the script answers it; `number` counts from 1."""

    request: Seen
    number: int
    writer: asyncio.StreamWriter

    async def json(self, value: Any, status: int = 200) -> None:
        """Send a whole answer."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.writer.write(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n" % status)
        self.writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await self.writer.drain()

    async def start(self) -> None:
        """Send the head of a stream."""
        self.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        await self.writer.drain()

    async def send(self, data: bytes) -> None:
        """Send a piece of a stream."""
        self.writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await self.writer.drain()

    async def end(self) -> None:
        """End a stream."""
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    async def stream(self, *events: bytes | Object) -> None:
        """Send a whole stream at once."""
        await self.start()
        for event in events:
            await self.send(event if isinstance(event, bytes) else frame(event))
        await self.end()


Script = Callable[[Call], Coroutine[Any, Any, None]]
"""Answers one request."""


@asynccontextmanager
async def run_upstream(script: Script | None) -> AsyncIterator[Upstream]:
    """Run a scripted upstream; without a script no request may reach it."""
    upstream = Upstream(script)
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield upstream
    finally:
        server.close()


class Server(uvicorn.Server):
    """Ends when it is told to; uvicorn sleeps for tenths of a second on the way, twice in each of a thousand tests."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serves, self.enough = asyncio.Event(), asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        self.serves.set()
        await self.enough.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End as uvicorn does: no new connections, what is answered is answered, then the application ends."""
        for server in self.servers:
            server.close()
        for one in sockets or ():
            one.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:
            await asyncio.sleep(0.001)
        for server in self.servers:
            await server.wait_closed()
        await self.lifespan.shutdown()


class LogLines(list[str]):
    """The lines of a log."""

    def write(self, *lines: str) -> None:
        """Keep these lines."""
        self.extend(lines)


class Emulated(NamedTuple):
    """A running emulator."""

    url: str

    async def requests(self) -> list[Object]:
        """Return the requests that it got, oldest first."""
        async with httpx2.AsyncClient(trust_env=False) as direct:
            answer = await direct.get(f"{self.url}/emulator/requests")
        found: list[Object] = answer.json()
        return found


@asynccontextmanager
async def run_emulator(settings: EmulatorSettings) -> AsyncIterator[Emulated]:
    """Run the emulator as an upstream, on a real socket."""
    async with serving(create_emulator(settings)) as url:
        yield Emulated(url)


class Place(Protocol):
    """Whatever stands for Gemini."""

    @property
    def url(self) -> str:
        """Its base URL."""


@asynccontextmanager
async def adapter(
    upstream: Place,
    lines: Any = None,
    endpoints: Any = ENDPOINTS,
    page_token: Any = None,
    **settings: Any,
) -> AsyncIterator[httpx2.AsyncClient]:
    """Open a client of an adapter in front of an upstream; both on real sockets, in this event loop.

    `lines`, `endpoints` and `page_token` are those of `create_app`; `LogLines` keeps the text of lines. They have no
    types, since each `**settings` of a test would be checked against them.
    """
    given: Object = {"upstream_url": upstream.url, "upstream_keys": ("k",), "store": "memory", "retries": 0, **settings}
    chosen = Settings(**given)
    served: Any = create_app(
        chosen,
        lines=RequestLog(chosen, cast(LogSink, lines)) if isinstance(lines, LogLines) else lines,
        endpoints=endpoints,
        page_token=page_token,
    )
    running = serving(plain(served)) if PLAIN_ASGI else serving(served, build_protocol(chosen))
    # To load certificates takes longer than most tests.
    async with (
        running as url,
        httpx2.AsyncClient(base_url=url, timeout=PATIENCE, trust_env=False, verify=False) as client,
    ):
        yield client


def plain(app: Any) -> Any:
    """Wrap an application so that it sees a plain ASGI server, without uvicorn's objects."""

    async def call(scope: Any, receive: Any, send: Any) -> None:
        async def receive_message() -> Any:
            return await receive()

        async def send_message(message: Any) -> None:
            await send(message)

        await app(scope, receive_message, send_message)

    return call


@asynccontextmanager
async def serving(app: Any, protocol: Any = "httptools") -> AsyncIterator[str]:
    """Serve an application on a real socket, in this event loop; yield its URL."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=protocol, log_level="error", access_log=False, lifespan="auto", server_header=False
    )
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await server.serves.wait()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.enough.set()
        await task


def chat(text: Any = "hi", **fields: Any) -> Object:
    """Return a chat request."""
    return {"model": "gemini-3.5-flash", "messages": [{"role": "user", "content": text}], **fields}


def events(text: str) -> list[str]:
    """Return the payloads of an event stream."""
    return [line[len("data: ") :] for line in text.split("\n\n") if line.startswith("data: ")]


async def says_hello(call: Call) -> None:
    """Answer with `Hello`, in two pieces where a stream is asked for."""
    if ":stream" in call.request.path:
        await call.stream(answer("Hel", finish=None), answer("lo"))
    else:
        await call.json(answer("Hello"))
