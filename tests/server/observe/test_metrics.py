"""GET /metrics: what it counts, who may read it, and that nothing a client sends makes it grow."""

import asyncio
import subprocess
import sys
import urllib.request

import pytest

from adapter.settings import SettingsError, load
from tests.support.circuits import still_circuits
from tests.support.figures import figures, total, wait_until_idle
from tests.support.guards import PATIENCE
from tests.support.live import bare_environment, free_port, wait_for
from tests.support.paths import REPOSITORY
from tests.support.scripted import adapter, answer, chat, frame, run_upstream


async def speaks(call):
    if "stream" in call.request.path:
        await call.stream(answer("a", finish=None), answer("b"))
    else:
        await call.json(answer("hello"))


CHAT, MODEL = "chat/completions", "gemini-3.5-flash"


async def test_requests_tokens_notes_and_times_are_counted():
    async with run_upstream(speaks) as upstream, adapter(upstream, metrics=True) as client:
        await client.post("/v1/chat/completions", json=chat(user="me"))
        await client.post("/v1/chat/completions", json=chat(stream=True))
        await client.post("/v1/responses", json={"model": MODEL, "input": "hi"})
        await client.post("/v1/chat/completions", json={"model": 5})
        found = await wait_until_idle(client)
    assert total(found, "adapter_requests_total", endpoint=CHAT, status=200, outcome="complete") == 2
    assert total(found, "adapter_requests_total", endpoint=CHAT, status=400, outcome="error") == 1
    assert total(found, "adapter_requests_total", endpoint="responses", status=200) == 1
    assert total(found, "adapter_requests_total") == 4
    assert total(found, "adapter_tokens_total", kind="input", model=MODEL) == 9
    assert total(found, "adapter_first_event_seconds_count", endpoint=CHAT, model=MODEL) == 1
    assert total(found, "adapter_request_seconds_count", endpoint=CHAT, model=MODEL) == 2
    assert total(found, "adapter_notes_total", code="user-not-sent", severity="cosmetic") == 1
    assert total(found, "adapter_attempts_total", outcome="ok") == 3
    assert total(found, "adapter_retries_total") == 0


async def test_every_kind_of_tokens_is_counted_once_also_where_events_repeat_the_sum():
    usage = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 64,
        "toolUsePromptTokenCount": 7,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 30,
    }
    last = answer("b") | {"usageMetadata": usage}
    partly = answer("a", finish=None) | {"usageMetadata": usage | {"candidatesTokenCount": 1}}

    async def script(call):
        await (call.stream(partly, last) if "stream" in call.request.path else call.json(last))

    async with run_upstream(script) as upstream, adapter(upstream, metrics=True) as client:
        for stream in (True, False):
            await client.post("/v1/chat/completions", json=chat(stream=stream))
        found = await wait_until_idle(client)
    kinds = {
        kind: total(found, "adapter_tokens_total", kind=kind) for kind in ("input", "cached", "output", "reasoning")
    }
    assert kinds == {"input": 214, "cached": 128, "output": 40, "reasoning": 60}


async def test_times_are_those_that_passed():
    async def script(call):
        await call.start()
        await asyncio.sleep(0.3)
        await call.send(frame(answer("a", finish=None)))
        await asyncio.sleep(0.4)
        await call.send(frame(answer("b")))
        await call.end()

    async with run_upstream(script) as upstream, adapter(upstream, metrics=True) as client:
        await client.post("/v1/chat/completions", json=chat(stream=True))
        found = await wait_until_idle(client)
    first = total(found, "adapter_first_event_seconds_sum", model=MODEL)
    whole = total(found, "adapter_request_seconds_sum", model=MODEL, stream="True")
    assert 0.3 <= first <= whole
    assert whole >= 0.3 + 0.4


