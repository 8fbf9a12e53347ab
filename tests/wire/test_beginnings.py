"""A body that is read behind a beginning that was read before is the body that is read as a whole."""

import json

import msgspec
import pytest

from adapter.wire.base import decode
from adapter.wire.beginnings import (
    Beginning,
    begins_with,
    partly_decode,
    read_rest,
    start_of_list,
    text_before,
    text_of_items,
)
from adapter.wire.json_counts import values_at_most
from adapter.wire.limits import DEFAULTS, Limits
from adapter.wire.openai.chat_request import ChatCompletionRequest, Message
from adapter.wire.reader import read_outlined

USER, ODD = {"role": "user", "content": "\u00e9"}, {"role": "user", "content": "b", "odd": 1}
MESSAGES = [USER, ODD, USER, ODD]


def text(messages, **more):
    return json.dumps({"model": "m", "messages": messages, **more}).encode()


def beginning(body, count):
    """The first messages of a body."""
    start = start_of_list(body, "messages")
    pieces = read_outlined(body, ChatCompletionRequest, DEFAULTS, 9).lists["messages"]
    first = text_of_items(body, start, pieces[:count])
    unknown = decode(body, ChatCompletionRequest)[1]
    before = {path: raw for path, raw in unknown.items() if path[:10] < f"messages[{count}"}
    assert first is not None
    return Beginning(first, count, values_at_most(first), before)


def rest_of(body, known, limits=DEFAULTS):
    start = start_of_list(body, "messages")
    assert begins_with(body, start, known)
    return read_rest(body, start, known, ChatCompletionRequest, "messages", limits)


def test_the_rest_has_the_places_of_the_whole():
    body = text(MESSAGES, more=1)
    found = rest_of(body, beginning(body, 2))
    whole, unknown = decode(body, ChatCompletionRequest)
    assert found.unknown == unknown
    assert list(unknown) == ["messages[1].odd", "messages[3].odd", "more"]
    assert list(found.request.messages) == list(whole.messages)
    assert found.request == msgspec.structs.replace(whole, messages=found.request.messages)
    assert [bytes(one) for one in found.pieces] == [json.dumps(one).encode() for one in MESSAGES[2:]]


def test_a_byte_order_mark_changes_nothing():
    body = b"\xef\xbb\xbf" + text(MESSAGES)
    assert beginning(body, 2) == beginning(text(MESSAGES), 2)
    assert rest_of(body, beginning(body, 2)).unknown == rest_of(text(MESSAGES), beginning(body, 2)).unknown


def test_a_list_that_is_partly_decoded_is_a_list():
    body = text(MESSAGES)
    whole = decode(body, ChatCompletionRequest)[0].messages

    def messages():
        return rest_of(body, beginning(body, 2)).request.messages

    for index in range(-4, 4):
        assert messages()[index] == whole[index]
    for start in (None, 0, 1, 2, 3, -1, -3, 9):
        for end in (None, 0, 1, 2, 3, 9, -1):
            for step in (None, 2, -1):
                assert messages()[start:end:step] == whole[start:end:step]
    assert len(messages()) == 4
    assert list(messages()) == whole
    for index in (4, -5):
        with pytest.raises(IndexError):
            messages()[index]


def test_what_is_new_is_read_alone():
    known = Beginning(b"not JSON at all", 2, 1, {})
    rest = partly_decode(known, [Message(role="user")], Message)
    assert rest[2] == rest[-1] == Message(role="user")
    assert rest[2:] == [Message(role="user")]
    with pytest.raises(msgspec.DecodeError):
        rest[0]


