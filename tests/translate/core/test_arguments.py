"""Arguments of calls, whatever a client or a model wrote: always an object, always with its reason."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.core.arguments import MAX_ENDS, RAW, read_arguments

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
