"""Counts over verdicts, worked out by hand."""

from collections import Counter

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.report.conversations import Conversations
from adapter.report.prices import Price, price_table
from adapter.report.records import Location, RecordedRequest, RecordedUsage
from adapter.report.schemas import LossySchema, SchemaLoss
from adapter.report.tally import MOST_EXAMPLES, MOST_SCHEMAS, Levels, Marks, TrafficTally, read_counter
from adapter.report.verdicts import Judgement, Loss, Verdict
from adapter.translate.core.codes import Severity

CHANGES = Loss("sampling-ignored", Severity.CHANGES_ANSWERS, "temperature")
COSMETIC = Loss("user-not-sent", Severity.COSMETIC, "user")


def record(number: int, usage: RecordedUsage | None = None) -> RecordedRequest:
    return RecordedRequest(path="/v1/chat/completions", body=b"{}", place=Location("f", f"line {number}"), usage=usage)


def verdict(*losses: Loss, failure: str = "", model: str = "gemini-3.8-flash") -> Verdict:
    return Verdict(target="t", model=model, losses=losses, failure=failure)


def tally_of(*entries: tuple[int, Verdict]) -> TrafficTally:
    tally = TrafficTally()
    for number, (conversation, one) in enumerate(entries):
        tally.add(conversation, record(number), "gpt-4o", Judgement([one]))
    return tally


ENTRIES = [
    (0, verdict(COSMETIC)),
    (0, verdict(CHANGES, COSMETIC)),
    (0, verdict()),
    (1, verdict(COSMETIC)),
    (2, verdict()),
    (3, verdict(failure="no such model")),
]


def test_a_request_counts_by_its_gravest_loss_and_a_conversation_by_its_gravest_request():
    target = tally_of(*ENTRIES).targets["t"]
    assert target.requests == Counter({"lossless": 2, "cosmetic": 2, "changes-answers": 1, "breaks": 1})
    assert target.conversations() == Counter({"lossless": 1, "cosmetic": 1, "changes-answers": 1, "breaks": 1})


def test_a_loss_counts_once_in_a_conversation_that_repeats_it():
    target = tally_of(*ENTRIES).targets["t"]
    assert {code: (one.requests, len(one.conversations)) for code, one in target.codes.items()} == {
        "user-not-sent": (3, 2),
        "sampling-ignored": (1, 1),
    }
    assert target.codes["user-not-sent"].fields == Counter({"user": 3})
    assert target.errors == Counter({"no such model": 1})


@pytest.mark.parametrize("cut", range(len(ENTRIES) + 1))
def test_parts_add_up_to_the_whole_wherever_they_are_cut(cut):
    whole, part = tally_of(*ENTRIES), TrafficTally()
    for number, (conversation, one) in enumerate(ENTRIES[:cut]):
        part.add(conversation, record(number), "gpt-4o", Judgement([one]))
    rest = TrafficTally()
    for number, (conversation, one) in enumerate(ENTRIES[cut:], cut):
        rest.add(conversation, record(number), "gpt-4o", Judgement([one]))
    part.merge(rest)
    assert msgspec.to_builtins(part) == msgspec.to_builtins(whole)


def test_a_tally_survives_its_file():
    whole = tally_of(*ENTRIES)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(whole), type=TrafficTally, dec_hook=read_counter)
    assert msgspec.to_builtins(again) == msgspec.to_builtins(whole)
    again.merge(tally_of(*ENTRIES))
    assert again.requests == 12


def test_examples_are_few_however_many_requests_there_are():
    target = tally_of(*[(0, verdict(CHANGES))] * 50).targets["t"]
    assert len(target.codes["sampling-ignored"].examples) == MOST_EXAMPLES


NUMBERS = st.lists(st.integers(0, 2_000), max_size=200)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_marks_are_a_set(first, second, third):
    marks, other = Marks(), Marks()
    for number in first:
        marks.add(number)
    for number in second:
        other.add(number)
    marks.merge(other)
    for number in third:
        marks.add(number)
    assert len(marks) == len({*first, *second, *third})
    assert len(other) == len(set(second))


LEVELS = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 4)), max_size=200)


