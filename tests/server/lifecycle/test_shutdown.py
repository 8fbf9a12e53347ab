"""The end of real processes: what runs finishes, or ends with an error that its client sees."""

import asyncio
import json
import os
import signal
import time

import httpx2
import pytest

from tests.support.guards import PATIENCE, until
from tests.support.live import adapter
from tests.support.shutting_down import (
    HANGING,
    SILENT,
    SLOW,
    chat,
    events,
    text_of_stream,
    until_under_way,
    wait_for_exit,
    workers_of,
)

pytestmark = pytest.mark.faults


@pytest.fixture(params=[1, 2], ids=["one worker", "two workers"])
def serve(request, tmp_path):
    def serve(**settings):
        given = {f"ADAPTER_{name.upper()}": str(value) for name, value in settings.items()}
        return adapter(tmp_path, "--workers", str(request.param), "--log-level", "error", settings=given)

    return serve


async def test_what_runs_when_the_signal_comes_is_answered_whole(serve):
    with serve(metrics="true") as live:
        async with httpx2.AsyncClient(base_url=live.url, timeout=PATIENCE) as client:
            expected = text_of_stream((await chat(client, SLOW, stream=True))[1])
            streams = [asyncio.create_task(chat(client, SLOW, stream=True)) for _ in range(10)]
            wholes = [asyncio.create_task(chat(client, SLOW)) for _ in range(5)]
            await until_under_way(client, [*streams, *wholes])
            live.process.send_signal(signal.SIGTERM)
            for status, text in await asyncio.gather(*streams):
                assert status == 200
                assert text_of_stream(text) == expected
                assert text.endswith("data: [DONE]\n\n")
            assert [status for status, _ in await asyncio.gather(*wholes)] == [200] * 5
        assert await wait_for_exit(live.process) in (0, -signal.SIGTERM)


async def test_what_runs_longer_than_the_grace_period_ends_with_an_error(serve):
    with serve(shutdown_grace=1.0, commit_after=60, metrics="true") as live:
        async with httpx2.AsyncClient(base_url=live.url, timeout=PATIENCE) as client:
            stream = asyncio.create_task(chat(client, HANGING, stream=True))
            waiting = asyncio.create_task(chat(client, SILENT, stream=True))
            whole = asyncio.create_task(chat(client, SILENT))
            await until_under_way(client, [stream, waiting, whole])
            await asyncio.sleep(1.0)
            live.process.send_signal(signal.SIGTERM)
            begun = time.monotonic()
            status, text = await stream
            assert status == 200
            assert "[DONE]" not in text
            *chunks, last = events(text)
            assert chunks
            assert all(choice["finish_reason"] is None for chunk in chunks for choice in chunk["choices"])
            assert last["error"] == {
                "message": "The server is shutting down.",
                "type": "service_unavailable_error",
                "param": None,
                "code": "shutting_down",
            }
            for status, text in (await waiting, await whole):
                assert status == 503
                assert json.loads(text)["error"]["code"] == "shutting_down"
            assert time.monotonic() - begun > 0.5
        assert await wait_for_exit(live.process) in (0, -signal.SIGTERM)


async def test_readiness_goes_first_and_requests_are_still_served(serve):
    with serve(shutdown_delay=1.5) as live:
        async with httpx2.AsyncClient(base_url=live.url, timeout=PATIENCE) as client:
            before = await client.get("/readyz")
            assert (before.status_code, before.json()["status"]) == (200, "ok")
            live.process.send_signal(signal.SIGTERM)
            # A parent of several workers looks twice a second.
            await asyncio.sleep(0.8)
            during = await client.get("/readyz")
            assert (during.status_code, during.json()["status"]) == (503, "shutting down")
            assert (await client.get("/healthz")).status_code == 200
            assert (await chat(client, "gemini-3.8-flash"))[0] == 200
        assert await wait_for_exit(live.process) in (0, -signal.SIGTERM)
        async with httpx2.AsyncClient(base_url=live.url, timeout=PATIENCE) as client:
            assert (await chat(client, "gemini-3.8-flash"))[0] == 0


async def test_a_second_interrupt_ends_it_at_once(tmp_path):
    with adapter(tmp_path, "--metrics") as live:
        async with httpx2.AsyncClient(base_url=live.url, timeout=PATIENCE) as client:
            stream = asyncio.create_task(chat(client, HANGING, stream=True))
            await until_under_way(client, [stream])
            live.process.send_signal(signal.SIGINT)
            await asyncio.sleep(0.5)
            assert live.process.poll() is None
            live.process.send_signal(signal.SIGINT)
            await wait_for_exit(live.process)
            with pytest.raises(httpx2.TransportError):
                await stream


async def asked_until(client, done):
    """The numbers of answered and unanswered requests until an event."""
    good = bad = 0
    while not done.is_set():
        try:
            status, _ = await chat(client, "gemini-3.8-flash")
        except httpx2.TransportError:
            status = 0
        good, bad = good + (status == 200), bad + (status != 200)
    return good, bad


async def test_workers_are_replaced_one_by_one_without_a_lost_request(tmp_path):
    with adapter(tmp_path, "--workers", "2", "--log-level", "error") as live:
        before = workers_of(live.process.pid)
        done = asyncio.Event()
        async with httpx2.AsyncClient(base_url=live.url, timeout=PATIENCE) as client:
            # A connection of its own for each request: an idle one may be closed in the moment of its use.
            client.headers["connection"] = "close"
            load = asyncio.create_task(asked_until(client, done))
            stream = asyncio.create_task(chat(client, SLOW, stream=True))
            await asyncio.sleep(0.5)
            live.process.send_signal(signal.SIGHUP)
            await until(lambda: not set(workers_of(live.process.pid)) & set(before))
            done.set()
            good, bad = await load
            assert (bad, good > 10) == (0, True)
            assert (await stream)[1].endswith("data: [DONE]\n\n")
        assert len(workers_of(live.process.pid)) == 2
        assert not set(workers_of(live.process.pid)) & set(before)


async def test_a_worker_that_is_killed_is_replaced_and_costs_no_other_request(tmp_path):
    with adapter(tmp_path, "--workers", "2", "--log-level", "error") as live:
        victim = workers_of(live.process.pid)[0]
        done = asyncio.Event()
        async with httpx2.AsyncClient(base_url=live.url, timeout=PATIENCE) as client:
            client.headers["connection"] = "close"
            load = asyncio.create_task(asked_until(client, done))
            await asyncio.sleep(0.5)
            os.kill(victim, signal.SIGKILL)
            await until(lambda: len(workers := workers_of(live.process.pid)) == 2 and victim not in workers)
            done.set()
            good, bad = await load
        assert bad <= 1
        assert good > 0
