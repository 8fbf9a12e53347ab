"""A stream's chunks against the rules that clients rely on, and against the whole answer."""

import json
from collections.abc import Iterable
from typing import Any

from adapter.wire.base import present
from adapter.wire.signatures import Issued
from conformance.joining import join

Object = dict[str, Any]

PAYLOADS = {
    "content", "refusal", "reasoning_content", "tool_calls", "function_call", "annotations", "audio", "images",
    "extra_content",
}  # fmt: skip


def check_rules(chunks: list[Object], *, usage: bool) -> None:
    """Raise for chunks that break an encoder rule; `usage`: whether the client asked for it."""
    _check_constant(chunks)
    _check_usage(chunks, usage)
    pieces = [piece for chunk in chunks for piece in chunk["choices"]]
    for index in {piece["index"] for piece in pieces}:
        _check_choice([piece for piece in pieces if piece["index"] == index])
    starts = list(dict.fromkeys(piece["index"] for piece in pieces))
    assert starts == list(range(len(starts))), "choices start in the order of their indexes"
    for chunk in chunks:
        assert "error" not in chunk


def _check_constant(chunks: list[Object]) -> None:
    for name in ("id", "object", "created", "model"):
        assert len({json.dumps(chunk[name]) for chunk in chunks}) == 1, f"{name} is the same in all chunks"
    tiers = [chunk.get("service_tier") for chunk in chunks]
    assert len({tier for tier in tiers if tier is not None}) <= 1


def _check_usage(chunks: list[Object], asked: bool) -> None:
    with_usage = [chunk for chunk in chunks if chunk.get("usage") is not None]
    assert with_usage == ([chunks[-1]] if asked else []), "usage comes last, and only when asked for"
    for chunk in chunks:
        assert (chunk["choices"] == []) is (chunk in with_usage)


def _check_choice(pieces: list[Object]) -> None:
    first, *others = pieces
    assert first["delta"] == {"role": "assistant", "content": ""}, "the role comes first"
    assert not any("role" in piece["delta"] for piece in others), "the role comes once"
    finishes = [piece["finish_reason"] for piece in pieces]
    assert [bool(finish) for finish in finishes] == [False] * (len(pieces) - 1) + [True], "one finish, at the end"
    assert finishes[-1] in {"stop", "length", "tool_calls", "content_filter", "function_call"}
    assert pieces[-1]["delta"] == {}
    deltas = [piece["delta"] for piece in others]
    for delta in deltas:
        assert set(delta) <= PAYLOADS
        assert len(delta) <= 1, f"one kind of payload per delta: {list(delta)}"
    _check_calls([call for delta in deltas for call in delta.get("tool_calls", [])])
    _check_once(deltas)
    for delta in deltas:
        assert isinstance(delta.get("function_call", {"arguments": ""})["arguments"], str)


def _check_calls(calls: list[Object]) -> None:
    seen: set[int] = set()
    for call in calls:
        if call["index"] not in seen:
            assert call["index"] == len(seen), "indexes of calls are contiguous"
            assert call["id"]
            assert call["type"] in ("function", "custom")
            assert call[call["type"]]["name"]
        else:
            assert not {"id", "type", "extra_content"} & set(call), "what names a call comes once"
        seen.add(call["index"])
        inner = call.get("function") or call["custom"]
        assert isinstance(inner.get("arguments", inner.get("input")), str)
    assert len({call["id"] for call in calls if "id" in call}) == len(seen), "ids are unique"


def _check_once(deltas: list[Object]) -> None:
    for name in ("annotations", "extra_content", "refusal", "function_call"):
        assert sum(name in delta for delta in deltas) <= 1, f"{name} comes once"
    images = [image for delta in deltas for image in delta.get("images", [])]
    assert [image["index"] for image in images] == list(range(len(images)))
    sounds = [delta["audio"] for delta in deltas if "audio" in delta]
    assert [name for sound in sounds for name in ("id", "expires_at") if name in sound] in ([], ["id", "expires_at"])


def join_chunks(chunks: list[Object]) -> Object:
    """Join the chunks into one answer, in the form of `comparable`."""
    return comparable(join(chunks))


def comparable(completion: Object) -> Object:
    """Return an answer without what a stream cannot tell: `""` or null, and where parts of one text begin."""
    return {
        **{name: completion.get(name) for name in ("id", "created", "model", "usage", "service_tier")},
        "choices": [_choice(choice) for choice in completion["choices"]],
    }


def _choice(choice: Object) -> Object:
    said = {name: value for name, value in choice["message"].items() if value not in (None, "")}
    if "google" in said.get("extra_content", {}) and "parts" in said["extra_content"]["google"]:
        google = said["extra_content"]["google"]
        said["extra_content"] = {"google": {**google, "parts": merge_texts(google["parts"])}}
    for number, call in enumerate(said.get("tool_calls", [])):
        assert call.pop("index", number) == number
    return {**choice, "message": said}


def merge_texts(parts: list[Object]) -> list[Object]:
    """Parts with texts that follow one another as one, up to a signature."""
    result: list[Object] = []
    for part in parts:
        before = result[-1] if result else {}
        if set(before) == {"text"} and "text" in part and set(part) <= {"text", "thoughtSignature"}:
            result[-1] = {**part, "text": before["text"] + part["text"]}
        else:
            result.append(part)
    return result


def last_records(issued: Iterable[Issued]) -> Object:
    """Return the last record for each key, which a store holds in the end."""
    return {
        key: (record.value, record.id, record.origin, merge_texts(json.loads(bytes(record.parts) or b"null") or []))
        if present(record.parts)
        else (record.value, record.id, record.origin, None)
        for key, record, _ in issued
    }
