"""The seeds: requests and answers of the conformance cases, and of the recorded traffic if there is any."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from adapter.wire.openai.chat_request import ChatCompletionRequest
from conformance.cases import all_cases
from tests.support import recordings

LARGEST = 20_000
"""Characters of a document that is still worth changing a thousand times."""

LARGEST_VALUE = 1_000
MOST_VALUES = 200


@cache
def requests(endpoint: str) -> list[Any]:
    """Requests for an endpoint, such as `chat/completions`."""
    found = [turn.request for case in all_cases() if case.endpoint == endpoint for turn in case.turns]
    if recordings.ROOT is not None and endpoint == "chat/completions":
        found += [one.request for one in recordings.chat_requests()]
    return [one for one in found if _is_small(one, LARGEST)]


@cache
def answers() -> list[tuple[Any, list[Any]]]:
    """A chat request, and what Gemini said to it: one response, or several events of a stream."""
    pairs = []
    for case in all_cases():
        for turn in case.turns:
            said = turn.events if turn.events is not None else [turn.answer]
            if case.endpoint == "chat/completions" and all(isinstance(one, dict) and "$cut" not in one for one in said):
                pairs.append((turn.request, said))
    if recordings.ROOT is not None:
        hello = {"model": "gemini-3.5-flash", "messages": [{"role": "user", "content": "hi"}]}
        pairs += [(hello, list(one.events())) for one in recordings.gemini_answers()]
    return [pair for pair in pairs if _is_small(pair, LARGEST) and _can_be_read(pair[0])]


@cache
def seen_in_requests() -> dict[str, list[Any]]:
    """The values that requests have under a name, wherever it stands."""
    return _values([*requests("chat/completions"), *requests("responses")])


@cache
def seen_in_answers() -> dict[str, list[Any]]:
    """The values that Gemini's answers have under a name, wherever it stands."""
    return _values([event for _, said in answers() for event in said])


def _values(documents: list[Any]) -> dict[str, list[Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, value in (member for document in documents for member in _members(document)):
        values = found.setdefault(name, {})
        if len(values) < MOST_VALUES and _is_small(value, LARGEST_VALUE):
            values.setdefault(json.dumps(value, sort_keys=True), value)
    return {name: list(values.values()) for name, values in found.items() if values}


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _members(inner)


def _can_be_read(request: Any) -> bool:
    try:
        msgspec.convert(request, ChatCompletionRequest)
    except msgspec.ValidationError:
        return False
    return True


def _is_small(document: Any, largest: int) -> bool:
    return len(json.dumps(document)) <= largest
