"""Decisions: what holds for any questions, and that each field of a request has a case."""

import datetime

from hypothesis import given
from hypothesis import strategies as st

from adapter import settings
from adapter.emulator.generation.decisions import decide
from adapter.translate.decisions import decisions
from adapter.translate.decisions.decisions import DecisionContext
from adapter.wire.base import decode, encode
from adapter.wire.gemini.decisions import CreateDecisionResponse
from adapter.wire.openai.decisions import (
    ChoiceAnswer,
    DecisionLevel,
    DecisionOption,
    DecisionQuestion,
    DecisionRequest,
    PredicateAnswer,
    ScoreAnswer,
)
from conformance.cases import all_cases
from tests.support import oracles

NAMES = settings.catalogue(settings.Settings(), datetime.date(2026, 11, 30))
TEXTS = st.text(max_size=6)
INSTRUCTIONS = st.text(min_size=1, max_size=20)


def choice(values):
    return [DecisionOption(value=value) for value in values]


QUESTIONS = st.one_of(
    st.builds(DecisionQuestion, type=st.just("predicate"), instructions=INSTRUCTIONS, name=st.none() | TEXTS),
    st.builds(
        DecisionQuestion,
        type=st.just("choice"),
        instructions=INSTRUCTIONS,
        name=st.none() | TEXTS,
        choices=st.lists(
            st.one_of(st.booleans(), st.sampled_from(["true", "option 1", "option 1_"]), TEXTS),
            min_size=2,
            max_size=9,
            unique_by=lambda value: (isinstance(value, bool), value),
        ).map(choice),
    ),
    st.builds(
        DecisionQuestion,
        type=st.just("score"),
        instructions=INSTRUCTIONS,
        levels=st.lists(st.builds(DecisionLevel, label=st.text(min_size=1, max_size=4)), min_size=2, max_size=9),
    ),
)


def test_every_field_has_a_case() -> None:
    rules = {case.rule for case in all_cases() if case.suite == "decisions"}
    assert rules == set(DecisionRequest.__struct_fields__)


@given(st.lists(QUESTIONS, min_size=1, max_size=8))
def test_each_question_has_its_answer_and_each_choice_is_one_that_was_offered(questions) -> None:
    request = DecisionRequest(model="gemini-decision-1", input="evidence", questions=questions)
    served = settings.find_served_model(request.model, NAMES, "decisions")
    context = DecisionContext(request=request, served=served)
    plan = decisions.to_gemini(context)
    body = oracles.read_decision_request(encode(plan.body))
    found, _ = decisions.from_gemini(decode(encode(decide(body)), CreateDecisionResponse)[0], plan, context)
    assert [one.name for one in found.answers] == [one.name for one in questions]
    for question, answer in zip(questions, found.answers, strict=True):
        match answer:
            case PredicateAnswer():
                assert question.type == "predicate"
            case ChoiceAnswer(choice=chosen, probabilities=odds):
                offered = [one.value for one in question.choices]
                assert [(type(one.value), one.value) for one in odds] == [(type(one), one) for one in offered]
                best = max(odds, key=lambda one: one.probability)
                assert (type(best.value), best.value) == (type(chosen), chosen)
            case ScoreAnswer(probabilities=odds):
                assert [one.label for one in odds] == [one.label for one in question.levels]


def test_logs_count_the_tokens_of_an_answer_as_of_any_other() -> None:
    answer, _ = decode(
        b'{"usage":{"total_input_tokens":3,"total_thought_tokens":1,"total_tokens":4}}', CreateDecisionResponse
    )
    found = decisions.tokens_of(answer)
    assert found is not None
    assert (found.prompt_token_count, found.thoughts_token_count, found.total_token_count) == (3, 1, 4)
    assert decisions.tokens_of(CreateDecisionResponse()) is None
