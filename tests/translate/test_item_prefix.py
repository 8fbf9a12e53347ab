"""A Responses request that begins as an earlier one gives the same as one of which nothing is remembered."""

import json
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate import prefix as prefixes
from adapter.translate.core.capabilities import ServedModel, capabilities_of
from adapter.translate.core.context import Options
from adapter.translate.core.notes import Rejected
from adapter.translate.plan import plan
from adapter.translate.prefix import ITEMS, ItemText, is_repaired, next_prefix, own_text, read_view, read_whole_items
from adapter.translate.responses.input_items import FirstItems
from adapter.translate.responses.stored_items import without_repeats
from adapter.translate.signatures import carriers
from adapter.translate.signatures.prefix_digest import call_digest
from adapter.translate.turns.cut import last_block
from adapter.wire.base import encode
from adapter.wire.beginnings import partly_decode, read_rest, start_of_list
from adapter.wire.json_counts import values_at_most
from adapter.wire.openai.responses_request import InputItem, ResponsesRequest
from adapter.wire.reader import read, read_items
from adapter.wire.signatures import Issued, Signature
from tests.translate.remembering import MODELS, RECORDS, ROWS, apply_edit, find_longest, in_any_order, look_up

TEXTS = st.sampled_from(["", "text", '{"a":1}', "é"])
PARTS = st.lists(
    st.sampled_from(
        [
            {"type": "input_text", "text": "part"},
            {"type": "output_text", "text": "part", "annotations": [{"type": "url_citation"}]},
            {"type": "refusal", "refusal": "no"},
            {"type": "odd"},
        ]
    ),
    max_size=2,
)
CALL_IDS = st.sampled_from(["a", "b", "c", "d", "legacy"])
ISSUED = st.sampled_from([f"msg_{number:048x}" for number in range(3)])
OWN_IDS = st.sampled_from(["mine", "yours"])
RECORD = Signature(value="U0lH", origin="studio", digest=call_digest("f", '{"a":1}'))
WHOLE = Signature(value="QU5T", origin="studio")
SEALED = [carriers.seal([Issued(f"id:{one}", RECORD)]) for one in ("a", "c")]
SEALED.append(carriers.seal([Issued(carriers.ANSWER, WHOLE)]))


def item(type_, optional=None, **fields):
    """A strategy for items of a type."""
    more = {"status": st.sampled_from(["completed", "incomplete"]), "id": OWN_IDS, "unheard_of": st.just(1)}
    return st.fixed_dictionaries({"type": st.just(type_), **fields}, optional={**more, **(optional or {})})


NAMED = {"name": st.sampled_from(["ann", "bob"])}
ARGUMENTS = {"arguments": st.sampled_from(['{"a":1}', '{ "a": 1.0 }', "oops"])}
SAID = item("message", NAMED, role=st.sampled_from(["user", "user", "system"]), content=TEXTS | PARTS)
ANSWERS = item("message", {"id": ISSUED, "phase": st.just("final")}, role=st.just("assistant"), content=TEXTS | PARTS)
CALLS = item("function_call", call_id=CALL_IDS, name=st.just("f"), **ARGUMENTS)
RESULTS = item("function_call_output", call_id=CALL_IDS, output=TEXTS | PARTS)
TOOL = {"type": "function", "name": "g", "parameters": {"type": "object", "properties": {"when": {"enum": [1]}}}}
RARE = st.one_of(
    item("reasoning", summary=st.just([]), encrypted_content=st.sampled_from([*SEALED, "foreign"])),
    item("web_search_call"),
    item("image_generation_call", {"id": ISSUED}, result=st.just("iVBORw0KGgo=")),
    item("code_interpreter_call", code=st.just("1"), outputs=st.just([{"type": "logs", "logs": "1"}])),
    item("mcp_call", name=st.just("m"), server_label=st.just("s"), output=TEXTS, **ARGUMENTS),
    item("additional_tools", tools=st.just([TOOL])),
    item("tool_search_call", arguments=st.just({"query": "x"})),
    item("tool_search_output", tools=st.just([TOOL])),
    item("compaction", encrypted_content=st.just(carriers.seal_summary("before"))),
    item("custom_tool_call", call_id=CALL_IDS, name=st.just("c"), input=TEXTS),
    st.just({"type": "item_reference", "id": "mine"}),
    st.just({"type": "message", "content": "nobody"}),
    st.just({"role": "user", "content": "x", "max_output_length": 1.0}),
)


