"""Google's own fields beside OpenAI's, literal and unwrapped.

Google's OpenAI endpoint reads them from `extra_body.google` (ai.google.dev, OpenAI compatibility, 2026-09-12); the
OpenAI SDKs send that as it is, or, unwrapped once, as `google`. Names are taken in snake_case and in camelCase, fields
of generationConfig with or without it.
"""

import re
from typing import Any

import msgspec
import orjson

from adapter.translate.core.context import Context
from adapter.translate.core.notes import Fate, Note, Outcome, Rejected, drop, exact, reject
from adapter.translate.core.rules import camel, decode_field
from adapter.translate.request.thinking import includes
from adapter.wire.base import encode, present
from adapter.wire.gemini.generate import GenerateContentRequest, GenerationConfig, SafetySetting
from adapter.wire.openai.chat_request import ChatCompletionRequest

_TOP = {field.encode_name for field in msgspec.structs.fields(GenerateContentRequest)}
_CONFIG = {field.encode_name for field in msgspec.structs.fields(GenerationConfig)}
_OF_MESSAGES = {"contents", "systemInstruction"}
_FREE_FORM = {
    "parametersJsonSchema",
    "responseJsonSchema",
    "parameters",
    "responseSchema",
    "response",
    "labels",
}
"""Fields whose content has names that the user chooses."""


def _camelise(value: Any) -> Any:
    if isinstance(value, list):
        return [_camelise(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = ((camel(key), item) for key, item in value.items())
    return {key: item if key in _FREE_FORM else _camelise(item) for key, item in named}


def _gather(members: dict[str, Any]) -> tuple[dict[str, Any], list[Note]]:
    """Move members to their places in Gemini's request; note those that have no place."""
    body: dict[str, Any] = {}
    notes: list[Note] = []
    for key, value in members.items():
        name = camel(key)
        if name in _OF_MESSAGES:
            notes.append(Note(key, Fate.DROPPED, "field-overruled", "the messages tell this"))
        elif name in _TOP:
            inner = value if name in _FREE_FORM else _camelise(value)
            before = body.get(name)
            # `generationConfig` may come beside fields of its own that stand outside of it.
            body[name] = {**before, **inner} if isinstance(before, dict) and isinstance(inner, dict) else inner
        elif name in _CONFIG:
            config = body.setdefault("generationConfig", {})
            # What is no object is refused with its path, when the whole is decoded.
            if isinstance(config, dict):
                config[name] = value if name in _FREE_FORM else _camelise(value)
        else:
            notes.append(
                Note(key, Fate.DROPPED, "unknown-field", "not a field of a Gemini request that this adapter knows")
            )
    return body, notes


def _translate(raw: msgspec.Raw, field: str) -> Outcome:
    try:
        members = orjson.loads(bytes(raw))
    except orjson.JSONDecodeError as error:
        # Numbers beyond a double's range are JSON, and nothing that could be passed on.
        return reject("malformed-value", str(error))
    if not isinstance(members, dict):
        return reject("malformed-value", "not an object")
    body, notes = _gather({key: value for key, value in members.items() if value is not None})
    try:
        fragment, unknown = decode_field(field, msgspec.Raw(encode(body)), GenerateContentRequest)
    except Rejected as error:
        path = _as_spelled(error.note.path.removeprefix(field), members)
        raise Rejected(f"{field}.{path}", error.note.code, error.note.reason) from None
    notes += [
        Note(
            _as_spelled(path, members),
            Fate.DROPPED,
            "unknown-field",
            "not a field of a Gemini request that this adapter knows",
        )
        for path in unknown
    ]
    return exact(fragment, notes)


def _as_spelled(path: str, members: dict[str, Any]) -> str:
    """Return a path in Gemini's names as the client spells it, where fields of `generationConfig` may stand outside."""
    steps = _STEP.findall(path)
    if steps[0] == "generationConfig" and any(camel(key) in steps[1:2] for key in members):
        del steps[0]
    value: Any = members
    spelled = ""
    for step in steps:
        piece, value = _step_into(value, step)
        spelled += piece
    return spelled.removeprefix(".")


def _step_into(value: Any, step: str) -> tuple[str, Any]:
    """Return a step of a path as the client spells it, and the value to which it leads, if to any."""
    if step.startswith("["):
        is_there = isinstance(value, list) and step[1:-1].isdecimal() and int(step[1:-1]) < len(value)
        return step, value[int(step[1:-1])] if is_there else None
    own = value if isinstance(value, dict) else {}
    key = next((name for name in own if camel(name) == step), step)
    return f".{key}", own.get(key)


_STEP = re.compile(r"\[[^\]]*\]|[^.\[\]]+")


def _inner(raw: msgspec.Raw) -> tuple[msgspec.Raw | None, list[str]]:
    """Return the `google` object inside an `extra_body`, even if wrapped twice, and the names of the other members."""
    members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    if "extra_body" in members and "google" not in members:
        return _inner(members["extra_body"])
    others = [name for name in members if name != "google"]
    return members.get("google"), others


def google(raw: msgspec.Raw, context: Context) -> Outcome:
    """The extension at the top level."""
    if present(context.request.extra_body) and _inner_or_reject(context.request.extra_body)[0] is not None:
        return drop("field-overruled", "extra_body.google replaces it")
    return _translate(raw, "google")


def _inner_or_reject(raw: msgspec.Raw) -> tuple[msgspec.Raw | None, list[str]]:
    try:
        return _inner(raw)
    except msgspec.ValidationError:
        raise Rejected("extra_body", "malformed-value", "not an object") from None


def extra_body(raw: msgspec.Raw, _context: Context) -> Outcome:
    """The extension as the SDKs send it when `extra_body` is given literally."""
    inner, others = _inner_or_reject(raw)
    notes = [
        Note(name, Fate.DROPPED, "extra-body-ignored", "send it at the top level of the request") for name in others
    ]
    if inner is None or not present(inner):
        return exact(None, notes)
    outcome = _translate(inner, "extra_body.google")
    below = [note.at(f"google.{note.path}" if note.path else "google") for note in outcome.notes]
    return Outcome(outcome.fragment, (*below, *notes))


def thinking_extension(request: ChatCompletionRequest) -> str | None:
    """Return which extension sets how hard to think, if any."""
    if present(request.extra_body) and (inner := _inner_or_reject(request.extra_body)[0]) is not None:
        return "extra_body" if present(inner) and _thinks(inner, "extra_body.google") else None
    return "google" if present(request.google) and _thinks(request.google, "google") else None


def _thinks(raw: msgspec.Raw, field: str) -> bool:
    fragment = _translate(raw, field).fragment
    config = fragment.generation_config if fragment else None
    return config is not None and includes(config.thinking_config)


def safety_settings(raw: msgspec.Raw, _context: Context) -> Outcome:
    """Gemini's safety settings, at the top level as other gateways take them."""
    settings, unknown = decode_field("safety_settings", raw, list[SafetySetting])
    notes = [Note(path, Fate.DROPPED, "unknown-field", "not a field of a safety setting") for path in unknown]
    return exact(GenerateContentRequest(safety_settings=settings), notes)
