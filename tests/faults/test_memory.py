"""The memory of a process whose upstream or client sends more than it should, as the kernel counts it."""

import asyncio
import gzip
import json
import sys
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
import pytest
from websockets.asyncio.client import connect

from tests.faults.held_memory import MB, Held
from tests.faults.upstreams import GOOD, PATH, answer_bytes, by_kind, delta, one_line_without_end, says, whole_stream
from tests.support.chaos import CHUNKED, chunk, running
from tests.support.chaos import answer as http
from tests.support.growing_bodies import CHAT, KINDS
from tests.support.guards import PATIENCE
from tests.support.live import adapter, free_port
from tests.support.raw import raw, request
from tests.support.scripted import answer, chat, frame
from tests.support.size import tenth

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

BODIES = 64 * MB


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    """A server, and the port where its upstream will listen."""
    port = free_port()
    settings = {"ADAPTER_UPSTREAM_URL": f"http://127.0.0.1:{port}", "ADAPTER_UPSTREAM_KEYS": "k"}
    limits = ["--no-inspector", "--max-bodies", str(BODIES), "--write-timeout", "1", "--circuit-pause", "0"]
    with adapter(tmp_path_factory.mktemp("state"), *limits, "--log-level", "error", settings=settings) as live:
        yield live, port


@asynccontextmanager
async def asking(process, script):
    """A client, the upstream, and the memory from now on; at the end a normal request is served."""
    live, port = process
    async with (
        running(port=port) as (chaos, _),
        httpx2.AsyncClient(base_url=live.url, timeout=PATIENCE, trust_env=False, verify=False) as client,
    ):
        chaos.script = GOOD
        for stream in (False, True):
            assert (await client.post(PATH, json=chat("x" * 100_000, stream=stream))).status_code == 200
        chaos.script = script
        held = Held(live.process.pid)
        held.begin()
        yield client, chaos, held
        chaos.script = GOOD
        assert (await client.post(PATH, json=chat())).status_code == 200
        # Those that are kept for the next call.
        assert chaos.open <= 4


IMAGE = answer({"inlineData": {"mimeType": "image/png", "data": "A" * 8_000_000}})
BOMB = http(gzip.compress(bytes(500 * MB), 1), content_encoding="gzip", content_type="text/event-stream")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_an_image_of_eight_megabytes_is_held_only_some_times(process, stream):
    async with asking(process, by_kind(answer_bytes(IMAGE), whole_stream(frame(IMAGE)))) as (client, _, held):
        response = await client.post(PATH, json=chat(stream=stream))
        assert "A" * 8_000_000 in response.text
        assert held.most < 80 * MB


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_line_without_an_end_is_held_up_to_the_limit_of_an_event(process, stream):
    async with asking(process, one_line_without_end) as (client, _, held):
        response = await client.post(PATH, json=chat(stream=stream))
        assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_bad_response")
        assert held.most < 100 * MB


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_half_a_gigabyte_that_comes_packed_is_not_unpacked(process, stream):
    async with asking(process, says(BOMB, then="keep")) as (client, _, held):
        response = await client.post(PATH, json=chat(stream=stream))
        assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_bad_response")
        assert held.most < 100 * MB


async def test_an_error_with_a_huge_body_is_not_read(process):
    async def huge(exchange):
        await exchange.send(CHUNKED.replace(b"200 OK", b"400 Bad"))
        for _ in range(100):
            await exchange.send(chunk(b"x" * 1_000_000))

    async with asking(process, huge) as (client, _, held):
        assert (await client.post(PATH, json=chat())).status_code == 400
        assert held.most < 20 * MB


@pytest.mark.parametrize("leaves", [True, False], ids=["and leaves", "until it is cut off"])
async def test_a_client_that_never_reads_makes_nothing_pile_up(process, leaves):
    async def without_end(exchange):
        await exchange.send(CHUNKED)
        while True:
            await exchange.send(chunk(delta("x" * 100_000)))

    async with asking(process, without_end) as (client, chaos, held):
        async with raw(client, buffer=4_096) as connection:
            await connection.send(request(body=json.dumps(chat(stream=True)).encode()))
            async with asyncio.timeout(PATIENCE):
                while chaos.hits < 3:
                    await asyncio.sleep(0.01)
                if leaves:
                    await asyncio.sleep(0.3)
                else:
                    # The connection of the requests before is closed or kept, this one is closed.
                    while not connection.reader.at_eof() and chaos.open > 1:
                        await asyncio.sleep(0.05)
        async with asyncio.timeout(PATIENCE):
            while chaos.open > 1:
                await asyncio.sleep(0.01)
        assert held.most < 15 * MB


