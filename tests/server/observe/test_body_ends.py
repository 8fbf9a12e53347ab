"""The ends of large bodies: JSON again, whose beginning has the paths and values of the body."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from adapter.server.observe.body_ends import HALF, BodyEnds, ends_of, ends_of_pieces, readable

TEXTS = st.text(max_size=40) | st.sampled_from(["],", '",', '{"a":1},', "\\", '"' * 30, "x" * 90, "\U0001f600" * 9])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda one: st.lists(one, max_size=9) | st.dictionaries(TEXTS, one, max_size=9),
    max_leaves=60,
)
MARK = "..."


def agrees(shown, body):
    """Return whether each value shown is that of the body at the same path, or its beginning."""
    if isinstance(body, str):
        return shown == body or (
            isinstance(shown, str) and MARK in shown and body.startswith(shown.rpartition(" ... ")[0])
        )
    if isinstance(body, dict) and isinstance(shown, dict):
        members = {key: value for key, value in shown.items() if not key.startswith(MARK)}
        return all(key in body and agrees(value, body[key]) for key, value in members.items())
    if isinstance(body, list) and isinstance(shown, list):
        is_cut = bool(shown) and isinstance(shown[-1], str) and shown[-1].startswith(MARK)
        return all(map(agrees, shown[:-1] if is_cut else shown, body))
    return shown == body


def shown_of(ends: bytes) -> bytes:
    assert isinstance(ends, BodyEnds)
    return readable(ends)


@given(st.dictionaries(TEXTS, VALUES, min_size=1), st.integers(8, 60), st.sampled_from([None, 1]), st.booleans())
@example({"messages": [{"role": "user", "content": "x" * 99}], "model": "m"}, 30, None, True)
@example({"a": [[1, 2, 3]] * 40, "b": 1}, 20, None, False)
def test_the_ends_of_json_are_json_whose_beginning_has_the_paths_of_the_body(body, half, indent, is_ascii):
    text = json.dumps(body, indent=indent, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    ends = ends_of(text, half)
    assert isinstance(ends, BodyEnds) == (len(text) > 4 * half)
    if isinstance(ends, BodyEnds):
        assert len(ends) == 2 * half
        shown = readable(ends)
        assert b"... %d bytes are left out ..." % (len(text) - 2 * half) in shown
        assert agrees(json.loads(shown), body)


def test_of_a_list_both_ends_are_shown():
    body = [{"number": number} for number in range(90)]
    shown = json.loads(shown_of(ends_of(json.dumps(body).encode(), 40)))
    mark = {"...": "... 1350 bytes are left out ..."}
    assert shown == [{"number": 0}, {"number": 1}, mark, {"number": 88}, {"number": 89}]


def agent(calls: int) -> dict[str, Any]:
    turn = [{"role": "assistant", "content": None, "tool_calls": []}, {"role": "tool", "content": "a result, " * 90}]
    tools = [{"type": "function", "function": {"name": f"tool_{number}"}} for number in range(300)]
    return {"model": "m", "messages": [{"role": "user", "content": "go"}, *turn * calls], "tools": tools, "n": 1}


def test_of_an_agents_request_the_first_messages_the_last_tools_and_the_fields_are_shown():
    body = agent(400)
    shown = json.loads(shown_of(ends_of(json.dumps(body).encode())))
    assert shown["model"] == "m"
    assert shown["n"] == 1
    assert len(shown["messages"]) > 10
    assert shown["messages"][:8] == body["messages"][:8]
    tools = shown["... a list ends so"]
    assert tools == body["tools"][-len(tools) :]
    assert len(tools) > 50


def test_of_a_history_behind_its_tools_the_last_messages_are_shown():
    body = agent(400)
    body["messages"] = body.pop("messages")
    shown = json.loads(shown_of(ends_of(json.dumps(body).encode())))
    last = shown["... a list ends so"]
    assert last == body["messages"][-len(last) :]
    assert len(last) > 6
    assert shown["tools"][0] == body["tools"][0]


def test_of_a_long_text_both_ends_are_shown():
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": "begin " + "x" * 20 * HALF + " end"}],
        "model": "m",
    }
    shown = json.loads(shown_of(ends_of(json.dumps(body).encode())))
    assert shown["messages"][0]["content"].startswith("begin xxx")
    assert shown["model"] == "m"
    body["messages"].append({"role": "user", "content": "y" * 20 * HALF + " end"})
    del body["model"]
    shown = json.loads(shown_of(ends_of(json.dumps(body).encode())))
    assert shown["... and ends so"].endswith('yyy end"}]}')


def test_what_is_no_json_is_shown_as_text():
    for body in (b"x" * 100, b"\xff{" * 100, b'"' + b"text" * 99 + b'"', b"data: {}\n\n" * 99):
        ends = ends_of(body, 10)
        assert isinstance(ends, BodyEnds)
        mark = b"... %d bytes are left out ..." % (len(body) - 20)
        assert readable(ends) == b"%b\n%b\n%b" % (body[:10], mark, body[-10:])


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=6), st.integers(1, 20))
def test_the_ends_of_pieces_are_those_of_the_body(pieces, half):
    body = b"".join(pieces)
    views = [memoryview(one) if number % 2 else one for number, one in enumerate(pieces)]
    found, whole = ends_of_pieces(views, half), ends_of(body, half)
    assert found == whole
    assert type(found) is type(whole)
    if isinstance(found, BodyEnds) and isinstance(whole, BodyEnds):
        assert (found.begun, found.left_out) == (whole.begun, whole.left_out)
