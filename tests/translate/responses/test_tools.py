"""Tools of a Responses request."""

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.responses.tools import read


@given(st.permutations([f"x{number}" for number in range(6)]))
def test_unknown_fields_of_a_tool_are_noted_in_their_order(names):
    tool = {"type": "function", "name": "f", "parameters": {}, **dict.fromkeys(names, 1)}
    notes = read([("tools", msgspec.Raw(json.dumps([tool]).encode()))]).notes
    assert [note.path for note in notes if note.code == "unknown-field"] == [f"tools[0].{name}" for name in names]
