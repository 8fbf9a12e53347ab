"""Clients that leave, read nothing, read slowly, or never finish what they say: Gemini is not asked on for nobody."""

import asyncio
import json
import random

import msgspec
import pytest

from adapter.settings import upstream_settings
from tests.faults.upstreams import GOOD, PATH, Named, Whole, check_whole, delta, first, says, streams
from tests.support.chaos import CHUNKED, OK, chunk, running
from tests.support.guards import PATIENCE
from tests.support.raw import head, raw, request
from tests.support.scripted import LogLines, adapter, chat, frame
from tests.support.scripted import answer as gemini

STREAM = request(body=json.dumps(chat(stream=True)).encode())
WHOLE = request()
COUNTED = {**gemini("a", finish=None), "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 1}}

LEAVING = {
    "a whole answer": (WHOLE, says(then="hang")),
    "the first event": (STREAM, says(then="hang")),
    "the next event": (STREAM, streams(frame(COUNTED), then="hang")),
}


async def only_line(log):
    """The only line of a log, once it is there."""
    async with asyncio.timeout(PATIENCE):
        while not log:
            await asyncio.sleep(0.01)
    assert len(log) == 1
    return log[0]


@pytest.mark.parametrize("how", ["closes", "resets"])
@pytest.mark.parametrize("waits_for", LEAVING)
async def test_who_leaves_takes_the_call_to_gemini_along(waits_for, how):
    sent, play = LEAVING[waits_for]
    log = LogLines()
    async with (
        running() as (chaos, url),
        adapter(Named(url), lines=log, metrics=True, max_concurrent=1, max_queued=0) as client,
    ):
        chaos.script = play
        async with raw(client) as connection:
            await connection.send(sent)
            if waits_for == "the next event":
                await connection.reader.readuntil(b'"a"')
            else:
                while not chaos.hits:
                    await asyncio.sleep(0.01)
            if how == "resets":
                connection.reset()
        async with asyncio.timeout(PATIENCE):
            await chaos.wait_for_connections()
        line = await only_line(log)
        assert (" INFO " in line, " 499 " in line) == (True, True)
        figures = (await client.get("/metrics")).text
        assert 'adapter_requests_total{endpoint="chat/completions",outcome="gone",status="499"} 1.0' in figures
        if waits_for == "the next event":
            assert 'kind="input",model="gemini-3.5-flash"} 7.0' in figures
        # The only place is free again.
        chaos.script = GOOD
        check_whole(await client.post(PATH, json=chat()), Whole("!"))


async def test_hundreds_that_leave_at_random_leak_no_connection_to_gemini(monkeypatch):
    """At the end each of ten places still takes a call: all ten run at once."""
    chance = random.Random(11)

    def small(settings):
        return msgspec.structs.replace(upstream_settings(settings), max_connections=10)

    async def anything(exchange):
        match chance.randrange(5):
            case 0:
                return await GOOD(exchange)
            case 1:
                return await streams(b":\n", b":\n", b":\n", then="hang", pause=0.01)(exchange)
            case 2:
                return await says(then="hang")(exchange)
            case 3:
                return await says(CHUNKED, b"20\r\ncut")(exchange)
            case _:
                return await streams(delta("a"), then="hang")(exchange)

    async def leave(client):
        async with raw(client) as connection:
            await connection.send(chance.choice((WHOLE, STREAM)))
            await asyncio.sleep(chance.uniform(0.001, 0.06))
            if chance.random() < 0.5:
                connection.reset()

    monkeypatch.setattr("adapter.server.app.upstream_settings", small)
    together = asyncio.Barrier(10)

    async def all_at_once(exchange):
        # A call whose client has left by now may still come.
        if b"all at once" in exchange.body:
            await together.wait()
        return await GOOD(exchange)

    async with running() as (chaos, url), adapter(Named(url), circuit_pause=0.0) as client:
        chaos.script = anything
        for _ in range(10):
            await asyncio.gather(*(leave(client) for _ in range(50)))
        chaos.script = all_at_once
        for _ in range(5):
            async with asyncio.timeout(PATIENCE):
                for answer in await asyncio.gather(*(client.post(PATH, json=chat("all at once")) for _ in range(10))):
                    check_whole(answer, Whole("!"))
        assert chaos.open <= 10


async def without_end(exchange):
    """Events as fast as they are taken."""
    await exchange.send(CHUNKED)
    while True:
        await exchange.send(chunk(delta("x" * 100_000)))


@pytest.mark.parametrize("how", ["closes", "resets"])
async def test_who_leaves_while_the_server_is_writing_ends_the_stream(how):
    log = LogLines()
    async with running() as (chaos, url), adapter(Named(url), lines=log, inspector=False) as client:
        chaos.script = without_end
        async with raw(client, buffer=4_096) as connection:
            await connection.send(STREAM)
            await connection.reader.readexactly(10_000)
            await asyncio.sleep(0.2)
            if how == "resets":
                connection.reset()
        async with asyncio.timeout(PATIENCE):
            await chaos.wait_for_connections()
        assert " 499 " in await only_line(log)
        chaos.script = GOOD
        check_whole(await client.post(PATH, json=chat()), Whole("!"))


async def test_who_reads_slowly_slows_gemini_down_and_gets_everything():
    sent = 0

    async def large(exchange):
        nonlocal sent
        await exchange.send(CHUNKED)
        for _ in range(300):
            await exchange.send(chunk(delta("~" * 100_000)))
            sent += 100_000
        await exchange.send(chunk(frame(gemini("!"))) + chunk(b""))

    async with running() as (chaos, url), adapter(Named(url), inspector=False, write_timeout=5.0) as client:
        chaos.script = large
        async with raw(client, buffer=4_096) as connection:
            await connection.send(STREAM)
            text, before = b"", -1
            while before < sent:
                # What buffers take on the way is soon full.
                before = sent
                text += await connection.reader.readexactly(1_000)
                await asyncio.sleep(0.2)
            assert sent < 25_000_000
            pieces = [text]
            while not pieces[-1].endswith(b"0\r\n\r\n"):
                pieces.append(await connection.reader.read(65_536))
        text = b"".join(pieces)
        assert sent == text.count(b"~") == 30_000_000
        assert text.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


async def test_who_never_reads_is_left_after_a_while():
    log = LogLines()
    async with running() as (chaos, url), adapter(Named(url), lines=log, inspector=False, write_timeout=0.3) as client:
        chaos.script = without_end
        async with raw(client, buffer=4_096) as connection:
            await connection.send(STREAM)
            async with asyncio.timeout(PATIENCE):
                while not chaos.hits:
                    await asyncio.sleep(0.01)
                await chaos.wait_for_connections()
            assert " 499 " in await only_line(log)


@pytest.mark.parametrize("how", ["closes", "resets"])
async def test_who_leaves_in_the_middle_of_its_request_is_one_line_in_the_log(how, caplog, capfd):
    log = LogLines()
    async with running() as (chaos, url), adapter(Named(url), lines=log) as client:
        async with raw(client) as connection:
            await connection.send(head(length=1_000_000) + b'{"model": "')
            await asyncio.sleep(0.1)
            if how == "resets":
                connection.reset()
        line = await only_line(log)
        assert (" INFO " in line, " 499 " in line) == (True, True)
        assert (await client.get("/healthz")).status_code == 200
        assert chaos.hits == 0
    assert caplog.records == []
    assert "Traceback" not in "".join(capfd.readouterr())


async def test_who_says_that_it_is_done_before_its_answer_has_left():
    """TCP cannot tell a client that only sends no more from one that has gone (uvicorn takes both for the latter)."""
    async with running() as (chaos, url), adapter(Named(url)) as client:
        chaos.script = says(then="hang")
        async with raw(client) as connection:
            await connection.send(WHOLE)
            while not chaos.hits:
                await asyncio.sleep(0.01)
            connection.writer.write_eof()
            assert await connection.rest() == b""
        async with asyncio.timeout(PATIENCE):
            await chaos.wait_for_connections()


async def test_requests_that_were_sent_together_do_not_outlive_their_client():
    """The first of two has no answer when the client leaves; the second one is never asked."""
    async with running() as (chaos, url), adapter(Named(url)) as client:
        chaos.script = first(says(then="hang"), says(OK))
        async with raw(client) as connection:
            await connection.send(WHOLE + WHOLE)
            while not chaos.hits:
                await asyncio.sleep(0.01)
        async with asyncio.timeout(PATIENCE):
            await chaos.wait_for_connections()
        await asyncio.sleep(0.1)
        assert chaos.hits == 1
