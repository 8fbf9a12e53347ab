"""What readers share: the interface of a reader, and OpenAI's shapes wherever they are nested."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from adapter.report.records import Found, Location, RecordedRequest, RecordedUsage, Unreadable

PATHS = (
    "/chat/completions",
    "/responses",
    "/embeddings",
    "/completions",
    "/moderations",
    "/decisions",
    "/images/generations",
    "/images/edits",
    "/audio/speech",
    "/audio/transcriptions",
)
"""Ends of the URLs of OpenAI's endpoints that take a body, the longer one first where one ends with another."""

_DEPLOYMENT = re.compile(r"/deployments/([^/]+)/")

Document = Mapping[str, Any]


class Reader(NamedTuple):
    """A format: its name, whether a JSON document has its shape, and the requests in a document of that shape."""

    name: str
    matches: Callable[[Any], bool]
    read: Callable[[Any, Location], Iterator[Found]]


def path_of_url(url: str) -> str:
    """OpenAI's path for a URL of any host (Azure's deployments, a gateway's prefix), or "" for another endpoint."""
    path = urlsplit(url).path.rstrip("/")
    return next(("/v1" + end for end in PATHS if path.endswith(end)), "")


def path_of_body(body: Document) -> str:
    """OpenAI's path for a request body alone, by its fields; "" where it is no such body."""
    if isinstance(body.get("messages"), list):
        return "/v1/chat/completions"
    if "prompt" in body and "model" in body:
        return "/v1/completions"
    if "input" in body or "previous_response_id" in body or "conversation" in body:
        return "/v1/embeddings" if "embedding" in str(body.get("model", "")) else "/v1/responses"
    return ""


def request(body: Any, place: Location, url: str = "", **details: Any) -> Found:
    """A recorded request, or why it is none. `url` decides the endpoint; without one the body's fields do.

    Azure names the model in the URL. `answer` among the details is the recorded answer's JSON, from which id and usage
    are read.
    """
    if isinstance(body, str | bytes):
        try:
            body = orjson.loads(body)
        except orjson.JSONDecodeError:
            return Unreadable(place, "the request's body is not JSON")
    if not isinstance(body, dict):
        return Unreadable(place, "the request has no body")
    deployment = _DEPLOYMENT.search(url)
    if deployment and "model" not in body:
        body = {"model": deployment[1]} | body
    path = path_of_url(url) if url else path_of_body(body)
    if not path:
        return Unreadable(
            place, f"not an endpoint of OpenAI's: {urlsplit(url).path}" if url else "no request of OpenAI's"
        )
    answer = details.pop("answer", None)
    if isinstance(answer, dict):
        details = {"answer_id": str(answer.get("id") or ""), "usage": usage_of(answer.get("usage"))} | details
    return RecordedRequest(path=path, body=orjson.dumps(body), place=place, **details)


def usage_of(usage: Any) -> RecordedUsage | None:
    """Tokens as chat completions or Responses count them; None where there is no count."""
    if not isinstance(usage, dict):
        return None
    given = _count(usage, "prompt_tokens", "input_tokens")
    made = _count(usage, "completion_tokens", "output_tokens")
    if not given and not made:
        return None
    return RecordedUsage(
        input=given,
        output=made,
        thoughts=_detail(usage, ("completion_tokens_details", "output_tokens_details"), "reasoning_tokens"),
        cached=_detail(usage, ("prompt_tokens_details", "input_tokens_details"), "cached_tokens"),
    )


def _count(values: Document, *names: str) -> int:
    found = (values.get(name) for name in names)
    return next((int(value) for value in found if isinstance(value, int | float)), 0)


def _detail(usage: Document, groups: tuple[str, ...], name: str) -> int:
    return next((_count(usage[group], name) for group in groups if isinstance(usage.get(group), dict)), 0)


def has(document: Any, *names: str) -> bool:
    """Whether a document is an object with all of these keys."""
    return isinstance(document, dict) and all(name in document for name in names)


def nested(document: Any, *names: str) -> Any:
    """The value below these keys, or None where one is missing."""
    for name in names:
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document


def within(place: Location, label: str, number: int) -> Location:
    """The place of a numbered piece of a document; numbers start at 1."""
    position = f"{place.position}, {label} {number}" if place.position else f"{label} {number}"
    return Location(place.file, position)