def steps(call, text, thought):
    """A call and its result, with or without a thought before it."""
    reasoning = [{"type": "reasoning", "summary": [], "encrypted_content": thought}] if thought else []
    return [*reasoning, call, {"type": "function_call_output", "call_id": call["call_id"], "output": text}]


STEPS = st.builds(steps, CALLS, TEXTS, st.sampled_from(["", "", "", *SEALED]))
SOME = st.lists(SAID | ANSWERS | CALLS | RESULTS | RARE, max_size=2) | STEPS | STEPS | STEPS
EDITS = st.one_of(
    *[st.tuples(st.just("add"), st.just(0), SOME)] * 5,
    st.tuples(st.sampled_from(["insert", "replace", "remove", "cut"]), st.integers(0, 30), SOME),
)
HISTORIES = st.lists(st.one_of(STEPS, STEPS, SOME), max_size=6).map(lambda many: [one for some in many for one in some])
BODIES = st.sampled_from(
    [
        *['{"model":"m","input":%s}', '{"model":"m","instructions":"i","input": %s ,"temperature":1}'] * 4,
        '{"input":%s,"instructions":"other","model":"m"}',
        '{"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{"input":{"type":"array"},'
        '"when":{"type":"number","enum":[1]}}}}],"model":"m","input" :%s}',
        '{"input":%s,"model":"m","max_output_tokens":9.0}',
        '{"model":"m","input":[{"role":"user","content":"first"}],"input":%s}',
        '{"model":"m","input":%s',
        '{"model":"m","input":%s,"text":"wrong"}',
    ]
)
OPTIONS = st.sampled_from([Options(), Options(), Options(later_system="hoist"), Options(schema="openapi")])


class Remembering:
    """Reads requests one after the other, with what is remembered of those before; `is_list`: items that are stored."""

    def __init__(self, options, row, *, records, remembers, is_list=False):
        self.options, self.row, self.records, self.remembers = options, row, records, remembers
        self.is_list = is_list
        self.prefixes = []
        self.used = 0

    def read(self, body):
        """A request, its unknown fields, and the text of its items."""
        if self.is_list:
            return self.read_list(body)
        start = start_of_list(body, ITEMS)
        longest = find_longest(self.prefixes, body, start) if start else None
        limits = self.options.limits
        rest = read_rest(body, start, longest.beginning, ResponsesRequest, ITEMS, limits) if longest else None
        if rest is not None:
            return rest.request, rest.unknown, ItemText(body, start, longest, rest.pieces, unknown=rest.unknown)
        request, text = read_whole_items(body, ResponsesRequest, limits, values_at_most(body))
        return request, text.unknown, text

    def read_list(self, body):
        """The same where the items are stored, as text without the rest of a body."""
        request, unknown = read(body, ResponsesRequest, self.options.limits)
        raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])[ITEMS]
        pieces = msgspec.json.decode(raw, type=list[msgspec.Raw])
        if is_repaired(unknown):
            pieces = [msgspec.Raw(encode(one)) for one in request.input]
        text = b",".join(map(bytes, pieces))
        longest = find_longest(self.prefixes, text, 0)
        if longest is not None:
            pieces = pieces[longest.beginning.count :]
            rest = read_items(pieces, InputItem, ITEMS)[0]
            request = msgspec.structs.replace(request, input=partly_decode(longest.beginning, rest, InputItem))
        unknown = {path: raw for path, raw in unknown.items() if not path.startswith(ITEMS)}
        values = 0 if longest else values_at_most(text)
        return request, unknown, ItemText(text, prefix=longest, pieces=pieces, values=values)

    def outcome(self, body):
        """All that is seen of a request, or the error."""
        try:
            request, unknown, text = self.read(body)
        except (msgspec.MsgspecError, ValueError) as error:
            return type(error), str(error)
        stored = None if self.is_list else own_text(text)
        try:
            view, reading = read_view(request, unknown, text)
        except Rejected as error:
            return error.note, error.notes
        assert reading is not None
        before = reading.prefix
        self.used += before is not None
        cut = last_block(view.request.messages, before.count if before else 0) if self.remembers else 0
        history = look_up(view.request, view.carried, before, cut, self.records)
        turns = before.turns_for(view.request, self.options, self.row) if before else None
        try:
            served = ServedModel("m", self.row, "", "m")
            made = plan(view.request, {}, served, self.options, history=history, earlier=turns, cut=cut)
        except Rejected as error:
            rejected = view.with_client_path(error)
            return rejected.note, *in_any_order(rejected.notes, reading)
        ledger = view.ledger(made.notes)
        if self.remembers:
            kept = next_prefix(reading, made, history.answers_before_cut, 0.0)
            self.prefixes += [kept] if kept is not None else []
        return (
            encode(made.body),
            *in_any_order(ledger, reading),
            history.prefix_digest().key_of_next(b"next"),
            history.sources(),
            list(view.request.messages),
            [view.path(f"messages[{index}].content") for index in range(len(view.request.messages))],
            encode(list(request.input or [])),
            stored,
        )