@given(LEVELS, LEVELS)
def test_levels_are_the_gravest_of_each_number(first, second):
    levels, other = Levels(), Levels()
    gravest: dict[int, int] = {}
    for part, entries in ((levels, first), (other, second)):
        for number, level in entries:
            part.add(number, level)
            gravest[number] = max(gravest.get(number, 0), level)
    levels.merge(other)
    assert levels.counts() == Counter(gravest.values())


def test_what_a_worker_sends_does_not_grow_with_the_numbers_of_conversations():
    tally = TrafficTally()
    for number in range(50):
        tally.add(1_000_000 + number, record(number), "gpt-4o", Judgement([verdict(CHANGES)]))
    assert len(msgspec.msgpack.encode(tally)) < 5_000


def test_costs_are_compared_over_the_same_requests():
    usage = RecordedUsage(input=1_000_000, output=1_000_000)
    tally = TrafficTally()
    tally.add(0, record(0, usage), "gpt-4o", Judgement([verdict()]))
    tally.add(1, record(1, usage), "a-private-model", Judgement([verdict()]))
    tally.add(2, record(2), "gpt-4o", Judgement([verdict()]))
    target = tally.targets["t"]
    # gpt-4o: 2.50 + 10.00; gemini-3.8-flash: 0.75 + 3.75 (price table of LiteLLM 1.110.2).
    assert (target.compared, target.dollars_before, target.dollars_after) == (1, 12.5, 4.5)
    assert (target.priced, target.dollars, tally.counted) == (2, 9.0, 2)


def test_a_price_counts_cached_tokens_and_long_prompts_by_themselves():
    price = Price("m", input=2.0, output=10.0, cached=0.5, long_from=200_000, long_input=4.0, long_output=15.0)
    assert price.cost(RecordedUsage(input=100_000, cached=40_000, output=10_000)) == pytest.approx(0.12 + 0.02 + 0.1)
    assert price.cost(RecordedUsage(input=300_000, output=10_000)) == pytest.approx(1.2 + 0.15)


def test_the_table_has_each_model_once():
    table = price_table()
    for names in ([one.model for one in table.price], [one.model for one in table.shutdown]):
        assert len(names) == len(set(names))


def test_conversations_hold_digests_and_not_requests():
    conversations = Conversations()
    body = orjson.dumps({"messages": [{"role": "user", "content": "x" * 100_000}]})
    conversations.number_of(RecordedRequest(path="/v1/chat/completions", body=body, place=Location("f", "")))
    assert sum(len(key) for key in conversations._by_link) < 100


def test_recorded_tokens_are_held_against_the_models_limits():
    tally = TrafficTally()
    limited = Verdict(target="t", model="gemini-3.8-flash", input_limit=1_000, output_limit=100)
    for sent, made in ((1_000, 100), (1_001, 100), (5_000, 101), (10, 7)):
        tally.add(0, record(0, RecordedUsage(input=sent, output=made)), "gpt-4o", Judgement([limited]))
    target = tally.targets["t"]
    assert (target.over_input, target.over_output) == (2, 1)
    assert (tally.most_input, tally.most_output) == (5_000, 101)


def test_thoughts_are_paid_as_output_and_not_twice():
    price = Price("m", input=1.0, output=10.0)
    # A recorded answer's output includes its thoughts: 300 of these 1,000 tokens.
    assert price.cost(RecordedUsage(output=1_000, thoughts=300)) == pytest.approx(0.01)


def test_a_model_without_a_price_costs_something_unknown():
    tally = TrafficTally()
    priceless = Judgement([verdict(model="gemini-without-a-price")])
    tally.add(0, record(0, RecordedUsage(input=5, output=5)), "gpt-4o", priceless)
    assert (tally.targets["t"].priced, tally.counted) == (0, 1)


def test_schemas_are_few_however_many_there_are():
    whole = TrafficTally()
    for number in range(2 * MOST_SCHEMAS):
        part = TrafficTally()
        loss = SchemaLoss("a", "schema-loosened", "changes-answers", "")
        schema = LossySchema(str(number), "f", "tools.function.parameters", b"{}", (loss,))
        for _ in range(1 + (number == 7)):
            part.add(0, record(number), "gpt-4o", Judgement([verdict()], [schema]))
        whole.merge(part)
    assert len(whole.schemas) == MOST_SCHEMAS
    assert whole.schemas["7"].requests == 2
