"""Mistakes of our own: a 500 or an event that says so, the request's id to find it by, and the traceback in the log."""

import json

import pytest

from adapter.translate.chat import ChatStream
from tests.faults.upstreams import (
    FINAL,
    GOOD,
    PATH,
    Broken,
    Named,
    Whole,
    answer_bytes,
    by_kind,
    check_stream,
    check_whole,
    delta,
    whole_stream,
)
from tests.support.chaos import running
from tests.support.scripted import LogLines, adapter, chat, frame


class Mistake(Exception):
    """A bug, whose text must stay inside the process."""


def fails(*_args, **_kwargs):
    raise Mistake("planted-detail")


def fails_at(number, works):
    """A function that works until it is called so often."""
    calls = 0

    def call(*args, **kwargs):
        nonlocal calls
        calls += 1
        return fails() if calls == number else works(*args, **kwargs)

    return call


PLACES = {
    "the request": ("plan.translate", False, 0),
    "the request of a stream": ("plan.translate", True, 0),
    "the answer": ("chat.from_gemini", False, 1),
    "the first event": ("chat.ChatStream.feed_whole", True, 1),
}


async def check_bug(response, caplog, log):
    request_id = response.headers["x-request-id"]
    assert response.status_code == 500
    error = response.json()["error"]
    assert (error["type"], error["code"]) == ("server_error", "internal_error")
    assert request_id in error["message"]
    assert "planted" not in response.text + str(response.headers)
    assert "Traceback" not in response.text
    (record,) = [one for one in caplog.records if one.name == "adapter"]
    assert request_id in record.getMessage()
    assert record.exc_info[0] is Mistake
    assert log[0].endswith(" internal_error")


@pytest.mark.parametrize("place", PLACES)
async def test_a_mistake_before_anything_was_sent_is_a_500(place, monkeypatch, caplog):
    name, stream, hits = PLACES[place]
    log = LogLines()
    async with running() as (chaos, url), adapter(Named(url), lines=log) as client:
        chaos.script = GOOD
        with monkeypatch.context() as patched:
            patched.setattr(f"adapter.translate.{name}", fails)
            response = await client.post(PATH, json=chat(stream=stream))
        await check_bug(response, caplog, log)
        assert chaos.hits == hits
        after = await client.post(PATH, json=chat(stream=stream))
        (check_stream if stream else check_whole)(after, Whole("!"))
        assert chaos.open <= 1


@pytest.mark.parametrize("place", ["an event", "the end"])
async def test_a_mistake_in_the_middle_of_a_stream_is_its_last_event(place, monkeypatch, caplog):
    log = LogLines()
    name = "feed_whole" if place == "an event" else "close"
    broken = fails_at(2, ChatStream.feed_whole) if place == "an event" else fails
    async with running() as (chaos, url), adapter(Named(url), lines=log) as client:
        chaos.script = by_kind(answer_bytes(FINAL), whole_stream(delta("a"), frame(FINAL), pause=0.05))
        with monkeypatch.context() as patched:
            patched.setattr(ChatStream, name, broken)
            response = await client.post(PATH, json=chat(stream=True))
        expected = Broken("a" if place == "an event" else "a!", "internal_error")
        check_stream(response, expected)
        last = json.loads(response.text.strip().split("\n\n")[-1].removeprefix("data: "))
        assert response.headers["x-request-id"] in last["error"]["message"]
        assert "planted" not in response.text
        (record,) = [one for one in caplog.records if one.name == "adapter"]
        assert record.exc_info[0] is Mistake
        assert (" 200 " in log[0], log[0].endswith(" internal_error")) == (True, True)
        chaos.script = GOOD
        check_stream(await client.post(PATH, json=chat(stream=True)), Whole("!"))


async def test_a_mistake_in_what_is_recorded_costs_no_answer(monkeypatch):
    """The line of the log comes after the answer."""

    class Broken:
        def write(self, _line):
            fails()

    async with running() as (chaos, url), adapter(Named(url), lines=Broken()) as client:
        chaos.script = GOOD
        for _ in range(2):
            check_whole(await client.post(PATH, json=chat()), Whole("!"))
