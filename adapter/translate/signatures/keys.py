"""Under which keys thought signatures are kept, so that they find their parts again in any client's history.

A function call's record is kept under its id, which every client sends back, and under a hash of what the call says,
for ids that a client rewrote (Roo Code, pydantic-ai). A text's or an image's record is kept under a hash alone. The
hash covers the message before as well, so that equal short answers in different chats do not meet. Arguments are
hashed as canonical JSON: LangChain and Roo Code serialise them anew.
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

from adapter.wire.base import present
from adapter.wire.openai.chat_request import ChatCompletionRequest, ContentPart, Message, ToolCall
from adapter.wire.signatures import Signature

SENTINEL = "skip_thought_signature_validator"
"""What Gemini accepts in place of a lost signature (ai.google.dev, thought signatures, 2026-04)."""

FOREIGN_SEPARATOR = "__thought__"
"""LiteLLM carries a signature in the call id, behind this mark (github.com/BerriAI/litellm/pull/16895)."""


def call_key(call_id: str) -> str:
    """The key of a call by its id."""
    return f"id:{call_id}"


def _digest(kind: str, *pieces: str) -> str:
    hashed = blake2b(digest_size=16)
    for piece in pieces:
        data = piece.encode("utf-8", "surrogatepass")
        hashed.update(b"%d:" % len(data))
        hashed.update(data)
    return f"{kind}:{hashed.hexdigest()}"


def canonical(arguments: str) -> str:
    """Arguments with sorted keys and no white space; text that is not JSON stays as it is."""
    try:
        return orjson.dumps(orjson.loads(arguments or "{}"), option=orjson.OPT_SORT_KEYS).decode()
    except (orjson.JSONDecodeError, TypeError):
        return arguments


def call_hash(name: str, arguments: str, text: str, before: str) -> str:
    """The key of a call by what it says: its name and arguments, the answer's text, the message before."""
    return _call_hash(name, arguments, text_hash(text, before))


def _call_hash(name: str, arguments: str, place: str) -> str:
    return _digest("call", name, canonical(arguments), place)


def text_hash(text: str, before: str) -> str:
    """The key of an answer without calls by its text and the message before."""
    return _digest("text", text, before)


def image_hash(data: str) -> str:
    """The key of an image by its base64."""
    return _digest("image", data)


def text_of(content: str | list[ContentPart] | None) -> str:
    """The text of a message's content."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part.text or "" for part in content)


def before(request: ChatCompletionRequest, index: int) -> str:
    """The text of the message before the one at `index`."""
    return text_of(request.messages[index - 1].content) if index > 0 else ""


def image_data(url: str) -> str:
    """The base64 of a data URL."""
    return url.partition(",")[2]


def primary_keys(request: ChatCompletionRequest) -> list[str]:
    """The keys to look up first: ids of calls, hashes of answers without calls."""
    keys: list[str] = []
    for index, message in _answers(request):
        if message.tool_calls:
            keys += [call_key(call.id) for call in message.tool_calls if call.id]
        elif not message.function_call:
            keys.append(text_hash(text_of(message.content), before(request, index)))
        if message.images:
            keys += [image_hash(image_data(image.image_url.url)) for image in message.images if image.image_url]
    return keys


def fallback_keys(request: ChatCompletionRequest, found: Mapping[str, Signature]) -> list[str]:
    """The keys to look up next: hashes of the calls that no id found."""
    keys: list[str] = []
    for index, message in _answers(request):
        lost = [call for call in calls_of(message) if call_key(call.id or "") not in found]
        if lost:
            keys += _hashes(lost, request, index)
    return keys


def calls_of(message: Message) -> list[ToolCall]:
    """A message's calls, the deprecated `function_call` included."""
    if message.tool_calls:
        return message.tool_calls
    return [ToolCall(type="function", function=message.function_call)] if message.function_call else []


def hashes_of(request: ChatCompletionRequest, index: int) -> list[str]:
    """The hash key of each call in the message at `index`."""
    return _hashes(calls_of(request.messages[index]), request, index)


