"""Recorded tool loops, gone on with from our answers."""

import json
from typing import Any

from adapter.translate.answer.completion import from_gemini
from adapter.wire.base import decode, encode
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.signatures import Issued
from tests.corpus.answers import context_of, read, stream_of
from tests.support.answering import STAMP, Object, function
from tests.support.joiner import join_chunks
from tests.support.recordings import Recording


def calls_of(recording: Recording) -> list[Object]:
    """The parts with calls of a recorded answer."""
    parts = [
        part
        for event in recording.events()
        for candidate in event.get("candidates", [])
        for part in candidate.get("content", {}).get("parts", [])
    ]
    return [part for part in parts if part.get("functionCall", {}).get("name")]


def can_go_on(recording: Recording) -> bool:
    """Return whether a client can go on from an answer: its calls are whole, and the client's to run."""
    told = json.dumps(list(recording.events()))
    special = ("partialArgs", "willContinue", "functionResponse", "toolCall", "executableCode", "UNEXPECTED_TOOL_CALL")
    return not recording.integer_enums and bool(calls_of(recording)) and not any(word in told for word in special)


def next_request(recording: Recording, answer: Object, *, bare: bool) -> ChatCompletionRequest:
    """The client's next messages after an answer with calls; `bare`: it sends back only OpenAI's documented fields."""
    message = {name: value for name, value in answer.items() if value is not None}
    if bare:
        message = {"role": "assistant", "content": None, "tool_calls": message["tool_calls"]}
        for call in message["tool_calls"]:
            call.pop("extra_content", None)
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "{}"} for call in message["tool_calls"]]
    names = [call["function"]["name"] for call in message["tool_calls"]]
    body: dict[str, Any] = {"model": recording.model, "tools": [function(name) for name in dict.fromkeys(names)]}
    body["messages"] = [{"role": "user", "content": "hi"}, message, *results]
    return decode(json.dumps(body).encode(), ChatCompletionRequest)[0]


def first_answer(recording: Recording) -> tuple[Object, list[Issued]]:
    """The message that a client has in the end, and what was issued with it."""
    if recording.is_stream:
        chunks, _, issued = stream_of(recording, list(recording.events()))
        return join_chunks(chunks)["choices"][0]["message"], issued
    response, unknown = read(recording.body)
    completion, _, issued = from_gemini(response, context_of(recording), STAMP, unknown)
    return json.loads(encode(completion))["choices"][0]["message"], issued
