"""Bad bodies, one a row, and what holds for every one of them."""

import json
import time
from contextlib import asynccontextmanager
from typing import NamedTuple

from tests.support.scripted import adapter, answer, chat, run_upstream

CHAT = "/v1/chat/completions"
LONGEST = 2.0
"""Seconds of this process's own time that any body may cost, tests included: far more than one does."""


class Row(NamedTuple):
    """One bad body, as bytes or as a value; `where` is the path that the error names, or begins with."""

    name: str
    body: object
    where: str | None = None
    status: int = 400


def called_out(row):
    """The name of a row's test."""
    return row.name


def text(raw):
    """A chat request in which the text of the message is these bytes of JSON."""
    return b'{"model":"gemini-3.5-flash","messages":[{"role":"user","content":' + raw + b"}]}"


def field(raw, name=b"temperature"):
    """A chat request with one more field, as these bytes of JSON."""
    return text(b'"hi"')[:-1] + b',"' + name + b'":' + raw + b"}"


async def says_hello(call):
    """Gemini, which answers everything alike."""
    await call.json(answer("Hello"))


@asynccontextmanager
async def serve(**settings):
    """A Gemini that answers, and a client of the adapter in front of it."""
    async with run_upstream(says_hello) as upstream, adapter(upstream, **settings) as client:
        yield upstream, client


async def post(client, path, body):
    """The answer to a body, whatever it is."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await client.post(path, content=content, headers={"content-type": "application/json"})


async def check_refusal(served, path, row, caplog):
    """The error that a bad body is answered with; nobody is asked, nothing is logged, and the next one is served."""
    upstream, client = served
    asked, begun = len(upstream.seen), time.process_time()
    response = await post(client, path, row.body)
    spent = time.process_time() - begun
    error = response.json()["error"]
    assert response.status_code == row.status, error
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert (error["param"] or "").startswith(row.where or ""), error
    assert len(error["message"]) <= 4_000
    assert len(error["param"] or "") <= 500
    assert len(upstream.seen) == asked
    assert caplog.records == []
    assert spent < LONGEST
    assert (await client.post(CHAT, json=chat())).status_code == 200
    return error