async def test_attempts_and_retries_are_counted_by_what_they_met():
    async def script(call):
        if call.number <= 2:
            error = {"code": 503, "message": "m", "status": "UNAVAILABLE"}
            await call.json({"error": error}, 503)
        elif call.number == 3:
            details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "60s"}]
            error = {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": details}
            await call.json({"error": error}, 429)
        elif call.number >= 5:
            call.writer.close()
        else:
            await call.json(answer("hello"))

    keys = ("one", "two")
    async with (
        run_upstream(script) as upstream,
        adapter(upstream, metrics=True, retries=2, upstream_keys=keys) as client,
    ):
        assert (await client.post("/v1/chat/completions", json=chat())).status_code == 200
        assert (await client.post("/v1/chat/completions", json=chat())).status_code == 502
        found = await wait_until_idle(client)
    name = upstream.url.removeprefix("http://")
    attempts = {
        word: total(found, "adapter_attempts_total", upstream=name, outcome=word)
        for word in ("503", "429", "ok", "upstream_connection_error")
    }
    assert attempts == {"503": 2, "429": 1, "ok": 1, "upstream_connection_error": 1}
    assert total(found, "adapter_attempts_total") == 5
    assert total(found, "adapter_retries_total", after="503") == 2
    assert total(found, "adapter_retries_total", after="429") == 1
    assert total(found, "adapter_retries_total") == 3


async def test_circuits_are_counted_while_they_are_open(monkeypatch):
    move = still_circuits(monkeypatch)

    async def script(call):
        if call.number <= 20:
            await call.json({"error": {"code": 500, "message": "m", "status": "INTERNAL"}}, 500)
        else:
            await call.json(answer("hello"))

    async with run_upstream(script) as upstream, adapter(upstream, metrics=True, circuit_pause=60.0) as client:
        for _ in range(20):
            await client.post("/v1/chat/completions", json=chat())
        assert total(await wait_until_idle(client), "adapter_open_circuits") == 1
        refused = await client.post("/v1/chat/completions", json=chat())
        move(60.0)
        again = await client.post("/v1/chat/completions", json=chat())
        found = await wait_until_idle(client)
    assert (refused.json()["error"]["code"], again.status_code) == ("circuit_open", 200)
    assert total(found, "adapter_open_circuits") == 0
    assert total(found, "adapter_attempts_total") == 21, "an open circuit sends nothing"


async def test_sources_of_signatures_are_counted():
    part = {"functionCall": {"name": "f", "args": {}, "id": "g1"}, "thoughtSignature": "U0lH"}

    async def script(call):
        await call.json(answer(part))

    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    async with run_upstream(script) as upstream, adapter(upstream, metrics=True) as client:
        first = await client.post("/v1/chat/completions", json=chat(tools=tools))
        [call] = first.json()["choices"][0]["message"]["tool_calls"]
        del call["extra_content"]
        turns = [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": "one"},
        ]
        for _ in range(3):
            await client.post("/v1/chat/completions", json=chat(messages=turns, tools=tools))
        found = await wait_until_idle(client)
    assert total(found, "adapter_signatures_total", source="id") == 3
    assert total(found, "adapter_signatures_total") == 3


async def test_a_response_in_the_background_is_counted_when_it_has_ended_and_once():
    go_on = asyncio.Event()

    async def script(call):
        await call.start()
        await go_on.wait()
        await call.send(frame(answer("a")))
        await call.end()

    async with run_upstream(script) as upstream, adapter(upstream, metrics=True) as client:
        body = {"model": MODEL, "input": "hi", "background": True, "user": "me"}
        queued = (await client.post("/v1/responses", json=body)).json()
        assert total(await wait_until_idle(client), "adapter_tokens_total") == 0
        go_on.set()
        async with asyncio.timeout(PATIENCE):
            while not total(found := await wait_until_idle(client), "adapter_tokens_total"):
                await asyncio.sleep(0.02)
            while (await client.get(f"/v1/responses/{queued['id']}")).json()["status"] != "completed":
                await asyncio.sleep(0.02)
        found = await wait_until_idle(client)
    assert total(found, "adapter_tokens_total", kind="input", model=MODEL) == 3
    assert total(found, "adapter_notes_total", code="user-not-sent") == 1
    assert total(found, "adapter_requests_total", endpoint="responses", outcome="complete") >= 2


async def test_a_thousand_names_make_no_thousand_figures():
    async def refuse(call):
        await call.json({"error": {"code": 404, "message": "models/x is not found", "status": "NOT_FOUND"}}, 404)

    async with run_upstream(refuse) as upstream, adapter(upstream, metrics=True) as client:
        before = len(figures((await client.get("/metrics")).text))
        for start in range(0, 300, 30):
            bodies = [{**chat(), "model": f"planted-{n}", f"planted{n}": 1} for n in range(start, start + 30)]
            await asyncio.gather(*(client.post("/v1/chat/completions", json=body) for body in bodies))
        text = (await client.get("/metrics")).text
    assert "planted" not in text
    assert len(figures(text)) < before + 60


async def test_only_who_may_call_may_read_them():
    async with run_upstream(speaks) as upstream, adapter(upstream, metrics=True, client_keys=("k",)) as client:
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/metrics", headers={"authorization": "Bearer k"})).status_code == 200


async def test_there_are_none_unless_asked_for():
    async with run_upstream(speaks) as upstream, adapter(upstream) as client:
        assert (await client.get("/metrics")).status_code == 404


def test_workers_count_together(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "adapter", "serve", "--port", str(port), "--workers", "2", "--metrics"]
    command += ["--store", f"sqlite:{tmp_path}/store"]
    process = subprocess.Popen(command, cwd=REPOSITORY, env=bare_environment(tmp_path))
    try:
        wait_for(f"http://127.0.0.1:{port}/healthz", process)
        for _ in range(12):
            body = b'{"model": "gemini-3.5-flash", "messages": [{"role": "user", "content": "hi"}]}'
            headers = {"content-type": "application/json"}
            request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", body, headers)
            urllib.request.urlopen(request, timeout=PATIENCE).read()
        for _ in range(5):
            running = 1.0
            while running:
                # An answer is there before it is counted.
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as page:
                    found = figures(page.read().decode())
                running = found["adapter_running",]
            assert total(found, "adapter_requests_total", endpoint=CHAT, status=200) == 12
            assert total(found, "adapter_attempts_total", outcome="ok") == 12
            assert total(found, "adapter_tokens_total", kind="input") > 0
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def test_what_a_killed_process_had_under_way_is_forgotten_and_what_it_counted_is_not(tmp_path, monkeypatch):
    """A real process, which counts and is killed; then another one's page."""
    body = (
        "from adapter.server.observe.metrics import Metrics; m = Metrics(); m.begin(); m.add_open_circuits('u', 1)\n"
        "c = m.start_call(type('U', (), {'name': 'u'}), 'POST', 'generateContent', 'm', None)\n"
        "c.on_attempt({}); c.__exit__(None, None, None)\n"
        "import os; os.kill(os.getpid(), 9)"
    )
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", body], cwd=REPOSITORY, timeout=PATIENCE, check=False)
    assert done.returncode == -9
    page = (
        "import sys; from adapter.server.observe.metrics import Metrics; m = Metrics(); m.begin()\n"
        "sys.stdout.write(m.render().decode())"
    )
    text = subprocess.run(
        [sys.executable, "-c", page], cwd=REPOSITORY, timeout=PATIENCE, check=True, capture_output=True, text=True
    )
    found = figures(text.stdout)
    assert found["adapter_running",] == 1
    assert total(found, "adapter_open_circuits") == 0
    assert total(found, "adapter_attempts_total", outcome="ok") == 1


def test_without_its_package_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setattr("adapter.extras.find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match="pip install"):
        load({"metrics": True}, {})
