"""A body that is read without a value that was read before is the body that is read as a whole."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.wire.known_value import NEAR, KnownValue, cut_out, place_of, put_back, value_in
from adapter.wire.limits import DEFAULTS, LimitExceeded, Limits
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.reader import read

FUNCTION = {"name": "look", "description": 'a "tools": [] of caf\u00e9 \\', "parameters": {"tools": [1, 2], "deep": {}}}
TOOLS = [{"type": "function", "function": {**FUNCTION, "name": f"look_{number}"}} for number in range(3)]
KNOWN = KnownValue.of(json.dumps(TOOLS).encode())
USER = {"role": "user", "content": "hello"}


def text(**fields):
    return json.dumps({"model": "m", "messages": [USER], **fields}).encode()


def read_without(body, limits=DEFAULTS):
    """The request and its unknown fields; None where the body must be read as a whole."""
    at = place_of(body, KNOWN)
    left = cut_out(body, at, KNOWN, limits) if at else None
    if left is None:
        return None
    request, unknown = read(left[0], ChatCompletionRequest, left[1])
    return (request, unknown) if put_back(request, unknown, "tools", KNOWN) else None


def whole(body):
    return read(body, ChatCompletionRequest)


@pytest.mark.parametrize("more", [{}, {"user": "u" * 100}, {"odd": 1, "stream": True}, {"user": "\x7f"}])
def test_what_is_left_has_the_places_of_the_whole(more):
    for fields in ({"tools": TOOLS, **more}, {**more, "tools": TOOLS}):
        body = text(**fields)
        assert read_without(body) == whole(body)
        assert value_in(body, "tools", whole(body)[0].tools).text == KNOWN.text


def test_a_value_before_a_long_history_and_one_behind_it_are_found():
    messages = [{"role": "user", "content": "x" * 3 * NEAR}]
    first = json.dumps({"tools": TOOLS, "model": "m", "messages": messages}).encode()
    last = json.dumps({"model": "m", "messages": messages, "tools": TOOLS}).encode()
    between = json.dumps({"model": "m", "messages": messages, "tools": TOOLS, "user": "x" * 2 * NEAR}).encode()
    assert [read_without(body) == whole(body) for body in (first, last)] == [True, True]
    assert place_of(between, KNOWN) == 0


def test_a_byte_order_mark_changes_nothing():
    body = b"\xef\xbb\xbf" + text(tools=TOOLS)
    assert read_without(body) == whole(body)


def test_another_value_is_not_taken_for_a_known_one():
    others = [TOOLS[:2], [*TOOLS, *TOOLS], [*TOOLS[:1], {**TOOLS[1], "type": "functiom"}, *TOOLS[2:]]]
    assert [place_of(text(tools=other), KNOWN) for other in others[::2]] == [0, 0]
    assert all(read_without(text(tools=other)) is None for other in others)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","messages":[],"tools":%b,"tools":[]}',
        b'{"model":"m","messages":[],"metadata":%b,"tools":[]}',
        b'{"model":"m","messages":[],"metadata":%b}',
        b'{"model":"m","messages":[],"user":"\\ud800","tools":%b}',
        b'{"model":"m","messages":[],"user":"(what stands here was read before)\x7f","tools":%b}',
    ],
)
def test_what_is_not_certain_is_read_as_a_whole(body):
    assert place_of(body % KNOWN.text, KNOWN) > 0
    assert read_without(body % KNOWN.text) is None
    assert whole(body % KNOWN.text)


def test_the_first_of_two_members_may_be_any():
    body = b'{"model":"m","messages":[],"tools":[],"tools":%b}' % KNOWN.text
    assert read_without(body) == whole(body)


def test_known_values_count_among_those_of_the_body():
    assert read_without(text(tools=TOOLS), Limits(values=1_000)) is not None
    few = Limits(values=KNOWN.values + 3)
    with pytest.raises(LimitExceeded):
        read_without(text(tools=TOOLS), few)
    with pytest.raises(LimitExceeded):
        read(text(tools=[TOOLS] * 20), ChatCompletionRequest, few)


def test_what_does_not_stand_in_the_body_is_not_remembered():
    body = b'{"model":"m","messages":[],"user":"\\ud800","tools":[{"a":"\\udc00"}]}'
    assert value_in(body, "tools", whole(body)[0].tools) is None
    assert value_in(text(tools="none"), "tools", msgspec.Raw(b'"none"')) is None
    assert value_in(b"{}", "tools", msgspec.Raw(b"[]")) is None


PIECES = st.sampled_from(
    ['"tools":', "[", "]", "{", "}", ",", '"', "\\", "x", "\u00e9", "(what stands here", '"a":1', " "]
)


@given(st.lists(PIECES, max_size=6), st.lists(PIECES, max_size=6), st.booleans())
def test_whatever_stands_beside_it_the_verdict_is_that_of_the_whole(before, behind, is_last):
    first, last = "".join(before).encode(), "".join(behind).encode()
    rest = b'"model":"m","messages":[]'
    members = [b'%b"tools":%b%b' % (first, KNOWN.text, last), rest]
    body = b"{%b}" % b",".join(members[::-1] if is_last else members)
    found = verdict(read_without, body)
    assert found is None or found == verdict(whole, body)


def verdict(read_one, body):
    """A request and its unknown fields; None for a body that is at fault."""
    try:
        return read_one(body)
    except (msgspec.MsgspecError, LimitExceeded):
        return None
