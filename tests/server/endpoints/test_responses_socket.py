"""The websocket of /v1/responses, over real sockets."""

import asyncio
import json
from contextlib import AsyncExitStack, suppress

import pytest
from httpx2 import RemoteProtocolError
from websockets.exceptions import InvalidStatus

from adapter.server.limits.access import Access
from adapter.server.observe import timed_frames
from adapter.settings import Settings
from tests.support.guards import PATIENCE
from tests.support.raw import raw, upgrade
from tests.support.responses_socket import create, receive_events, socket
from tests.support.scripted import adapter, answer, frame, run_upstream
from tests.support.stateful import contents, text_of_response

HANDSHAKE = upgrade()


async def counts(call):
    await call.stream(answer(f"answer {call.number}"))


async def test_one_response_after_the_other_on_one_connection():
    async with run_upstream(counts) as upstream, adapter(upstream) as client, socket(client) as connection:
        await connection.send(create("first"))
        first = await receive_events(connection)
        await connection.send(create("second", previous_response_id=first[-1]["response"]["id"]).encode())
        second = await receive_events(connection)
        kept = (await client.get(f"/v1/responses/{first[-1]['response']['id']}")).json()
    assert [event["type"] for event in first[:2]] == ["response.created", "response.in_progress"]
    assert [event["sequence_number"] for event in second] == list(range(len(second)))
    assert text_of_response(second[-1]["response"]) == "answer 2"
    assert kept == first[-1]["response"]
    assert contents(upstream.seen[1]) == [("user", ["first"]), ("model", ["answer 1"]), ("user", ["second"])]


async def test_a_connection_remembers_what_is_not_stored():
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        async with socket(client) as connection:
            await connection.send(create("first", store=False))
            first = (await receive_events(connection))[-1]["response"]
            await connection.send(create("second", store=False, previous_response_id=first["id"]))
            second = (await receive_events(connection))[-1]["response"]
        kept = await client.get(f"/v1/responses/{first['id']}")
        async with socket(client) as connection:
            await connection.send(create("third", previous_response_id=second["id"]))
            lost = (await receive_events(connection))[-1]
    assert contents(upstream.seen[1]) == [("user", ["first"]), ("model", ["answer 1"]), ("user", ["second"])]
    assert kept.status_code == 404
    assert (lost["type"], lost["error"]["code"]) == ("error", "previous_response_not_found")


async def test_what_is_prepared_without_an_answer_is_there_for_the_next_response():
    async with run_upstream(counts) as upstream, adapter(upstream) as client, socket(client) as connection:
        await connection.send(create("first", generate=False))
        prepared = await receive_events(connection)
        await connection.send(create("second", previous_response_id=prepared[-1]["response"]["id"]))
        await receive_events(connection)
    assert [event["type"] for event in prepared] == ["response.created", "response.in_progress", "response.completed"]
    assert prepared[-1]["response"]["output"] == []
    assert len(upstream.seen) == 1
    assert contents(upstream.seen[0]) == [("user", ["first"]), ("user", ["second"])]


async def test_lanes_run_beside_each_other():
    go_on = asyncio.Event()

    async def script(call):
        if call.request.body["contents"][-1]["parts"][0]["text"] == "slow":
            await go_on.wait()
        await call.stream(answer("done"))

    async with run_upstream(script) as upstream, adapter(upstream) as client, socket(client) as connection:
        await connection.send(create("slow", stream_id="a"))
        await connection.send(create("quick", stream_id="b"))
        quick = await receive_events(connection)
        go_on.set()
        slow = await receive_events(connection)
    assert {event["stream_id"] for event in quick} == {"b"}
    assert {event["stream_id"] for event in slow} == {"a"}


async def test_responses_of_a_connection_take_places_like_other_requests():
    go_on = asyncio.Event()

    async def script(call):
        await go_on.wait()
        await call.stream(answer("done"))

    async with (
        run_upstream(script) as upstream,
        adapter(upstream, max_concurrent=1, max_queued=0) as client,
        socket(client) as connection,
    ):
        await connection.send(create("runs", stream_id="a"))
        while not upstream.seen:
            await asyncio.sleep(0.01)
        await connection.send(create("one too many", stream_id="b"))
        refused = [event for event in await receive_events(connection) if event["stream_id"] == "b"]
        go_on.set()
        answered = await receive_events(connection)
        await connection.send(create("afterwards", stream_id="b"))
        after = await receive_events(connection)
    assert [(event["type"], event["status"], event["error"]["code"]) for event in refused] == [
        ("error", 503, "overloaded")
    ]
    assert (answered[-1]["type"], after[-1]["type"]) == ("response.completed", "response.completed")
    assert len(upstream.seen) == 2


