"""Items of a stored history: which are sent a second time, and which could never be read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.core.notes import Fate, Rejected
from adapter.translate.responses.stored_items import check_items, with_free_ids, without_repeats
from adapter.wire.base import decode
from adapter.wire.openai.responses_request import InputItem

IMAGE = {"type": "input_image", "image_url": "u"}
OWN = f"msg_{'a' * 48}"


def items(*plain):
    return decode(json.dumps(plain).encode(), list[InputItem])[0]


def user(text, **fields):
    return {"role": "user", "content": text, **fields}


def call(id_, arguments="{}", **fields):
    return {"type": "function_call", "call_id": id_, "name": "f", "arguments": arguments, **fields}


def result(id_, output="1", **fields):
    return {"type": "function_call_output", "call_id": id_, "output": output, **fields}


def stored_message(text):
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}], "status": "completed"}


def new_indexes(history, given_):
    return without_repeats(items(*history), items(*given_)).indexes


@pytest.mark.parametrize(
    ("history", "new", "indexes"),
    [
        # Results so far, in each round.
        ([stored_message("go"), call("a"), result("a"), call("b")], [result("a"), result("b")], [1]),
        ([stored_message("go"), call("a"), result("a"), call("b")], [user("go"), result("a"), result("b")], [2]),
        # The question stands before the result of an open call; another message is new.
        ([stored_message("go"), call("a")], [user("go"), result("a")], [1]),
        ([stored_message("old"), stored_message("go"), call("a")], [user("old"), result("a")], [0, 1]),
        ([stored_message("go"), call("a")], [user("go on"), result("a")], [0, 1]),
        # The whole history, once more.
        ([stored_message("go"), call("a", '{"x":1}')], [user("go"), call("a", '{ "x": 1 }'), result("a")], [2]),
        # A message alone is what the user says again.
        ([stored_message("yes"), {"role": "assistant", "content": "sure?"}], [user("yes")], [0]),
        ([stored_message("go"), call("a"), result("a")], [result("a"), user("go")], [1]),
        # Ids that a client uses again for other calls.
        ([call("a"), result("a"), call("a", '{"x":2}')], [result("a", "2")], [0]),
        ([call("a"), result("a")], [call("a", '{"x":2}'), result("a", "2")], [0, 1]),
        ([call("a", "not JSON"), result("a")], [call("a", "not JSON"), result("a")], []),
        # Items by the ids that were issued for them.
        ([user("x", id=OWN)], [user("x", id=OWN), user("y")], [1]),
        ([user("x", id=OWN)], [user("edited", id=OWN)], [0]),
        ([user("x", id="msg_1")], [user("x", id="msg_1")], [0]),
        (
            [{"role": "user", "content": [{"type": "input_image", "image_url": "u"}], "id": OWN}],
            [user("x", id=OWN)],
            [0],
        ),
        # What an item is called, and what the server says of it, makes it no other one.
        (
            [call("a", id="fc_1", status="completed"), result("a", id="fco_1", status="completed", created_by="x")],
            [call("a"), result("a"), user("y")],
            [2],
        ),
        ([{**stored_message("x"), "id": OWN}], [user("x", id=OWN), user("y")], [1]),
        ([], [user("x")], [0]),
        # A result of a call that nobody knows.
        ([user("x")], [result("z")], [0]),
    ],
)
def test_what_the_history_has_is_not_sent_twice(history, new, indexes):
    assert new_indexes(history, new) == indexes


def test_what_is_left_out_has_a_note():
    history, new = [call("a"), result("a")], [result("a"), user("go")]
    [note] = without_repeats(items(*history), items(*new)).notes
    assert (note.path, note.fate, note.code) == ("input[0]", Fate.DROPPED, "item-repeated")


def test_another_result_of_an_answered_call_is_refused():
    with pytest.raises(Rejected) as refused:
        new_indexes([call("a"), result("a")], [user("x"), result("a", "2")])
    assert refused.value.note.path == "input[1].output"


@given(st.lists(st.sampled_from(["a", "b", "c"]), unique=True, min_size=1), st.integers(0, 3))
def test_all_results_so_far_come_to_the_last_one_alone(ids, more):
    """Each round sends the question and all results; the history grows by the newest result and the next call."""
    history = [stored_message("go"), call(ids[0])]
    for number, id_ in enumerate(ids):
        new = [user("go"), *map(result, ids[: number + 1])]
        assert new_indexes(history, new) == [number + 1]
        history += [result(id_), call(f"{id_}{more}" if number + 1 == len(ids) else ids[number + 1])]


def test_items_of_a_conversation_have_ids_of_their_own():
    new, lost = with_free_ids(items(user("a", id="1"), user("b", id="1"), user("c", id="2"), user("d")), ["2", None])
    assert [item.id for item in new] == ["1", None, None, None]
    assert lost == [1, 2]


@pytest.mark.parametrize(
    ("item", "path"),
    [
        ({"content": "hi"}, "things[1].role"),
        ({}, "things[1].type"),
        ({"type": "item_reference"}, "things[1].id"),
        ({"role": "narrator", "content": "hi"}, "things[1].role"),
        ({"type": "function_call", "call_id": "c", "arguments": "{}"}, "things[1].name"),
        (
            user([{"type": "input_audio", "input_audio": {"data": "?", "format": "wav"}}]),
            "things[1].content[0].input_audio.data",
        ),
    ],
)
def test_an_item_that_nothing_can_read_is_refused(item, path):
    with pytest.raises(Rejected) as refused:
        check_items(items(user("hi"), item), "things")
    assert refused.value.note.path == path


@pytest.mark.parametrize(
    "item",
    [
        user("hi"),
        user(""),
        {"id": "rs_1"},
        result("unknown"),
        {"role": "user", "content": [{"type": "input_file", "file_id": "file-abc"}]},
        {"type": "unheard_of", "role": "user"},
    ],
)
def test_an_item_that_some_request_can_read_is_taken(item):
    check_items(items(item))
    check_items([])
