"""GET /metrics: what it counts, who may read it, and that nothing a client sends makes it grow."""

import asyncio
import subprocess
import sys
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapter.settings import SettingsError, load
from tests.live import ROOT, bare_environment, free_port, wait_for
from tests.server.scripted import adapter, answer, chat, scripted


def figures(text):
    """Samples by name and labels."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def speaks(call):
    if "stream" in call.request.path:
        await call.stream(answer("a", finish=None), answer("b"))
    else:
        await call.json(answer("hello"))


async def test_requests_tokens_notes_and_times_are_counted():
    async with scripted(speaks) as upstream, adapter(upstream, metrics=True) as client:
        await client.post("/v1/chat/completions", json=chat(user="me"))
        await client.post("/v1/chat/completions", json=chat(stream=True))
        await client.post("/v1/responses", json={"model": "gemini-3.5-flash", "input": "hi"})
        await client.post("/v1/chat/completions", json={"model": 5})
        while (found := figures((await client.get("/metrics")).text))["adapter_running",]:
            await asyncio.sleep(0.01)
    chats = ("endpoint", "chat/completions")
    assert found["adapter_requests_total", chats, ("status", "200")] == 2
    assert found["adapter_requests_total", chats, ("status", "400")] == 1
    assert found["adapter_requests_total", ("endpoint", "responses"), ("status", "200")] == 1
    assert found["adapter_tokens_total", ("kind", "input"), ("model", "gemini-3.5-flash")] == 9
    assert found["adapter_first_event_seconds_count", chats, ("model", "gemini-3.5-flash")] == 1
    assert found["adapter_notes_total", ("fidelity", "dropped"), ("field", "user")] == 1
    assert found["adapter_running",] == 0


async def test_a_thousand_names_make_no_thousand_figures():
    async def refuse(call):
        await call.json({"error": {"code": 404, "message": "models/x is not found", "status": "NOT_FOUND"}}, 404)

    async with scripted(refuse) as upstream, adapter(upstream, metrics=True) as client:
        before = len(figures((await client.get("/metrics")).text))
        for start in range(0, 300, 30):
            bodies = [{**chat(), "model": f"planted-{n}", f"planted{n}": 1} for n in range(start, start + 30)]
            await asyncio.gather(*(client.post("/v1/chat/completions", json=body) for body in bodies))
        text = (await client.get("/metrics")).text
    assert "planted" not in text
    assert len(figures(text)) < before + 60


async def test_only_who_may_call_may_read_them():
    async with scripted(speaks) as upstream, adapter(upstream, metrics=True, client_keys=("k",)) as client:
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/metrics", headers={"authorization": "Bearer k"})).status_code == 200


async def test_there_are_none_unless_asked_for():
    async with scripted(speaks) as upstream, adapter(upstream) as client:
        assert (await client.get("/metrics")).status_code == 404


def test_workers_count_together(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "adapter", "serve", "--port", str(port), "--workers", "2", "--metrics"]
    process = subprocess.Popen([*command, "--store", "memory"], cwd=ROOT, env=bare_environment(tmp_path))
    try:
        wait_for(f"http://127.0.0.1:{port}/healthz", process)
        for _ in range(12):
            body = b'{"model": "gemini-3.5-flash", "messages": [{"role": "user", "content": "hi"}]}'
            headers = {"content-type": "application/json"}
            request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", body, headers)
            urllib.request.urlopen(request, timeout=20).read()
        for _ in range(5):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as page:
                found = figures(page.read().decode())
            assert found["adapter_requests_total", ("endpoint", "chat/completions"), ("status", "200")] == 12
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_without_its_package_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setattr("adapter.settings.find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match="pip install"):
        load({"metrics": True}, {})
