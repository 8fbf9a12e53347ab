"""One attempt of each kind; each raises when something is wrong."""

import json
from random import Random
from typing import Any

import msgspec

from adapter.server.errors import failure_of, malformed
from adapter.server.service import DECODING_ERRORS, prepared
from adapter.settings import Settings, catalogue, options
from adapter.translate import chat
from adapter.translate.context import Stamp
from adapter.translate.errors import AnswerError
from adapter.translate.notes import Rejected
from adapter.wire.base import decode, encode
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.openai.chat import ChatCompletionRequest
from tests import oracles
from tests.fuzz import mutations, seeds
from tests.fuzz.in_process import InProcess, check_answer, check_error

MODELS = ("gemini-3.8-flash", "gemini-3.5-flash", "gemini-2.5-flash", "gemini-2.5-pro", "gpt-4o")
SETTINGS = Settings()
NAMES = catalogue(SETTINGS)
OPTIONS = options(SETTINGS)
STAMP = Stamp(seed="s", id="chatcmpl-x", created=1, model="m")
SLOWEST = 5.0
"""Seconds that no request may take here, where everything is near; a blocked event loop shows here too."""

PASSED_ON = (
    b"google", b"file_search", b"url_context", b"code_execution", b"safety_settings", b";base64,", b"input_audio",
    b"file_data", b"signature", b"fileSearch", b"urlContext", b"codeExecution", b"computer_use", b"computerUse",
    b"mcp_servers", b"mcpServers", b"retrieval", b"nterprise", b"continuation",
)  # fmt: skip
"""What goes to Gemini as the client sent it, for Gemini to judge: its own fields, and files."""

PATHS = {
    "/v1/chat/completions": ("chat/completions", 6),
    "/v1/responses": ("responses", 4),
    "/v1/responses/input_tokens": ("responses", 1),
    "/v1/responses/compact": ("responses", 1),
    "/v1/conversations": ("responses", 1),
    "/translate": ("chat/completions", 1),
}
"""What is asked, with the requests that are changed for it, and how often."""


def request(random: Random, path: str) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """A body and headers for a path."""
    endpoint, _ = PATHS[path]
    document = random.choice(seeds.requests(endpoint))
    if path == "/v1/conversations":
        document = {"items": document.get("input"), "metadata": document.get("metadata")}
    if random.random() < 0.7:
        document = {**document, "model": random.choice(MODELS)}
    if random.random() < 0.3:
        document = {**document, "stream": random.random() < 0.7}
    return mutations.body_of(document, random), mutations.headers(random)


def ask(app: InProcess, random: Random) -> int:
    """A request to the whole application; its status."""
    (path,) = random.choices(list(PATHS), [weight for _, weight in PATHS.values()])
    body, headers = request(random, path)
    try:
        answer = app.ask(path, body, headers)
        check_answer(path, answer)
        assert answer.seconds < SLOWEST, f"{answer.seconds} s"
        assert not app.bugs, app.bugs[0].exc_info
    except Exception as error:
        app.bugs.clear()
        error.add_note(f"{path} {headers}\n{body[:5_000]!r}")
        raise
    return answer.status


def translate(random: Random) -> None:
    """A request through the pure core alone: it is refused, or becomes a request that Gemini's own types take."""
    body, _ = request(random, "/v1/chat/completions")
    try:
        decoded = decode(body, ChatCompletionRequest)
    except DECODING_ERRORS as error:
        _refused(malformed(error))
        return
    try:
        found = prepared(*decoded, NAMES, OPTIONS)
    except (Rejected, RecursionError) as error:
        _refused(error)
        return
    except Exception as error:
        error.add_note(repr(body[:5_000]))
        raise
    if any(name in body for name in PASSED_ON):
        return
    try:
        oracles.check_gemini_request(json.loads(encode(found.body)))
    except Exception as error:
        error.add_note(repr(body[:5_000]))
        raise


def _refused(error: Exception) -> None:
    """The client is told why."""
    check_error(json.loads(encode(failure_of(error, "").body))["error"])


def answer(random: Random) -> None:
    """What Gemini might say, whole and as a stream: an answer, or an error of ours, never another exception."""
    asked, said = random.choice(seeds.answers())
    found = prepared(*decode(encode(asked), ChatCompletionRequest), NAMES, OPTIONS)
    events = [_possible(mutations.mutated(one, random, random.choice((0, 1, 1, 2, 3)))) for one in said]
    try:
        _whole(found.context, events[-1])
        _stream(found.context, events)
    except Exception as error:
        error.add_note(json.dumps([asked, events])[:5_000])
        raise


def _possible(value: Any, depth: int = 0) -> Any:
    """Without what protobuf's JSON cannot hold: integers beyond 64 bits, and more than a hundred levels."""
    if depth > 100:
        return None
    if isinstance(value, dict):
        return {key: _possible(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_possible(item, depth + 1) for item in value]
    return value if not isinstance(value, int) or -(2**63) <= value < 2**63 else 0


def _decoded(event: Any) -> tuple[GenerateContentResponse, dict[str, msgspec.Raw]] | None:
    try:
        return decode(encode(event), GenerateContentResponse)
    except (*DECODING_ERRORS, TypeError, ValueError):
        return None


def _whole(context: Any, event: Any) -> None:
    decoded = _decoded(event)
    if decoded is None:
        return
    try:
        completion, _notes, _issued = chat.from_gemini(decoded[0], context, STAMP, decoded[1])
    except AnswerError:
        return
    oracles.check_completion(json.loads(encode(completion)))


def _stream(context: Any, events: list[Any]) -> None:
    machine = chat.ChatStream(context, STAMP)
    chunks = []
    try:
        for decoded in map(_decoded, events):
            if decoded is not None:
                chunks += machine.feed(*decoded)
        chunks += machine.close()
    except AnswerError:
        pass
    if chunks:
        oracles.check_chunks([json.loads(encode(chunk)) for chunk in chunks])
