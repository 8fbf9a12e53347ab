"""Faulty answers of Gemini on raw sockets, and what clients must see of them."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.support.chaos import CHUNKED, Exchange, chunk
from tests.support.chaos import answer as http
from tests.support.scripted import answer, events, frame

PATH = "/v1/chat/completions"
LIMITS = {"connect_timeout": 0.3, "first_byte_timeout": 0.4, "idle_timeout": 0.3}
FINAL = answer("!")


class Whole(NamedTuple):
    """A good answer with this text."""

    text: str


class Broken(NamedTuple):
    """A stream of this text, then an event with this code."""

    text: str
    code: str


class Row(NamedTuple):
    """A fault, and what a client sees who asks for a whole answer, or for a stream."""

    name: str
    play: Callable[[Exchange], Awaitable[object]]
    whole: tuple[int, str | None] | Whole
    streamed: tuple[int, str | None] | Whole | Broken
    hits: int = 1
    settings: Mapping[str, Any] = MappingProxyType({})


def says(*pieces, then="close", pause=0.0):
    """Send these bytes; then close, reset, hang, or keep the connection."""

    async def play(exchange):
        for piece in pieces:
            await exchange.send(piece)
            await asyncio.sleep(pause)
        if then == "reset":
            await asyncio.sleep(0.05)
            exchange.reset()
        elif then == "hang":
            await exchange.wait_closed()
        return then != "keep"

    return play


def delta(text):
    return frame(answer(text, finish=None))


def streams(*pieces, then="close", pause=0.0):
    """The head of a stream and these chunks."""
    return says(CHUNKED, *map(chunk, pieces), then=then, pause=pause)


def whole_stream(*pieces, pause=0.0):
    return streams(*pieces, b"", then="keep", pause=pause)


def answer_bytes(value, status="200 OK", **headers):
    """A whole JSON answer."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return says(http(body, status, **{"content_type": "application/json", **headers}), then="keep")


def google(code, status, message="no", details=()):
    return {"error": {"code": code, "status": status, "message": message, "details": list(details)}}


def http_error(code, status, message="no", details=()):
    return answer_bytes(google(code, status, message, details), f"{code} X")


def waits(seconds):
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{seconds}s"}


def quota(name):
    violation = {"quotaId": name, "quotaMetric": "m"}
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}


def by_kind(whole, streamed):
    """One script for whole answers, one for streams."""

    async def play(exchange):
        return await (streamed if ":stream" in exchange.line else whole)(exchange)

    return play


def both(value, text):
    """Return scripts that give the same whole answer to whole and streamed requests, and the expected text of each."""
    return by_kind(answer_bytes(value), whole_stream(frame(value))), Whole(text), Whole(text)


def first(once, then):
    """One script for the first request, another one for those after it."""

    async def play(exchange):
        return await (once if exchange.hit == 1 else then)(exchange)

    return play


async def one_line_without_end(exchange):
    await exchange.send(CHUNKED)
    for _ in range(100):
        await exchange.send(chunk(b"x" * 1_000_000))


GOOD = by_kind(answer_bytes(FINAL), whole_stream(frame(FINAL)))
BAD = (502, "upstream_bad_response")
LOST = (502, "upstream_connection_error")
CUT = (502, "upstream_stream_truncated")
LATE = (504, "upstream_timeout")
BUSY = (503, "server_is_overloaded")
EMPTY = (502, "empty_answer")


def error_of(response):
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert "secret" not in error["message"]
    return response.status_code, error["code"]


def check_error(response, expected):
    status, code = error_of(response)
    assert (status, code if expected[1] else None) == expected, response.text


def check_whole(response, expected):
    if isinstance(expected, Whole):
        assert response.status_code == 200, response.text
        assert (response.json()["choices"][0]["message"]["content"] or "") == expected.text
    else:
        check_error(response, expected)


def check_stream(response, expected):
    if isinstance(expected, tuple) and not isinstance(expected, (Whole, Broken)):
        check_error(response, expected)
        return
    assert response.status_code == 200, response.text
    payloads = events(response.text)
    finished = payloads[-1] == "[DONE]"
    assert finished is isinstance(expected, Whole), payloads
    parsed = [json.loads(one) for one in payloads if one != "[DONE]"]
    choices = [choice for one in parsed for choice in one.get("choices", [])]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    if isinstance(expected, Whole):
        assert text == expected.text
        assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["stop"]
    else:
        assert text.rstrip("a") == expected.text.rstrip("a")
        assert text.startswith(expected.text)
        assert all(choice["finish_reason"] is None for choice in choices)
        assert parsed[-1]["error"]["code"] == expected.code
        assert set(parsed[-1]["error"]) == {"message", "type", "param", "code"}


def check_record(log, figures, expected):
    """One line for each of two requests, the first of which ended as expected; the same in the figures."""
    assert len(log) == 2, log
    assert " 200 " in log[1]
    outcomes = sorted(
        line.split('outcome="')[1].split('"')[0] for line in figures.splitlines() if "requests_total{" in line
    )
    match expected:
        case Whole():
            assert outcomes == ["complete"]
            assert (" INFO " in log[0], " ms" in log[0]) == (True, True)
        case Broken(_, code):
            assert outcomes == ["broken", "complete"]
            assert (" WARNING " in log[0], " 200 " in log[0], log[0].endswith(code)) == (True, True, True)
        case (status, code):
            assert outcomes == ["complete", "error"]
            assert f" {status} " in log[0]
            assert code is None or log[0].endswith(code)
            assert (" WARNING " if status >= 500 else " INFO ") in log[0]


class Named(NamedTuple):
    """The facts about an upstream that `scripted.adapter` needs."""

    url: str
