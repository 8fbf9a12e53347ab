"""Spans of OpenTelemetry with the GenAI conventions, in OTLP's JSON (opentelemetry.io, semantic-conventions 1.37).

A span with `gen_ai.request.model` is a request. Its messages are in the attributes only where the application
records content: `gen_ai.input.messages`, `gen_ai.system_instructions`, `gen_ai.tool.definitions`, as JSON texts.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from adapter.report.readers.base import Reader, locate_piece, parse_json, request, value_below
from adapter.report.records import Location, RecordedPiece, Unreadable

_PARAMETERS = {
    "gen_ai.request.temperature": "temperature",
    "gen_ai.request.top_p": "top_p",
    "gen_ai.request.max_tokens": "max_completion_tokens",
    "gen_ai.request.stop_sequences": "stop",
    "gen_ai.request.frequency_penalty": "frequency_penalty",
    "gen_ai.request.presence_penalty": "presence_penalty",
    "gen_ai.request.seed": "seed",
    "gen_ai.request.choice.count": "n",
}
"""The conventions' attributes to OpenAI's fields."""


def _matches(document: Any) -> bool:
    return isinstance(value_below(document, "resourceSpans"), list)


def _read(document: Any, place: Location) -> Iterator[RecordedPiece]:
    spans = [
        span
        for resource in document["resourceSpans"]
        for scope in value_below(resource, "scopeSpans") or ()
        for span in value_below(scope, "spans") or ()
    ]
    for number, span in enumerate(spans, 1):
        yield _request(span, locate_piece(place, "span", number))


def _request(span: Any, place: Location) -> RecordedPiece:
    attributes = {one.get("key"): _value(one.get("value")) for one in value_below(span, "attributes") or ()}
    model = attributes.get("gen_ai.request.model")
    if model is None:
        return Unreadable(place, "not a span of a model's call")
    messages = parse_json(attributes.get("gen_ai.input.messages"))
    if not isinstance(messages, list):
        return Unreadable(place, "the span has no gen_ai.input.messages: the application records no content")
    body: dict[str, Any] = {"model": model, "messages": [*_system(attributes), *_messages(messages)]}
    body |= {field: attributes[name] for name, field in _PARAMETERS.items() if name in attributes}
    if attributes.get("gen_ai.output.type") == "json":
        body["response_format"] = {"type": "json_object"}
    tools = parse_json(attributes.get("gen_ai.tool.definitions"))
    if isinstance(tools, list) and tools:
        body["tools"] = [_tool(tool) for tool in tools]
    usage = {
        "prompt_tokens": attributes.get("gen_ai.usage.input_tokens"),
        "completion_tokens": attributes.get("gen_ai.usage.output_tokens"),
    }
    session = str(attributes.get("gen_ai.conversation.id") or span.get("traceId") or "")
    answer = {"id": attributes.get("gen_ai.response.id"), "usage": usage}
    return request(body, place, session=session, answer=answer)


def _value(value: Any) -> Any:
    """Return a typed value of OTLP: exactly one of its keys is set; whole numbers are texts."""
    if not isinstance(value, dict) or not value:
        return None
    kind, content = next(iter(value.items()))
    if kind == "intValue":
        return int(content)
    if kind == "arrayValue":
        return [_value(item) for item in value_below(content, "values") or ()]
    if kind == "kvlistValue":
        return {one.get("key"): _value(one.get("value")) for one in value_below(content, "values") or ()}
    return content


def _system(attributes: dict[Any, Any]) -> list[dict[str, Any]]:
    parts = parse_json(attributes.get("gen_ai.system_instructions"))
    text = "\n\n".join(str(part.get("content", "")) for part in parts or () if isinstance(part, dict))
    return [{"role": "system", "content": text}] if text else []


def _messages(messages: list[Any]) -> Iterator[dict[str, Any]]:
    for message in messages:
        parts = [part for part in value_below(message, "parts") or () if isinstance(part, dict)]
        results = [part for part in parts if part.get("type") == "tool_call_response"]
        for part in results:
            yield {"role": "tool", "tool_call_id": part.get("id") or "", "content": _text(_result(part))}
        if not results:
            yield _message(str(value_below(message, "role") or "user"), parts)


def _result(part: dict[str, Any]) -> Any:
    return part["response"] if "response" in part else part.get("result")


def _message(role: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    texts = "\n".join(str(part.get("content", "")) for part in parts if part.get("type") == "text")
    calls = [
        {
            "id": part.get("id") or "",
            "type": "function",
            "function": {"name": part.get("name"), "arguments": _text(part.get("arguments"))},
        }
        for part in parts
        if part.get("type") == "tool_call"
    ]
    return {"role": role, "content": texts} | ({"tool_calls": calls} if calls else {})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _tool(tool: Any) -> Any:
    """Return a tool in OpenAI's form. The conventions' form is `{type, name, description, parameters}`."""
    if not isinstance(tool, dict) or "function" in tool or "name" not in tool:
        return tool
    return {"type": "function", "function": {name: value for name, value in tool.items() if name != "type"}}


SPANS = Reader("OpenTelemetry GenAI spans", _matches, _read)
