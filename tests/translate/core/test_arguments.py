"""Arguments of calls, whatever a client or a model wrote: always an object, always with its reason."""

import json
import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.core.arguments import MAX_ENDS, RAW, plain_object, plain_objects, read_arguments
from adapter.wire.base import MAX_NESTING

OBJECTS = st.dictionaries(st.text(max_size=4), st.text(max_size=4) | st.integers(-9, 9), max_size=3)


@given(
    st.text() | OBJECTS.map(json.dumps) | st.lists(OBJECTS, max_size=3).map(lambda some: "".join(map(json.dumps, some)))
)
def test_the_text_is_always_that_of_the_object_and_what_was_changed_has_a_code(text: str) -> None:
    read = read_arguments(text)
    assert json.loads(read.text) == read.value
    assert bool(read.code) == bool(read.reason)
    if not read.code:
        assert read.text in (text, "{}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":1}{"b":2}', {"a": 1}),
        ('{"a":"}{"}{"b":2}', {"a": "}{"}),
        ('{"a":"} {"} \n {"b":2', {"a": "} {"}),
    ],
)
def test_the_first_of_several_objects_is_found_whatever_stands_in_its_texts(text: str, value: object) -> None:
    read = read_arguments(text)
    assert (read.value, read.code) == (value, "arguments-unreadable")


def test_what_looks_like_very_many_objects_is_sent_as_a_text() -> None:
    text = "[" + "}{" * (MAX_ENDS + 1)
    assert read_arguments(text).value == {RAW: text}


PIECES = [*'{}[]:,"10.e+-\\n \n', '"a"', '"a":', "null", "\ud800"]
NUMBERS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "-"]),
        st.sampled_from(["0", "1", "17", "9007199254740993", "1.5", "00", "1.", "123456789012345.6"]),
        st.sampled_from(["", "e5", "E300", "e308", "e309", "e+999", "E0999", "e-999", "e", "e+"]),
    ),
)
JSON_TEXTS = st.one_of(
    OBJECTS.map(json.dumps),
    st.lists(st.sampled_from(PIECES), max_size=12).map(lambda some: '{"a":' + "".join(some)),
    NUMBERS.map('{{"a":{}}}'.format),
    NUMBERS.map('{{"a":"{}"}}'.format),
    st.integers(MAX_NESTING - 2, MAX_NESTING + 2).map(lambda levels: '{"a":' + "[" * levels + "]" * levels + "}"),
    st.text(max_size=8),
)


def is_plain_in_full(text: str) -> bool:
    """Return whether a text is an object that a strict reader of JSON takes and whose numbers doubles hold."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return isinstance(value, dict) and all(map(is_held, numbers_in(value)))


def numbers_in(value: object) -> list[float]:
    if isinstance(value, dict):
        return [one for inner in value.values() for one in numbers_in(inner)]
    if isinstance(value, list):
        return [one for inner in value for one in numbers_in(inner)]
    return [value] if isinstance(value, (int, float)) else []


def is_held(number: float) -> bool:
    return math.isfinite(number) and (abs(number) <= 2**53 or int(float(number)) == number)


@given(st.lists(JSON_TEXTS, max_size=4))
def test_plain_objects_are_told_from_others_alike_one_by_one_and_together(texts: list[str]) -> None:
    one_by_one = [plain_object(text, 1_000) for text in texts]
    assert plain_objects(texts, 1_000) == [None if one is None else bytes(one) for one in one_by_one]
    for text, plain in zip(texts, one_by_one, strict=True):
        if plain is not None:
            assert is_plain_in_full(text)
            assert bytes(plain).decode() == text
    short = [one if one is not None and len(one) <= 3 else None for one in plain_objects(texts, 1_000)]
    assert plain_objects(texts, 3) == short


@pytest.mark.parametrize("text", ['{"a":1}', '{ "a" : [true, null, {"b": "\\u00e9"}] }', "{}", '{"a":1e30,"b":-0.5}'])
def test_usual_objects_are_plain(text: str) -> None:
    assert plain_object(text, 1_000) is not None
    assert plain_objects([text, "{}"], 1_000) == [text.encode(), b"{}"]
