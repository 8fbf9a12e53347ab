"""Bodies that grow: for each thing whose number a client chooses, a body with so many of it."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

CHAT, RESPONSES = "/translate", "/v1/responses/input_tokens"
MODEL = "gemini-3.5-flash"
USER = {"role": "user", "content": "hi"}


class Kind(NamedTuple):
    """One count: where the body is sent, and a body with `n` of it. `most` is how many fit into the largest body."""

    name: str
    path: str
    body: Callable[[int], dict[str, Any]]
    most: int


def chat(messages: list[Any], **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": messages, **fields}


def response(items: list[Any], **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "input": items, **fields}


def call(n: int, arguments: str = '{"a":1}', **fields: Any) -> dict[str, Any]:
    return {"id": f"c{n}", "type": "function", "function": {"name": "f", "arguments": arguments}, **fields}


def result(n: int, content: Any = "done", **fields: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"c{n}", "content": content, **fields}


def assistant(**fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, **fields}


def chat_with_calls(calls: list[Any], results: list[Any]) -> dict[str, Any]:
    return chat([USER, assistant(tool_calls=calls), *results])


def tool(parameters: Any, n: int = 0) -> dict[str, Any]:
    return {"type": "function", "function": {"name": f"f{n}", "parameters": parameters}}


def properties(n: int, **schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {f"p{i}": {"type": "string", **schema} for i in range(n)}}


def numbered_members(n: int) -> dict[str, int]:
    return {f"k{i}": i for i in range(n)}


def item(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields}


def details(n: int) -> list[Any]:
    return [
        {"type": "reasoning.encrypted", "id": f"c{i}", "format": "google-gemini-v1", "data": "QUJD"} for i in range(n)
    ]


def calls(n: int) -> list[Any]:
    return [call(i) for i in range(n)]


def results(n: int, **fields: Any) -> list[Any]:
    return [result(i, **fields) for i in range(n)]


def items(n: int, kind: str, **fields: Any) -> dict[str, Any]:
    """Return a request with so many equal items between two messages."""
    return response([USER, *[item(kind, **fields)] * n, USER])


def schema(**keywords: Any) -> dict[str, Any]:
    """Return a request with one tool that has this schema."""
    return chat([USER], tools=[tool(keywords)])


def chat_with_allowed_tools(n: int) -> dict[str, Any]:
    one = {"type": "function", "function": {"name": "f0"}}
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [one] * n}}
    return chat([USER], tools=[tool(properties(1))], tool_choice=choice)


def names(n: int) -> list[str]:
    return [f"p{i}" for i in range(n)]


def loop(n: int) -> list[Any]:
    return [one for i in range(n) for one in (assistant(tool_calls=[call(i)]), result(i))]


def calls_of_responses(n: int) -> list[Any]:
    return [item("function_call", call_id=f"c{i}", name="f", arguments="{}") for i in range(n)]


def outputs_of_responses(n: int) -> list[Any]:
    return [item("function_call_output", call_id=f"c{i}", output="done") for i in range(n)]


def assistant_with_reasoning(n: int) -> dict[str, Any]:
    return assistant(tool_calls=calls(n), reasoning_details=details(n))


def assistant_with_parts(n: int) -> dict[str, Any]:
    """Return an answer with its own parts, its calls in another order."""
    parts = [{"functionCall": {"name": "f", "args": {"a": i}}} for i in range(n)]
    carried = [call(i, json.dumps({"a": i})) for i in reversed(range(n))]
    return assistant(tool_calls=carried, extra_content={"google": {"parts": parts}})


def numbered_text(n: int) -> str:
    return json.dumps(numbered_members(n))


def lists_text(n: int) -> str:
    return json.dumps({"a": [[]] * n})


def functions(n: int) -> list[Any]:
    return [item("function", name=f"f{i}", parameters=properties(1)) for i in range(n)]


EMPTY = {**USER, "content": ""}
SYSTEM = {"role": "system", "content": "a"}
PART = {"type": "text", "text": "a"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}}
NAMED = {"role": "user", "content": "hi", "name": "n", "reasoning_content": "r"}
MILLION = 1_000_000

SAID = item("output_text", text="a")
SUMMARY = item("summary_text", text="a")
SHOWN = "message.input_image.image_url"

KINDS = [
    Kind("messages", CHAT, lambda n: chat([USER] * n), 700_000),
    Kind("messages with losses", CHAT, lambda n: chat([NAMED] * n), 400_000),
    Kind("turns", CHAT, lambda n: chat([USER, assistant(content="a")] * n + [USER]), 300_000),
    Kind("answers in a row", CHAT, lambda n: chat([USER, *[assistant(content="a")] * n]), 600_000),
    Kind("answers and empty turns", CHAT, lambda n: chat([USER, *[assistant(content="a"), EMPTY] * n]), 300_000),
    Kind("later system messages", CHAT, lambda n: chat([USER, *[SYSTEM] * n]), 700_000),
    Kind("halves of characters", CHAT, lambda n: chat([{**USER, "content": "\ud83d" * n}]), 5 * MILLION),
    Kind("characters of two halves", CHAT, lambda n: chat([{**USER, "content": "\U0001f600" * n}]), 2_500_000),
    Kind("parts", CHAT, lambda n: chat([{**USER, "content": [PART] * n}]), 900_000),
    Kind("images", CHAT, lambda n: chat([{**USER, "content": [IMAGE] * n}]), 300_000),
    Kind("generated images", CHAT, lambda n: chat([USER, assistant(images=[IMAGE] * n), USER]), 300_000),
    Kind("calls of one message", CHAT, lambda n: chat_with_calls(calls(n), []), 250_000),
    Kind("calls and results", CHAT, lambda n: chat_with_calls(calls(n), results(n)), 150_000),
    Kind("results backwards", CHAT, lambda n: chat_with_calls(calls(n), results(n)[::-1]), 150_000),
    Kind("results without ids", CHAT, lambda n: chat_with_calls(calls(n), results(n, tool_call_id=None)), 150_000),
    Kind("results of no call", CHAT, lambda n: chat([USER, *results(n)]), 400_000),
    Kind("steps of a tool loop", CHAT, lambda n: chat([USER, *loop(n)]), 150_000),
    Kind("equal calls", CHAT, lambda n: chat_with_calls([call(0)] * n, [result(0)] * n), 150_000),
    Kind("reasoning details", CHAT, lambda n: chat([USER, assistant_with_reasoning(n)]), 100_000),
    Kind("carried parts", CHAT, lambda n: chat([USER, assistant_with_parts(n)]), 100_000),
    Kind("keys of arguments", CHAT, lambda n: chat_with_calls([call(0, numbered_text(n))], [result(0)]), 1_200_000),
    Kind(
        "many arguments",
        CHAT,
        lambda n: chat_with_calls([call(i, numbered_text(400)) for i in range(n // 100)], []),
        400_000,
    ),
    Kind("keys of a result", CHAT, lambda n: chat_with_calls([call(0)], [result(0, numbered_text(n))]), 1_500_000),
    Kind("lists in a result", CHAT, lambda n: chat_with_calls([call(0)], [result(0, lists_text(n))]), 6 * MILLION),
    Kind("unknown fields", CHAT, lambda n: chat([USER], **numbered_members(n)), 1_500_000),
    Kind("unknown fields of a message", CHAT, lambda n: chat([{**USER, **numbered_members(n)}]), 1_500_000),
    Kind("unknown fields of messages", CHAT, lambda n: chat([{**USER, "x": 1}] * n), 600_000),
    Kind("Google's fields", CHAT, lambda n: chat([USER], extra_body={"google": numbered_members(n)}), 1_500_000),
    Kind("Google's labels", CHAT, lambda n: chat([USER], google={"labels": numbered_members(n)}), 1_500_000),
    Kind("tags", CHAT, lambda n: chat([USER], metadata=numbered_members(n)), 1_500_000),
    Kind("stop sequences", CHAT, lambda n: chat([USER], stop=["a"] * n), 6 * MILLION),
    Kind("modalities", CHAT, lambda n: chat([USER], modalities=["text"] * n), 3 * MILLION),
    Kind("tools", CHAT, lambda n: chat([USER], tools=[tool(properties(1), i) for i in range(n)]), 200_000),
    Kind("equal tools", CHAT, lambda n: chat([USER], tools=[tool(properties(1))] * n), 200_000),
    Kind("properties", CHAT, lambda n: schema(**properties(n)), 900_000),
    Kind("odd keywords", CHAT, lambda n: schema(**properties(n, pattern="^a", minLength=1, x=1)), 400_000),
    Kind("values of an enum", CHAT, lambda n: schema(type="string", enum=names(n)), 2 * MILLION),
    Kind("required names", CHAT, lambda n: schema(**properties(1), required=names(n)), 2 * MILLION),
    Kind("branches", CHAT, lambda n: schema(anyOf=[{"type": "string"}] * n), MILLION),
    Kind("allowed tools", CHAT, chat_with_allowed_tools, 500_000),
    Kind("items", RESPONSES, lambda n: response([USER] * n), 700_000),
    Kind("calls in a row", RESPONSES, lambda n: response([USER, *calls_of_responses(n)]), 300_000),
    Kind(
        "calls, then outputs", RESPONSES, lambda n: response(calls_of_responses(n) + outputs_of_responses(n)), 150_000
    ),
    Kind("outputs of no call", RESPONSES, lambda n: response([USER, *outputs_of_responses(n)]), 300_000),
    Kind("items of thoughts", RESPONSES, lambda n: items(n, "reasoning", id="r", summary=[SUMMARY]), 300_000),
    Kind(
        "items with images", RESPONSES, lambda n: items(n, "image_generation_call", id="i", result="iVBORw0K"), 300_000
    ),
    Kind("items with code", RESPONSES, lambda n: items(n, "code_interpreter_call", id="i", code="1"), 200_000),
    Kind("items that are unknown", RESPONSES, lambda n: items(n, "odd"), MILLION),
    Kind("answers", RESPONSES, lambda n: items(n, "message", role="assistant", content=[SAID]), 300_000),
    Kind("parts of an answer", RESPONSES, lambda n: items(1, "message", role="assistant", content=[SAID] * n), 700_000),
    Kind("tools of a response", RESPONSES, lambda n: response([USER], tools=functions(n)), 200_000),
    Kind("what is included", RESPONSES, lambda n: response([USER], include=[SHOWN] * n), MILLION),
]
