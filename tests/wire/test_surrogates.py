"""Lone halves of characters: repaired, named, and nothing else touched."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.wire import surrogates
from adapter.wire.base import decode
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.reader import SMALL, read
from adapter.wire.surrogates import MAX_ESCAPES, REPLACED, repair

UNITS = st.lists(st.sampled_from(["a", "\\", '"', "\n", "\ud83d", "\ude00", "\U0001f600", "u", "d83d"]), max_size=8)


def replace_halves(text):
    """The text with each lone half replaced, pairs of halves being one character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@given(UNITS, UNITS)
def test_each_lone_half_and_nothing_else_is_replaced(first, second):
    texts = ["".join(first), "".join(second)]
    body, found = repair(json.dumps({"a": [texts[0], {"b": texts[1]}]}).encode())
    wanted = [replace_halves(text) for text in texts]
    assert json.loads(body) == {"a": [wanted[0], {"b": wanted[1]}]}
    pairs = zip(["a[0]", "a[1].b"], texts, wanted, strict=True)
    assert list(found) == [path for path, text, one in pairs if one.count("\ufffd") != text.count("\ufffd")]


def test_a_request_with_half_a_character_is_read_and_its_place_told():
    """github.com/elizaOS/eliza/issues/18079, github.com/anomalyco/opencode/issues/17758 (2026)."""
    for read_one in (decode, read):
        for length in (1, 2 * SMALL):
            message = {"role": "user", "content": "x" * length + "\ud83d"}
            body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "a"}, message]}).encode()
            request, unknown = read_one(body, ChatCompletionRequest)
            assert request.messages[1].content == "x" * length + "\ufffd"
            assert unknown == {"messages[1].content": REPLACED}


@given(st.text("\ud83d\ude00a\\u\U0001f600", max_size=30), st.integers(1, 40))
def test_a_body_is_repaired_alike_wherever_it_is_cut(text, size):
    body = json.dumps({"a": text}).encode()
    whole = surrogates.repair(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(surrogates, "SLICE", size)
        assert surrogates.repair(body) == whole


def test_beyond_the_tokens_that_are_followed_the_rest_is_told_at_the_place_reached(monkeypatch):
    monkeypatch.setattr(surrogates, "MAX_TOKENS", 5)
    body = json.dumps({"a": [1, 2, 3, 4, 5, 6, "\ud83d", "\ud83d"]}).encode()
    fixed, found = repair(body)
    assert json.loads(fixed)["a"][-2:] == ["\ufffd", "\ufffd"]
    assert list(found.values()) == [REPLACED]
    assert next(iter(found)).startswith("a[")


@pytest.mark.parametrize(("escapes", "paths"), [(MAX_ESCAPES - 1, ["a", "b"]), (MAX_ESCAPES, ["a"])])
def test_beyond_the_escapes_of_one_string_that_are_followed_the_rest_is_told_at_its_place(escapes, paths):
    body = rb'{"a":"' + rb"\n" * escapes + rb'\ud83d","b":"\ud83d"}'
    assert list(repair(body)[1]) == paths


def test_a_text_that_is_no_json_is_repaired_though_nothing_tells_where():
    assert repair(b"\\ud83d") == (b"\\ufffd", {})
