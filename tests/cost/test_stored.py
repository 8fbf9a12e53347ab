"""Cost property: what is stored is written, brought back and listed in steps that nobody waits long for."""

import asyncio
import json
import threading
import time
from contextlib import contextmanager

import pytest

from adapter.server.app import create_app
from adapter.settings import Settings
from tests.cost.turns import HEADERS, LONGEST, longest_stretch
from tests.support.in_process import InProcess
from tests.support.scripted import answer, run_upstream
from tests.support.size import IS_LARGE

ITEMS, CHARACTERS = (9_000, 3_000) if IS_LARGE else (3_000, 300)
PATH = "/v1/responses"


async def says_ok(call):
    await (call.stream(answer("ok")) if ":stream" in call.request.path else call.json(answer("ok")))


@contextmanager
def upstream():
    """A Gemini in a thread of its own, whose time is not the event loop's."""
    ready, loop, url = threading.Event(), asyncio.new_event_loop(), ""

    async def serve():
        nonlocal url
        async with run_upstream(says_ok) as made:
            url = made.url
            ready.set()
            await asyncio.Event().wait()

    task = loop.create_task(serve())
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([task])))
    thread.start()
    ready.wait()
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


@pytest.fixture
def app(tmp_path):
    with upstream() as url:
        made = InProcess(create_app(Settings(upstream_url=url, upstream_keys=("k",), store=f"sqlite:{tmp_path / 's'}")))
        made.open()
        yield made
        made.close()


def ask(app, path, body, method="POST"):
    """The answer to one request, which keeps nobody waiting."""
    data = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
    found, longest = app.loop.run_until_complete(
        longest_stretch(app._ask(path, data, HEADERS, method, b""), time.thread_time)
    )
    assert found.status == 200, found.body[:500]
    assert longest < LONGEST, (path, longest)
    return json.loads(found.body)


def items(number):
    return [{"type": "message", "role": "user", "content": "x" * CHARACTERS} for _ in range(number)]


@pytest.mark.parametrize("more", [{}, {"background": True}])
def test_a_response_with_a_long_input_is_stored_and_followed_by_another(app, more):
    made = ask(app, PATH, {"model": "gemini-3.5-flash", "input": items(ITEMS), **more})
    while more and ask(app, f"{PATH}/{made['id']}", None, "GET")["status"] != "completed":
        app.loop.run_until_complete(asyncio.sleep(0.05))
    ask(app, PATH, {"model": "gemini-3.5-flash", "input": "hi", "previous_response_id": made["id"]})
    assert len(ask(app, f"{PATH}/{made['id']}/input_items", None, "GET")["data"]) == 20
    ask(app, f"{PATH}/compact", {"model": "gemini-3.5-flash", "input": items(ITEMS)})


def test_a_conversation_with_large_items_is_gone_on_with(app):
    made = ask(app, "/v1/conversations", {})["id"]
    body = {"items": [{"type": "message", "role": "user", "content": "x" * CHARACTERS * 100} for _ in range(20)]}
    for _ in range(4):
        ask(app, f"/v1/conversations/{made}/items", body)
    ask(app, PATH, {"model": "gemini-3.5-flash", "input": "hi", "conversation": made})