async def test_twelve_bodies_of_twenty_megabytes_at_once_are_not_all_held(process):
    """Bodies beyond the byte budget are refused; memory never exceeds a small multiple of what the operator allows."""
    body = json.dumps(chat("A" * 20_000_000)).encode()

    async def slow(exchange):
        await asyncio.sleep(0.5)
        return await GOOD(exchange)

    async with asking(process, slow) as (client, chaos, held):
        before = chaos.hits
        answers = await asyncio.gather(*(client.post(PATH, content=body) for _ in range(12)))
        statuses = [one.status_code for one in answers]
        assert set(statuses) == {200, 503}
        assert statuses.count(200) == chaos.hits - before
        for one in answers:
            if one.status_code == 503:
                assert (one.json()["error"]["code"], one.headers["retry-after"]) == ("overloaded", "1")
        assert held.most < 6 * BODIES


async def test_names_of_tools_are_not_kept(process):
    """A cache that counted names, and not their characters, once held 700 MB after 24 requests."""
    async with asking(process, GOOD) as (client, _, held):
        for number in range(24):
            name = f"{number}" + "x" * 8_000_000
            tool = {"type": "function", "function": {"name": name}}
            response = await client.post(PATH, content=json.dumps({**chat(), "tools": [tool]}).encode())
            assert (response.status_code, response.json()["error"]["param"]) == (400, "tools")
        assert held.most < 150 * MB


async def test_a_history_is_not_loaded_by_many_small_requests_at_once(process):
    item = {"type": "message", "role": "user", "content": "A" * 5_000_000}

    async def slow(exchange):
        await asyncio.sleep(0.5)
        return await GOOD(exchange)

    async with asking(process, slow) as (client, _, held):
        made = (await client.post("/v1/conversations", json={})).json()["id"]
        for _ in range(5):
            added = await client.post(f"/v1/conversations/{made}/items", content=json.dumps({"items": [item]}).encode())
            assert added.status_code == 200
        body = {"model": "gemini-3.5-flash", "input": "hi", "conversation": made, "store": False}
        answers = await asyncio.gather(*(client.post("/v1/responses", json=body) for _ in range(8)))
        assert {one.status_code for one in answers} == {200, 503}
        pages = await client.get(f"/v1/conversations/{made}/items?limit=100")
        assert len(pages.content) < 12 * MB
        assert held.most < 6 * BODIES


async def test_idle_websockets_hold_nothing_of_their_last_message(process):
    async with asking(process, GOOD) as (client, _, held), AsyncExitStack() as stack:
        url = str(client.base_url).replace("http", "ws", 1).rstrip("/") + "/v1/responses"
        text = json.dumps({"type": "response.create", "model": "gemini-3.5-flash", "input": "A" * 8_000_000})
        for _ in range(10):
            connection = await stack.enter_async_context(connect(url, proxy=None, max_size=None))
            await connection.send(text)
            while json.loads(await connection.recv())["type"] not in ("response.completed", "error"):
                pass
        # The parser of `websockets` keeps the last frame until the next one, which answers a ping within 20 seconds.
        assert held.now < 10 * 8 * MB + 80 * MB


@pytest.mark.parametrize("kind", tenth([kind for kind in KINDS if kind.path == CHAT]), ids=lambda kind: kind.name)
@pytest.mark.parametrize("path", [PATH, "/translate"])
async def test_the_largest_body_of_any_kind_is_held_only_some_times(process, kind, path):
    """A refused body counts, too: 30 MB of small values would be gigabytes of objects.

    At most 6 times when served: the body, its texts, Gemini's body and the buffers on both sides. A dry run shows
    Gemini's body in its answer, too: 12.6 times if it is the first large request of its process, 8.2 behind others,
    whose memory it uses again (23 MB of arguments, 2026-11-30). Which comes first depends on the order of the tests.
    """
    most = 8 if path == PATH else 14
    body = json.dumps(kind.body(kind.most), separators=(",", ":")).encode()
    async with asking(process, GOOD) as (client, _, held):
        response = await client.post(path, content=body)
        assert response.status_code in (200, 400)
        assert held.most < most * len(body)