def _hashes(calls: list[ToolCall], request: ChatCompletionRequest, index: int) -> list[str]:
    """The same for some of its calls; the texts are read once, however many there are."""
    place = text_hash(text_of(request.messages[index].content), before(request, index))
    return [_call_hash(*_said(call), place) for call in calls]


def _said(call: ToolCall) -> tuple[str, str]:
    """The name and the arguments of a call."""
    if call.custom:
        return call.custom.name or "", call.custom.input or ""
    function = call.function
    return (function.name or "", function.arguments or "") if function else ("", "")


def _answers(request: ChatCompletionRequest) -> list[tuple[int, Message]]:
    return [(i, message) for i, message in enumerate(request.messages) if message.role == "assistant"]


def carried(call: ToolCall, message: Message) -> str | None:
    """The signature that the client itself sent with a call, in any known carrier; best first."""
    function = call.function
    if call.extra_content and call.extra_content.google and call.extra_content.google.thought_signature:
        return call.extra_content.google.thought_signature
    if call.provider_specific_fields and call.provider_specific_fields.thought_signature:
        return call.provider_specific_fields.thought_signature
    if function and function.provider_specific_fields and function.provider_specific_fields.thought_signature:
        return function.provider_specific_fields.thought_signature
    if function and function.thought_signature:
        return function.thought_signature
    bare, inside = split_id(call.id or "")
    if not present(message.reasoning_details):
        return inside
    details = detailed(message)
    return details.get(call.id or "") or details.get(f"tool_call_{bare}") or inside


def carried_by_text(message: Message) -> str | None:
    """The signature that the client itself sent with an answer's text."""
    google = message.extra_content.google if message.extra_content else None
    return (google.thought_signature if google else None) or message.thought_signature or detailed(message).get("")


def detailed(message: Message) -> dict[str, str]:
    """Signatures in `reasoning_details` by what they belong to: a call's id, or nothing for the text.

    Bifrost calls the value `signature` and puts `tool_call_` before the id (core/providers/gemini, 2026); OpenRouter
    calls it `data` and tells the format (openrouter.ai/docs, reasoning tokens, 2026).
    """
    if not present(message.reasoning_details):
        return {}
    try:
        entries = orjson.loads(bytes(message.reasoning_details))
    except orjson.JSONDecodeError:
        # A number beyond a double's range stands where no signature can.
        return {}
    found = [entry for entry in entries if _is_signature(entry)] if isinstance(entries, list) else []
    return {entry.get("id") or "": entry.get("signature") or entry["data"] for entry in found}


def _is_signature(entry: Any) -> bool:
    if not isinstance(entry, dict) or entry.get("type") != "reasoning.encrypted":
        return False
    value = entry.get("signature") or ("google" in str(entry.get("format")) and entry.get("data"))
    return isinstance(value, str) and isinstance(entry.get("id") or "", str)


_STATELESS = len("call_") + 24
_MARK = "_ts_"
_FOREIGN_TAIL = re.compile(r"[A-Za-z0-9_-]{64,}")
"""What stands behind the mark in an id that another gateway made: shorter texts may be a part of any id."""


def stateless_id(call_id: str, signature: str) -> str:
    """A call id (`call_` and 24 characters) that carries the signature, in the characters that every client keeps."""
    return call_id + _MARK + signature.replace("+", "-").replace("/", "_").rstrip("=")


def split_id(call_id: str) -> tuple[str, str | None]:
    """An id, and the signature it carries: one of our own stateless ids, LiteLLM's, or Bifrost's."""
    if "_t" not in call_id:
        return call_id, None
    if FOREIGN_SEPARATOR in call_id:
        bare, _, signature = call_id.partition(FOREIGN_SEPARATOR)
        return bare, signature or None
    at = _STATELESS if call_id.startswith(_MARK, _STATELESS) else call_id.find(_MARK)
    tail = call_id[at + len(_MARK) :] if at > 0 else ""
    if not tail or (at != _STATELESS and not _FOREIGN_TAIL.fullmatch(tail)):
        return call_id, None
    return call_id[:at], tail.replace("-", "+").replace("_", "/") + "=" * (-len(tail) % 4)
