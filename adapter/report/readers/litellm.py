"""Reads LiteLLM's logs.

There are two formats: the standard logging payload, which its loggers write to files and buckets (docs.litellm.ai,
logging_spec), and the rows of its spend logs, whose fields are JSON in strings.

`proxy_server_request` is the request as a client sent it, where the proxy stores prompts. Else `messages` and
`model_parameters` make the request; for Responses, `messages` holds the input.
"""

from collections.abc import Iterator
from typing import Any

from adapter.report.readers.base import Reader, has, parse_json, request
from adapter.report.records import Location, RecordedPiece, Unreadable

_PATHS = {
    "completion": "/v1/chat/completions",
    "responses": "/v1/responses",
    "embedding": "/v1/embeddings",
    "text_completion": "/v1/completions",
    "image_generation": "/v1/images/generations",
    "speech": "/v1/audio/speech",
    "transcription": "/v1/audio/transcriptions",
    "moderation": "/v1/moderations",
}
"""LiteLLM's call types, without the `a` of the asynchronous ones, to OpenAI's paths."""

_INPUTS = {"/v1/responses": "input", "/v1/embeddings": "input", "/v1/completions": "prompt"}
_UNSENT = {"stream_response", "extra_headers", "metadata"}


def _matches(document: Any) -> bool:
    return has(document, "call_type", "messages", "model")


def _read(document: Any, place: Location) -> Iterator[RecordedPiece]:
    kind = str(document["call_type"])
    path = _PATHS.get(kind) or _PATHS.get(kind.removeprefix("a"))
    if path is None:
        yield Unreadable(place, f"a call of type {kind!r}")
        return
    body = parse_json(document.get("proxy_server_request")) or _body(document, _INPUTS.get(path, "messages"))
    if body is None:
        yield Unreadable(place, "a log without prompts: LiteLLM stores them with store_prompts_in_spend_logs")
        return
    session = str(document.get("trace_id") or document.get("session_id") or "")
    yield request(body, place, path, answer=parse_json(document.get("response")), session=session)


def _body(document: dict[str, Any], name: str) -> dict[str, Any] | None:
    sent = parse_json(document["messages"])
    if not sent:
        return None
    settings = document.get("model_parameters") or {}
    parameters = {k: v for k, v in settings.items() if k not in _UNSENT and v is not None}
    return {"model": document["model"], name: sent} | parameters


LITELLM = Reader("LiteLLM standard logging payloads", _matches, _read)
