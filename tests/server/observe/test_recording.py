"""Every request has one line in the log and one outcome in the figures, however it ends."""

import asyncio
import json

import httpx2
import pytest

from adapter.server.endpoints.chat import ChatWriter
from tests.support.figures import total, wait_until_idle
from tests.support.guards import until
from tests.support.request_lines import Lines
from tests.support.responses_socket import create, receive_events, socket
from tests.support.scripted import LogLines, adapter, answer, chat, frame, run_upstream

CHAT = "/v1/chat/completions"


async def good(call):
    await (call.stream(answer("hi")) if "stream" in call.request.path else call.json(answer("hi")))


async def bad(call):
    await call.json({"error": {"code": 500, "message": "m", "status": "INTERNAL"}}, 500)


async def breaks(call):
    await call.start()
    await call.send(frame(answer("a", finish=None)))
    call.writer.close()


async def ends_early(call):
    await call.stream(answer("a", finish=None))


async def invalid(call):
    await call.json({"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}, 400)


def post(json, path=CHAT, **headers):
    async def send(client):
        await client.post(path, json=json, headers={"authorization": "Bearer k", **headers})

    return send


def get(path, method="GET", key="k"):
    async def send(client):
        await client.request(method, path, headers={"authorization": f"Bearer {key}"})

    return send


MODELS = {"error": {"code": 404, "message": "m", "status": "NOT_FOUND"}}


async def no_model(call):
    await call.json(MODELS, 404)


@pytest.mark.parametrize(
    ("script", "ask", "line"),
    [
        (good, post(chat()), (CHAT, 200, "complete", "")),
        (good, post(chat(stream=True)), (CHAT, 200, "complete", "")),
        (good, post({"model": "m", "input": "x"}, "/v1/responses"), ("/v1/responses", 200, "complete", "")),
        (good, post({"model": 5}), (CHAT, 400, "error", "invalid_type")),
        (good, post(chat(), authorization="Bearer wrong"), (CHAT, 401, "error", "invalid_api_key")),
        (good, post(chat(n=99)), (CHAT, 400, "error", "unsupported_value")),
        (good, post(chat() | {"model": "a/../b"}), (CHAT, 400, "error", "unsupported_value")),
        (good, post(chat(), **{"content-encoding": "br"}), (CHAT, 415, "error", "unsupported_media_type")),
        (good, post("x" * 2_000), (CHAT, 413, "error", "request_too_large")),
        (invalid, post(chat()), (CHAT, 400, "error", "invalid_request_error")),
        (bad, post(chat()), (CHAT, 500, "error", "server_error")),
        (bad, post(chat(stream=True)), (CHAT, 500, "error", "server_error")),
        (breaks, post(chat(stream=True)), (CHAT, 200, "broken", "upstream_stream_truncated")),
        (ends_early, post(chat(stream=True)), (CHAT, 200, "broken", "incomplete_stream")),
        (
            breaks,
            post({"model": "m", "input": "x", "stream": True}, "/v1/responses"),
            ("/v1/responses", 200, "broken", "upstream_stream_truncated"),
        ),
        (no_model, get("/v1/models/secret-name"), ("/v1/models/{model}", 404, "error", "model_not_found")),
        (good, get("/v1/responses/resp_none"), ("/v1/responses/{response_id}", 404, "error", "invalid_request_error")),
        (good, get("/v1/models", key="wrong"), ("/v1/models", 401, "error", "invalid_api_key")),
        (good, post(chat(), "/translate"), ("/translate", 200, "complete", "")),
        (good, get(CHAT), (CHAT, 405, "error", "invalid_request_error")),
        (good, get("/v1/secret-path"), ("?", 404, "error", "invalid_request_error")),
    ],
    ids=lambda value: str(value) if isinstance(value, tuple) else None,
)
async def test_a_request_has_one_line_and_one_outcome(script, ask, line):
    lines = Lines()
    async with (
        run_upstream(script) as upstream,
        adapter(upstream, lines, metrics=True, client_keys=("k",), max_body=1_000) as client,
    ):
        client.headers["authorization"] = "Bearer k"
        await ask(client)
        await until(lambda: lines.summaries)
        found = await wait_until_idle(client)
    assert all(one.milliseconds > 0 for one in lines.written), "it knows how long it took"
    _path, status, outcome, _error = line
    assert lines.summaries == [line]
    assert total(found, "adapter_requests_total", status=status, outcome=outcome) == 1
    assert total(found, "adapter_requests_total") == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "before the first event"])
