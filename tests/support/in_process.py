"""The adapter's ASGI application in this process, with the emulator behind it, asked without sockets."""

import asyncio
import json
import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import uvicorn

from adapter.emulator import create_emulator
from adapter.server.app import create_app
from adapter.settings import Settings
from tests.support import oracles
from tests.support.guards import PATIENCE

SLOWEST = 5.0
"""Seconds of CPU that no request may take."""


class Answer(NamedTuple):
    """The application's answer, and its CPU time in seconds."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    seconds: float

    @property
    def is_stream(self) -> bool:
        """Return whether it is an event stream."""
        return self.headers.get(b"content-type", b"").startswith(b"text/event-stream")


class InProcess:
    """Asks the application, in an event loop of its own; `bugs` are the errors that it logged."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.loop = asyncio.new_event_loop()
        self.bugs: list[logging.LogRecord] = []
        self._to_lifespan: asyncio.Queue[Any] = asyncio.Queue()
        self._lifespan: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Start the application's lifespan."""
        self.loop.run_until_complete(self._open())

    async def _open(self) -> None:
        started = asyncio.Event()

        async def send(message: Any) -> None:
            started.set()

        await self._to_lifespan.put({"type": "lifespan.startup"})
        self._lifespan = asyncio.create_task(self._app({"type": "lifespan"}, self._to_lifespan.get, send))
        await started.wait()

    def close(self) -> None:
        """End the lifespan, and the loop."""
        self.loop.run_until_complete(self._close())
        self.loop.close()

    async def _close(self) -> None:
        await self._to_lifespan.put({"type": "lifespan.shutdown"})
        assert self._lifespan is not None
        await self._lifespan

    def ask(
        self, path: str, body: bytes, headers: list[tuple[bytes, bytes]], method: str = "POST", query: bytes = b""
    ) -> Answer:
        """Send one request. Raises for an answer that hangs, is slow or has no end, and for a logged error."""
        asked = self._ask(path, body, headers, method, query)
        answer = self.loop.run_until_complete(asyncio.wait_for(asked, PATIENCE))
        bugs = [record.exc_info for record in self.bugs]
        self.bugs.clear()
        assert not bugs, bugs[0]
        assert answer.seconds < SLOWEST, f"{answer.seconds} s of CPU"
        return answer

    async def _ask(
        self, path: str, body: bytes, headers: list[tuple[bytes, bytes]], method: str, query: bytes
    ) -> Answer:
        sent: list[Any] = []
        pieces = [{"type": "http.request", "body": body, "more_body": False}]
        left = asyncio.Event()

        async def receive() -> Any:
            if pieces:
                return pieces.pop()
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": query, "root_path": "", "headers": headers,
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {},
        }  # fmt: skip
        begun = time.thread_time()
        await self._app(scope, receive, send)
        assert sent, "no answer"
        assert sent[0]["type"] == "http.response.start"
        assert not sent[-1].get("more_body"), "the answer has no end"
        text = b"".join(message.get("body", b"") for message in sent[1:])
        return Answer(sent[0]["status"], dict(sent[0]["headers"]), text, time.thread_time() - begun)


class _RecordHandler(logging.Handler):
    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__(logging.ERROR)
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)


@contextmanager
def in_process(url: str, **settings: Any) -> Iterator[InProcess]:
    """Open the application in front of an upstream."""
    log = logging.getLogger("adapter")
    # The loop stands still between two requests, which must not count as stuck.
    off: dict[str, Any] = {"retries": 0, "circuit_pause": 0, "stuck_timeout": 0, "inspector": False}
    asked = InProcess(create_app(Settings(upstream_url=url, store="memory", **off, **settings)))
    handler = _RecordHandler(asked.bugs)
    log.addHandler(handler)
    asked.open()
    try:
        yield asked
    finally:
        asked.close()
        log.removeHandler(handler)


