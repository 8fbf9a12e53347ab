"""Requests as they were sent, alone or with answers, as in scripts, proxies' logs and OpenAI's files."""

from collections.abc import Iterator
from typing import Any

from adapter.report.readers.base import TRANSLATED, Reader, has, path_of_body, path_of_url, request
from adapter.report.records import Location, RecordedPiece, Unreadable

_URLS = ("url", "url_path", "path", "endpoint", "uri")


def _is_batch_line(document: Any) -> bool:
    return has(document, "custom_id") and ("body" in document or "response" in document)


def _read_batch_line(document: Any, place: Location) -> Iterator[RecordedPiece]:
    """Read a line of OpenAI's batch files (platform.openai.com/docs/guides/batch); answers have their own file."""
    if "body" not in document:
        yield Unreadable(place, "a line of a batch's output: the requests are in its input file")
        return
    yield request(document["body"], place, str(document.get("url") or ""))


def _is_exchange(document: Any) -> bool:
    return has(document, "request") and (document["request"] is None or isinstance(document["request"], dict | str))


def _read_exchange(document: Any, place: Location) -> Iterator[RecordedPiece]:
    sent = document["request"]
    url, body = _url_of(document), sent
    if sent is None and (not path_of_url(url) or path_of_url(url).endswith(TRANSLATED)):
        yield Unreadable(place, "the recording kept no request")
        return
    if isinstance(sent, dict) and "body" in sent and not path_of_body(sent):
        url, body = url or _url_of(sent), sent["body"]
    answer = document.get("response")
    status = document.get("status")
    if has(answer, "body"):
        status, answer = answer.get("status_code", answer.get("status", status)), answer["body"]
    yield request(body, place, url, answer=answer, status=status if isinstance(status, int) else 0)


def _url_of(document: dict[str, Any]) -> str:
    return next((document[name] for name in _URLS if isinstance(document.get(name), str)), "")


def _is_stored_completion(document: Any) -> bool:
    return has(document, "object", "choices") and document["object"] == "chat.completion"


def _read_stored_completion(document: Any, place: Location) -> Iterator[RecordedPiece]:
    """Read a completion that was sent with `store: true`, as `GET /v1/chat/completions` lists it.

    Its messages are another list (`GET /v1/chat/completions/{id}/messages`), which must be added as `messages`.
    """
    if not isinstance(document.get("messages"), list):
        yield Unreadable(place, "a stored completion without its messages: add them from /messages as `messages`")
        return
    answer_only = {"id", "object", "created", "choices", "usage", "request_id", "system_fingerprint", "input_user"}
    body = {name: value for name, value in document.items() if name not in answer_only and value is not None}
    yield request(body, place, answer=document, status=200)


def _is_bare(document: Any) -> bool:
    return isinstance(document, dict) and bool(path_of_body(document))


def _read_bare(document: Any, place: Location) -> Iterator[RecordedPiece]:
    yield request(document, place)


BATCH = Reader("OpenAI batch lines", _is_batch_line, _read_batch_line)
EXCHANGES = Reader("exchanges (request and response)", _is_exchange, _read_exchange)
STORED = Reader("OpenAI stored completions", _is_stored_completion, _read_stored_completion)
BARE = Reader("requests", _is_bare, _read_bare)
