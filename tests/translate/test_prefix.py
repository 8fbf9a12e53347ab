"""A history that begins as an earlier one gives the same as one of which nothing is remembered, whatever was edited."""

import json
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
from adapter.translate.prefix import next_prefix, read_short, read_whole, read_with
from adapter.translate.turns.cut import last_block
from adapter.wire.base import encode
from adapter.wire.beginnings import start_of_list
from adapter.wire.json_counts import values_at_most
from adapter.wire.limits import DEFAULTS
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.reader import FEW, read
from tests.translate.remembering import MODELS, RECORDS, ROWS, apply_edit, find_longest, in_any_order, look_up

IDS = st.sampled_from(["a", "b", "c", "d", "legacy", "", None])
COMMON = ["", None, "text", '{"a":1}', " [1] ", '{"$ref":"x"}', "é"]
TEXTS = st.sampled_from([*COMMON * 8, "half \ud800"])
"""Texts; half a character, which prevents remembering, is rare, or there would be nothing to compare."""
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
LINK = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
WORDS = {"type": "text", "text": "part"}
PARTS = st.lists(st.sampled_from([WORDS, WORDS, IMAGE, IMAGE, {"type": "odd"}, LINK]), max_size=2)
NAMES = st.sampled_from(["ann", "bob"])
ODD = {"unheard_of": st.just(1), "name": NAMES}
CALLS = st.builds(
    lambda id_, arguments, extra: {
        "id": id_,
        "type": "function",
        "function": {"name": "f", "arguments": arguments},
        **extra,
    },
    IDS,
    st.sampled_from(['{"a":1}', '{ "a": 1.0 }', "", "oops", '{"when":"1"}']),
    st.sampled_from([*[{}, {"extra_content": {"google": {"thought_signature": "QUJD"}}}] * 8, {"index": 0.0}]),
)
PARTS_CARRIED = {"google": {"parts": [{"text": "text"}, {"executableCode": {"code": "1"}}]}}
OF_ANSWERS = {"google": {"response_id": "r1"}, "others": 1}
"""Fields that answers have, and for which no request is read."""
ANSWERS = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": TEXTS},
    optional={
        "tool_calls": st.lists(CALLS, max_size=2),
        "reasoning_content": st.just("r"),
        "extra_content": st.sampled_from([PARTS_CARRIED, OF_ANSWERS]),
        **ODD,
    },
)
USERS = st.fixed_dictionaries({"role": st.just("user"), "content": TEXTS | PARTS}, optional=ODD)
SYSTEMS = st.fixed_dictionaries({"role": st.sampled_from(["system", "developer"]), "content": TEXTS}, optional=ODD)
RESULTS = st.fixed_dictionaries(
    {"role": st.sampled_from(["tool", "tool", "function"]), "content": TEXTS | PARTS},
    optional={"tool_call_id": IDS, "is_error": st.booleans(), **ODD},
)


def step(call, text):
    """A plain step."""
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": text},
    ]


STEPS = st.builds(step, CALLS, TEXTS)
SOME = st.lists(ANSWERS | USERS | RESULTS | SYSTEMS, max_size=2) | STEPS | STEPS | STEPS
EDITS = st.one_of(
    st.tuples(st.just("add"), st.just(0), SOME),
    st.tuples(st.just("add"), st.just(0), SOME),
    st.tuples(st.just("add"), st.just(0), SOME),
    st.tuples(st.just("add"), st.just(0), SOME),
    st.tuples(st.sampled_from(["insert", "replace", "remove", "cut"]), st.integers(0, 30), SOME),
)
HISTORIES = st.lists(st.one_of(STEPS, STEPS, SOME), max_size=6).map(lambda many: [one for some in many for one in some])
BEGINNINGS = st.sampled_from(
    [[], [{"role": "user", "content": "begin"}], [{"role": "system", "content": "s"}, {"role": "user", "content": "b"}]]
)
BODIES = st.sampled_from(
    [
        *['{"model":"m","messages":%s}', '{"model":"m","messages": %s ,"temperature":1}'] * 4,
        '{"messages":%s,"model":"m","odd":[],"max_tokens":9}',
        '{"messages":%s,"model":"m","max_tokens":9.0}',
        '{"tools":[{"type":"function","function":{"name":"f","description":"\\"messages\\":[","parameters":'
        '{"type":"object","properties":{"when":{"type":"number","enum":[1]}}}}}],"model":"m","messages" :%s}',
        '{"metadata":{"messages":[{"role":"user"}]},"model":"m","messages":%s}',
        '{"model":"m","messages":[{"role":"user","content":"first"}],"messages":%s}',
        '{"model":"m","messages":%s,"messages":[{"role":"user","content":"last"}]}',
        '{"model":"m","messages":%s',
        '{"model":"m","messages":%s,"n":"wrong"}',
        '\ufeff{"model":"m","messages":%s}',
    ]
)
OPTIONS = st.sampled_from(
    [
        Options(),
        Options(),
        Options(later_system="hoist"),
        Options(later_system="reject"),
        Options(upstream="vertex"),
        Options(schema="openapi"),
        Options(trailing_assistant="reject"),
    ]
)


