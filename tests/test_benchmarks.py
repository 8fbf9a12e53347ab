"""The benchmarks send the requests that their names say. Speed is not tested here: running them shows it."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import goals
from benchmarks.agents import AGENTS, TOOLS
from benchmarks.conversations import Conversation, chat_calls, unknown_calls
from benchmarks.upstream import WHOLE_CALLS
from benchmarks.workloads import ALL
from tests.support.paths import REPOSITORY

ISSUED = {"id": "call_of_the_gateway", "name": "read_file", "arguments": "{}"}


def chat_answer():
    function = {"name": ISSUED["name"], "arguments": ISSUED["arguments"]}
    call = {"id": ISSUED["id"], "type": "function", "function": function, "extra_content": {"google": {}}}
    body = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "tool_calls": [call]}}]})
    return f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


def response_answer():
    item = {"type": "function_call", "call_id": ISSUED["id"], "name": "read_file", "arguments": "{}", "status": "x"}
    body = json.dumps({"id": "resp_1", "output": [{"type": "reasoning"}, item]})
    return f"HTTP/1.1 200 OK\r\n\r\n{body}".encode()


def results(body):
    items = body.get("messages") or body["input"]
    return [item.get("output") or item["content"] for item in items if "output" in item or item.get("role") == "tool"]


def is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_a_history_has_as_many_calls_as_its_name_says_and_grows_by_what_was_answered():
    for workload in AGENTS:
        spec = workload.turns
        assert spec is not None
        loop = Conversation(0, spec, workload.body, unknown_calls(spec["calls"]), is_translated=True)
        first = json.loads(loop.body())
        loop.read(chat_answer() if spec["over"] == "chat" else response_answer())
        second = json.loads(loop.body())
        assert f" {spec['calls']} call" in workload.name
        assert len(first["tools"]) == TOOLS, workload.name
        assert len(results(first)) == spec["calls"], workload.name
        assert sum(map(is_json, results(first))) == (spec["calls"] + 1) // 2, workload.name
        said = json.dumps(second)
        if spec["over"] == "previous_response_id":
            assert (second["previous_response_id"], len(second["input"])) == ("resp_1", 1)
            assert ISSUED["id"] in said
        elif spec["appended"]:
            assert len(results(second)) == spec["calls"] + 1, workload.name
            assert (ISSUED["id"] in said) is spec["known"], workload.name
            assert "extra_content" not in said
        else:
            assert (first == second) is not spec["fresh"], workload.name


def test_what_is_only_passed_on_grows_by_a_call_of_the_same_form():
    spec = {"calls": 2, "over": "previous_response_id", "known": True, "appended": True, "fresh": False}
    loop = Conversation(0, spec, {}, unknown_calls(2), is_translated=False)
    loop.read(WHOLE_CALLS[0])
    body = json.loads(loop.body())
    assert len(results(body)) == 3
    assert "previous_response_id" not in body


def test_calls_are_read_from_streams_in_pieces():
    deltas = [
        {
            "tool_calls": [
                {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}}
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
    ]
    events = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas] + [{"choices": []}]
    text = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    half = len(text) // 2
    chunks = "".join(f"{len(part):x}\r\n{part}\r\n" for part in (text[:half], text[half:], ""))
    answer = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}".encode()
    assert chat_calls(answer) == [{"id": "call_1", "name": "look", "arguments": '{"a":1}'}]


def test_each_goal_is_one_of_a_workload_and_is_judged():
    assert set(goals.RATIOS) <= {workload.name for workload in [*ALL, *AGENTS]}
    rows = {
        ("agent, 50 calls, appended", "adapter"): {"cpu": 3000.0, "size": 0.25e6},
        ("agent, 50 calls, appended", "aiohttp"): {"cpu": 1000.0, "size": 0.25e6},
        ("agent, 800 calls, appended", "adapter"): {"cpu": 9000.0, "size": 2e6},
        ("agent, 800 calls, appended", "aiohttp"): {"cpu": 4000.0, "size": 2e6},
    }
    (met,) = goals.differences({key: [row] for key, row in rows.items()})
    assert met.endswith("5.00 ms are allowed (goal)")
    rows["agent, 800 calls, appended", "adapter"]["cpu"] += 1
    (missed,) = goals.differences({key: [row] for key, row in rows.items()})
    assert missed.endswith("(**missed**: 5)")


@pytest.mark.skipif(shutil.which("taskset") is None, reason="the benchmarks pin processes to cores")
def test_a_benchmark_that_is_ended_leaves_no_server():
    sleeping = f"[{sys.executable!r}, '-c', 'import time; time.sleep(1_000)']"
    script = f"""
from benchmarks.gateways import run_process
with run_process({sleeping}) as one, run_process({sleeping}) as other:
    print(one.pid, other.pid, flush=True)
    one.wait()
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pids = process.stdout.readline().split()
        assert len(pids) == 2
        assert all(Path(f"/proc/{int(pid)}").exists() for pid in pids)
        process.terminate()
    assert process.returncode == 128 + signal.SIGTERM
    assert not any(Path(f"/proc/{int(pid)}").exists() for pid in pids)
