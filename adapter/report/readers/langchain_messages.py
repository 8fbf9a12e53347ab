"""LangChain's messages, as LangSmith records them, in OpenAI's shape."""

from typing import Any

import orjson

from adapter.report.readers.base import value_below

_ROLES = {
    "human": "user",
    "HumanMessage": "user",
    "ai": "assistant",
    "AIMessage": "assistant",
    "AIMessageChunk": "assistant",
    "system": "system",
    "SystemMessage": "system",
    "tool": "tool",
    "ToolMessage": "tool",
    "function": "function",
    "FunctionMessage": "function",
}
"""LangChain's `type` of a message, or its class, to OpenAI's role."""


def to_openai(message: Any) -> dict[str, Any] | None:
    """Return one message in OpenAI's form; None if it is no message.

    LangChain serialises a message as `{lc, type: "constructor", id: [..., class], kwargs}`, in older versions as
    `{type, data}` or with its fields side by side. A message that has a `role` is OpenAI's own already.
    """
    if not isinstance(message, dict):
        return None
    if isinstance(message.get("role"), str):
        return message
    kwargs = value_below(message, "kwargs") or value_below(message, "data") or message
    role = _ROLES.get(_kind(message, kwargs))
    if role is None or not isinstance(kwargs, dict):
        return None
    translated: dict[str, Any] = {"role": role, "content": kwargs.get("content", "")}
    calls = [_call(call) for call in kwargs.get("tool_calls") or ()]
    calls = calls or value_below(kwargs, "additional_kwargs", "tool_calls") or []
    if calls:
        translated["tool_calls"] = calls
    for name in ("tool_call_id", "name"):
        if kwargs.get(name):
            translated[name] = kwargs[name]
    return translated


def _kind(message: dict[str, Any], kwargs: Any) -> str:
    path = message.get("id")
    if message.get("type") == "constructor" and isinstance(path, list) and path:
        return str(path[-1])
    return str(value_below(kwargs, "type") or message.get("type") or "")


def _call(call: Any) -> Any:
    """Return LangChain's `{name, args, id}` as OpenAI's call; one in OpenAI's form stays."""
    if not isinstance(call, dict) or "args" not in call:
        return call
    arguments = orjson.dumps(call["args"]).decode()
    return {
        "id": call.get("id") or "",
        "type": "function",
        "function": {"name": call.get("name"), "arguments": arguments},
    }