@given(
    history=HISTORIES,
    edits=st.lists(EDITS, min_size=1, max_size=4),
    bodies=st.lists(BODIES, min_size=5, max_size=5) | BODIES.map(lambda one: [one] * 5),
    options=OPTIONS,
    model=st.sampled_from(MODELS),
    knows=st.booleans(),
    is_list=st.booleans(),
)
def test_what_is_remembered_changes_nothing(*, history, edits, bodies, options, model, knows, is_list):
    row, records = capabilities_of(model, ROWS), RECORDS if knows else {}
    plain = Remembering(options, row, records=records, remembers=False, is_list=is_list)
    remembering = Remembering(options, row, records=records, remembers=True, is_list=is_list)
    items = [{"role": "user", "content": "begin"}, *history]
    with patch.object(prefixes, "LEAST", 0):
        for number, body in enumerate(bodies[: len(edits) + 1]):
            text = body.replace("%s", json.dumps(items)).encode()
            assert remembering.outcome(text) == plain.outcome(text)
            if number < len(edits):
                items = apply_edit(items, edits[number])


USER = {"role": "user", "content": "begin"}
NAMED_USER = {**USER, "name": "ann"}


def call_pair(id_, *, thought="", **more):
    call = {"type": "function_call", "call_id": id_, "name": "f", "arguments": '{"a":1}', **more}
    return steps(call, "done", thought)


LOOP = [USER, *call_pair("x"), *call_pair("y")]
LATER = [*call_pair("a"), *call_pair("w")]
TURNS = {
    "a call more": ([LOOP, [*LOOP, *call_pair("v")]], 1),
    "calls more": (
        [[*LOOP, *call_pair("v")[:1]], [*LOOP, *call_pair("v"), *call_pair("w"), USER]],
        1,
    ),
    "each is remembered": (
        [LOOP, [*LOOP, *call_pair("v")], [*LOOP, *call_pair("v"), *call_pair("w")]],
        2,
    ),
    "thoughts with records": (
        [
            [*LOOP, *call_pair("c", thought=SEALED[1])],
            [*LOOP, *call_pair("c", thought=SEALED[1]), *call_pair("v")],
        ],
        1,
    ),
    "a record for a call before": ([[*LOOP, *LATER], [*LOOP, *LATER, *call_pair("v", thought=SEALED[0])]], 0),
    "a user adds something": ([LOOP, [*LOOP[:-2], USER]], 0),
    "nothing that is said follows": ([LOOP, [*LOOP[:-2], {"type": "web_search_call"}]], 0),
    "nothing follows": ([LOOP, LOOP[:-2]], 0),
    "a second name comes": (
        [[NAMED_USER, *LOOP[1:]], [NAMED_USER, *LOOP[1:], *call_pair("v"), {**USER, "name": "bob"}]],
        0,
    ),
    "tools inside": (
        [
            [{"type": "additional_tools", "tools": [TOOL]}, *LOOP],
            [{"type": "additional_tools", "tools": [TOOL]}, *LOOP],
        ],
        1,
    ),
    "a reference": ([[{"type": "item_reference", "id": "a"}, *LOOP]] * 2, 0),
    "the model begins": ([LOOP[1:3], LOOP[1:]], 0),
}


