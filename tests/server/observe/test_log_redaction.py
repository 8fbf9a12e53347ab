"""Keys and prompts planted in every place of real processes, debug logs on: nothing of them is ever written."""

import asyncio
import base64
import contextlib
import json
import signal
import socket
import subprocess
import sys

import httpx2
import pytest

from tests.support.collector import collector
from tests.support.guards import PATIENCE
from tests.support.live import bare_environment, free_port
from tests.support.paths import REPOSITORY
from tests.support.scripted import answer, run_upstream

pytestmark = pytest.mark.faults

CLIENT_KEY = "planted-client-key-55d0"
UPSTREAM_KEY = "planted-upstream-key-91bc"
STORE_PASSWORD = "planted-store-password-3c7e"
SAID = "planted-words-7f3a"
"""Stands for whatever a client or Gemini says."""

PLANTED = ("planted", "cGxhbnRlZC13b3Jkcy03ZjNh", "706c616e746564")
"""All plants begin alike; the words also as base64, and their beginning as hexadecimal digits."""


async def echo(call):
    """Says everything it was told again, in one way after the other, keys included."""
    told = json.dumps([call.request.headers, call.request.body])
    error = {"code": 400, "message": told, "status": "INVALID_ARGUMENT", "details": [{"reason": told}]}
    events = [answer(told, finish=None), answer(told, finish="MALFORMED_FUNCTION_CALL", finishMessage=told)]
    match call.number % 12:
        case 0 | 1:
            await call.json(answer(told))
        case 2:
            await call.json({"error": error}, 400)
        case 3:
            await call.json({"error": error | {"code": 500, "status": "INTERNAL"}}, 500)
        case 4:
            await call.json(f"<html>{told}".encode(), 502)
        case 5:
            await call.json(told.encode())
        case 6:
            await call.json(events[1])
        case 7:
            await call.stream(*events)
        case 8:
            await call.stream(events[0], {"error": error})
        case 9:
            await call.stream(events[0], f"data: {{{told}\n\n".encode())
        case 10:
            call.writer.write(f"HTTP/1.1 {told}\r\n{told}: {told}\r\n\r\n".encode())
            await call.writer.drain()
            call.writer.close()
        case 11:
            await call.start()
            await call.send(told.encode())
            call.writer.close()


def messages(text):
    return {"messages": [{"role": "user", "content": text}]}


TOOL = {"type": "function", "function": {"name": SAID, "description": SAID, "parameters": {"properties": {SAID: {}}}}}
HISTORY = [
    {"role": "system", "content": SAID},
    {"role": "user", "content": [{"type": "text", "text": SAID}, {"type": SAID, SAID: SAID}], "name": SAID},
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"http://{SAID}.invalid/{SAID}"}}]},
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:{SAID};base64,{SAID}"}}]},
    {
        "role": "assistant",
        "tool_calls": [{"id": SAID, "type": "function", "function": {"name": SAID, "arguments": SAID}}],
    },
    {"role": "tool", "tool_call_id": SAID, "content": SAID},
]

BODIES = [
    *[{"model": "gemini-3.5-flash", **messages(SAID)}] * 12,
    *[{"model": "gemini-3.5-flash", "stream": True, **messages(SAID)}] * 12,
    {"model": "gemini-3.5-flash", "messages": HISTORY, "tools": [TOOL]},
    *[{"model": "gemini-3.5-flash", "messages": [HISTORY[0], one]} for one in HISTORY],
    {"model": "gemini-3.5-flash", **messages(SAID), SAID: SAID, "user": SAID, "metadata": {SAID: SAID}, "stop": SAID},
    {"model": "gemini-3.5-flash", **messages(SAID), "temperature": SAID},
    {"model": "gemini-3.5-flash", **messages(SAID), "tool_choice": {"type": SAID}, "response_format": {"type": SAID}},
    {"model": f"models/../{SAID} {SAID}?key={UPSTREAM_KEY}", **messages(SAID)},
    {"model": {SAID: SAID}, "messages": SAID},
    [SAID],
    SAID,
]

PATHS = [
    f"/v1/nowhere?{SAID}={SAID}",
    f"/nowhere?key={UPSTREAM_KEY}",
    f"/v1/chat/completions?{SAID}={UPSTREAM_KEY}",
    # What looks like a model's name is logged as one, wherever it stands.
    f"/v1/models/{SAID}%20{SAID}",
]

HEADERS = {
    "authorization": f"Bearer {CLIENT_KEY}",
    "user-agent": SAID,
    "cookie": f"{SAID}={SAID}",
    "openai-organization": SAID,
    "idempotency-key": SAID,
    "x-client-request-id": f"{SAID} {SAID}",
    "x-stainless-read-timeout": SAID,
    "x-goog-api-key": UPSTREAM_KEY,
    "x-adapter-strict": SAID,
    "traceparent": f"00-{SAID}-{SAID}-01",
    "tracestate": f"{SAID}={SAID}",
    "baggage": f"{SAID}={SAID}",
}

RAW = [
    f"POST /v1/chat/completions HTTP/1.1\r\nHost: {SAID}\r\nContent-Length: 50\r\n\r\n{SAID}",
    f"{SAID} {SAID} {SAID}\r\n{SAID}\r\n\r\n",
    f"GET /{SAID} HTTP/9.9\r\n{SAID}: {SAID}\r\n\r\n",
    f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {SAID}\r\nContent-Length: 3\r\n\r\n{SAID}",
    f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{SAID}\r\n{SAID}",
]


