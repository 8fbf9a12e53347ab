"""A body that is read in pieces is the body that one call decodes.

The same request, the same unknown fields, the same errors at the same paths. Limits hold in both.
"""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.wire import json_counts, reader
from adapter.wire.base import decode
from adapter.wire.limits import DEFAULTS, MAX_DEPTH, LimitExceeded, Limits, TooDeep, TooManyUnknownFields
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.openai.responses_request import ResponsesRequest
from adapter.wire.openai.stored import ConversationRequest
from adapter.wire.reader import outline, read, read_items, read_outlined
from adapter.wire.surrogates import REPLACED

ODD = st.sampled_from([None, 7, "text", [], {}, [1], {"x": 1}, [[]], "\u00e9\ud83d\ude00"])
TEXTS = st.text('ab"\\\n\u00e9', max_size=5)
PART = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "input_text", "image_url"])}, optional={"text": TEXTS | ODD, "odd": ODD}
)
CALL = st.fixed_dictionaries(
    {"id": TEXTS}, optional={"function": st.fixed_dictionaries({"name": TEXTS, "arguments": TEXTS | ODD}), "odd": ODD}
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool"])},
    optional={
        "content": TEXTS | st.lists(PART, max_size=3) | ODD,
        "tool_calls": st.lists(CALL, max_size=3) | ODD,
        "odd": ODD,
    },
)
LISTS = {"messages": st.lists(MESSAGE | ODD, max_size=4) | ODD}
CHAT = st.fixed_dictionaries(
    {}, optional=LISTS | {"model": TEXTS | ODD, "tools": ODD, "stop": ODD, "odd": ODD, "n": ODD}
)
PARTS = st.lists(PART, max_size=3) | ODD
ITEM = st.fixed_dictionaries(
    {}, optional={"type": TEXTS, "role": TEXTS, "content": TEXTS | PARTS, "async": ODD, "summary": PARTS, "odd": ODD}
)
RESPONSES = st.fixed_dictionaries(
    {}, optional={"model": TEXTS, "input": TEXTS | st.lists(ITEM, max_size=4) | ODD, "odd": ODD}
)
CONVERSATION = st.fixed_dictionaries({}, optional={"items": st.lists(ITEM, max_size=4) | ODD, "metadata": ODD})
BODIES = (
    st.tuples(st.just(ChatCompletionRequest), CHAT)
    | st.tuples(st.just(ResponsesRequest), RESPONSES)
    | st.tuples(st.just(ConversationRequest), CONVERSATION)
)


MODEL, USER = {"model": "m"}, {"role": "user"}


def outcome(read_body, body, type_):
    """Return a body's request and its unknown fields, or the error's kind, path and words."""
    try:
        value, unknown = read_body(body, type_)
    except (msgspec.ValidationError, LimitExceeded) as error:
        return type(error), str(error)
    return value, {path: bytes(raw) for path, raw in unknown.items()}


@pytest.fixture
def everything_is_large(monkeypatch):
    monkeypatch.setattr(reader, "SMALL", 1)
    monkeypatch.setattr(reader, "FEW", 0)


@settings(max_examples=300, suppress_health_check=[])
@given(BODIES, st.booleans())
def test_a_body_in_pieces_is_the_body_in_one_call(given, ascii_only):
    type_, value = given
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "replace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "SMALL", 1)
        patch.setattr(reader, "FEW", 0)
        in_pieces = outcome(read, body, type_)
    in_one = outcome(decode, body, type_)
    if isinstance(in_one[0], type):
        # One call stops at the first error in the text, pieces at the first of what stands outside the lists.
        assert in_pieces[0] is in_one[0] or isinstance(in_pieces[0], type)
    else:
        assert in_pieces == in_one


def read_by_outline(body, type_):
    return read_outlined(body, type_, DEFAULTS, json_counts.values_at_most(body))[:2]


@given(CHAT, st.booleans())
def test_a_body_read_by_its_outline_is_the_body_in_one_call(value, ascii_only):
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "replace")
    by_outline, in_one = (outcome(one, body, ChatCompletionRequest) for one in (read_by_outline, decode))
    assert by_outline == in_one or (isinstance(by_outline[0], type) and isinstance(in_one[0], type))


def test_an_outline_has_the_items_as_they_were_written():
    body = b'{"model":"m","messages":[{"role": "user"}, {"content":null,"role":"user"}]}'
    lists = read_outlined(body, ChatCompletionRequest, DEFAULTS, 9).lists
    assert list(map(bytes, lists["messages"])) == [b'{"role": "user"}', b'{"content":null,"role":"user"}']


def test_a_body_with_more_values_than_the_limit_has_no_outline():
    body = chat([USER] * 9)
    values = json_counts.values_at_most(body)
    assert read_outlined(body, ChatCompletionRequest, Limits(values=values), values)
    with pytest.raises(LimitExceeded, match="max_values"):
        read_outlined(body, ChatCompletionRequest, Limits(values=9), values)
    in_texts = chat([{**USER, "content": ",[" * 9}])
    assert read_outlined(in_texts, ChatCompletionRequest, Limits(values=9), json_counts.values_at_most(in_texts))