class Remembering:
    """Reads requests one after the other, with what is remembered of those before."""

    def __init__(self, options, row, *, records, remembers):
        self.options, self.row, self.records, self.remembers = options, row, records, remembers
        self.prefixes = []
        self.used = 0

    def read(self, body):
        """A body, by the longest prefix that it begins with."""
        start = start_of_list(body, "messages")
        longest = find_longest(self.prefixes, body, start) if start else None
        found = read_with(body, start, longest, self.options.limits) if longest is not None else None
        self.used += found is not None
        return found or read_whole(body, self.options.limits, values_at_most(body))

    def outcome(self, body):
        """All that is seen of a request: what goes to Gemini, notes, keys of what is stored next; or the error."""
        try:
            reading = self.read(body)
        except (msgspec.MsgspecError, ValueError) as error:
            return type(error), str(error)
        request, before = reading.request, reading.prefix
        cut = last_block(request.messages, before.beginning.count if before else 0) if self.remembers else 0
        history = look_up(request, None, before, cut, self.records)
        turns = before.turns_for(request, self.options, self.row) if before else None
        try:
            made = plan(
                request,
                reading.unknown,
                ServedModel("m", self.row, "", "m"),
                self.options,
                history=history,
                earlier=turns,
                cut=cut,
            )
        except Rejected as error:
            return error.note, *in_any_order(error.notes, reading)
        if self.remembers:
            kept = next_prefix(reading, made, history.answers_before_cut, 0.0)
            self.prefixes += [kept] if kept is not None else []
        return (
            encode(made.body),
            *in_any_order(made.notes, reading),
            history.keeps_call_ids,
            history.misses_records,
            history.prefix_digest().key_of_next(b"next"),
            history.sources(),
            list(request.messages),
        )


def text_of(messages, spaces):
    return json.dumps(messages, separators=(", ", ": ") if spaces else (",", ":"))


OF_NO_TURNS = {"thinking": "none", "levels": ("high",), "candidates": 8, "output": ("TEXT", "IMAGE"), "dimensions": 7}
"""Capabilities by which no message is translated, as no model of `MODELS` has them."""


def with_the_same_turns(row):
    """A row that differs in all flags but those by which messages become turns, and in others."""
    taken = {"signatures", "call_ids", "function_response_media", "part_media_resolution", "file_urls"}
    taken.add("system_instruction")
    flags = {name: not value for name, value in msgspec.structs.asdict(row).items() if isinstance(value, bool)}
    other = {name: value for name, value in flags.items() if name not in taken}
    return msgspec.structs.replace(row, **other, **OF_NO_TURNS)


@given(
    beginning=BEGINNINGS,
    history=HISTORIES,
    edits=st.lists(EDITS, min_size=1, max_size=4),
    bodies=st.lists(BODIES, min_size=5, max_size=5) | BODIES.map(lambda one: [one] * 5),
    options=OPTIONS,
    model=st.sampled_from(MODELS),
    spaces=st.booleans(),
    knows=st.booleans(),
    alternates=st.booleans(),
)
def test_what_is_remembered_changes_nothing(
    *, beginning, history, edits, bodies, options, model, spaces, knows, alternates
):
    row, records = capabilities_of(model, ROWS), RECORDS if knows else {}
    plain = Remembering(options, row, records=records, remembers=False)
    remembering = Remembering(options, row, records=records, remembers=True)
    messages, rows = beginning + history, [row, with_the_same_turns(row) if alternates else row]
    with patch.object(prefixes, "LEAST", 0):
        for number, body in enumerate(bodies[: len(edits) + 1]):
            plain.row = remembering.row = rows[number % 2]
            text = (body.replace("%s", text_of(messages, spaces))).encode()
            assert remembering.outcome(text) == plain.outcome(text)
            if number < len(edits):
                messages = apply_edit(messages, edits[number])


