"""The interface of a reader, and functions for OpenAI's shapes wherever they are nested."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from adapter.report.records import Location, RecordedPiece, RecordedRequest, RecordedUsage, Unreadable
from adapter.translate.translations import endpoint_of_body

TRANSLATED = ("/chat/completions", "/responses", "/embeddings", "/completions")
"""Ends of the URLs of endpoints whose requests are translated, the longer one first where one ends with another."""

_RESOURCES = (
    "agents|assistants|audio|batches|chat|chatkit|containers|content_provenance_checks|conversations|decisions|edits"
    "|engines|evals|files|fine_tuning|fine-tunes|images|live|models|moderations|organization|projects|realtime"
    "|responses|skills|threads|uploads|vector_stores|videos"
)
_RESOURCE = re.compile(rf"(?:/v1|/deployments/[^/]+|^)/((?:{_RESOURCES})(?:/.*)?)$")
"""Other endpoints of OpenAI's: in its own URLs, in Azure's, and as paths alone."""

_DEPLOYMENT = re.compile(r"/deployments/([^/]+)/")

Document = Mapping[str, Any]


class Reader(NamedTuple):
    """A format: its name, whether a JSON document has its shape, and the requests in a document of that shape."""

    name: str
    matches: Callable[[Any], bool]
    read: Callable[[Any, Location], Iterator[RecordedPiece]]


def path_of_url(url: str) -> str:
    """Return OpenAI's path for a URL of any host (Azure, a gateway's prefix), or "" for another endpoint."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    match = _RESOURCE.search(path)
    is_other = match is not None and (path.startswith("/v1/organization") or not path.endswith(TRANSLATED))
    if match is not None and is_other and (match.start() or not parts.scheme or path.startswith("/v1/")):
        return f"/v1/{match[1]}"
    return next(("/v1" + end for end in TRANSLATED if path.endswith(end) and not is_other), "")


def path_of_body(body: Document) -> str:
    """Return OpenAI's path for a request body alone, by its fields; "" if it fits none."""
    if isinstance(body.get("messages"), list):
        return "/v1/chat/completions"
    if "previous_response_id" in body or "conversation" in body:
        return "/v1/responses"
    is_request = "input" in body or ("prompt" in body and "model" in body)
    return endpoint_of_body(body) if is_request else ""


def request(body: Any, place: Location, url: str = "", **details: Any) -> RecordedPiece:
    """Return a recorded request, or why it is none; without a `url` the body's fields decide the endpoint.

    Azure names the model in the URL. `answer` among the details is the recorded answer's JSON, from which id and usage
    are read. Of a request that is not translated, such as a form with a file, the body does not matter.
    """
    path = path_of_url(url)
    answer = details.pop("answer", None)
    if url and not path:
        return Unreadable(place, "not an OpenAI endpoint")
    parsed = _object(body)
    if not isinstance(parsed, dict):
        if path and not path.endswith(TRANSLATED):
            return RecordedRequest(path=path, body=b"{}", place=place, **details)
        return Unreadable(place, parsed)
    deployment = _DEPLOYMENT.search(url)
    if deployment and "model" not in parsed:
        parsed = {"model": deployment[1]} | parsed
    path = path or path_of_body(parsed)
    if not path:
        return Unreadable(place, "not an OpenAI request")
    if isinstance(answer, dict):
        details = {"answer_id": str(answer.get("id") or ""), "usage": usage_of(answer.get("usage"))} | details
    return RecordedRequest(path=path, body=orjson.dumps(parsed), place=place, **details)


def _object(body: Any) -> dict[str, Any] | str:
    """Return a body as an object, or why it is none."""
    if isinstance(body, str | bytes):
        try:
            body = orjson.loads(body)
        except orjson.JSONDecodeError:
            return "the request's body is not JSON"
    return body if isinstance(body, dict) else "the request has no body"


def usage_of(usage: Any) -> RecordedUsage | None:
    """Return the tokens as chat completions or Responses count them; None if there is no count."""
    if not isinstance(usage, dict):
        return None
    prompt = _count(usage, "prompt_tokens", "input_tokens")
    completion = _count(usage, "completion_tokens", "output_tokens")
    if not prompt and not completion:
        return None
    return RecordedUsage(
        input=prompt,
        output=completion,
        thoughts=_detail(usage, ("completion_tokens_details", "output_tokens_details"), "reasoning_tokens"),
        cached=_detail(usage, ("prompt_tokens_details", "input_tokens_details"), "cached_tokens"),
    )


def _count(values: Document, *names: str) -> int:
    counts = (values.get(name) for name in names)
    return next((int(value) for value in counts if isinstance(value, int | float)), 0)


def _detail(usage: Document, groups: tuple[str, ...], name: str) -> int:
    return next((_count(usage[group], name) for group in groups if isinstance(usage.get(group), dict)), 0)


def parse_json(value: Any) -> Any:
    """Parse a value that may have been exported as JSON in a text; a text that is not JSON stays as it is."""
    if not isinstance(value, str | bytes):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def has(document: Any, *names: str) -> bool:
    """Return whether a document is an object with all of these keys."""
    return isinstance(document, dict) and all(name in document for name in names)


def value_below(document: Any, *names: str) -> Any:
    """Return the value below these keys, or None where one is missing."""
    for name in names:
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document


def locate_piece(place: Location, label: str, number: int) -> Location:
    """Return the place of a numbered piece of a document; numbers start at 1."""
    position = f"{place.position}, {label} {number}" if place.position else f"{label} {number}"
    return Location(place.file, position)
