"""Kinds of clients: the part of an answer that each sends back, and how cases refer to it.

An answer is the assistant's message, or the `output` of a response.
"""

import re
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]


def complete(message: Message) -> Message:
    """Return the whole message, as the openai SDKs keep it."""
    return message


def forgetful(message: Message) -> Message:
    """LangChain, the AI SDK's openai provider, Open WebUI: a message built anew from the fields of OpenAI's API.

    Of a response: no reasoning, no ids but those of calls, texts as strings (LlamaIndex).
    """
    if "output" in message:
        items = [_built_anew(item) for item in message["output"] if item["type"] != "reasoning"]
        return {"id": message["id"], "output": items}
    kept = {key: message.get(key) for key in ("role", "content")}
    if message.get("function_call"):
        kept["function_call"] = message["function_call"]
    if message.get("tool_calls"):
        kept["tool_calls"] = [
            {key: call[key] for key in ("id", "type", "function", "custom") if key in call}
            for call in message["tool_calls"]
        ]
    return kept


def _built_anew(item: Message) -> Message:
    if item["type"] == "message":
        text = "".join(part.get("text") or part.get("refusal") or "" for part in item["content"])
        return {"role": item["role"], "content": text}
    return {key: value for key, value in item.items() if key not in ("id", "status")}


def rewriting(message: Message) -> Message:
    """Roo Code, pydantic-ai: call ids of their own, too."""
    kept = forgetful(message)
    for number, item in enumerate(item for item in kept.get("output", ()) if "call_id" in item):
        item["call_id"] = f"rewritten_{number + 1}"
    for number, call in enumerate(kept.get("tool_calls", ())):
        call["id"] = f"rewritten_{number + 1}"
    return kept


CLIENTS: dict[str, Callable[[Message], Message]] = {
    "complete": complete,
    "forgetful": forgetful,
    "rewriting": rewriting,
}

_REFERENCE = re.compile(r"\$(message|call_id|response_id):(\d+)(?::(\d+))?")
_OUTPUT = re.compile(r"\$output:(\d+)")


def fill(value: Any, messages: list[Message]) -> Any:
    """Replace `$message:TURN` and `$call_id:TURN:NUMBER`, both counted from 1, by what earlier turns gave.

    `$output:TURN` in a list stands for all items of that response, `$response_id:TURN` is its id.
    """
    if isinstance(value, list):
        return [one for item in value for one in _items(item, messages)]
    if isinstance(value, dict):
        return {key: fill(item, messages) for key, item in value.items()}
    found = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    message = messages[int(found.group(2)) - 1]
    if found.group(1) == "message":
        return message
    if found.group(1) == "response_id":
        return message["id"]
    number = int(found.group(3)) - 1
    if "output" in message:
        return [item for item in message["output"] if "call_id" in item][number]["call_id"]
    return message["tool_calls"][number]["id"]


def _items(value: Any, messages: list[Message]) -> list[Any]:
    found = _OUTPUT.fullmatch(value) if isinstance(value, str) else None
    return [fill(value, messages)] if found is None else messages[int(found.group(1)) - 1]["output"]