@pytest.mark.parametrize("is_list", [False, True])
@pytest.mark.parametrize("instructions", [{}, {"instructions": "i"}])
@pytest.mark.parametrize("name", TURNS)
def test_turns_of_an_agent(name, instructions, is_list):
    histories, uses = TURNS[name]
    row = capabilities_of(MODELS[0], ROWS)
    plain = Remembering(Options(), row, records=RECORDS, remembers=False, is_list=is_list)
    remembering = Remembering(Options(), row, records=RECORDS, remembers=True, is_list=is_list)
    with patch.object(prefixes, "LEAST", 0):
        for items in histories:
            text = json.dumps({"model": "m", "input": items, **instructions}).encode()
            assert remembering.outcome(text) == plain.outcome(text)
    assert remembering.used == uses


def test_other_instructions_begin_another_history():
    remembering = Remembering(Options(), capabilities_of(MODELS[0], ROWS), records={}, remembers=True)
    with patch.object(prefixes, "LEAST", 0):
        for text in ("one", "two"):
            remembering.outcome(json.dumps({"model": "m", "instructions": text, "input": LOOP}).encode())
    assert (remembering.used, len(remembering.prefixes)) == (0, 2)
    assert remembering.prefixes[0].size_bytes > len(remembering.prefixes[0].beginning.text)


def test_places_of_notes_on_known_items_are_told_without_reading_these_again():
    items = [one | ({"status": "incomplete"} if "role" in one else {}) for one in LOOP]
    remembering = Remembering(Options(), capabilities_of(MODELS[0], ROWS), records={}, remembers=True)
    reads: list[int] = []
    paths = FirstItems.paths
    with patch.object(prefixes, "LEAST", 0):
        for number in range(2, 5):
            history = [*items, *[one for step in range(number) for one in call_pair(f"s{step}")]]
            request, unknown, text = remembering.read(json.dumps({"model": "m", "input": history}).encode())
            with patch.object(FirstItems, "paths", lambda self: reads.append(1) or paths(self)):
                view, found = read_view(request, unknown, text)
                assert found is not None
                before = found.prefix
                cut = last_block(view.request.messages, before.count if before else 0)
                known = look_up(view.request, view.carried, before, cut, remembering.records)
                turns = before.turns_for(view.request, Options(), remembering.row) if before else None
                served = ServedModel("m", remembering.row, "", "m")
                made = plan(view.request, {}, served, Options(), history=known, earlier=turns, cut=cut)
                assert any("input[" in note.path for note in view.ledger(made.notes))
            kept = next_prefix(found, made, known.answers_before_cut, 0.0)
            assert kept is not None
            assert kept.field == ITEMS
            # A block that begins behind what is stored has no text there.
            assert next_prefix(found._replace(pieces=()), made, known.answers_before_cut, 0.0) is None
            remembering.prefixes.append(kept)
    assert len(remembering.prefixes) == 3
    assert not reads


def test_an_input_that_is_a_text_is_not_remembered():
    view, reading = read_view(ResponsesRequest(model="m", input="hi"), {}, ItemText(b"{}"))
    assert view.earlier() is None
    assert reading is not None


def test_what_is_not_there_has_no_text():
    body = b'{"model":"m","input":"hi","metadata":{"input":[1]}}'
    assert own_text(ItemText(body, start_of_list(body, ITEMS))) is None


GIVEN = st.lists(SAID | RESULTS | CALLS, max_size=3)


@given(history=HISTORIES.filter(lambda items: len(items) > 1), more=GIVEN, repeated=st.booleans())
def test_repeats_are_found_behind_what_is_remembered(*, history, more, repeated):
    remembering = Remembering(Options(), capabilities_of(MODELS[0], ROWS), records={}, remembers=True)
    body = json.dumps({"model": "m", "input": [USER, *history]}).encode()
    with patch.object(prefixes, "LEAST", 0):
        remembering.outcome(body)
    given_items = msgspec.json.decode(json.dumps([*(history[-2:] if repeated else []), *more]), type=list[msgspec.Raw])
    new = read_items(given_items, InputItem, ITEMS)[0]
    whole: list[Any] = list(read(body, ResponsesRequest)[0].input or [])
    for one in remembering.prefixes:
        partly: Any = partly_decode(one.beginning, whole[one.beginning.count :], InputItem)
        outcomes: list[object] = []
        for items, earlier in ((whole, None), (partly, one.items)):
            try:
                outcomes.append(without_repeats(items, new, *([earlier] if earlier else [])))
            except Rejected as error:
                outcomes.append(error.note)
        assert outcomes[0] == outcomes[1]