async def ask_everything(url):
    """Every plant, with the right key and with a wrong one; how many answers came."""
    answers = 0
    async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as client:
        for headers in (HEADERS, {**HEADERS, "authorization": f"Bearer {SAID}"}, {"api-key": CLIENT_KEY}):
            for body in BODIES:
                answers += bool(await client.post("/v1/chat/completions", json=body, headers=headers))
                answers += bool(await client.post("/translate", json=body, headers=headers))
            for path in PATHS:
                answers += bool(await client.get(path, headers=headers))
                answers += bool(await client.post(path, content=SAID, headers=headers))
        for raw in RAW:
            await asyncio.to_thread(send_and_leave, url, raw.encode())
    return answers


def send_and_leave(url, data):
    """Half a request, or nonsense, from a client that then resets its connection."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(data)
        connection.settimeout(0.3)
        with contextlib.suppress(OSError):
            connection.recv(1_000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


async def output_of(tmp_path, upstream_url, *arguments, **variables):
    """All output and files of a server, its figures, and the number of its answers."""
    port = free_port()
    environment = {
        **bare_environment(tmp_path / "state"),
        "PYTHONASYNCIODEBUG": "1",
        "PYTHONWARNINGS": "always",
        "PYTHONDEVMODE": "1",
        "ADAPTER_CLIENT_KEYS": CLIENT_KEY,
        "ADAPTER_UPSTREAM_KEYS": UPSTREAM_KEY,
        "ADAPTER_UPSTREAM_URL": upstream_url,
        "ADAPTER_LOG_LEVEL": "debug",
        "ADAPTER_METRICS": "on",
        **variables,
        "ADAPTER_STORE": f"redis://:{STORE_PASSWORD}@127.0.0.1:{free_port()}/0",
    }
    command = [sys.executable, "-m", "adapter", "serve", "--port", str(port), *arguments]
    path = tmp_path / "output"
    with path.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=REPOSITORY, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            url = f"http://127.0.0.1:{port}"
            await until_served(url, process)
            answers = await ask_everything(url)
            figures = await page(f"{url}/metrics")
        finally:
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), PATIENCE)
    return path.read_text(errors="replace"), figures, answers


async def page(url):
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {CLIENT_KEY}"}) as client:
        return (await client.get(url)).text


async def until_served(url, process):
    async with httpx2.AsyncClient() as client:
        async with asyncio.timeout(PATIENCE):
            while True:
                assert process.returncode is None
                with contextlib.suppress(httpx2.TransportError):
                    await client.get(f"{url}/healthz")
                    return
                await asyncio.sleep(0.05)


def lines_with_plants(text):
    return [line for line in text.splitlines() if any(plant in line.lower() for plant in map(str.lower, PLANTED))]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--log-format", "plain"),
        ("--log-format", "json", "--workers", "2"),
        ("--upstream-auth", "caller", "--strict", "breaks", "--fetch-media", "on"),
        ("--upstream-http", "httpx2", "--retry-malformed", "--retries", "2"),
    ],
    ids=" ".join,
)
async def test_nothing_that_was_planted_is_written(tmp_path, arguments):
    async with run_upstream(echo) as upstream:
        text, figures, answers = await output_of(tmp_path, upstream.url, *arguments)
    assert answers == 3 * (2 * len(BODIES) + 2 * len(PATHS))
    assert lines_with_plants(text) == []
    assert lines_with_plants(figures) == []
    assert "adapter_requests_total" in figures
    assert text.count("/v1/chat/completions") > 2 * len(BODIES), "the log has the requests"
    written = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    for path in written:
        assert not any(plant.encode() in path.read_bytes() for plant in PLANTED), path


async def test_nothing_that_was_planted_is_in_a_span(tmp_path):
    async with run_upstream(echo) as upstream, collector() as server:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=planted-collector-key",
        }
        text, _figures, answers = await output_of(tmp_path, upstream.url, "--traces", **variables)
    assert len(server.spans) > answers
    assert not any(plant.encode() in body for plant in PLANTED for body in server.bodies)
    assert lines_with_plants(text) == []
    assert not any("tracestate" in seen.headers or "baggage" in seen.headers for seen in upstream.seen)


@pytest.mark.parametrize(
    "settings",
    [
        {"ADAPTER_UPSTREAM_KEYS": f"{UPSTREAM_KEY} with a space"},
        {"ADAPTER_CLIENT_KEYS": f"sha256:{CLIENT_KEY}"},
        {"ADAPTER_STORE": f"redis://:{STORE_PASSWORD}@host:port"},
        {"ADAPTER_STORE": f"redis://:{STORE_PASSWORD}/@host"},
        {"ADAPTER_STORE": f"postgres://user:{STORE_PASSWORD}@host"},
        {"ADAPTER_UPSTREAM_URL": f"http://user:{UPSTREAM_KEY}@host/"},
        {"ADAPTER_UPSTREAM_PROXY": f"ftp://user:{UPSTREAM_KEY}@host/"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_a_setting_that_is_refused_is_refused_without_its_secret(tmp_path, settings):
    command = [sys.executable, "-m", "adapter", "serve", "--port", "0"]
    environment = {**bare_environment(tmp_path), **settings}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode != 0
    assert lines_with_plants(done.stdout + done.stderr) == []
    assert "Traceback" not in done.stderr


def test_the_search_would_find_a_plant():
    coded = base64.b64encode(SAID.encode()).decode().rstrip("=")
    assert all(lines_with_plants(text) for text in (SAID, f"x {CLIENT_KEY}", coded, SAID.encode().hex()))
