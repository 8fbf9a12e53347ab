"""Whole numbers with a point become integers where the schema says integer, and nowhere else."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.schema.whole_numbers import with_whole_numbers

SCHEMA = {
    "type": "object",
    "properties": {
        "whole": {"type": "integer"},
        "maybe": {"type": ["integer", "null"]},
        "any": {"type": "number"},
        "either": {"type": ["integer", "number"]},
        "list": {"type": "array", "items": {"type": "integer"}},
        "pair": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "number"}]},
        "branch": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        "first": {"anyOf": [{"type": "integer"}, {"type": "number"}, {"type": "string"}]},
        "referred": {"$ref": "#/$defs/N"},
        "again": {"$ref": "#"},
        "text": {"type": "string"},
        "free": True,
    },
    "$defs": {"N": {"type": "integer"}},
}
RAW = msgspec.Raw(json.dumps(SCHEMA).encode())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"whole":120000.0}', '{"whole":120000}'),
        ('{"whole":1.2e5}', '{"whole":120000}'),
        ('{"whole":-3.00}', '{"whole":-3}'),
        ('{"maybe":1.0,"any":2.0,"either":3.0}', '{"maybe":1,"any":2.0,"either":3.0}'),
        ('{"list":[1.0,2],"pair":[1.0,1.0]}', '{"list":[1,2],"pair":[1,1.0]}'),
        ('{"first":1.0}', '{"first":1}'),
        ('{"branch":1.0,"referred":2.0}', '{"branch":1,"referred":2}'),
        ('{"again":{"again":{"whole":1.0}}}', '{"again":{"again":{"whole":1}}}'),
        ('{"whole":1.0,"big":12345678901234567890123}', '{"whole":1,"big":12345678901234567890123}'),
        ('{"whole":1.0,"text":"é 1.0"}', '{"whole":1,"text":"é 1.0"}'),
    ],
)
def test_a_whole_number_is_spelled_as_one_where_the_schema_says_integer(before, after):
    assert with_whole_numbers(before, RAW) == after


@pytest.mark.parametrize(
    "text",
    [
        '{"whole": 1}', '{"any": 1.0}', '{"free":1.0,"other":2.0}', '{"whole":1.5}', '{"whole":1e999}',
        '{"text":"1.0"}',
        "[1.0]", "not JSON 1.0", '{"list":{"a":1.0}}', '{"whole":"1.0"}',
        '{"again":' * 40 + '{"whole":1.0}' + "}" * 40,
    ],
)  # fmt: skip
def test_everything_else_stays_as_it_is(text):
    assert with_whole_numbers(text, RAW) is text


def test_a_schema_that_is_none_changes_nothing():
    assert with_whole_numbers('{"whole":1.0}', msgspec.Raw(b"[]")) == '{"whole":1.0}'


@given(
    st.dictionaries(st.sampled_from(list(SCHEMA["properties"])), st.one_of(st.floats(-9, 9), st.integers(), st.text()))
)
def test_no_value_changes(arguments):
    text = json.dumps(arguments)
    assert json.loads(with_whole_numbers(text, RAW)) == arguments