@pytest.mark.usefixtures("everything_is_large")
def test_half_a_character_is_replaced_in_pieces_too():
    body = chat([USER, {**USER, "content": "a\ud83d"}], odd="\ud83d")
    request, unknown = read(body, ChatCompletionRequest)
    assert request.messages[1].content == "a\ufffd"
    assert (request, unknown) == decode(body, ChatCompletionRequest)
    assert unknown["messages[1].content"] is REPLACED


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({**MODEL, "messages": [USER, {"role": 7}]}, "Expected `str`, got `int` - at `$.messages[1].role`"),
        (
            {**MODEL, "messages": [{**USER, "content": [{"text": 1}]}]},
            "Expected `str | null`, got `int` - at `$.messages[0].content[0].text`",
        ),
        (
            {**MODEL, "messages": [{**USER, "x": 1, "content": 5}]},
            "Expected `str | array | null`, got `int` - at `$.messages[0].content`",
        ),
        ({**MODEL, "messages": 7}, "Expected `array`, got `int` - at `$.messages`"),
        (MODEL, "Object missing required field `messages`"),
        ({"messages": []}, "Object missing required field `model`"),
        ([], "Expected `object`, got `array`"),
    ],
)
@pytest.mark.parametrize("how", ["one call", "pieces"])
def test_a_wrong_shape_is_told_at_its_place(body, text, how, request):
    if how == "pieces":
        request.getfixturevalue("everything_is_large")
    with pytest.raises(msgspec.ValidationError) as raised:
        read(json.dumps(body).encode(), ChatCompletionRequest)
    assert str(raised.value) == text


def chat(messages, **more):
    return json.dumps({"model": "m", "messages": messages, **more}).encode()


CALLS = [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]
FEW = Limits(messages=2, items=2, parts=2, calls=2, images=2, values=100, unknown_fields=2)
BEYOND = [
    (chat([{"role": "user"}] * 3), "messages", "messages"),
    (chat([{"role": "user", "content": [{"text": "a"}] * 3}]), "parts", "messages[0].content"),
    (chat([{"role": "user"}, {"role": "assistant", "tool_calls": CALLS * 3}]), "calls", "messages[1].tool_calls"),
    (chat([{"role": "assistant", "images": [{"type": "image_url"}] * 3}]), "images", "messages[0].images"),
    (chat([{"role": "user", "x": 1, "y": 2, "z": 3}]), "unknown_fields", "messages[0].z"),
    (chat([{"role": "user", "x": 1}, {"role": "user", "y": 1}], z=1), "unknown_fields", ("z", "messages[1].y")),
]


@pytest.mark.parametrize("how", ["one call", "pieces"])
@pytest.mark.parametrize(("body", "limit", "path"), BEYOND, ids=[f"{limit} {path}" for _, limit, path in BEYOND])
def test_what_is_too_much_names_its_limit_its_setting_and_its_place(body, limit, path, how, request):
    if how == "pieces":
        request.getfixturevalue("everything_is_large")
    with pytest.raises(LimitExceeded, match=rf"2 .*max_{limit}\b") as raised:
        read(body, ChatCompletionRequest, FEW)
    assert raised.value.path in (path if isinstance(path, tuple) else (path,))


def test_items_of_a_response_have_a_limit_too():
    with pytest.raises(LimitExceeded, match="max_items") as raised:
        read(json.dumps({"model": "m", "input": [{}] * 3}).encode(), ResponsesRequest, FEW)
    assert raised.value.path == "input"


def test_the_values_of_a_large_body_are_counted_before_it_is_decoded(everything_is_large):
    with pytest.raises(LimitExceeded, match="max_values"):
        read(chat([], metadata=list(range(200))), ChatCompletionRequest, FEW)


@pytest.mark.parametrize("how", ["one call", "pieces"])
def test_a_field_that_is_nested_too_deeply_is_refused_whoever_reads_it(how, request):
    if how == "pieces":
        request.getfixturevalue("everything_is_large")
    deep = b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)
    with pytest.raises(TooDeep):
        read(b'{"model":"m","messages":[],"metadata":' + deep + b"}", ChatCompletionRequest)


def test_an_outline_has_the_lists_as_slices_and_all_else_decoded():
    body = msgspec.Raw(b'{"model":"m","messages":[ {"role":"user"} , 7],"n":2,"x":1}')
    found = outline(body, ChatCompletionRequest)
    assert (found.head.model, found.head.n) == ("m", 2)
    assert {name: list(map(bytes, items)) for name, items in found.lists.items()} == {
        "messages": [b'{"role":"user"}', b"7"]
    }
    assert list(found.unknown) == ["x"]


def test_slices_of_a_list_are_decoded_with_the_paths_of_the_list():
    items, unknown = read_items([msgspec.Raw(b'{"type":"a","x":1}'), msgspec.Raw(b"{}")], list_item(), "input")
    assert [item.type for item in items] == ["a", None]
    assert list(unknown) == ["input[0].x"]


def list_item():
    return reader._lists(ResponsesRequest)["input"][1]


def test_unknown_fields_of_all_pieces_count_together(everything_is_large):
    body = chat([{"role": "user", "x": 1}] * 2, y=1)
    assert len(read(body, ChatCompletionRequest, Limits(unknown_fields=3))[1]) == 3
    with pytest.raises(TooManyUnknownFields):
        read(body, ChatCompletionRequest, FEW)


def test_a_list_within_its_own_limit_passes_where_another_lists_limit_is_lower():
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}] * 3}]})
    limits = Limits(parts=3, calls=1)
    content = read(body.encode(), ChatCompletionRequest, limits)[0].messages[0].content
    assert isinstance(content, list)
    assert len(content) == 3
    with pytest.raises(LimitExceeded, match="max_parts"):
        read(body.encode(), ChatCompletionRequest, Limits(parts=2, calls=1))


@pytest.mark.parametrize("size", [3, 50])
def test_the_values_of_a_free_form_field_are_counted_where_its_text_is_long(size):
    body = json.dumps({"model": "m", "messages": [], "metadata": {"a": "x" * 9_000, "b": list(range(size))}}).encode()
    if size == 3:
        assert read(body, ChatCompletionRequest, Limits(json_values=20))[1] == {}
    else:
        with pytest.raises(LimitExceeded, match="max_json_values"):
            read(body, ChatCompletionRequest, Limits(json_values=20))
