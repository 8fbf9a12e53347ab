"""Decoding: what is known, what is not, and where the walk ends."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.wire import base
from adapter.wire.base import ABSENT, Wire, decode, encode, present
from adapter.wire.limits import DEFAULTS, MAX_DEPTH, TooDeep, TooManyUnknownFields
from adapter.wire.reader import read


class Leaf(Wire):
    a: int | None = None


class Tree(Wire):
    leaf: Leaf | None = None
    leaves: list[Leaf] | None = None
    by_name: dict[str, Leaf] | None = None
    either: str | list[Leaf] | None = None
    inner: "Tree | None" = None
    free: msgspec.Raw = ABSENT


class Open(Wire, forbid_unknown_fields=False):
    leaf: Leaf | None = None


class Beside(Wire):
    """Has a Struct that takes any field."""

    open: Open | None = None
    others: list[Open] | None = None


def unknown_of(body):
    return {path: msgspec.json.decode(value) for path, value in decode(body, Tree)[1].items()}


def test_a_known_body_is_decoded_in_one_go():
    value, unknown = decode(b'{"leaf":{"a":1}}', Tree)
    assert value.leaf == Leaf(a=1)
    assert unknown == {}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"x":1}', "x"),
        (b'{"leaf":{"x":1}}', "leaf.x"),
        (b'{"leaves":[{},{"x":1}]}', "leaves[1].x"),
        (b'{"by_name":{"n":{"x":1}}}', "by_name.n.x"),
        (b'{"either":[{"x":1}]}', "either[0].x"),
        (b'{"inner":{"inner":{"x":1}}}', "inner.inner.x"),
        (b'{"either":"text","x":1}', "x"),
        (b' \n{"leaf": {"a":1, "x" : 1}}', "leaf.x"),
    ],
)
def test_an_unknown_field_is_found_with_its_path(body, path):
    assert unknown_of(body) == {path: 1}


@pytest.mark.parametrize("beside", [b"", b',"x":1'])
def test_a_struct_that_takes_any_field_has_no_unknown_one_whatever_is_beside_it(beside):
    value, unknown = decode(b'{"open":{"y":1,"leaf":{"a":1}},"others":[{"y":1}]%b}' % beside, Beside)
    assert value == Beside(open=Open(leaf=Leaf(a=1)), others=[Open()])
    assert list(unknown) == (["x"] if beside else [])
    assert list(decode(b'{"open":{"y":1,"leaf":{"y":1}}}', Beside)[1]) == ["open.leaf.y"]


def test_what_is_known_survives_what_is_not():
    value, _ = decode(b'{"leaf":{"a":7,"x":1},"leaves":[{"a":8}],"free":{"y":[1]},"z":{}}', Tree)
    assert (value.leaf.a, value.leaves[0].a, bytes(value.free)) == (7, 8, b'{"y":[1]}')


def test_an_unknown_field_of_null_is_none():
    assert unknown_of(b'{"x":null}') == {}


def test_a_wrong_type_is_an_error_with_its_path_also_beside_unknown_fields():
    with pytest.raises(msgspec.ValidationError, match=r"\$\.leaf\.a"):
        decode(b'{"leaf":{"a":"no"}}', Tree)
    with pytest.raises(msgspec.ValidationError, match=r"\$\.leaf\.a"):
        decode(b'{"x":1,"leaf":{"a":"no"}}', Tree)


def test_the_depth_of_the_walk_is_bounded():
    deep = b'{"inner":' * (base.MAX_DEPTH + 1) + b'{"x":1}' + b"}" * (base.MAX_DEPTH + 1)
    with pytest.raises(TooManyUnknownFields):
        decode(deep, Tree)


DEEP = {
    "whole": lambda levels: b'{"free":' + b"[" * levels + b"]" * levels + b"}",
    "cut": lambda levels: b'{"free":' + b"[" * levels,
    "of another shape": lambda levels: b'{"leaf":' + b"[" * levels + b"]" * levels + b"}",
    "unknown": lambda levels: b'{"x":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}",
}


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 3_000, 5_000, 100_000])
@pytest.mark.parametrize("kind", DEEP)
def test_what_is_nested_too_deeply_is_said_to_be_that_whatever_the_interpreter_can(kind, levels):
    with pytest.raises(TooDeep):
        read(DEEP[kind](levels), Tree)


def test_the_number_of_unknown_fields_is_bounded():
    members = ",".join(f'"x{number}":1' for number in range(DEFAULTS.unknown_fields + 1))
    with pytest.raises(TooManyUnknownFields):
        decode(b"{" + members.encode() + b"}", Tree)


@pytest.mark.parametrize(
    ("raw", "is_present"), [(b"", False), (b"null", False), (b"0", True), (b'""', True), (b"{}", True)]
)
def test_null_counts_as_absent(raw, is_present):
    assert present(msgspec.Raw(raw)) is is_present


def test_absent_fields_are_not_encoded():
    assert encode(Tree(leaf=Leaf())) == b'{"leaf":{}}'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "x", "leaf"]), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["x", "y", "z.z"]), JSON, max_size=3))
def test_unknown_fields_come_back_as_they_were_sent(extra):
    value, unknown = decode(msgspec.json.encode({"leaf": {"a": 1}, **extra}), Tree)
    assert value == Tree(leaf=Leaf(a=1))
    sent = {name: item for name, item in extra.items() if item is not None}
    assert {name: msgspec.json.decode(raw) for name, raw in unknown.items()} == sent


def test_a_decoder_that_runs_out_of_stack_on_a_flat_text_says_that_it_is_too_deep(monkeypatch):
    """The stack may be nearly full already, if the caller is itself deep in calls."""

    class Full:
        def decode(self, body):
            raise RecursionError

    monkeypatch.setattr(base, "decoder", lambda shape: Full())
    with pytest.raises(TooDeep):
        decode(b"{}", Leaf)


@given(st.text("a\u00e9\u20ac\U0001f600", max_size=20), st.integers(4, 9))
def test_text_is_valid_wherever_a_slice_would_end(text, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "_UTF8_SLICE", size)
        base.check_utf8(text.encode())
        with pytest.raises(UnicodeDecodeError):
            base.check_utf8(text.encode() + b"\xe2\x82")
