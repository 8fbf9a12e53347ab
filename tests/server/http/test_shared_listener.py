"""Two workers behind one port: each gets its share of the connections, and a turn may go to either."""

import asyncio
import errno
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from unittest import mock

import httpx2
import pytest

from adapter.server.http import shared_listener
from adapter.server.http.shared_listener import SLOTS, ConnectionCounts, SharedListener
from tests.support.guards import PATIENCE, until
from tests.support.live import Live, adapter
from tests.support.paths import REPOSITORY
from tests.support.raw import Raw, raw, request
from tests.support.scripted import Object, answer, run_upstream
from tests.support.shutting_down import workers_of
from tests.support.worker_sockets import owners

CONNECTIONS, REQUESTS = 16, 5
KEYS = {"ADAPTER_UPSTREAM_KEYS": "k"}
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
MODEL = "gemini-3.5-flash"


@asynccontextmanager
async def two_workers(state, upstream, *arguments, **settings) -> AsyncIterator[tuple[Live, httpx2.AsyncClient]]:
    """A live adapter both of whose workers accept connections, and wait for each other as long as it takes."""
    arguments = ("--workers", "2", "--log-level", "error", "--upstream-url", upstream.url, *arguments)
    with adapter(state, *arguments, settings=KEYS | settings, module="tests.support.patient_workers") as live:
        async with httpx2.AsyncClient(base_url=live.url, timeout=PATIENCE) as client:
            await until_both_accept(live, client)
            await until_open(live, 0)
            yield live, client


async def until_both_accept(live: Live, client: httpx2.AsyncClient) -> None:
    while True:
        async with connections(client, 2) as pair:
            if len(set(await workers(live, pair))) == 2:
                return


@asynccontextmanager
async def connections(client: httpx2.AsyncClient, count: int) -> AsyncIterator[list[Raw]]:
    """Connections that are opened at once."""
    async with AsyncExitStack() as stack:
        yield await asyncio.gather(*(stack.enter_async_context(raw(client)) for _ in range(count)))


async def workers(live: Live, opened: list[Raw]) -> list[int]:
    """The worker that holds each connection."""
    ports = [connection.writer.get_extra_info("sockname")[1] for connection in opened]
    at = int(live.url.rpartition(":")[2])
    held: dict[int, int] = {}

    def all_are_held():
        nonlocal held
        held = owners(workers_of(live.process.pid), at)
        return held.keys() >= set(ports)

    await until(all_are_held)
    return [held[port] for port in ports]


async def until_open(live: Live, count: int) -> None:
    """Wait until the workers have closed all but so many: what they have not seen end yet counts for them."""
    port = int(live.url.rpartition(":")[2])
    await until(lambda: len(owners(workers_of(live.process.pid), port)) == count)


async def ask(connection: Raw, path: str, body: Object) -> tuple[dict[str, str], Object]:
    await connection.send(request(path=path, body=json.dumps(body).encode()))
    got = await connection.answer()
    assert got is not None, "the connection ended"
    status, headers, said = got
    assert status == 200, said
    return headers, json.loads(said)


