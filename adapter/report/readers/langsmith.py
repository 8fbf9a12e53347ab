"""Runs of LangSmith: from `Client.list_runs`, `/runs/query`, or its SDK's `/runs/batch`.

A run of kind "llm" is a request. What `wrap_openai` traced has the call's own arguments as `inputs`; what LangChain
traced has messages in `inputs` and parameters in `extra.invocation_params`.
"""

from collections.abc import Iterator
from typing import Any

from adapter.report.readers.base import Reader, has, path_of_body, request, value_below
from adapter.report.readers.langchain_messages import to_openai
from adapter.report.records import Location, RecordedPiece, RecordedUsage, Unreadable

_CLIENT_ONLY = {"extra_headers", "extra_query", "extra_body", "timeout"}
"""Arguments of OpenAI's client that are no fields of a body."""

_TRACING_ONLY = {"_type", "stream_options_default", "ls_structured_output_format", "model_name"}
"""Invocation parameters that LangChain adds for itself."""


def _matches(document: Any) -> bool:
    return has(document, "run_type", "inputs")


def _read(document: Any, place: Location) -> Iterator[RecordedPiece]:
    if document["run_type"] != "llm":
        yield Unreadable(place, f"a run of kind {document['run_type']!r}: only calls of models are requests")
        return
    inputs = document["inputs"] if isinstance(document["inputs"], dict) else {}
    body = _own_call(inputs) or _langchain_call(inputs, document)
    if body is None:
        yield Unreadable(place, "a run without the messages that were sent")
        return
    session = str(document.get("trace_id") or document.get("session_id") or "")
    outputs = document.get("outputs")
    counted = value_below(outputs, "usage_metadata")
    details = {"usage": _usage(counted)} if isinstance(counted, dict) else {}
    yield request(body, place, "", answer=outputs, session=session, **details)


def _usage(counted: dict[str, Any]) -> RecordedUsage:
    return RecordedUsage(
        input=counted.get("input_tokens") or 0,
        output=counted.get("output_tokens") or 0,
        thoughts=value_below(counted, "output_token_details", "reasoning") or 0,
        cached=value_below(counted, "input_token_details", "cache_read") or 0,
    )


def _own_call(inputs: dict[str, Any]) -> dict[str, Any] | None:
    """Return the arguments of a call by OpenAI's client; on the wire `extra_body` lies beside the other fields."""
    if "model" not in inputs or not path_of_body(inputs):
        return None
    extra = inputs.get("extra_body") or {}
    sent = {name: value for name, value in inputs.items() if name not in _CLIENT_ONLY and value is not None}
    return sent | (extra if isinstance(extra, dict) else {})


def _langchain_call(inputs: dict[str, Any], run: dict[str, Any]) -> dict[str, Any] | None:
    batches = inputs.get("messages")
    batch = batches[0] if isinstance(batches, list) and batches and isinstance(batches[0], list) else batches
    messages = [to_openai(message) for message in batch] if isinstance(batch, list) else []
    if not messages or None in messages:
        return None
    sent = value_below(run, "extra", "invocation_params") or {}
    parameters = {name: value for name, value in sent.items() if name not in _TRACING_ONLY and value is not None}
    model = parameters.get("model") or sent.get("model_name") or value_below(run, "extra", "metadata", "ls_model_name")
    return parameters | {"model": model or "unknown", "messages": messages}


LANGSMITH = Reader("LangSmith runs", _matches, _read)
