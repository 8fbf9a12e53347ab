"""Agents' requests: a hundred tools of MCP servers and the whole history, which ends in a tool result.

A table of workloads and the data that they are made of. The tools are real ones where recorded traffic is at hand
(`ADAPTER_CORPUS`), else ones of the same sizes; results have 2 KB, and half of them are JSON.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.workloads import ABSENT_MODEL, MODEL, Workload

TOOLS = 100
RESULT = 2_000
"""Bytes of a tool's result."""

# The tools of six servers (Notion, Playwright, files, memory, git, time), bytes of JSON, as recorded in November 2026.
SIZES = (
    2562, 2859, 2533, 4774, 2993, 3043, 2611, 3074, 2607, 2929, 3862, 3537, 3030, 2975, 3130, 3280, 2641, 3060, 2913,
    2732, 2626, 2701, 3067, 5822, 219, 402, 841, 421, 1113, 847, 425, 990, 1136, 1083, 374, 868, 365, 681, 539, 335,
    331, 385, 306, 256, 844, 905, 447, 858, 1550, 869, 883, 844, 513, 692, 552, 583, 583, 489, 549, 673, 493, 489, 866,
    451, 710, 478, 756, 528, 525, 662, 650, 586, 750, 511, 430, 632, 664, 582, 387, 584, 656, 199, 367, 349, 239, 356,
    330, 375, 299, 330, 235, 925, 437, 299, 349, 894, 362, 686,
)  # fmt: skip

SYSTEM = "You are an agent that works with files, pages and a browser. Look before you change anything. " * 10


def tools() -> list[dict[str, Any]]:
    """Return a hundred functions: two of the ninety-eight are there twice, with another name."""
    functions = list(
        _read_recording() if os.environ.get("ADAPTER_CORPUS") else map(_function, range(len(SIZES)), SIZES)
    )
    again = [{**one, "name": one["name"] + "_again"} for one in functions[-(TOOLS - len(SIZES)) :]]
    return [{"type": "function", "function": one} for one in [*functions, *again]]


def _read_recording() -> Iterator[dict[str, Any]]:
    servers = json.loads((Path(os.environ["ADAPTER_CORPUS"]) / "mcp_tools.json").read_text())
    for tool in (tool for server in servers.values() for tool in server):
        yield {"name": tool["name"], "description": tool.get("description", ""), "parameters": tool["inputSchema"]}


def _function(number: int, size: int) -> dict[str, Any]:
    """Return a function of about `size` bytes, with an option, a list and a limit among its parameters."""
    kinds: list[dict[str, Any]] = [
        {"type": "string", "description": "What this field of the tool stands for."},
        {"type": "integer", "minimum": 1, "maximum": 100, "description": "How many at most."},
        {"type": "string", "enum": ["first", "second", "third"]},
        {"type": "array", "items": {"type": "string", "format": "uuid"}},
    ]
    properties: dict[str, Any] = {}
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    while len(json.dumps(schema)) + 150 < size:
        properties[f"field_{len(properties)}"] = kinds[len(properties) % len(kinds)]
    return {"name": f"tool_{number}", "description": "Does something with what it is given.", "parameters": schema}


def flat(functions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the tools in the form of the Responses API."""
    return [{"type": "function", "strict": False, **one["function"]} for one in functions]


def call(step: int) -> dict[str, str]:
    """Return the call of a step that no gateway made."""
    arguments = {"path": f"/srv/pages/part-{step:05d}/index.md", "query": f"what step {step} needs", "limit": step % 50}
    return {"name": "read_file", "arguments": json.dumps(arguments)}


def result(step: int) -> str:
    """Return the result of a step: JSON for every second, from the first on."""
    line = f"line {step} of what the tool found, which is as long as such lines are"
    if step % 2:
        return f"{line}\n" * (RESULT // (len(line) + 1))
    entry = {"id": step, "title": line, "done": False, "tags": ["one", "two"], "score": 0.25, "next": None}
    size = len(json.dumps(entry)) + 2
    return json.dumps({"ok": True, "entries": [{**entry, "id": step + n} for n in range(RESULT // size)]})


def row(calls: int, requests: int, how: str = "", *, over: str = "chat", **more: Any) -> Workload:
    """Return a line of the table; `how` describes the variant, and is part of the name."""
    spec = {
        "calls": calls,
        "over": over,
        "known": "unknown" not in how and "never" not in how,
        "appended": "appended" in how,
        "fresh": "never seen" in how,
    }
    parts = ["agent", f"{calls} call{'s' * (calls > 1)}", how, *([] if over == "chat" else [over])]
    fields = {"path": "/v1/chat/completions" if over == "chat" else "/v1/responses", "answer": "call", **more}
    body = fields.pop("body", {})
    name = ", ".join(part for part in parts if part)
    return Workload(name, {"model": MODEL, **body}, 4, requests, turns=spec, **fields)


AGENTS = [
    row(1, 200, "repeated"),
    row(50, 120, "repeated"),
    row(100, 80, "repeated"),
    row(400, 40, "repeated"),
    row(800, 24, "repeated"),
    row(100, 80, "repeated, unknown ids"),
    row(400, 40, "repeated, unknown ids"),
    row(1, 120, "appended"),
    row(50, 120, "appended"),
    row(100, 80, "appended"),
    row(400, 40, "appended"),
    row(800, 24, "appended"),
    row(400, 40, "appended, unknown ids"),
    row(100, 80, "never seen"),
    row(400, 40, "never seen"),
    row(800, 24, "never seen"),
    row(100, 80, "appended, streamed", stream=True, body={"stream": True}),
    row(400, 40, "appended, streamed", stream=True, body={"stream": True}),
    row(100, 80, "appended", over="responses", rivals=("LiteLLM",)),
    row(400, 40, "appended", over="responses", rivals=("LiteLLM",)),
    row(100, 80, "appended", over="previous_response_id", rivals=()),
    row(400, 40, "appended", over="previous_response_id", rivals=()),
    row(100, 80, "appended, n = 2", body={"n": 2}),
    row(100, 80, "appended, one fallback", body={"model": ABSENT_MODEL}, rivals=()),
]
