"""Names of functions as Gemini takes them."""

import re

from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.tools.names import upstream_name

_VALID = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")

NAMES = st.text(st.characters(), min_size=1, max_size=80) | st.from_regex(r"[A-Za-z0-9_.:/ -]{1,80}", fullmatch=True)


@given(NAMES)
def test_any_name_becomes_a_valid_one_that_stays(name):
    """Halves of characters too: no name of a client's may be an error of ours."""
    assert _VALID.fullmatch(upstream_name(name))
    assert upstream_name(upstream_name(name)) == upstream_name(name)
    if _VALID.fullmatch(name):
        assert upstream_name(name) == name


def test_names_that_differ_only_in_what_gemini_does_not_take_stay_different():
    names = ["a b", "a/b", "a\ud800b", "a\ud801b", "x" * 64 + "a", "x" * 64 + "b"]
    assert len(set(map(upstream_name, names))) == len(names)