async def test_errors_leave_the_connection_open():
    async def script(call):
        if call.number == 1:
            await call.json({"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}, 429)
        elif call.number == 2:
            tail = frame({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}})
            await call.stream(answer("Hel", finish=None), tail)
        else:
            await counts(call)

    async with run_upstream(script) as upstream, adapter(upstream) as client, socket(client) as connection:
        ends = []
        for message in ("{", "{}", create(background=True), create([{"role": "x"}]), *[create()] * 3):
            await connection.send(message)
            ends.append((await receive_events(connection))[-1])
    assert [(end["type"], end.get("status")) for end in ends] == [
        *[("error", 400)] * 4,
        ("error", 429),
        ("response.failed", None),
        ("response.completed", None),
    ]
    assert ends[2]["error"]["param"] == "background"
    assert ends[4]["error"]["code"] == "rate_limit_exceeded"
    assert set(ends[4]["error"]) == {"message", "type", "param", "code"}


async def test_steering_is_refused_with_the_input():
    async with run_upstream(counts) as upstream, adapter(upstream) as client, socket(client) as connection:
        steer = {"type": "response.steer", "input": "left", "previous_response_id": "resp_1"}
        await connection.send(json.dumps(steer))
        failed = (await receive_events(connection))[-1]
    assert failed["error"]["code"] == "steering_not_supported"
    assert failed["steer"] == {"input": "left", "previous_response_id": "resp_1"}


async def test_a_client_that_leaves_cancels_the_call():
    async def script(call):
        await call.start()
        await call.send(frame(answer("x", finish=None)))
        await asyncio.sleep(60)

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        async with socket(client) as connection:
            await connection.send(create())
            await connection.recv()
        await asyncio.wait_for(upstream.gone.wait(), PATIENCE)


async def test_lanes_and_what_waits_in_them_are_bounded():
    async def script(_call):
        await asyncio.sleep(60)

    async with run_upstream(script) as upstream, adapter(upstream) as client, socket(client) as connection:
        for lane in range(9):
            await connection.send(create(stream_id=str(lane)))
        refused = [(await receive_events(connection))[-1]]
        for _ in range(18):
            await connection.send(create(stream_id="0"))
        refused.append((await receive_events(connection))[-1])
    assert [end["error"]["param"] for end in refused] == ["stream_id", "stream_id"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"Authorization": "Bearer wrong"}, 401), ({"Authorization": "Bearer right"}, None)],
)
async def test_a_connection_needs_a_key(headers, status):
    async with run_upstream(counts) as upstream, adapter(upstream, client_keys=("right",)) as client:
        if status is None:
            async with socket(client, additional_headers=headers) as connection:
                await connection.send(create())
                assert (await receive_events(connection))[-1]["type"] == "response.completed"
        else:
            with pytest.raises(InvalidStatus) as caught:
                async with socket(client, additional_headers=headers):
                    pass
            assert caught.value.response.status_code == status
            assert json.loads(caught.value.response.body)["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize(("allowed", "opens"), [((), False), (("https://app.example",), True), (("*",), True)])
async def test_pages_of_other_origins_need_leave(allowed, opens):
    async with run_upstream(counts) as upstream, adapter(upstream, allow_origins=allowed) as client:
        own = str(client.base_url).rstrip("/")
        async with socket(client, origin=own):
            pass
        if opens:
            async with socket(client, origin="https://app.example"):
                pass
        else:
            with pytest.raises(InvalidStatus):
                async with socket(client, origin="https://app.example"):
                    pass


async def test_exchanges_are_recorded_for_the_page():
    async with run_upstream(counts) as upstream, adapter(upstream, inspector=True) as client:
        async with socket(client) as connection:
            await connection.send(create())
            await receive_events(connection)
        rows = (await client.get("/inspector/exchanges")).json()["exchanges"]
        detail = (await client.get(f"/inspector/exchanges/{rows[0]['key']}")).json()
    assert [(row["path"], row["status"]) for row in rows] == [("/v1/responses", 200)]
    assert len(detail["answer"]) == len(detail["answer_times"]) == rows[0]["events"]
    assert [event["text"] for event in detail["calls"][0]["events"]] == [json.dumps(answer("answer 1"))]


async def test_of_a_long_response_the_page_keeps_so_many_events(monkeypatch):
    monkeypatch.setattr(timed_frames, "MAX_TAPPED", 3)
    async with run_upstream(counts) as upstream, adapter(upstream, inspector=True) as client:
        async with socket(client) as connection:
            await connection.send(create())
            sent = await receive_events(connection)
        rows = (await client.get("/inspector/exchanges")).json()["exchanges"]
    assert len(sent) > rows[0]["events"] == 3


async def test_so_many_connections_are_open_at_once_and_one_that_closes_makes_place():
    async with run_upstream(counts) as upstream, adapter(upstream, max_sockets=2) as client:
        async with socket(client), socket(client):
            with pytest.raises(InvalidStatus) as refused:
                async with socket(client):
                    pass
        assert refused.value.response.status_code == 503
        assert json.loads(refused.value.response.body)["error"]["code"] == "overloaded"
        async with socket(client) as connection:
            await connection.send(create())
            assert (await receive_events(connection))[-1]["type"] == "response.completed"


async def test_what_connections_remember_is_counted_and_forgotten_where_there_is_no_room():
    limits = {"max_bodies": 1_000_000, "max_body": 1_000_000}
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(run_upstream(counts))
        client = await stack.enter_async_context(adapter(upstream, **limits))
        one, other = [await stack.enter_async_context(socket(client)) for _ in range(2)]
        for connection, size, is_known in ((one, 150_000, True), (other, 150_000, False), (other, 50_000, True)):
            await connection.send(create("x" * size, store=False))
            made = (await receive_events(connection))[-1]["response"]["id"]
            await connection.send(create("more", store=False, previous_response_id=made))
            assert ((await receive_events(connection))[-1]["type"] == "response.completed") is is_known


async def test_a_client_that_takes_nothing_holds_neither_its_place_nor_gemini():
    """Such a client answers no pings; closing in good order would wait for the data that it does not take."""

    async def without_end(call):
        await call.start()
        while True:
            await call.send(frame(answer("x" * 100_000, finish=None)))

    async with (
        run_upstream(without_end) as upstream,
        adapter(upstream, write_timeout=0.3, max_concurrent=1) as client,
        raw(client, buffer=4_096) as connection,
    ):
        await connection.send(HANDSHAKE)
        await connection.reader.readuntil(b"\r\n\r\n")
        text = create().encode()
        await connection.send(b"\x81" + bytes([0x80 | len(text)]) + bytes(4) + text)
        await asyncio.wait_for(upstream.gone.wait(), PATIENCE)
        upstream.script = counts
        upstream.gone.clear()
        async with socket(client) as other:
            await other.send(create())
            assert (await receive_events(other))[-1]["type"] == "response.completed"
        with suppress(ConnectionError):
            await asyncio.wait_for(connection.reader.read(), PATIENCE)


@pytest.fixture
def guard(monkeypatch):
    """The access of the adapter that is started next."""
    made = []

    def make(settings):
        made.append(Access(settings))
        return made[-1]

    monkeypatch.setattr("adapter.server.pipeline.service.Access", make)
    return lambda: made[-1]


ONE, TWO = Settings(client_keys=("one",)), Settings(client_keys=("two",))
KEYED = {"authorization": "Bearer one"}


async def test_a_key_that_was_taken_back_opens_no_further_response(guard):
    async with (
        run_upstream(counts) as upstream,
        adapter(upstream, client_keys=("one",)) as client,
        socket(client, additional_headers=KEYED) as connection,
    ):
        await connection.send(create())
        assert (await receive_events(connection))[-1]["type"] == "response.completed"
        guard().replace(TWO)
        await connection.send(create())
        [error] = await receive_events(connection)
    assert (error["type"], error["status"], error["error"]["code"]) == ("error", 401, "invalid_api_key")
    assert len(upstream.seen) == 1


async def test_a_key_that_was_taken_back_follows_no_background_response(guard):
    go_on = asyncio.Event()

    async def script(call):
        await call.start()
        await call.send(frame(answer("before", finish=None)))
        await go_on.wait()
        await call.send(frame(answer("after")))
        await call.end()

    asked = {"model": "gemini-3.5-flash", "input": "hi", "stream": True, "background": True}
    async with run_upstream(script) as upstream, adapter(upstream, client_keys=("one",)) as client:
        seen = b""
        async with client.stream("POST", "/v1/responses", json=asked, headers=KEYED) as response:
            with suppress(RemoteProtocolError):
                async for piece in response.aiter_raw():
                    seen += piece
                    if b"before" in seen and not go_on.is_set():
                        guard().replace(TWO)
                        go_on.set()
        guard().replace(ONE)
        response_id = json.loads(seen.split(b"data: ")[1].split(b"\n")[0])["response"]["id"]
        async with asyncio.timeout(PATIENCE):
            while (kept := await client.get(f"/v1/responses/{response_id}", headers=KEYED)).json()[
                "status"
            ] != "completed":
                await asyncio.sleep(0.05)
    assert b"after" not in seen
    assert text_of_response(kept.json()) == "beforeafter"
