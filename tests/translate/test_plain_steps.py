"""A plain step of a tool loop is added in one pass: the same comes out as when every step goes through all rules."""

import datetime
from typing import Any, ClassVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapter import settings
from adapter.translate.core.capabilities import capabilities_of
from adapter.translate.core.context import Context, Options
from adapter.translate.core.notes import Rejected
from adapter.translate.request import plain_steps
from adapter.translate.request.messages import read_messages
from adapter.translate.signatures.history import look_up
from adapter.translate.signatures.prefix_digest import PrefixDigest, call_digest, call_spelling
from adapter.translate.turns.turn_builder import Turns
from adapter.wire.base import ABSENT, decode, encode
from adapter.wire.gemini.content import Content
from adapter.wire.limits import Limits
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.signatures import Signature

ROWS = settings.catalogue(settings.Settings(), datetime.date(2026, 11, 30)).model
IDS = ["a", "b", "call_ts_x", 'c"\u00e9', "", None]
ARGUMENTS = [
    '{"a":1}',
    '{ "a": 1.0 }',
    "{}",
    "",
    "[]",
    '{"n":12345678901234567890}',
    '{"a":' + "[" * 65 + "]" * 65 + "}",
]
RESULTS = [
    "done", "", None, '{"ok":true}', '{"$ref":"x"}', '{"n":12345678901234567890}', "[1]", "7", "true", "tall",
    "{broken", [{"type": "text", "text": "part"}],
]  # fmt: skip
FUNCTIONS = st.fixed_dictionaries(
    {"name": st.sampled_from(["f", "g", "f.g h", "x" * 40]), "arguments": st.sampled_from(ARGUMENTS)},
    optional={"thought_signature": st.just("QUJD")},
)
CALLS = st.fixed_dictionaries(
    {"id": st.sampled_from(IDS), "type": st.just("function"), "function": FUNCTIONS},
    optional={"extra_content": st.just({"google": {"thought_signature": "QUJD"}})},
)
ANSWERS = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": st.sampled_from([None, "", "text", [{"type": "text", "text": "part"}]])},
    optional={"tool_calls": st.lists(CALLS, max_size=2), "reasoning_content": st.just("r"), "name": st.just("n")},
)
TOOLS = st.fixed_dictionaries(
    {"role": st.just("tool"), "tool_call_id": st.sampled_from(IDS), "content": st.sampled_from(RESULTS)},
    optional={"name": st.sampled_from(["f", "g"]), "is_error": st.booleans()},
)
MESSAGES = st.lists(st.one_of(ANSWERS, TOOLS, TOOLS, st.just({"role": "user", "content": "hi"})), max_size=8)


def plain_pairs():
    """Steps of which nearly all are plain."""

    def step(calls, texts):
        answer = {"role": "assistant", "content": None, "tool_calls": calls}
        ids = [one["id"] for one in calls]
        return [
            answer,
            *({"role": "tool", "tool_call_id": i, "content": text} for i, text in zip(ids, texts, strict=False)),
        ]

    steps = st.builds(
        step, st.lists(CALLS, min_size=1, max_size=2), st.lists(st.sampled_from(RESULTS), min_size=2, max_size=2)
    )
    return st.lists(steps, max_size=3).map(lambda many: [one for step_ in many for one in step_])


RECORDS = st.fixed_dictionaries(
    {},
    optional={
        f"id:{id_}": st.builds(
            lambda value, name, arguments, origin, position, own, id_=id_: Signature(
                value=value,
                id=own,
                origin=origin,
                digest=call_digest(name, arguments),
                spelling=call_spelling(name, arguments),
                position=position,
            ),
            st.sampled_from(["", "U0lH"]),
            st.sampled_from(["f", "g"]),
            st.sampled_from(ARGUMENTS[:2]),
            st.sampled_from(["", "studio", "vertex"]),
            st.sampled_from([None, 0, 1]),
            st.sampled_from(["", "g1", "g2"]),
        )
        for id_ in ("a", "b")
    },
)


class EveryRule(Turns):
    """Turns that are built by the rules for any history."""

    is_traced: ClassVar[bool] = True


def translate(kind, context):
    """Return the translated messages, or the refusal."""
    turns = kind(context, context.known_history())
    try:
        read_messages(context.request.messages, turns)
    except Rejected as error:
        return error.note
    placed = [encode(note) for note in turns.placed]
    notes = sorted([encode(note.at(f"messages{note.path}")) for note in turns.notes] + placed)
    contents = [one if isinstance(one, Content) else one.encode_turn() for one in turns.contents]
    return encode(turns.system), encode(contents), turns.unsigned, notes


