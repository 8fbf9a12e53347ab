"""Short ways to ask the emulator's pure part."""

from typing import Any

import pytest

from adapter.emulator import EmulatorSettings
from adapter.emulator.core.errors import Refusal
from adapter.emulator.http.wire_form import chunks, whole
from adapter.emulator.service import find_model, generate

MODEL = "gemini-3.5-flash"
WEATHER = {
    "name": "get_weather",
    "description": "Tells the weather of a place.",
    "parametersJsonSchema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLOCK = {"name": "get_time", "description": "Reads the clock."}


def user(*parts: Any) -> dict[str, Any]:
    """A user content; strings are texts."""
    return {"role": "user", "parts": [{"text": part} if isinstance(part, str) else part for part in parts]}


def model_content(*parts: Any) -> dict[str, Any]:
    """A model content."""
    return user(*parts) | {"role": "model"}


def call(name: str = "get_weather", signature: str = "", **extra: Any) -> dict[str, Any]:
    """A part with a function call."""
    part: dict[str, Any] = {"functionCall": {"name": name, "args": {}} | extra}
    return part | ({"thoughtSignature": signature} if signature else {})


def result(name: str = "get_weather", **extra: Any) -> dict[str, Any]:
    """A part with a function response."""
    return {"functionResponse": {"name": name, "response": {"output": "sunny"}} | extra}


def request(*contents: Any, **fields: Any) -> dict[str, Any]:
    """A body; strings are user turns, and `tools` may be a list of declarations."""
    body = {"contents": [user(item) if isinstance(item, str) else item for item in contents], **fields}
    if "functions" in body:
        body["tools"] = [{"functionDeclarations": body.pop("functions")}]
    return body


def ask(body: Any, model: str = MODEL, *, streaming: bool = False, **settings: Any) -> dict[str, Any]:
    """The whole response."""
    return whole(generate(body, find_model(model, "v1beta", "generateContent"), EmulatorSettings(**settings)).reply)


def stream(body: Any, model: str = MODEL, **settings: Any) -> list[dict[str, Any]]:
    """All chunks."""
    row = find_model(model, "v1beta", "streamGenerateContent")
    return list(chunks(generate(body, row, EmulatorSettings(**settings), streaming=True).reply))


def parts(response: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of the first candidate."""
    return list(response["candidates"][0]["content"].get("parts", []))


def text(response: dict[str, Any]) -> str:
    """The visible text of the first candidate."""
    return "".join(part.get("text", "") for part in parts(response) if not part.get("thought"))


def calls(response: dict[str, Any]) -> list[dict[str, Any]]:
    """The function calls of the first candidate."""
    return [part["functionCall"] for part in parts(response) if "functionCall" in part]


def ask_refused(body: Any, model: str = MODEL, **settings: Any) -> Refusal:
    """The refusal, which must come."""
    with pytest.raises(Refusal) as caught:
        ask(body, model, **settings)
    return caught.value


def message(body: Any, model: str = MODEL, **settings: Any) -> str:
    """Its text."""
    return ask_refused(body, model, **settings).message
