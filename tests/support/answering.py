"""Answers of Gemini for tests: a context, a stamp, and the two ways back."""

import json
from typing import Any

import msgspec

from adapter.translate.answer.completion import from_gemini
from adapter.translate.answer.stream import ChatStream
from adapter.translate.core.capabilities import ModelCapabilities
from adapter.translate.core.context import Context, Options, Stamp
from adapter.translate.core.notes import Note
from adapter.wire.base import decode, encode
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.signatures import Issued

Object = dict[str, Any]

STAMP = Stamp(seed="seed", id="chatcmpl-1", created=1_700_000_000, model="asked")


def function(name: str) -> Object:
    return {"type": "function", "function": {"name": name}}


def context(*, capabilities: Object | None = None, options: Object | None = None, **fields: Any) -> Context:
    """Return a context for an answer; functions f and g are declared, and usage is asked for in streams."""
    body = {
        "model": "asked",
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [function("f"), function("g")],
        "stream_options": {"include_usage": True},
        **fields,
    }
    request, _ = decode(json.dumps(body).encode(), ChatCompletionRequest)
    row = ModelCapabilities(pattern="*", source="", date="", **(capabilities or {}))
    return Context(request=request, capabilities=row, options=Options(**(options or {})))


def read(body: Object) -> tuple[GenerateContentResponse, dict[str, msgspec.Raw]]:
    """Return an answer as whole bodies arrive: over several lines."""
    return decode(json.dumps(body, indent=1).encode(), GenerateContentResponse)


def answer(*parts: Any, finish: str | None = "STOP", **candidate: Any) -> Object:
    """Return a response with one candidate."""
    said = {"content": {"role": "model", "parts": list(parts)}, **candidate}
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    ended = {"finishReason": finish} if finish else {}
    return {"candidates": [said | ended], "usageMetadata": usage, "modelVersion": "asked"}


def translate_answer(body: Object, at: Context | None = None) -> tuple[Object, list[Note], list[Issued]]:
    """Return the completion as the client sees it, the notes, the signatures to store."""
    response, unknown = read(body)
    completion, notes, issued = from_gemini(response, at or context(), STAMP, unknown)
    return json.loads(encode(completion)), notes, issued


def stream_answer(events: list[Object], at: Context | None = None) -> tuple[list[Object], list[Note], list[Issued]]:
    """Return the chunks as the client sees them, the notes, the signatures to store."""
    machine = ChatStream(at or context(), STAMP)
    chunks = []
    for event in events:
        chunks += machine.feed(*read(event))
    chunks += machine.close()
    lines = [encode(chunk) for chunk in chunks]
    assert not any(b"\n" in line or b"\r" in line for line in lines), "an event is one line"
    return [json.loads(line) for line in lines], machine.notes, machine.take_issued()


def message(body: Object, at: Context | None = None) -> Object:
    """Return the first choice's message of a whole answer."""
    found: Object = translate_answer(body, at)[0]["choices"][0]["message"]
    return found


def google(said: Object) -> Object:
    """Return a message's `extra_content.google`."""
    found: Object = said["extra_content"]["google"]
    return found


def notes_of(notes: list[Note]) -> dict[str, str]:
    """Return the fate of each path."""
    return {note.path: str(note.fate) for note in notes}