def message_of(role, text="text", **more):
    return {"role": role, "content": text, **more}


def call_pair(id_, text="done", name="f", arguments='{"a":1}'):
    function = {"name": name, "arguments": arguments}
    call = {"id": id_, "type": "function", "function": function}
    return [message_of("assistant", None, tool_calls=[call]), message_of("tool", text, tool_call_id=id_)]


LOOP = [message_of("user"), *call_pair("x"), *call_pair("y")]
BLOCKS = [
    message_of("user"),
    message_of("assistant", "one", tool_calls=[]),
    message_of("user"),
    *call_pair("z", [{"type": "text"}]),
]
TURNS = {
    "a call more": ([*LOOP], [[*LOOP, *call_pair("v")]], 1),
    "the same again": ([*LOOP], [[*LOOP], [*LOOP]], 2),
    "a known call more": ([*LOOP, *call_pair("a")], [[*LOOP, *call_pair("a"), *call_pair("b")]], 1),
    "a user ends the turn, whose stand-ins vanish": ([*LOOP], [[*LOOP, message_of("user")]], 1),
    "a user has ended the turn, and takes it back": ([*LOOP, message_of("user")], [[*LOOP, *call_pair("v")]], 1),
    "a user has ended the turn, and it goes on": (
        [*LOOP, message_of("user")],
        [
            [*LOOP, message_of("user"), *call_pair("v")],
            [*LOOP, message_of("user"), *call_pair("v"), *call_pair("u")],
        ],
        2,
    ),
    "a late result": ([*LOOP], [[*LOOP[:-2], message_of("tool", "late", tool_call_id="x"), *LOOP[-2:]]], 0),
    "a result comes where the last block began": (
        [*LOOP],
        [[*LOOP[:-2], message_of("tool", "late", tool_call_id="x")]],
        0,
    ),
    "nothing follows": ([*LOOP], [LOOP[:-2]], 0),
    "blocks of all kinds": (
        [*BLOCKS, *call_pair("w")],
        [[*BLOCKS, *call_pair("w"), *call_pair("v"), message_of("user")]],
        1,
    ),
    "a second name comes": (
        [message_of("user", name="ann"), *LOOP],
        [[message_of("user", name="ann"), *LOOP, message_of("user", name="bob"), *call_pair("v")]],
        1,
    ),
    "a name comes": (
        [*LOOP],
        [[*LOOP, message_of("user", name="bob"), *call_pair("v"), message_of("user", name="ann")]],
        1,
    ),
    "the model's turns join": (
        [message_of("user"), message_of("assistant"), message_of("user", ""), *call_pair("v")],
        [
            [
                message_of("user"),
                message_of("assistant"),
                message_of("user", ""),
                *call_pair("v"),
                *call_pair("u"),
            ]
        ],
        0,
    ),
    "a file": (
        [message_of("user", [LINK]), *LOOP],
        [[message_of("user", [LINK]), *LOOP, *call_pair("v")]],
        0,
    ),
    "nothing was said at first": (
        [message_of("user", ""), *call_pair("v")],
        [[message_of("user", ""), *call_pair("v"), *LOOP]],
        0,
    ),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("options", [Options(), Options(later_system="hoist"), Options(schema="openapi")])
@pytest.mark.parametrize("records", [RECORDS, {}])
@pytest.mark.parametrize("name", TURNS)
def test_turns_of_an_agent(name, records, options, model):
    first, later, uses = TURNS[name]
    row = capabilities_of(model, ROWS)
    plain = Remembering(options, row, records=records, remembers=False)
    remembering = Remembering(options, row, records=records, remembers=True)
    with patch.object(prefixes, "LEAST", 0):
        for messages in (first, *later):
            text = json.dumps({"model": "m", "messages": messages}).encode()
            assert remembering.outcome(text) == plain.outcome(text)
    assert remembering.used == uses


@pytest.mark.parametrize("name", TURNS)
def test_the_values_of_what_is_remembered_are_an_upper_bound_near_their_number(name):
    """The limit on values counts them again with each request; what stands around the messages is no part of them."""
    first, later, _ = TURNS[name]
    around = {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"required": ["a"] * 20}}}]}
    remembering = Remembering(Options(), capabilities_of(MODELS[0], ROWS), records={}, remembers=True)
    with patch.object(prefixes, "LEAST", 0):
        for number, messages in enumerate((first, *later)):
            remembering.outcome(json.dumps({"model": "m", "messages": messages, **around}).encode())
            for kept in remembering.prefixes:
                assert 0 <= kept.beginning.values - values_at_most(kept.beginning.text) <= number


