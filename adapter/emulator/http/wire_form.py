"""A reply as the server writes it: one JSON document, or the chunks of a stream."""

import base64
import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson

from adapter.emulator.core.conversation import Part
from adapter.emulator.generation.media import SAMPLE_RATE, SPEECH_TYPE
from adapter.emulator.generation.reply import Candidate, EmulatedReply
from adapter.emulator.generation.usage import Tally

PIECE = re.compile(r"\S*\s*\S*\s*\S*\s*", re.DOTALL)
"""A stream sends three words at a time."""


def whole(reply: EmulatedReply) -> dict[str, Any]:
    """Return the response of `generateContent`."""
    candidates = [
        {"content": content(found.parts)}
        | {"finishReason": found.finish, "index": index}
        | ({"finishMessage": found.message} if found.message else {})
        | found.extra
        for index, found in enumerate(reply.candidates)
    ]
    parts = [part for found in reply.candidates for part in found.parts]
    return envelope(reply, candidates, Tally(reply.model, parts))


def envelope(reply: EmulatedReply, candidates: list[dict[str, Any]], tally: Tally) -> dict[str, Any]:
    """Return a response: candidates, their tokens so far, and the model."""
    return {
        "candidates": candidates,
        "usageMetadata": reply.usage.metadata(tally.counts()),
        "modelVersion": reply.model.version,
        "responseId": reply.id,
    }


def content(parts: list[Part]) -> dict[str, Any]:
    """Return a candidate's content: `{"role": "model"}` alone if it has no parts."""
    return {"parts": [encode_bytes(part) for part in parts], "role": "model"} if parts else {"role": "model"}


def encode_bytes(part: Part) -> Part:
    """Replace the bytes of a part by base64."""
    if "inlineData" not in part:
        return part
    blob = part["inlineData"]
    return part | {"inlineData": blob | {"data": base64.b64encode(blob["data"]).decode()}}


def chunks(reply: EmulatedReply) -> Iterator[dict[str, Any]]:
    """Yield the responses of `streamGenerateContent`, made one at a time."""
    tally = Tally(reply.model)
    for index, found in enumerate(reply.candidates):
        for parts, last in steps(found, late=reply.late_signatures):
            tally.add(parts)
            candidate: dict[str, Any] = {"content": content(parts)}
            if last:
                candidate |= {"finishReason": found.finish}
            candidate["index"] = index
            yield envelope(reply, [candidate | (found.extra if last else {})], tally)


def steps(candidate: Candidate, *, late: bool) -> Iterator[tuple[list[Part], bool]]:
    """Yield the parts of each chunk, and whether it is the last.

    Gemini 3 and later close with an empty text, which carries the signature of a text; earlier models close with
    their last piece.
    """
    groups = list(group_parts(candidate.parts))
    closing: Part = {"text": ""}
    if late and groups and "text" in groups[-1][-1] and "thoughtSignature" in groups[-1][-1]:
        last = groups[-1][-1]
        closing |= {"thoughtSignature": last["thoughtSignature"]}
        groups[-1] = [{name: value for name, value in last.items() if name != "thoughtSignature"}]
    pieces = [piece for group in groups for piece in split_text(group)]
    if late and pieces:
        yield from ((piece, False) for piece in pieces)
        yield [closing], True
        return
    for index, piece in enumerate(pieces or [[]]):
        yield piece, index >= len(pieces) - 1


def group_parts(parts: list[Part]) -> Iterator[list[Part]]:
    """Group parts: each text alone, calls together, all else as it comes."""
    calls = [part for part in parts if "functionCall" in part]
    for part in parts:
        if "functionCall" not in part:
            yield [part]
    if calls:
        yield calls


def split_text(group: list[Part]) -> Iterator[list[Part]]:
    """Yield a text in pieces; the first piece keeps the part's other fields."""
    first = group[0]
    if first.get("inlineData", {}).get("mimeType") == SPEECH_TYPE:
        yield from split_samples(first)
        return
    if "audioTranscription" in first:
        yield from split_transcription(first)
        return
    if "text" not in first:
        yield group
        return
    pieces = [piece for piece in PIECE.findall(first["text"]) if piece] or [""]
    thought = {"thought": True} if first.get("thought") else {}
    yield [first | {"text": pieces[0]}]
    yield from ([{"text": piece} | thought] for piece in pieces[1:])


def split_transcription(part: Part) -> Iterator[list[Part]]:
    """Yield a transcript in pieces, each with its words."""
    transcription = part["audioTranscription"]
    words = iter(transcription.get("words", ()))
    for piece in [piece for piece in PIECE.findall(transcription["text"]) if piece] or [""]:
        timed = {"words": list(islice(words, len(piece.split())))} if "words" in transcription else {}
        yield [part | {"audioTranscription": transcription | {"text": piece} | timed}]


def split_samples(part: Part) -> Iterator[list[Part]]:
    """Yield raw samples in pieces of a second, each as a part."""
    blob = part["inlineData"]
    for start in range(0, len(blob["data"]), 2 * SAMPLE_RATE):
        yield [part | {"inlineData": blob | {"data": blob["data"][start : start + 2 * SAMPLE_RATE]}}]


def pretty(body: Any) -> bytes:
    """Write JSON with two spaces, as the server does for whole answers and errors."""
    return orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n"


def one_line(body: Any) -> bytes:
    """Write JSON on one line as the server does: a space after colons, none after commas, no angle brackets."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ": "))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").encode()


def event(body: Any) -> bytes:
    """Return one server-sent event."""
    return b"data: " + one_line(body) + b"\r\n\r\n"
