"""How clients keep a history: what of an answer they send back, and how cases refer to it."""

import re
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]


def complete(message: Message) -> Message:
    """The openai SDKs: the whole message."""
    return message


def forgetful(message: Message) -> Message:
    """LangChain, the AI SDK's openai provider, Open WebUI: a message built anew from the fields of OpenAI's API."""
    kept = {key: message.get(key) for key in ("role", "content")}
    if message.get("function_call"):
        kept["function_call"] = message["function_call"]
    if message.get("tool_calls"):
        kept["tool_calls"] = [
            {key: call[key] for key in ("id", "type", "function", "custom") if key in call}
            for call in message["tool_calls"]
        ]
    return kept


def rewriting(message: Message) -> Message:
    """Roo Code, pydantic-ai: call ids of their own, too."""
    kept = forgetful(message)
    for number, call in enumerate(kept.get("tool_calls", ())):
        call["id"] = f"rewritten_{number + 1}"
    return kept


CLIENTS: dict[str, Callable[[Message], Message]] = {
    "complete": complete,
    "forgetful": forgetful,
    "rewriting": rewriting,
}

_REFERENCE = re.compile(r"\$(message|call_id):(\d+)(?::(\d+))?")


def fill(value: Any, messages: list[Message]) -> Any:
    """Replace `$message:TURN` and `$call_id:TURN:NUMBER`, both counted from 1, by what earlier turns gave."""
    if isinstance(value, list):
        return [fill(item, messages) for item in value]
    if isinstance(value, dict):
        return {key: fill(item, messages) for key, item in value.items()}
    found = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    message = messages[int(found.group(2)) - 1]
    return message if found.group(1) == "message" else message["tool_calls"][int(found.group(3)) - 1]["id"]