def test_short_histories_are_not_remembered():
    remembering = Remembering(Options(), capabilities_of(MODELS[0], ROWS), records={}, remembers=True)
    remembering.outcome(json.dumps({"model": "m", "messages": LOOP}).encode())
    assert not remembering.prefixes
    long = [message_of("user", "x" * prefixes.LEAST), *LOOP]
    remembering.outcome(json.dumps({"model": "m", "messages": long}).encode())
    (kept,) = remembering.prefixes
    assert prefixes.LEAST < kept.size_bytes < 3 * prefixes.LEAST


@pytest.mark.parametrize(
    "written",
    [
        '{"model":"m","messages":%s}',
        '\ufeff{"model":"m","messages":%s,"user":"assistant"}',
        '{"model":"m","messages":%s,"metadata":{"role":"assistant"}}',
    ],
)
@pytest.mark.parametrize("few", [FEW, 0])
def test_the_first_messages_of_short_and_of_long_bodies_are_remembered(few, written):
    remembering = Remembering(Options(), capabilities_of(MODELS[0], ROWS), records={}, remembers=True)
    with patch.object(prefixes, "LEAST", 0), patch.object(prefixes, "FEW", few):
        for messages in (LOOP, [*LOOP, *call_pair("v")]):
            remembering.outcome(written.replace("%s", json.dumps(messages)).encode())
    assert [json.loads(b"[%b]" % one.beginning.text) for one in remembering.prefixes] == [LOOP[:-2], LOOP]
    assert remembering.used == 1


def test_messages_whose_place_in_the_body_is_not_known_are_not_remembered():
    remembering = Remembering(Options(), capabilities_of(MODELS[0], ROWS), records={}, remembers=True)
    with patch.object(prefixes, "LEAST", 0):
        remembering.outcome(b'{"model":"m","mess\\u0061ges":%b}' % json.dumps(LOOP).encode())
    assert not remembering.prefixes


def test_what_was_translated_for_one_model_is_used_for_no_other():
    first = Remembering(Options(), capabilities_of(MODELS[0], ROWS), records={}, remembers=True)
    body = json.dumps({"model": "m", "messages": LOOP, "tools": [{"type": "function", "function": {"name": "f"}}]})
    with patch.object(prefixes, "LEAST", 0):
        first.outcome(body.encode())
        for options, model in ((Options(upstream="other"), MODELS[0]), (Options(), MODELS[1])):
            other = Remembering(options, capabilities_of(model, ROWS), records={}, remembers=True)
            other.prefixes = first.prefixes
            plain = Remembering(options, other.row, records={}, remembers=False)
            assert other.outcome(body.encode()) == plain.outcome(body.encode())


def test_models_with_the_same_turns_go_on_with_what_was_translated_for_the_other():
    row = capabilities_of(MODELS[0], ROWS)
    first = Remembering(Options(), row, records=RECORDS, remembers=True)
    with patch.object(prefixes, "LEAST", 0):
        first.outcome(json.dumps({"model": "m", "messages": LOOP}).encode())
        (kept,) = first.prefixes
        later = json.dumps({"model": "m", "messages": [*LOOP, *call_pair("v")]}).encode()
        request, _ = read(later, ChatCompletionRequest)
        other = Remembering(Options(), with_the_same_turns(row), records=RECORDS, remembers=True)
        assert kept.turns_for(request, Options(), other.row) is kept.turns
        assert kept.turns_for(request, Options(), capabilities_of(MODELS[1], ROWS)) is None
        other.prefixes = [kept]
        plain = Remembering(Options(), other.row, records=RECORDS, remembers=False)
        assert other.outcome(later) == plain.outcome(later)
        assert other.used == 1


def test_a_body_without_its_tools_has_the_size_of_its_messages():
    body = encode({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "tools": [1, 2, 3]})
    whole = read_short(read_whole, body, DEFAULTS, 9)
    assert whole is not None
    assert whole.size_bytes == len(body) - len(b"[1,2,3]")
    short = read_short(read_whole, body.replace(b"[1,2,3]", b'""'), DEFAULTS, 9)
    assert short is not None
    assert short._replace(has_tools=False).size_bytes == len(short.body)
    assert read_short(read_whole, body[:-1], DEFAULTS, 9) is None
