"""Groups requests into conversations, so that a loss in every turn counts once.

Three things link two requests: `previous_response_id` or a `conversation` of Responses, a history that begins with the
other request's whole history, and what the recording tool says (its trace or thread). A tool that puts unrelated
requests into one trace makes one conversation of them. Requests with equal histories are one conversation: a retry, or
an answer that was asked for once more.
"""

import hashlib

import msgspec
import orjson

from adapter.report.records import RecordedRequest

_CARRIED = frozenset(
    {"role", "type", "content", "text", "name", "arguments", "output", "tool_calls", "function", "call_id"}
)
"""Fields of an item that every client sends back; ids, states and extensions of gateways change between turns."""


_WITH_HISTORY = ("/v1/chat/completions", "/v1/responses")
"""Endpoints whose requests hold their history; equal inputs of others say nothing about each other."""


class _Outline(msgspec.Struct):
    """The fields of a request that link it to others."""

    messages: msgspec.Raw = msgspec.Raw(b"null")
    input: msgspec.Raw = msgspec.Raw(b"null")
    previous_response_id: str | None = None
    conversation: msgspec.Raw = msgspec.Raw(b"null")


class Conversations:
    """Numbers conversations while requests come by, in the order in which they were recorded.

    Fed by `number_of`, once for each request. Holds one digest of 16 bytes per request, not the requests.
    """

    def __init__(self) -> None:
        self._by_link: dict[bytes, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def number_of(self, request: RecordedRequest) -> int:
        """Return the number of the conversation that a request belongs to; a new one if nothing links it to another."""
        outline = _outline(request.body) if request.path in _WITH_HISTORY else _Outline()
        prefixes = _prefixes(outline)
        backward = [_key("answer", outline.previous_response_id), _key("session", request.session)]
        backward += [_key("conversation", _conversation_id(outline)), *reversed(prefixes)]
        number = next((self._by_link[key] for key in backward if key in self._by_link), None)
        if number is None:
            number = self._count
            self._count += 1
        forward = [_key("answer", request.answer_id), _key("session", request.session)]
        forward += [_key("conversation", _conversation_id(outline)), *prefixes[-1:]]
        self._by_link |= {key: number for key in forward if key}
        return number


def _outline(body: bytes) -> _Outline:
    try:
        return msgspec.json.decode(body, type=_Outline)
    except msgspec.ValidationError:
        return _Outline()


def _key(kind: str, value: str | None) -> bytes:
    return f"{kind}:{value}".encode() if value else b""


def _conversation_id(outline: _Outline) -> str:
    conversation = orjson.loads(bytes(outline.conversation))
    id_ = conversation.get("id") if isinstance(conversation, dict) else conversation
    return id_ if isinstance(id_, str) else ""


def _prefixes(outline: _Outline) -> list[bytes]:
    """Return digests of the history's beginnings that end before an answer, and of the whole history."""
    history = orjson.loads(bytes(outline.messages)) or orjson.loads(bytes(outline.input))
    items = history if isinstance(history, list) else [history] if history else []
    running, digests = hashlib.blake2b(digest_size=16), []
    for position, item in enumerate(items):
        if position and _is_answer(item):
            digests.append(running.digest())
        running.update(orjson.dumps(_carry_over(item), option=orjson.OPT_SORT_KEYS))
    return [*digests, running.digest()] if items else []


def _is_answer(item: object) -> bool:
    return isinstance(item, dict) and (
        item.get("role") == "assistant" or item.get("type") in ("function_call", "reasoning")
    )


def _carry_over(item: object) -> object:
    if not isinstance(item, dict):
        return item
    return {name: value for name, value in item.items() if name in _CARRIED and value is not None}
