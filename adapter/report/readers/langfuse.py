"""Observations of Langfuse: its API's `/api/public/observations`, exports of its pages and of its blob storage.

An observation of type GENERATION is a request: `input` holds the messages, or the body with messages and tools;
parameters are beside it. Exports spell keys in camel case or in snake case, and may hold JSON as text.
"""

from collections.abc import Iterator
from typing import Any

from adapter.report.readers.base import Reader, has, parse_json, path_of_body, request
from adapter.report.records import Location, RecordedPiece, Unreadable


def _matches(document: Any) -> bool:
    return has(document, "type", "input") and ("traceId" in document or "trace_id" in document)


def _read(document: Any, place: Location) -> Iterator[RecordedPiece]:
    if str(document["type"]).upper() != "GENERATION":
        yield Unreadable(place, f"an observation of type {document['type']!r}: only generations are requests")
        return
    body = _body(parse_json(document["input"]))
    if body is None:
        yield Unreadable(place, "a generation without the messages that were sent")
        return
    model = document.get("model") or document.get("providedModelName") or document.get("provided_model_name")
    parameters = parse_json(document.get("modelParameters") or document.get("model_parameters"))
    settings = {name: _number(value) for name, value in parameters.items()} if isinstance(parameters, dict) else {}
    session = str(document.get("traceId") or document.get("trace_id") or "")
    yield request({"model": model or "unknown"} | settings | body, place, session=session, answer=_answer(document))


def _number(value: Any) -> Any:
    """Return a parameter as a number: Langfuse keeps parameters as texts."""
    parsed = parse_json(value)
    return parsed if isinstance(parsed, int | float | bool) else value


def _body(sent: Any) -> dict[str, Any] | None:
    if isinstance(sent, list):
        return {"messages": sent}
    return dict(sent) if isinstance(sent, dict) and path_of_body(sent) else None


def _answer(document: dict[str, Any]) -> dict[str, Any]:
    usage = document.get("usageDetails") or document.get("usage_details") or document.get("usage") or {}
    counts = usage if isinstance(usage, dict) else {}
    return {"usage": {"prompt_tokens": counts.get("input"), "completion_tokens": counts.get("output")}}


LANGFUSE = Reader("Langfuse observations", _matches, _read)
