"""A request in pieces is, joined, what the encoder makes of it; its large raw parts are the very same memory."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from adapter.wire.base import encode
from adapter.wire.gemini.content import Content, Part
from adapter.wire.gemini.generate import FunctionDeclaration, GenerateContentRequest, GenerationConfig, Tool
from adapter.wire.gemini.pieces import LEAST, encode_in_pieces

TURN: Any = Content(role="user", parts=[Part(text='ÿ \xff 日本 \\ "')])
SHORT: Any = msgspec.Raw(b'{"parts":[]}')
LARGE: Any = msgspec.Raw(b'{"parts":[{"text":"%b"}]}' % ("é".encode() * LEAST))
EDGE: Any = msgspec.Raw(b'"%b"' % (b"x" * (LEAST - 2)))


def declare(*parts: Any) -> Tool:
    return Tool(function_declarations=list(parts))


CONTENTS = st.none() | st.lists(st.sampled_from([TURN, SHORT, LARGE, EDGE]), max_size=5)
DECLARATIONS = st.lists(st.sampled_from([FunctionDeclaration(name="f"), SHORT, LARGE, EDGE]), max_size=3)
TOOLS = st.none() | st.lists(
    st.just(Tool(google_search=msgspec.Raw(b"{}")))
    | st.builds(declare)
    | DECLARATIONS.map(lambda some: declare(*some)),
    max_size=3,
)


@given(CONTENTS, TOOLS, st.booleans())
def test_the_pieces_joined_are_the_request(contents, tools, has_config):
    request = GenerateContentRequest(contents=contents, tools=tools, system_instruction=TURN)
    if has_config:
        request.generation_config = GenerationConfig(temperature=0.5)
    before = encode(request)
    pieces = encode_in_pieces(request)
    assert b"".join(pieces) == before == encode(request)
    large = [one for one in [*(contents or ()), *_raw_in(tools)] if one is LARGE or one is EDGE]
    assert len(pieces) == 2 * len(large) + 1


def _raw_in(tools: list[Tool] | None) -> list[Any]:
    return [one for tool in tools or () for one in tool.function_declarations or ()]


def test_large_raw_parts_are_not_copied():
    pieces = encode_in_pieces(GenerateContentRequest(contents=[TURN, LARGE, TURN]))
    assert [type(one) for one in pieces] == [bytes, memoryview, bytes]
    assert isinstance(pieces[1], memoryview)
    assert pieces[1].obj is LARGE


def test_what_was_translated_now_is_one_piece():
    request = GenerateContentRequest(contents=[TURN, SHORT], tools=[declare(FunctionDeclaration(name="f"))])
    assert encode_in_pieces(request) == [encode(request)]
