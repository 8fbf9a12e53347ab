"""Answers in several calls, for the `continuation` faults.

Each call gives a part of it, the last one to its end, the others to a CONTINUATION with a token. The same request with
the token gets the next part. A call counts the tokens of its own part alone, and the prompt again.
"""

import base64
import re
from typing import Any

from adapter.emulator.core.conversation import Request
from adapter.emulator.core.errors import Refusal

Chunks = list[dict[str, Any]]

TOKEN = re.compile(rb"part (\d)")
SPENT = ("candidatesTokenCount", "thoughtsTokenCount")


def split_token(request: Request) -> tuple[Request, int]:
    """Return the request without its token, and the number of the part that it asks for."""
    token = request.get("continuationToken")
    if token is None:
        return request, 0
    match = TOKEN.fullmatch(token)
    if match is None:
        raise Refusal(400, "Request contains an invalid argument.")
    return {name: value for name, value in request.items() if name != "continuationToken"}, int(match[1])


def cut_part(chunks: Chunks, number: int, calls: int, *, stuck: bool) -> Chunks:
    """Return the chunks of one part; `stuck`: no part is the last, and all have the same token."""
    start, end = (len(chunks) * one // calls for one in (number, number + 1))
    before = chunks[start - 1]["usageMetadata"] if start else {}
    mine = [subtract_usage(chunk, before) for chunk in chunks[start:end]] or [empty_chunk(chunks[-1], before)]
    if stuck or number + 1 < calls:
        token = base64.b64encode(b"part %d" % (1 if stuck else number + 1)).decode()
        (candidate,) = mine[-1]["candidates"]
        mine[-1]["candidates"] = [candidate | {"finishReason": "CONTINUATION", "continuationToken": token}]
    return mine


def subtract_usage(chunk: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Return a chunk whose usage leaves out what earlier parts used."""
    usage = dict(chunk["usageMetadata"])
    for name in SPENT:
        taken = min(before.get(name, 0), usage.get(name, 0))
        usage[name] = usage.get(name, 0) - taken
        usage["totalTokenCount"] -= taken
    usage.pop("candidatesTokensDetails", None)
    return chunk | {"usageMetadata": {name: value for name, value in usage.items() if value}}


def empty_chunk(chunk: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Return a chunk that says nothing."""
    return subtract_usage(chunk, before) | {"candidates": [{"content": {"role": "model"}, "index": 0}]}


def join_chunks(chunks: Chunks) -> dict[str, Any]:
    """Return the chunks of one part as one answer."""
    parts: list[dict[str, Any]] = []
    for chunk in chunks:
        for part in chunk["candidates"][0]["content"].get("parts", []):
            if parts and set(parts[-1]) == {"text"} and set(part) in ({"text"}, {"text", "thoughtSignature"}):
                parts[-1] = part | {"text": parts[-1]["text"] + part["text"]}
            else:
                parts.append(part)
    (last,) = chunks[-1]["candidates"]
    content = {"parts": parts, "role": "model"} if parts else {"role": "model"}
    return chunks[-1] | {"candidates": [last | {"content": content}]}
