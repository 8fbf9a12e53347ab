"""Digests of many calls are those of each."""

from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.signatures.prefix_digest import call_digest, call_digests
from adapter.wire.limits import DEFAULTS

ARGUMENTS = st.sampled_from(
    [
        *['{"a":1}', '{"b":[1,"x"], "a":null}', "", '{"a":"\u00e9"}', '"text"'] * 4,
        *['{"a":1.0}', '{"a":"1.0"}', "no JSON", '{"a":"\ud800"}', "[" * 2_000 + "]" * 2_000],
        '{"a":[%s1]}' % ("1," * DEFAULTS.json_values),
    ]
)


@given(st.lists(st.tuples(st.sampled_from(["f", "g", "\u00e9", "h\ud800"]), ARGUMENTS), max_size=6))
def test_digests_of_many_calls_are_those_of_each(calls: list[tuple[str, str]]) -> None:
    names, arguments = [name for name, _ in calls], [one for _, one in calls]
    assert call_digests(names, arguments) == list(map(call_digest, names, arguments))
