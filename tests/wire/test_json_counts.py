"""Values and levels are counted without decoding, and the same as by decoding."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.wire import json_counts
from adapter.wire.limits import MAX_DEPTH, LimitExceeded, TooDeep

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text('"\\,[]{}:a\u00e9\U0001f600')
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('"\\,[{a', max_size=3), inner, max_size=4),
    max_leaves=30,
)


def values_of(value):
    """The values inside, itself included; an empty list or object counts twice."""
    if isinstance(value, (list, dict)):
        inner = list(value.values() if isinstance(value, dict) else value)
        return 1 + sum(map(values_of, inner)) + (not inner)
    return 1


def depth_of(value):
    if isinstance(value, (list, dict)):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(depth_of, inner), default=0)
    return 0


@given(JSON, st.booleans(), st.sampled_from([None, 1]), st.integers(1, 40))
def test_what_is_counted_is_what_is_there_wherever_the_text_is_cut(value, ascii_only, indent, size):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    number = values_of(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_counts, "SLICE", size)
        assert json_counts.check(text, number, "values") == number
        with pytest.raises(LimitExceeded, match=r"max_values"):
            json_counts.check(text, number - 1, "values")
    assert json_counts.values_at_most(text) >= number


@given(JSON, st.integers(0, 5), st.integers(1, 40))
def test_levels_are_counted_wherever_they_are(value, most, size):
    text = json.dumps(value).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_counts, "SLICE", size)
        patch.setattr(json_counts, "MAX_DEPTH", most)
        if depth_of(value) <= most:
            json_counts.check_depth(text)
        else:
            with pytest.raises(TooDeep):
                json_counts.check(text, len(text), "values")
            if len(text) > 2 * most:
                with pytest.raises(TooDeep):
                    json_counts.check_depth(text)


@pytest.mark.parametrize("levels", [MAX_DEPTH, MAX_DEPTH + 1])
@pytest.mark.parametrize("sibling", [b"", b'"]",{},'])
def test_the_deepest_that_is_taken_is_the_same_for_every_interpreter(levels, sibling):
    text = (b"[" + sibling) * levels + b"]" * levels
    if sibling:
        text = (b"[" + sibling) * (levels - 1) + b"[]" + b"]" * (levels - 1)
    if levels <= MAX_DEPTH:
        json_counts.check_depth(text)
    else:
        with pytest.raises(TooDeep):
            json_counts.check_depth(text)


@given(JSON, st.integers(1, 9))
def test_counts_are_the_same_wherever_a_slice_ends(value, size):
    text = json.dumps(value).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_counts, "SLICE", size)
        assert json_counts.check(text, len(text) + 1, "") == values_of(value)


def test_a_text_is_within_by_its_length_by_its_brackets_or_by_a_count():
    assert json_counts.is_within("{}", 2)
    assert json_counts.is_within("a" * 9, 2)
    assert json_counts.is_within('[",,,,,,"]', 3)
    assert not json_counts.is_within("[1,2,3]", 3)
