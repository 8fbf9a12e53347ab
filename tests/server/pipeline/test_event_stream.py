"""An event stream to one client: commit, silence, and a client that reads nothing."""

import asyncio
import json
import socket
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from adapter.server.http.asgi import ClientGone, until
from adapter.server.observe.timed_frames import TimedFrames
from adapter.server.pipeline.event_stream import Answer, EventStream, Relay, Writer, relaying
from adapter.settings import Settings, StreamSettings, part_of
from adapter.upstream.client import Reply
from adapter.wire.sse import COMMENT
from tests.support.guards import PATIENCE
from tests.support.guards import until as wait_until_true
from tests.support.scripted import adapter, answer, chat, frame, run_upstream

USUAL = part_of(Settings(), StreamSettings)
QUICK = part_of(Settings(commit_after=0.0, heartbeat_after=0.05, write_timeout=0.05), StreamSettings)


class Client:
    """Stands in for an ASGI server's `send` and keeps its messages; `stuck`: it takes no more."""

    def __init__(self, *, stuck=False):
        self.messages = []
        self.stuck = stuck
        self.heard = asyncio.Event()

    async def __call__(self, message):
        if self.stuck:
            await asyncio.Event().wait()
        self.messages.append(message)
        if len(self.messages) > 3:
            self.heard.set()


async def test_the_head_goes_out_with_the_first_event_and_once():
    client = Client()
    stream = EventStream(client, USUAL)
    stream.headers = {"x-adapter-notes": "none"}
    assert client.messages == []
    await stream.write(b"one")
    await stream.write(b"two")
    head, *bodies = client.messages
    assert head["status"] == 200
    assert (b"x-adapter-notes", b"none") in head["headers"]
    assert (b"cache-control", b"no-cache, no-transform") in head["headers"]
    assert (b"x-accel-buffering", b"no") in head["headers"]
    assert [(body["body"], body["more_body"]) for body in bodies] == [(b"one", True), (b"two", True)]


async def test_silence_is_filled_until_the_stream_ends():
    client = Client()
    stream = EventStream(client, QUICK)
    with until(stream.keep_alive(lambda: COMMENT)):
        await asyncio.wait_for(client.heard.wait(), PATIENCE)
    count = len(client.messages)
    await asyncio.sleep(0.2)
    assert len(client.messages) == count
    assert {message["body"] for message in client.messages[1:]} == {COMMENT}


async def test_without_heartbeats_a_late_stream_is_committed_once_all_the_same():
    client = Client()
    with until(EventStream(client, QUICK).keep_alive(None)):
        await wait_until_true(lambda: len(client.messages) == 2)
        await asyncio.sleep(0.2)
    assert [message.get("body") for message in client.messages] == [None, COMMENT]


async def test_events_that_came_together_leave_together():
    client = Client()
    stream = EventStream(client, USUAL)
    await stream.write(b"one", more=True)
    assert client.messages == []
    assert stream.has_begun
    await stream.write(b"two")
    await stream.write()
    assert [message.get("body") for message in client.messages] == [None, b"onetwo"]


async def test_no_more_is_held_back_than_fits():
    client = Client()
    stream = EventStream(client, USUAL)
    for _ in range(3):
        await stream.write(b"x" * 40_000, more=True)
    assert [len(message.get("body", b"")) for message in client.messages] == [0, 80_000]


async def test_a_client_that_takes_nothing_is_gone():
    stream = EventStream(Client(stuck=True), QUICK)
    with pytest.raises(ClientGone), until(stream.keep_alive(None)):
        await stream.write(b"one")


async def test_a_client_that_takes_no_heartbeat_is_gone():
    stream = EventStream(Client(stuck=True), QUICK)
    with pytest.raises(ClientGone), until(stream.keep_alive(lambda: COMMENT)):
        await asyncio.sleep(PATIENCE)


async def test_only_so_many_events_are_kept_for_the_page():
    kept = TimedFrames()
    stream = EventStream(Client(), USUAL, kept)
    for _ in range(600):
        await stream.write(b"x")
    assert len(kept) == len(kept.times) == 500


@pytest.mark.faults
async def test_a_client_that_never_reads_does_not_hold_gemini_for_ever():
    async def script(call):
        await call.start()
        while True:
            await call.send(frame(answer("x" * 100_000, finish=None)))

    async with run_upstream(script) as upstream, adapter(upstream, write_timeout=0.3) as client:
        address = urlsplit(str(client.base_url))
        with socket.socket() as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(reader, (address.hostname, address.port))
            body = json.dumps(chat(stream=True)).encode()
            head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(body)
            await loop.sock_sendall(reader, head + body)
            await asyncio.wait_for(upstream.gone.wait(), PATIENCE)
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize("where", ["chat", "responses", "resumed"])
async def test_every_stream_tells_proxies_to_pass_it_on_as_it_comes(where):
    async def script(call):
        await call.stream(answer("hi"))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        if where == "chat":
            response = await client.post("/v1/chat/completions", json=chat(stream=True))
        else:
            asked = {"model": "gemini-3.5-flash", "input": "hi", "stream": True, "background": where == "resumed"}
            response = await client.post("/v1/responses", json=asked)
        if where == "resumed":
            created = json.loads(response.text.split("data: ")[1].split("\n")[0])
            response = await client.get(f"/v1/responses/{created['response']['id']}?stream=true")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["cache-control"] == "no-cache, no-transform"


class Heard:
    """Writes each event as it is; `log` has what was done, in its order."""

    is_finished = False

    def __init__(self, log):
        self._log = log

    def begin(self, plan):
        self._log.append(f"begin {plan}")

    def feed(self, reply):
        return [reply.response]

    def take_issued(self):
        return []

    async def close(self):
        self._log.append("close")
        return []

    async def fail(self, _error):
        self._log.append("fail")
        return []


class Leaves(EventStream):
    """A client that leaves when the first event is written."""

    async def write(self, *frames, more=False):
        raise ClientGone


async def test_a_client_that_leaves_between_the_first_event_and_its_write_closes_the_call_and_gets_nothing_more():
    log: list[str] = []
    first: Any = b"first"
    plan: Any = "the plan"

    class Events:
        async def next(self):
            log.append("asked")
            return Reply(first, {})

        async def aclose(self):
            log.append("closed")

    @asynccontextmanager
    async def opening():
        async with aclosing(Events()) as events:
            yield Answer(plan, events)

    async def stream():
        relay = Relay(Leaves(Client(), USUAL), cast(Writer, Heard(log)))
        async with relaying(relay) as client, opening() as answer:
            await client.pass_on(answer)

    with pytest.raises(ClientGone):
        await stream()
    assert log == ["begin the plan", "asked", "closed"]