SPOILED = {
    "the mark": text([*MESSAGES, {"role": "user", "content": "(the beginning of the list was read before)"}]),
    "half a character": text([*MESSAGES, {"role": "user", "content": "\ud800"}]),
    "no UTF-8": text([*MESSAGES, {"role": "user", "content": "x"}]).replace(b'"x"', b'"\xff"'),
    "another number": text([*MESSAGES, {"role": "assistant", "tool_calls": [{"index": 1.0}]}]),
    "a wrong value": text([*MESSAGES, {"role": 7}]),
    "cut off": text(MESSAGES)[:-1],
    "a second list": text(MESSAGES)[:-1] + b',"messages":[{"role":"user"}]}',
    "no list in the end": text(MESSAGES)[:-1] + b',"messages":[]}',
    "inside": b'{"model":"m","metadata":' + text(MESSAGES) + b',"messages":[{"role":"user"}]}',
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_body_that_must_be_read_as_a_whole(name):
    assert rest_of(SPOILED[name], beginning(text(MESSAGES), 2)) is None


@pytest.mark.parametrize(
    ("limits", "is_read"),
    [
        ({}, True),
        ({"messages": 4, "unknown_fields": 2}, True),
        ({"messages": 3}, False),
        ({"unknown_fields": 1}, False),
        ({"values": 5}, False),
    ],
)
def test_limits_hold_for_the_whole(limits, is_read):
    body = text(MESSAGES)
    assert (rest_of(body, beginning(body, 2), Limits(**limits)) is not None) is is_read


@pytest.mark.parametrize("long", [{"content": [{}] * 3}, {"tool_calls": [{}] * 3}])
def test_limits_hold_inside_of_what_is_new(long):
    body = text([*MESSAGES, {"role": "assistant", **long}])
    assert rest_of(body, beginning(body, 2), Limits(parts=2, calls=2)) is None


def test_bodies_without_such_a_list():
    assert start_of_list(b"[]", "messages") == 0
    assert start_of_list(b'{"messages":7}', "messages") == 0


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (b'[{"a":1},{"b":2}]', b'{"a":1},{"b":2}'),
        (b'[ {"a":1} , {"b":2} , 3]', b' {"a":1} , {"b":2}'),
        (b'[{"a":1},\n{"b":2}\n]', b'{"a":1},\n{"b":2}'),
        (b'[{"a":1},{"b":3}]', None),
        (b'[{"a":1}]', None),
        (b'[0,{"a":1},{"b":2}]', None),
        (b'[{"a":1},0,{"b":2}]', None),
        (b"[]", None),
    ],
)
def test_the_text_of_items_is_found_where_they_stand(written, expected):
    pieces = [msgspec.Raw(b'{"a":1}'), msgspec.Raw(b'{"b":2}')]
    assert text_of_items(written, 1, pieces) == expected


@pytest.mark.parametrize(
    ("body", "start", "end", "expected"),
    [
        (text(MESSAGES), b"[", b'{"role": "user", "content": "\\u00e9"}, ', "the first two"),
        (text(MESSAGES), b"[", b'{"role": "user", "content": "b"', None),  # one message more
        (text(MESSAGES), b"[", b'"user", "content": "\\u00e9"', None),  # inside of a message
        (text(MESSAGES), b"[", b"{", None),  # nothing is before it
        (text(MESSAGES, user='"(the beginning of the list was read before)"'), b"[", b'{"role": "user", ', None),
        (text(MESSAGES, user="(the beginning of the list was read before)"), b"[", b'{"role": "user", ', None),
        (b'{"model":"m","messages":[{},{},{"role":"a"}],"messages":[{"role":"b"}]}', b"[", b'{"role":"a"', None),
        (b'{"model":"m","messages":[7,7,{"role":"a"}],"store":7}', b"el", b'{"role":"a"', None),  # before the list
    ],
)
def test_the_text_before_an_offset_is_proven_to_be_the_first_items(body, start, end, expected):
    found = text_before(
        body, body.index(start) + len(start), body.rfind(end), (2, 4), ChatCompletionRequest, "messages"
    )
    assert found == (None if expected is None else b", ".join(json.dumps(one).encode() for one in MESSAGES[:2]))


def test_items_that_stand_in_their_list_at_different_distances_are_left_alone():
    body = b'[{"a":1},{"b":2}, {"c":3}]'
    pieces = msgspec.json.decode(body, type=list[msgspec.Raw])
    assert text_of_items(body, 1, pieces) is None
    assert text_of_items(body, 1, pieces[:2]) == b'{"a":1},{"b":2}'
    assert text_of_items(body, 1, pieces[:1]) == b'{"a":1}'


def test_another_beginning_and_an_end():
    body = text(MESSAGES)
    start, known = start_of_list(body, "messages"), beginning(body, 2)
    assert begins_with(body, start, known)
    assert not begins_with(text([ODD, *MESSAGES]), start, known)
    assert not begins_with(text(MESSAGES[:2]), start, known)
