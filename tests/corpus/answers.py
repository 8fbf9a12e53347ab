"""Recorded answers, read and translated."""

import json
from typing import NamedTuple

import msgspec

from adapter.translate.answer.completion import from_gemini
from adapter.translate.answer.stream import ChatStream
from adapter.translate.core.context import Context, Stamp
from adapter.translate.core.notes import Note
from adapter.wire.base import decode, encode
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.signatures import Issued
from tests.support.answering import STAMP, Object, function
from tests.support.joiner import comparable, join_chunks
from tests.support.recordings import Recording, gemini_answers, row_of


def context_of(recording: Recording) -> Context:
    """The context of an answer: the functions that its request declared."""
    names = [name for tool in _tools(recording.request) for name in _declared_functions(tool)]
    body: Object = {"model": recording.model, "messages": [{"role": "user", "content": "hi"}]}
    body |= {"tools": [function(name) for name in dict.fromkeys(names)], "stream_options": {"include_usage": True}}
    request, _ = decode(json.dumps(body).encode(), ChatCompletionRequest)
    return Context(request=request, capabilities=row_of(recording.model))


def _tools(request: Object) -> list[Object]:
    tools = request.get("tools") or []
    return tools if isinstance(tools, list) else [tools]


def _declared_functions(tool: Object) -> list[str]:
    found = tool.get("functionDeclarations") or tool.get("function_declarations") or []
    return [one["name"] for one in found]


def read(event: Object) -> tuple[GenerateContentResponse, dict[str, msgspec.Raw]]:
    return decode(json.dumps(event).encode(), GenerateContentResponse)


class Streamed(NamedTuple):
    """The chunks of a stream, or its error."""

    chunks: list[Object]
    notes: list[Note]
    issued: list[Issued]


def stream_of(recording: Recording, events: list[Object]) -> Streamed:
    """A stream's events through the machine."""
    machine = ChatStream(context_of(recording), STAMP)
    chunks = [chunk for event in events for chunk in machine.feed(*read(event))] + machine.close()
    lines = [encode(chunk) for chunk in chunks]
    assert not any(b"\n" in line or b"\r" in line for line in lines), "an event is one line"
    return Streamed([json.loads(line) for line in lines], machine.notes, machine.take_issued())


def answers(*, streamed: bool) -> list[Recording]:
    return [one for one in gemini_answers() if one.is_stream is streamed and not one.integer_enums]


def whole_of(recording: Recording) -> tuple[GenerateContentResponse, Context, Stamp, dict[str, msgspec.Raw]]:
    response, unknown = read(recording.body)
    return response, context_of(recording), STAMP, unknown


def completion_of(recording: Recording) -> Object:
    """The answer that a client ends up with."""
    if recording.is_stream:
        return join_chunks(stream_of(recording, list(recording.events())).chunks)
    return comparable(json.loads(encode(from_gemini(*whole_of(recording))[0])))