@contextmanager
def before_emulator() -> Iterator[InProcess]:
    """Open the application in front of the emulator."""
    with _emulator() as url, in_process(url, upstream_keys=("any",)) as asked:
        yield asked


class Puppet:
    """An upstream that says the same to everybody: `said`, as a stream or as a whole answer."""

    def __init__(self) -> None:
        self.said = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1beta"

    @contextmanager
    def running(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Answer in this loop."""
        server = loop.run_until_complete(asyncio.start_server(self._serve_upstream, sock=self._listener))
        try:
            yield
        finally:
            server.close()

    async def _serve_upstream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = re.search(rb"content-length: (\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        kind = b"text/event-stream" if b":streamgeneratecontent" in head else b"application/json"
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\nconnection: close\r\n\r\n" % kind)
        writer.write(self.said)
        await writer.drain()
        writer.close()


@contextmanager
def before_puppet() -> Iterator[tuple[InProcess, Puppet]]:
    """Open the application in front of a scripted upstream, whose answers must not make a key cool down."""
    puppet = Puppet()
    with in_process(puppet.url, upstream_auth="caller") as asked, puppet.running(asked.loop):
        yield asked, puppet


@contextmanager
def _emulator() -> Iterator[str]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    server = uvicorn.Server(uvicorn.Config(create_emulator(), log_level="critical", access_log=False))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1beta"
    finally:
        server.should_exit = True
        thread.join(10)


def check_error(error: Any) -> None:
    """Raise unless this is OpenAI's error, with all four keys."""
    assert set(error) == {"message", "type", "param", "code"}, error
    assert isinstance(error["message"], str), error
    assert error["message"], error
    assert isinstance(error["type"], str), error
    assert isinstance(error["param"], str | None), error
    assert isinstance(error["code"], str | None), error
    assert error["code"] != "internal_error", error


def check_answer(path: str, answer: Answer) -> None:
    """Raise unless this is a valid answer to this path, or an error as OpenAI has them, never of ours."""
    if answer.status >= 400:
        check_error(json.loads(answer.body)["error"])
    elif answer.is_stream:
        check_stream(path, answer.body.decode())
    elif path.endswith("/chat/completions"):
        oracles.check_completion(json.loads(answer.body))
    elif path.endswith("/responses"):
        oracles.check_response(_without_echo(json.loads(answer.body)))
    else:
        assert isinstance(json.loads(answer.body), dict)


ECHO: dict[str, Any] = {
    "tools": [], "tool_choice": "auto", "text": None, "max_output_tokens": None, "metadata": {}, "truncation": None,
    "service_tier": None, "reasoning": None,
}  # fmt: skip
"""Fields that a response repeats of its request, and their values here: not all of them are checked on the way in."""


def _without_echo(told: Any) -> Any:
    """Return a response, or an event with one, without the repeated fields of the request."""
    if "response" in told:
        return {**told, "response": _without_echo(told["response"])}
    return {**told, **ECHO} if told.get("object") == "response" else told


def check_stream(path: str, text: str) -> None:
    """Raise unless this is a whole stream, or one that ends with an error."""
    lines = [line for line in text.split("\n") if line and not line.startswith(":")]
    assert text.endswith("\n\n")
    assert all(line.startswith(("data: ", "event: ")) for line in lines), lines
    data = [line[6:] for line in lines if line.startswith("data: ")]
    if path.endswith("/responses"):
        events = [json.loads(one) for one in data if one != "[DONE]"]
        oracles.check_events([_without_echo(event) for event in events])
        for event in events:
            if event["type"] in ("error", "response.failed"):
                assert "internal_error" not in json.dumps(event), event
        return
    last = json.loads(data[-1]) if data[-1] != "[DONE]" else None
    if last is not None:
        check_error(last["error"])
    chunks = [json.loads(one) for one in data[:-1]]
    snapshot = oracles.check_chunks(chunks)
    if last is None:
        assert snapshot is not None
        assert all(choice.finish_reason for choice in snapshot.choices), "a stream that ends well has an end"