async def test_a_client_that_leaves_before_its_answer_has_a_line_too(stream):
    async def hangs(call):
        await asyncio.sleep(60)

    lines = Lines()
    async with run_upstream(hangs) as upstream, adapter(upstream, lines, metrics=True) as client:
        asking = asyncio.create_task(client.post(CHAT, json=chat(stream=stream)))
        while not upstream.seen:
            await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.wait([asking])
        found = await wait_until_idle(client)
    assert lines.summaries == [(CHAT, 499, "gone", "")]
    assert total(found, "adapter_requests_total", status=499, outcome="gone") == 1
    assert total(found, "adapter_attempts_total", outcome="cancelled") == 1


async def test_a_client_that_leaves_inside_its_stream_has_a_line_too():
    async def hangs(call):
        await call.start()
        await call.send(frame(answer("a", finish=None)))
        await asyncio.sleep(60)

    lines = Lines()
    async with run_upstream(hangs) as upstream, adapter(upstream, lines, metrics=True) as client:
        async with client.stream("POST", CHAT, json=chat(stream=True)) as answered:
            await anext(answered.aiter_lines())
        found = await wait_until_idle(client)
    assert lines.summaries == [(CHAT, 499, "gone", "")]
    assert total(found, "adapter_requests_total") == 1


async def test_an_answer_that_a_bug_breaks_is_no_client_that_left(monkeypatch, caplog):
    async def fails(_answer, _error):
        raise ZeroDivisionError

    monkeypatch.setattr(ChatWriter, "fail", fails)
    lines = Lines()
    async with run_upstream(breaks) as upstream, adapter(upstream, lines, metrics=True) as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post(CHAT, json=chat(stream=True))
        found = await wait_until_idle(client)
    assert [(one.outcome, one.error) for one in lines.written if not one.quiet] == [("error", "internal_error")]
    assert total(found, "adapter_requests_total", outcome="error") == 1
    assert "ZeroDivisionError" in caplog.text


async def test_each_response_of_a_websocket_has_one_line_and_one_outcome():
    lines = Lines()
    async with run_upstream(good) as upstream, adapter(upstream, lines, metrics=True) as client:
        async with socket(client) as connection:
            for body in (create(), create(previous_response_id="resp_none")):
                await connection.send(body)
                await receive_events(connection)
        found = await wait_until_idle(client)
    path = "/v1/responses"
    assert lines.summaries == [(path, 200, "complete", ""), (path, 400, "error", "previous_response_not_found")]
    assert total(found, "adapter_requests_total", endpoint="responses") == 2


PROBES = {
    "/healthz": "/healthz",
    "/readyz": "/readyz",
    "/openapi.json": "/openapi.json",
    "/": "/",
    "/inspector/exchanges": "/inspector/exchanges",
    "/inspector/script.js": "/inspector/{file}",
}
"""Requests, and their names in the log."""


async def test_probes_have_no_figures_and_a_line_only_in_detail():
    lines = Lines()
    async with run_upstream(good) as upstream, adapter(upstream, lines, metrics=True) as client:
        for number, path in enumerate(PROBES, 1):
            assert (await client.get(path)).status_code == 200
            await until(lambda: len(lines.written) == number)  # noqa: B023 - called at once
        found = await wait_until_idle(client)
    assert [one.path for one in lines.written][: len(PROBES)] == list(PROBES.values())
    assert lines.summaries == []
    assert total(found, "adapter_requests_total") == 0


KEY_LIKE = "sk-" + "a" * 40


@pytest.mark.parametrize(
    ("method", "path", "shown"),
    [
        ("GET", "/v1/threads", "GET /v1/threads"),
        ("DELETE", "/v1/dossiers/one?purpose=x", "DELETE /v1/dossiers/one"),
        ("GET", f"/{KEY_LIKE}/v1/models", "GET /sk-aaa.../v1/models"),
        ("GET", "/" + "v1/" * 100, "GET /" + ("v1/" * 100)[:127] + "..."),
        ("GET", "/a%0Ab%20%22c%22", "GET /a%0Ab%20%22c%22"),
        ("PUT", CHAT, f"PUT {CHAT}"),
    ],
    ids=["a name", "with a query", "with a key", "long", "with control characters", "a method"],
)
@pytest.mark.parametrize("log_format", ["plain", "json"])
async def test_what_is_not_served_is_named_in_the_answer_and_in_the_log(log_format, method, path, shown):
    lines = LogLines()
    async with run_upstream(good) as upstream, adapter(upstream, lines, log_format=log_format) as client:
        response = await client.request(method, path)
        await until(lambda: lines)
    assert response.status_code in (404, 405)
    assert f": {shown}" in response.json()["error"]["message"]
    [line] = lines
    if log_format == "plain":
        assert f" {shown} {response.status_code} " in line
    else:
        assert " ".join(json.loads(line)[name] for name in ("method", "path")) == shown
