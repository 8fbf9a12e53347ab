"""Compares the observations of one turn with its case."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from conformance.cases import Failure, Turn
from conformance.events import join_events
from conformance.joining import BrokenStream, join
from conformance.matching import differences


class Observed(NamedTuple):
    """The observations: Gemini's side first, then the client's. Notes are None if the server sends none."""

    bodies: list[Any]
    paths: list[str]
    status: int
    body: Any
    headers: dict[str, str]
    events: list[Any] | None = None
    done: bool = False
    notes: list[str] | None = None
    reply_notes: list[str] | None = None


class Verdict(NamedTuple):
    """The faults of a turn: of the request, the answer, the notes."""

    request: list[str]
    answer: list[str]
    notes: list[str]

    @property
    def faults(self) -> list[str]:
        """All faults, in order."""
        return [*self.request, *self.answer, *self.notes]


def judge(turn: Turn, observed: Observed, before: Sequence[Any] = ()) -> tuple[Verdict, dict[str, Any]]:
    """Return the verdict, and the first message of the answer for the turns that follow.

    `before` are the requests to Gemini of the turn before.
    """
    faults, message = _answer(turn, observed)
    asked = [*_request(turn, observed), *(_extension(before, observed.bodies) if turn.extends else ())]
    return Verdict(asked, faults, list(_notes(turn, observed))), message


def _extension(before: Sequence[Any], bodies: Sequence[Any]) -> Iterator[str]:
    """Compare bytes: which member comes first counts, and an object knows no order. The list of contents grows."""
    if not before or not bodies:
        yield "there is no request of the turn before, or of this one, to compare"
        return
    earlier, later = msgspec.json.encode(before[-1]), msgspec.json.encode(bodies[0])
    if not earlier.endswith(b"]}") or not later.startswith(earlier.removesuffix(b"]}")):
        yield f"{later.decode()}\ndoes not start with the bytes of the turn before:\n{earlier.decode()}"


def _request(turn: Turn, observed: Observed) -> Iterator[str]:
    if not turn.asks:
        if observed.bodies:
            yield "Gemini was asked, although the request cannot be served"
        return
    calls = turn.calls + len(turn.further)
    if len(observed.bodies) < calls or (len(observed.bodies) > calls and turn.error is None):
        yield f"expected {calls} calls of Gemini, got {len(observed.bodies)}"
    tokens = [{"continuationToken": one.token} for one in turn.further]
    for number, body in enumerate(observed.bodies if turn.upstream is not None else ()):
        added = tokens[number - turn.calls] if turn.calls <= number < calls else {}
        yield from differences({**(turn.upstream or {}), **added}, body)
    for path in observed.paths if turn.path is not None else ():
        yield from differences(turn.path, path, "path")


def _notes(turn: Turn, observed: Observed) -> Iterator[str]:
    pairs = [("notes", turn.notes, observed.notes), ("reply_notes", turn.reply_notes, observed.reply_notes)]
    for name, expected, actual in pairs:
        if expected is None or actual is None or (turn.error is not None and not expected):
            continue
        missing, more = Counter(expected) - Counter(actual), Counter(actual) - Counter(expected)
        yield from (f"{name}: missing {note!r}" for note in missing.elements())
        yield from (f"{name}: not expected {note!r}" for note in more.elements())


def _answer(turn: Turn, observed: Observed) -> tuple[list[str], dict[str, Any]]:
    if observed.events is None:
        return list(_whole(turn, observed)), _message(observed.body)
    return _judge_stream(turn, observed, observed.events)


def _message(body: Any) -> dict[str, Any]:
    if isinstance(body, dict) and body.get("object") in ("response", "response.compaction"):
        return {"id": body["id"], "output": body["output"]}
    choices = body.get("choices") if isinstance(body, dict) else None
    return choices[0].get("message", {}) if choices else {}


def _whole(turn: Turn, observed: Observed) -> Iterator[str]:
    if turn.error is not None:
        yield from _failure(turn.error, observed, observed.body)
    elif observed.status != 200:
        yield f"expected HTTP 200, got {observed.status}: {observed.body}"
    elif turn.response is not None:
        yield from differences(turn.response, observed.body, partial=True)


def _failure(expected: Failure, observed: Observed, body: Any) -> Iterator[str]:
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        yield f"expected an error object, got {body}"
        return
    if expected.status is not None and observed.status != expected.status:
        yield f"expected HTTP {expected.status}, got {observed.status}: {error}"
    for name in ("code", "type", "param"):
        wanted = getattr(expected, name)
        if wanted is not None and error.get(name) != wanted:
            yield f"error.{name}: expected {wanted!r}, got {error.get(name)!r} ({error.get('message')})"
    if expected.message not in str(error.get("message")):
        yield f"error.message: expected {expected.message!r} in {error.get('message')!r}"
    for name, value in expected.headers.items():
        if observed.headers.get(name) != value:
            yield f"header {name}: expected {value!r}, got {observed.headers.get(name)!r}"


def _response(turn: Turn, observed: Observed, events: list[Any]) -> tuple[list[str], dict[str, Any]]:
    """Return a streamed response; its last event tells of a failure."""
    faults = [] if observed.done or turn.error else ["the stream does not end with [DONE]"]
    if turn.chunks is not None:
        faults += differences(turn.chunks, events, "chunks", partial=True)
    try:
        response = join_events(events)
    except BrokenStream as error:
        return [*faults, f"broken stream: {error}"], {}
    if turn.error is not None:
        faults += _failure(turn.error, observed, response)
    elif response["error"] is not None:
        faults.append(f"the response failed: {response['error']}")
    faults += differences(turn.response or {}, response, partial=True)
    return faults, _message(response)


def _of_types(turn: Turn, observed: Observed, events: list[Any]) -> list[str]:
    """Return the last event of a stream of typed events (images, speech, transcriptions), which is the whole."""
    faults = [] if observed.done or turn.error else ["the stream does not end with [DONE]"]
    if turn.error is not None:
        faults += _failure(turn.error, observed, events[-1])
    if turn.chunks is not None:
        faults += differences(turn.chunks, events, "chunks", partial=True)
    return [*faults, *differences(turn.response or {}, events[-1], partial=True)]


def _judge_stream(turn: Turn, observed: Observed, events: list[Any]) -> tuple[list[str], dict[str, Any]]:
    if events and "response" in events[0]:
        return _response(turn, observed, events)
    if events and "type" in events[0]:
        return _of_types(turn, observed, events), {}
    chunks = [event for event in events if "error" not in event]
    faults: list[str] = []
    if turn.error is not None:
        faults += _failure(turn.error, observed, events[-1] if events else None)
        if any(choice.get("finish_reason") for chunk in chunks for choice in chunk.get("choices", ())):
            faults.append("a finish reason, although the answer failed")
    elif len(chunks) < len(events) or not observed.done:
        faults.append(f"the stream does not end with [DONE], or holds an error: {events[-1:]}")
    if turn.chunks is not None:
        got = [choice["delta"] for chunk in chunks for choice in chunk.get("choices", ())]
        faults += differences(turn.chunks, got, "chunks", partial=True)
    try:
        joined = join(chunks)
    except BrokenStream as error:
        return [*faults, f"broken stream: {error}"], {}
    faults += differences(turn.response or {}, joined, partial=True)
    return faults, _message(joined)
