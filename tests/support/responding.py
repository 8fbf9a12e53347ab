"""Responses as tests see them: a request, Gemini's answer, and what the client gets, whole and streamed."""

import json
from typing import Any

import msgspec

from adapter.translate import chat
from adapter.translate.core.capabilities import ModelCapabilities
from adapter.translate.core.context import Context, Options, Stamp
from adapter.translate.core.notes import Fate, Note
from adapter.translate.responses import fields as responses
from adapter.translate.responses.chat_view import View
from adapter.translate.signatures.history import look_up
from adapter.wire.base import decode, encode
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.openai.responses_request import ResponsesRequest
from adapter.wire.signatures import Issued
from conformance.events import join_events
from tests.support.oracles import check_events, check_response

Object = dict[str, Any]

STAMP = Stamp(seed="seed", id="resp_1", created=1_700_000_000, model="asked")

FUNCTIONS = [{"type": "function", "name": name, "parameters": None, "strict": None} for name in ("f", "g")]


def make_request(**fields: Any) -> tuple[ResponsesRequest, dict[str, msgspec.Raw]]:
    """Return a request and its unknown fields; functions f and g are declared."""
    body = {"model": "asked", "input": "hi", "tools": FUNCTIONS, **fields}
    return decode(json.dumps(body).encode(), ResponsesRequest)


def make_view(**fields: Any) -> View:
    """Return the view of such a request."""
    return responses.to_chat(*make_request(**fields))


def context_of(view: View, *, options: Object | None = None, **capabilities: Any) -> Context:
    """Return the context of a view's chat request."""
    row = ModelCapabilities(pattern="*", source="", date="", **capabilities)
    return Context(
        request=view.request,
        capabilities=row,
        options=Options(**(options or {})),
        history=look_up(view.request, {}, view.carried),
    )


def gemini(view: View, **capabilities: Any) -> tuple[Object, dict[str, str]]:
    """Gemini's request, and what became of each field that is not exact."""
    body, notes = chat.to_gemini(context_of(view, **capabilities))
    ledger = {note.path: str(note.fate) for note in view.ledger(notes) if note.fate != Fate.EXACT}
    return json.loads(encode(body)), ledger


def read(body: Object) -> tuple[GenerateContentResponse, dict[str, msgspec.Raw]]:
    """Return an answer as whole bodies arrive: over several lines."""
    return decode(json.dumps(body, indent=1).encode(), GenerateContentResponse)


def translate_answer(body: Object, view: View, **given: Any) -> tuple[Object, list[Note], list[Issued]]:
    """Return the response as the client sees it, the notes, the signatures to store."""
    answer, unknown = read(body)
    response, notes, issued = responses.from_gemini(answer, context_of(view, **given), STAMP, unknown, view)
    seen: Object = json.loads(encode(response))
    check_response(seen)
    return seen, notes, issued


def stream_response(events: list[Object], view: View, **given: Any) -> tuple[list[Object], list[Issued]]:
    """Return the events as the client sees them, and the signatures to store; every rule of streams is checked."""
    machine = responses.ResponseStream(STAMP, view).begin(context_of(view, **given), STAMP.model)
    told = [event for one in events for event in machine.feed(*read(one))] + machine.close()
    lines = [encode(event) for event in told]
    assert not any(b"\n" in line or b"\r" in line for line in lines), "an event is one line"
    seen = [json.loads(line) for line in lines]
    assert [event.type for event in told] == [event["type"] for event in seen]
    check_events(seen)
    assert join_events(seen) == json.loads(encode(machine.response))
    return seen, machine.take_issued()


def make_answer(*parts: Any, finish: str = "STOP", **candidate: Any) -> Object:
    """Return an answer of Gemini with one candidate."""
    content = {"role": "model", "parts": list(parts)}
    ended = {"finishReason": finish} if finish else {}
    return {"candidates": [{"content": content, **ended, **candidate}], "modelVersion": "gemini-x"}