async def requests_by_worker(live, client, concurrency: int) -> list[int]:
    """The requests that each worker gets of a client that opens all its connections at once."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
    async with connections(client, concurrency) as opened:
        held = await workers(live, opened)
        for connection in opened:
            for _ in range(REQUESTS):
                await ask(connection, CHAT, body)
    counted = Counter(held)
    return [counted[worker] * REQUESTS for worker in workers_of(live.process.pid)]


async def hello(call):
    await call.json(answer("hello"))


async def test_each_of_two_workers_gets_at_least_two_fifths_of_the_load(tmp_path):
    async with run_upstream(hello) as upstream, two_workers(tmp_path, upstream) as (live, client):
        for concurrency in (CONNECTIONS, 4 * CONNECTIONS, CONNECTIONS):
            shares = await requests_by_worker(live, client, concurrency)
            assert min(shares) >= 0.4 * concurrency * REQUESTS, shares
            await until_open(live, 0)
        await connect_where_connections_stay_open(live, client)


async def connect_where_connections_stay_open(live, client):
    """New connections go to the worker whose connections were closed."""
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(raw(client)) for _ in range(CONNECTIONS)]
        held = await workers(live, opened)
        left = [connection for connection, worker in zip(opened, held, strict=True) if worker == held[0]]
        for connection in set(opened) - set(left):
            connection.writer.close()
            await connection.rest()
        await until_open(live, len(left))
        more = [await stack.enter_async_context(raw(client)) for _ in range(len(left))]
        shares = Counter(await workers(live, [*left, *more]))
        assert len(shares) == 2
        assert min(shares.values()) >= 0.4 * sum(shares.values()), shares


@pytest.mark.faults
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGHUP], ids=["killed", "replaced"])
async def test_new_workers_take_their_share(tmp_path, sent):
    async with run_upstream(hello) as upstream, two_workers(tmp_path, upstream) as (live, client):
        before = workers_of(live.process.pid)
        os.kill(before[0] if sent == signal.SIGKILL else live.process.pid, sent)
        gone = before[:1] if sent == signal.SIGKILL else before

        def are_new():
            now = workers_of(live.process.pid)
            return len(now) == 2 and not set(now) & set(gone)

        await until(are_new)
        await until_both_accept(live, client)
        await until_open(live, 0)
        shares = await requests_by_worker(live, client, CONNECTIONS)
        assert min(shares) >= 0.4 * CONNECTIONS * REQUESTS, shares


def signed_call(number: int) -> Object:
    return {"functionCall": {"name": "look", "args": {"step": number}}, "thoughtSignature": f"c2lnbmF0dXJl{number:04d}"}


async def next_call(call):
    await call.json(answer(signed_call(sum(content["role"] == "model" for content in call.request.body["contents"]))))


def calls_in(body: Object) -> list[Object]:
    """The parts of all model turns, without the ids."""
    parts = [part for content in body["contents"] if content["role"] == "model" for part in content["parts"]]
    for part in parts:
        part["functionCall"].pop("id", None)
    return parts


TURNS = 10
NO_PARAMETERS = {"type": "object", "properties": {}}


async def test_a_loop_whose_turns_alternate_between_workers_keeps_its_signatures(tmp_path):
    async with (
        run_upstream(next_call) as upstream,
        two_workers(tmp_path, upstream) as (live, client),
        connections(client, 2) as pair,
    ):
        assert len(set(await workers(live, pair))) == 2
        for loop in (by_chat, by_responses):
            upstream.seen.clear()
            await loop(pair)
            assert [calls_in(seen.body) for seen in upstream.seen] == [
                [signed_call(number) for number in range(turn)] for turn in range(TURNS)
            ]


async def by_chat(pair: list[Raw]) -> None:
    """Send everything again each time; of the signatures only the ids come back."""
    messages: list[Object] = [{"role": "user", "content": "look around"}]
    tool = {"type": "function", "function": {"name": "look", "parameters": NO_PARAMETERS}}
    for turn in range(TURNS):
        headers, told = await ask(pair[turn % 2], CHAT, {"model": MODEL, "messages": messages, "tools": [tool]})
        assert headers.get("x-adapter-signatures") == (f"id={turn}" if turn else None)
        call = told["choices"][0]["message"]["tool_calls"][0]
        bare = {key: call[key] for key in ("id", "type", "function")}
        messages.append({"role": "assistant", "tool_calls": [bare]})
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": "nothing"})


async def by_responses(pair: list[Raw]) -> None:
    """Send what is new, and the id of the response before."""
    tool = {"type": "function", "name": "look", "parameters": NO_PARAMETERS, "strict": False}
    sent: Object = {"input": "look around"}
    for turn in range(TURNS):
        _, told = await ask(pair[turn % 2], RESPONSES, {"model": MODEL, "tools": [tool], **sent})
        call = next(item for item in told["output"] if item["type"] == "function_call")
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "nothing"}
        sent = {"previous_response_id": told["id"], "input": [result]}


class Sibling:
    """Another worker, as the file of counts shows it."""

    def __init__(self, path):
        with path.open("r+b") as file:
            self._counts = memoryview(mmap.mmap(file.fileno(), SLOTS * 4)).cast("i")

    def hold(self, connections: int) -> None:
        self._counts[1] = connections


class Greeting(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(b"hello")


@asynccontextmanager
async def listening(tmp_path, **patched):
    """A listener of this process, its counts, a sibling, and a function that connects to it."""
    path = tmp_path / "connections"
    path.touch()
    counts, listener = ConnectionCounts(path), socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    with mock.patch.multiple(shared_listener, **patched):
        server = SharedListener(asyncio.get_running_loop(), Greeting, listener, counts)

        async def connect():
            return await asyncio.open_connection(*listener.getsockname())

        yield counts, Sibling(path), connect
        server.close()
    assert not server.is_serving()
    assert counts.own == shared_listener._EMPTY
    listener.close()
    counts.close()


async def test_a_connection_is_left_to_a_worker_that_has_fewer_until_it_has_as_many(tmp_path):
    async with listening(tmp_path, PATIENCE_S=PATIENCE) as (counts, sibling, connect):
        sibling.hold(0)
        (_, first), (reader, second) = await connect(), await connect()
        await until(lambda: counts.own == 1)
        waiting = asyncio.create_task(reader.readexactly(5))
        await asyncio.sleep(0.05)
        assert (counts.own, waiting.done()) == (1, False)
        sibling.hold(1)
        assert await waiting == b"hello"
        assert counts.own == 2
        first.close()
        second.close()
        await until(lambda: counts.own == 0)


async def test_what_a_stuck_worker_does_not_take_is_accepted(tmp_path):
    async with listening(tmp_path, PATIENCE_S=0.05) as (counts, sibling, connect):
        sibling.hold(0)
        opened = [await connect() for _ in range(5)]
        for reader, _ in opened:
            assert await reader.readexactly(5) == b"hello"
        assert counts.own == 5
        for _, writer in opened:
            writer.close()


async def test_without_files_it_waits_and_goes_on(tmp_path, caplog):
    fails = [OSError(errno.EMFILE, "Too many open files"), ConnectionAbortedError()]

    def accept(listener):
        if fails:
            raise fails.pop(0)
        return real(listener)

    real = socket.socket.accept
    with mock.patch.object(socket.socket, "accept", accept):
        async with listening(tmp_path, PAUSE_S=0.05) as (counts, _, connect):
            reader, writer = await connect()
            assert await reader.readexactly(5) == b"hello"
            assert (fails, counts.own) == ([], 1)
            writer.close()
    assert [record.getMessage() for record in caplog.records if record.name == "adapter"] == [
        "cannot accept connections for 0.05 s: [Errno 24] Too many open files"
    ]


def test_a_slot_is_taken_again_after_its_worker_has_ended(tmp_path):
    path = tmp_path / "connections"
    path.touch()
    script = (
        "import os, sys; from pathlib import Path;"
        "from adapter.server.http.shared_listener import ConnectionCounts;"
        "counts = ConnectionCounts(Path(sys.argv[1])); counts.add(7); print(counts._slot, flush=True);"
        "sys.stdin.readline(); os._exit(1)"
    )
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as other:
        assert other.stdout.readline() == "0\n"
        counts = ConnectionCounts(path)
        counts.add(8)
        assert counts.is_ahead()
        other.stdin.write("\n")
    later = ConnectionCounts(path)
    assert later.own == 0
    later.close()
    counts.close()


async def test_who_serves_for_ever_serves_until_it_is_cancelled(tmp_path):
    path, listener = tmp_path / "connections", socket.create_server(("127.0.0.1", 0))
    path.touch()
    counts = ConnectionCounts(path)
    server = SharedListener(asyncio.get_running_loop(), Greeting, listener, counts)
    serving = asyncio.create_task(server.serve_forever())
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    assert await reader.readexactly(5) == b"hello"
    writer.close()
    await until(lambda: counts.own == 0)
    serving.cancel()
    await asyncio.wait([serving])
    assert not server.is_serving()
    listener.close()
    counts.close()
