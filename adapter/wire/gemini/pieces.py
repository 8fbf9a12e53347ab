"""Encodes a request as pieces of JSON that are sent one behind the other, so that its large raw parts are not copied.

Tools and turns that were translated before are raw JSON in a request (`generate.GenerateContentRequest`). The encoder
would copy each of them twice. So it writes a mark in the place of a large one, and the JSON is split at the marks. The
mark is a byte that no JSON has, because it is in no UTF-8 text.
"""

from typing import Any

import msgspec

from adapter.wire.base import encode
from adapter.wire.gemini.generate import GenerateContentRequest, Tool

Piece = bytes | memoryview

LEAST = 32 * 1024
"""The least bytes of raw JSON that are a piece of their own: a smaller part is copied faster than it is cut out."""

_MARK_BYTE = b"\xff"
_MARK = msgspec.Raw(_MARK_BYTE)


def encode_in_pieces(request: GenerateContentRequest) -> list[Piece]:
    """Return the JSON of a request as pieces; a request without large raw parts is one piece."""
    large: list[Piece] = []
    # In the order in which the encoder writes them.
    tools = [_mark_declarations(one, large) for one in request.tools or ()]
    contents: list[Any] = _mark_large(request.contents or [], large)
    if not large:
        return [encode(request)]
    marked = msgspec.structs.replace(request, tools=request.tools and tools, contents=request.contents and contents)
    first, *between = encode(marked).split(_MARK_BYTE)
    pieces: list[Piece] = [first]
    for raw, behind in zip(large, between, strict=True):
        pieces += (raw, behind)
    return pieces


def _mark_declarations(tool: Tool, large: list[Piece]) -> Tool:
    """Return a tool with marks in place of large raw declarations, which are added to `large`."""
    declarations = tool.function_declarations
    if declarations is None or (marked := _mark_large(declarations, large)) is declarations:
        return tool
    return msgspec.structs.replace(tool, function_declarations=marked)


def _mark_large(values: list[Any], large: list[Piece]) -> list[Any]:
    """Return the list with marks in place of large raw items, which are added to `large`; itself if it has none."""
    if msgspec.Raw not in map(type, values):
        return values
    marked, before = [], len(large)
    for value in values:
        text = memoryview(value) if type(value) is msgspec.Raw else b""
        if len(text) < LEAST:
            marked.append(value)
        else:
            large.append(text)
            marked.append(_MARK)
    return marked if len(large) > before else values
