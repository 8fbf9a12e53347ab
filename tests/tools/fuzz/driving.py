"""One attempt of each kind; each raises when something is wrong. What they take is bytes, whoever made them."""

import datetime
import json
import re

import msgspec

from adapter.server.pipeline.errors import failure_of, to_malformed
from adapter.server.pipeline.service import DECODING_ERRORS
from adapter.settings import Settings, catalogue, options
from adapter.translate import chat
from adapter.translate.core.context import Context, Stamp
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Rejected
from adapter.upstream.errors import UpstreamProtocolError
from adapter.upstream.sse import EventDecoder
from adapter.wire.base import decode, encode
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.openai.chat_answer import ChatCompletion, ChatCompletionChunk
from adapter.wire.openai.chat_request import ChatCompletionRequest
from tests.support import oracles
from tests.support.in_process import InProcess, Puppet, check_answer, check_error
from tests.support.planning import plan_for

SETTINGS = Settings()
NAMES = catalogue(SETTINGS, datetime.date(2026, 11, 30))
OPTIONS = options(SETTINGS)
STAMP = Stamp(seed="s", id="chatcmpl-x", created=1, model="m")
MAX_EVENT = 100_000

PASSED_ON = (
    b"google", b"file_search", b"url_context", b"code_execution", b"safety_settings", b";base64,", b"input_audio",
    b"file_data", b"signature", b"fileSearch", b"urlContext", b"codeExecution", b"computer_use", b"computerUse",
    b"mcp_servers", b"mcpServers", b"retrieval", b"nterprise", b"continuation",
)  # fmt: skip
"""Fields that go to Gemini as the client sent them, for Gemini to judge: its own fields, and files."""

DEEPEST = 100
"""Levels that JSON of protobuf may have, hence Gemini's; the SDK's types judge no more than 200."""

Headers = list[tuple[bytes, bytes]]


def ask(app: InProcess, path: str, body: bytes, headers: Headers) -> int:
    """A request to the whole application; its status."""
    try:
        answer = app.ask(path, body, headers)
        check_answer(path, answer)
    except Exception as error:
        error.add_note(f"{path} {headers}\n{body[:5_000]!r}")
        raise
    return answer.status


def translate(body: bytes) -> None:
    """A request through the pure core alone: it is refused, or becomes a request that Gemini's own types take."""
    try:
        _translate(body)
    except Exception as error:
        error.add_note(repr(body[:5_000]))
        raise


def _translate(body: bytes) -> None:
    try:
        decoded = decode(body, ChatCompletionRequest)
    except DECODING_ERRORS as error:
        _check_refusal(to_malformed(error))
        return
    try:
        found = plan_for(*decoded, NAMES, OPTIONS)
    except (Rejected, RecursionError) as error:
        _check_refusal(error)
        return
    if not any(name in body for name in PASSED_ON):
        oracles.check_gemini_request(json.loads(encode(found.body)))


def _check_refusal(error: Exception) -> None:
    """The client is told why."""
    check_error(json.loads(encode(failure_of(error, "").body))["error"])


def answer(asked: bytes, said: list[bytes]) -> None:
    """Check answers that Gemini might give, whole and streamed: the result is an answer or one of our own errors."""
    try:
        context = plan_for(*decode(asked, ChatCompletionRequest), NAMES, OPTIONS).context
    except (*DECODING_ERRORS, Rejected):
        return
    events = [event for event in map(_decode, said) if event is not None]
    try:
        completions = [_whole(context, event) for event in events[-1:]]
        chunks = _ask_stream(context, events)
        if not any(map(_too_deep, said)):
            _check(completions, chunks)
    except Exception as error:
        error.add_note(repr([asked, said])[:5_000])
        raise


Event = tuple[GenerateContentResponse, dict[str, msgspec.Raw]]


def _decode(event: bytes) -> Event | None:
    try:
        return decode(event, GenerateContentResponse)
    except DECODING_ERRORS:
        return None


def _too_deep(data: bytes) -> bool:
    depth = deepest = 0
    for byte in re.sub(rb'"(?:[^"\\]|\\.)*"|[^][{}]', b"", data):
        depth += 1 if byte in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest > DEEPEST


def _whole(context: Context, event: Event) -> ChatCompletion | None:
    try:
        completion, _notes, _issued = chat.from_gemini(event[0], context, STAMP, event[1])
    except AnswerError:
        return None
    return completion


def _ask_stream(context: Context, events: list[Event]) -> list[ChatCompletionChunk]:
    machine = chat.ChatStream(context, STAMP)
    chunks = []
    try:
        for event in events:
            chunks += machine.feed(*event)
        chunks += machine.close()
    except AnswerError:
        pass
    return chunks


def _check(completions: list[ChatCompletion | None], chunks: list[ChatCompletionChunk]) -> None:
    for completion in completions:
        if completion is not None:
            oracles.check_completion(json.loads(encode(completion)))
    if chunks:
        oracles.check_chunks([json.loads(encode(chunk)) for chunk in chunks])


def payloads(data: bytes, size: int) -> list[bytes]:
    """The events of a stream that comes in pieces of so many bytes: the same as if it came at once."""
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    found, whole = _payloads(pieces), _payloads([data])
    assert found == whole, f"{size}: {data!r}"
    return found or []


def _payloads(pieces: list[bytes]) -> list[bytes] | None:
    decoder = EventDecoder(MAX_EVENT)
    try:
        return [payload for piece in pieces for payload in decoder.feed(piece)] + decoder.close()
    except UpstreamProtocolError:
        return None


def relay(app: InProcess, puppet: Puppet, path: str, body: bytes, said: bytes) -> int:
    """An answer of the upstream through the whole application; the status of what the client gets."""
    puppet.said = said
    try:
        answer = app.ask(path, body, [(b"authorization", b"Bearer any")])
        if not _too_deep(said):
            check_answer(path, answer)
    except Exception as error:
        error.add_note(f"{path} {body!r}\n{said[:5_000]!r}")
        raise
    return answer.status
