"""The keys under which signatures are stored, and the fields in which clients carry them.

A call's record is stored under the call's id, which every client sends back; an answer's record under the id of one of
its items, if there are items. A record without an id is found by words, see `history`.
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec
import orjson

from adapter.wire.base import present
from adapter.wire.json_counts import is_within
from adapter.wire.limits import DEFAULTS
from adapter.wire.openai.chat_request import ExtraContent, FunctionCall, Message, ProviderFields, ToolCall

SENTINEL = "skip_thought_signature_validator"
"""The stand-in that Gemini accepts for a lost signature (ai.google.dev, thought signatures, 2026-04)."""

FOREIGN_SEPARATOR = "__thought__"
"""LiteLLM carries a signature in the call id, behind this mark (github.com/BerriAI/litellm/pull/16895)."""


def call_key(call_id: str) -> str:
    """Return the key of a call by its id."""
    return f"id:{call_id}"


def item_key(item_id: str) -> str:
    """Return the key of an answer by the id of one of its items."""
    return f"item:{item_id}"


def legacy_call_key(name: str, arguments: str, text: str, before: str) -> str:
    """Return version 0.1's key of a call by its words, which proves whose record lies under the call's id."""
    return _legacy_digest("call", name, _legacy_arguments(arguments), _legacy_digest("text", text, before))


def _legacy_arguments(arguments: str) -> str:
    if not is_within(arguments, DEFAULTS.json_values):
        return arguments
    # As version 0.1 has spelled them: in any other form none of its records would be found.
    try:
        return orjson.dumps(orjson.loads(arguments or "{}"), option=orjson.OPT_SORT_KEYS).decode()
    except (orjson.JSONDecodeError, TypeError):
        return arguments


def _legacy_digest(kind: str, *pieces: str) -> str:
    hashed = blake2b(digest_size=16)
    for piece in pieces:
        data = piece.encode("utf-8", "surrogatepass")
        hashed.update(b"%d:" % len(data))
        hashed.update(data)
    return f"{kind}:{hashed.hexdigest()}"


def carried_by_call(call: ToolCall, details: Mapping[str, str]) -> str | None:
    """Return the signature that the client sent with a call, from the best carrier that it knows.

    `details` are those of its message.
    """
    return (
        _from_extra(call.extra_content)
        or _from_provider(call.provider_specific_fields)
        or (_from_function(call.function) if call.function is not None else None)
        or call.thought_signature
        or call.thought_signature_
        or _from_options(call.provider_options)
        or _from_options(call.provider_options_)
        or _in_ids(call, details)
    )


def _from_extra(extra: ExtraContent | None) -> str | None:
    google = extra.google if extra is not None else None
    return (google.thought_signature or google.thought_signature_) if google is not None else None


def _from_provider(fields: ProviderFields | None) -> str | None:
    return fields.thought_signature if fields is not None else None


def _from_function(function: FunctionCall) -> str | None:
    return (
        _from_provider(function.provider_specific_fields) or function.thought_signature or function.thought_signature_
    )


def _from_options(options: msgspec.Raw) -> str | None:
    """Return the signature in the options by vendor that the AI SDK's clients leave beside a call."""
    if not present(options):
        return None
    try:
        google = orjson.loads(bytes(options)).get("google")
    except (orjson.JSONDecodeError, AttributeError):
        return None
    value = google.get("thoughtSignature") if isinstance(google, dict) else None
    return value if isinstance(value, str) else None


def _in_ids(call: ToolCall, details: Mapping[str, str]) -> str | None:
    """Return a signature inside the call's id, or inside the message's reasoning."""
    bare, inside = split_id(call.id or "")
    if not details:
        return inside
    return details.get(call.id or "") or details.get(f"tool_call_{bare}") or inside


def carried_by_text(message: Message) -> str | None:
    """Return the signature that the client itself sent with an answer's text."""
    return (
        _from_extra(message.extra_content)
        or message.thought_signature
        or message.thought_signature_
        or signatures_in_details(message).get("")
    )


def signatures_in_details(message: Message) -> dict[str, str]:
    """Return the signatures in `reasoning_details` by call id, or under nothing for the text.

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
    signed = [entry for entry in entries if _is_signature(entry)] if isinstance(entries, list) else []
    return {entry.get("id") or "": entry.get("signature") or entry["data"] for entry in signed}


def _is_signature(entry: Any) -> bool:
    if not isinstance(entry, dict) or entry.get("type") != "reasoning.encrypted":
        return False
    value = entry.get("signature") or ("google" in str(entry.get("format")) and entry.get("data"))
    return isinstance(value, str) and isinstance(entry.get("id") or "", str)


_STATELESS = len("call_") + 24
_MARK = "_ts_"
_FOREIGN_TAIL = re.compile(r"[A-Za-z0-9_-]{64,}")
"""A signature behind the mark in another gateway's id: a text of less than 64 characters may be part of any id."""


def stateless_id(call_id: str, signature: str) -> str:
    """Return a call id (`call_` and 24 characters) that carries the signature in characters all clients keep."""
    return call_id + _MARK + signature.replace("+", "-").replace("/", "_").rstrip("=")


def split_id(call_id: str) -> tuple[str, str | None]:
    """Return an id, and the signature it carries: one of our own stateless ids, LiteLLM's, or Bifrost's."""
    # All marks contain it, and nearly no id has one.
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