def context_of(messages, records, model="gemini-3.5-flash", **options):
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}, *messages]}
    request, _ = decode(encode(body), ChatCompletionRequest)
    return Context(
        request=request,
        capabilities=capabilities_of(model, ROWS),
        options=Options(**options),
        history=look_up(request, records),
    )


@given(
    st.one_of(MESSAGES, plain_pairs()),
    RECORDS,
    st.sampled_from(["gemini-3.5-flash", "gemini-2.5-flash"]),
    st.sampled_from(["json", "openapi"]),
    st.sampled_from([Limits(), Limits(name_length=30, json_values=8)]),
)
def test_plain_steps_give_what_all_rules_give(messages, records, model, schema, limits):
    fast = translate(Turns, context_of(messages, records, model, schema=schema, limits=limits))
    assert fast == translate(EveryRule, context_of(messages, records, model, schema=schema, limits=limits))


STEP: list[dict[str, Any]] = [
    {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "a", "content": "done"},
]


def parallel(ids):
    """A step with a call for each id."""
    calls = [{"id": i, "type": "function", "function": {"name": "f", "arguments": "{}"}} for i in ids]
    results = [{"role": "tool", "tool_call_id": i, "content": '{"ok":1}'} for i in ids]
    return [{"role": "assistant", "content": "some", "tool_calls": calls}, *results]


PARALLEL = parallel("ab")
LATE = parallel("xy")
USER = [{"role": "user", "content": "go on"}]
RECORD = {"id:a": Signature(value="U0lH", id="g1", digest=call_digest("f", "{}"), spelling=call_spelling("f", "{}"))}
ODD_ID = [
    {"role": "assistant", "tool_calls": [{"id": '"\u00e9', "function": {"name": "f", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": '"\u00e9', "content": "done"},
]


@example([LATE[:1], USER, STEP, USER, LATE[2:]], {})
@example([PARALLEL, STEP, PARALLEL], {})
@example([PARALLEL, PARALLEL], {})
@example([STEP, STEP], RECORD)
@given(st.lists(st.one_of(MESSAGES, plain_pairs()), max_size=3), RECORDS)
def test_plain_steps_have_the_digests_that_all_messages_have_one_by_one(pieces, records):
    context = context_of([message for piece in pieces for message in piece], records)
    history, prefix, keys = context.known_history(), PrefixDigest(), []
    for index, message in enumerate(context.request.messages):
        if message.role == "assistant":
            answer = history.answer(index)
            prefix.add_answer(answer.form(), answer.calls, answer.call_digests())
            keys += [prefix.key()] if answer.misses_records else []
        else:
            prefix.add([message])
    assert history.words() == list(dict.fromkeys(keys))
    assert history.prefix_digest().key_of_next(b"next") == prefix.key_of_next(b"next")


WITH_PARTS = {"id:a": Signature(value="U0lH", digest=call_digest("f", "{}"), parts=ABSENT.__class__(b"[]"))}


@pytest.mark.parametrize(
    ("messages", "records", "number"),  # of the messages that are added so
    [
        (STEP * 3, {}, 6),
        (STEP, RECORD, 2),
        (ODD_ID, {}, 2),
        (PARALLEL, {}, 3),
        (PARALLEL, RECORD, 3),
        (STEP, WITH_PARTS, 0),
        (STEP[:1], {}, 0),
        ([STEP[0], {**STEP[1], "tool_call_id": "b"}], {}, 0),
        ([{**STEP[0], "reasoning_content": "r"}, STEP[1]], {}, 0),
        ([STEP[0], STEP[0], STEP[1]], {}, 0),
        (parallel("abcdefghi"), {}, 10),
        (parallel("abcdefghij"), {}, 0),
        (parallel("aa"), {}, 0),
        ([*STEP, {**STEP[0], "reasoning_content": "r"}, STEP[1], *PARALLEL, *STEP], {}, 7),
        ([*parallel("c"), *STEP, *PARALLEL, *parallel("d")], WITH_PARTS, 4),
        # The first step joins the answer before it.
        ([{"role": "assistant", "content": "text"}, *STEP * 3], {}, 4),
        ([{"role": "assistant", "content": "text"}, *STEP], {}, 0),
        ([{"role": "assistant", "content": "text"}, {"role": "user", "content": ""}, *STEP * 3], {}, 4),
        ([{"role": "assistant", "content": "text"}, {"role": "user", "content": ""}, *STEP], {}, 0),
    ],
)
def test_usual_steps_are_plain_and_others_are_not(messages, records, number, monkeypatch):
    taken = []
    add = plain_steps.PlainSteps.add

    def adding(steps, index):
        end = add(steps, index)
        taken.extend(range(index, end))
        return end

    monkeypatch.setattr(plain_steps.PlainSteps, "add", adding)
    context = context_of(messages, records)
    assert translate(Turns, context) == translate(EveryRule, context_of(messages, records))
    assert len(taken) == number
