"""Function calls whose arguments arrive in pieces."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.answer.stages import steps_of
from adapter.translate.core.errors import AnswerError
from tests.support.answering import answer, message, stream_answer, translate_answer
from tests.support.joiner import comparable, join_chunks


def piece(*partial, name=None, more=True, **call):
    """One part of a streamed call; `partial` are pairs of a path and a value."""
    kinds = {str: "stringValue", bool: "boolValue", int: "numberValue", float: "numberValue", type(None): "nullValue"}
    args = [{"jsonPath": path, kinds[type(value)]: "NULL_VALUE" if value is None else value} for path, value in partial]
    said = {"name": name, "partialArgs": args or None, "willContinue": more or None, **call}
    return {"functionCall": {key: value for key, value in said.items() if value is not None}}


def calls(*parts):
    """The calls of a stream with one event for each part; the same as those of the whole."""
    events = [answer(part, finish=None) for part in parts] + [answer(finish="STOP")]
    result = join_chunks(stream_answer(events)[0])
    assert result["choices"] == comparable(translate_answer(answer(*parts))[0])["choices"]
    found = result["choices"][0]["message"].get("tool_calls", [])
    return [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in found]


def test_a_text_comes_in_pieces_and_ends_with_an_empty_one():
    pieces = [piece(("$.a", "Bos")), piece(("$.a", "ton")), piece(("$.a", ""))]
    assert calls(piece(name="f"), *pieces, piece(more=False)) == [("f", {"a": "Boston"})]


def test_all_arguments_may_come_at_once():
    assert calls(piece(("$.n", 2), ("$.x", 0.5), name="f", more=False)) == [("f", {"n": 2, "x": 0.5})]


def test_a_whole_number_stays_one():
    assert '{"n":2}' in json.dumps(message(answer(piece(("$.n", 2), name="f", more=False)))).replace('\\"', '"')


def test_values_of_every_kind_arrive():
    pieces = [piece(("$.t", True)), piece(("$.n", None)), piece(("$.l[0]", 1)), piece(("$.l[1].k", "v"))]
    assert calls(piece(name="f"), *pieces, piece(more=False)) == [
        ("f", {"t": True, "n": None, "l": [1, {"k": "v"}]}),
    ]


def test_the_next_call_or_the_end_of_the_stream_ends_a_call():
    assert calls(piece(name="f"), piece(("$.a", "x")), piece(name="g"), piece(("$.b", "y"))) == [
        ("f", {"a": "x"}),
        ("g", {"b": "y"}),
    ]


def test_a_call_without_arguments_has_none():
    assert calls(piece(name="f", more=False), piece(name="g"), piece(more=False)) == [("f", {}), ("g", {})]


def test_whole_arguments_may_be_gone_on_with():
    assert calls(piece(name="f", args={"a": 1}), piece(("$.b", 2), more=False)) == [("f", {"a": 1, "b": 2})]


def test_an_end_without_a_call_says_nothing():
    assert calls({"text": "hi"}, piece(more=False)) == []


def test_the_signature_is_that_of_any_piece():
    first, last = piece(name="f"), {**piece(more=False), "thoughtSignature": "U0lH"}
    said = message(answer(first, last))
    assert said["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "U0lH"}}


@pytest.mark.parametrize(
    "parts",
    [
        [piece(("$.a", "x"))],
        [{"functionCall": {"args": {"a": 1}}}],
        [piece(("a", "x"), name="f")],
        [piece(("$", "x"), name="f")],
        [piece(("$.a[x]", "x"), name="f")],
        [piece(("$[0]", "x"), name="f")],
        [piece(("$.a", "x"), ("$.a.b", "y"), name="f")],
        [piece(("$.a", "x"), ("$.a[0]", "y"), name="f")],
        [piece(("$.a[5000]", "x"), name="f")],
    ],
)
def test_pieces_that_do_not_fit_are_an_error(parts):
    with pytest.raises(AnswerError) as raised:
        translate_answer(answer(*parts))
    assert (raised.value.status, raised.value.code) == (502, "malformed_function_call")


def test_paths_name_keys_in_three_ways():
    assert steps_of(r"""$.a.b['c d']["e'f"][0]['g\'h']""") == ["a", "b", "c d", "e'f", 0, "g'h"]
    assert steps_of("$['']") == [""]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab\"'\\.[] č", max_size=3),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3) | st.dictionaries(st.text("abc .", min_size=1), inner, min_size=1)
    ),
    max_leaves=6,
)


def pieces_of(value, path):
    if isinstance(value, dict):
        return [one for key, item in value.items() for one in pieces_of(item, f'{path}["{key}"]')]
    if isinstance(value, list):
        return [one for index, item in enumerate(value) for one in pieces_of(item, f"{path}[{index}]")]
    if isinstance(value, str):
        return [piece((path, value[:1])), piece((path, value[1:])), piece((path, ""))]
    return [piece((path, value))]


@given(st.dictionaries(st.text("abc .", min_size=1), values, min_size=1, max_size=3))
def test_arguments_of_any_shape_are_put_together(args):
    assert calls(piece(name="f"), *pieces_of(args, "$"), piece(more=False)) == [("f", args)]
