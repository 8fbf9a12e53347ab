"""Moderation: which contents one call judges, and that each field of a request has a case."""

import datetime

from hypothesis import given
from hypothesis import strategies as st

from adapter import settings
from adapter.emulator.generation.decisions import decide
from adapter.translate.decisions import moderations
from adapter.translate.decisions.decisions import MAX_QUESTIONS
from adapter.translate.decisions.moderations import CALL_TOKENS, CATEGORIES, ModerationContext, ModerationPlan
from adapter.wire.base import decode, encode
from adapter.wire.gemini.decisions import CreateDecisionResponse
from adapter.wire.openai.moderations import ModerationRequest
from conformance.cases import all_cases
from tests.support import oracles

NAMES = settings.catalogue(settings.Settings(), datetime.date(2026, 11, 30))


def plan_of(texts: list[str]) -> ModerationPlan:
    request = ModerationRequest(input=[*texts])
    served = settings.find_served_model("omni-moderation-latest", NAMES, "moderations")
    return moderations.to_gemini(ModerationContext(request=request, served=served))


def test_every_field_has_a_case() -> None:
    rules = {case.rule for case in all_cases() if case.suite == "moderations"}
    assert rules == set(ModerationRequest.__struct_fields__)


def test_76_texts_are_one_call_and_77_are_two() -> None:
    assert plan_of(["a"] * 76).batches == [list(range(76))]
    assert plan_of(["a"] * 77).batches == [list(range(76)), [76]]


@given(st.lists(st.sampled_from(["a", "b" * 40_000, "c" * 400_000, "d" * 2_000_000]), min_size=1, max_size=200))
def test_calls_hold_all_contents_in_order_and_none_is_too_large(texts: list[str]) -> None:
    plan = plan_of(texts)
    assert [index for batch in plan.batches for index in batch] == list(range(len(texts)))
    for batch in plan.batches:
        assert len(batch) * len(CATEGORIES) <= MAX_QUESTIONS
        assert len(batch) == 1 or sum(plan.contents[index].tokens for index in batch) <= CALL_TOKENS


@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=5))
def test_each_content_has_a_verdict_whose_parts_agree(texts: list[str]) -> None:
    plan = plan_of(texts)
    (batch,) = plan.batches
    body = oracles.read_decision_request(encode(moderations.questions_about(plan, batch, "gemini-decision-1")))
    response, _ = decode(encode(decide(body)), CreateDecisionResponse)
    answer = moderations.answer_of(moderations.verdicts(response, plan, batch, []), "modr-1", "m")
    oracles.check_moderation(decode(encode(answer), dict)[0])
    assert len(answer.results) == len(texts)
