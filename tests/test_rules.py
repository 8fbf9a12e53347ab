"""One rule per field, one case per rule: what holds between the request type, the rules and `conformance/`."""

import inspect

import pytest

from adapter.translate.chat import RULES
from adapter.wire.openai.chat import ChatCompletionRequest
from conformance.cases import ROOT, SUITES, all_cases

CASES = all_cases()


def test_every_field_has_a_rule_in_the_order_of_the_fields():
    assert list(RULES) == list(ChatCompletionRequest.__struct_fields__)


@pytest.mark.parametrize("field", RULES)
def test_every_rule_has_a_case(field):
    assert any(case.rule == field for case in CASES), f"no file in conformance/ has the rule {field!r}"


@pytest.mark.parametrize("field", RULES)
def test_every_rule_says_what_it_does(field):
    assert inspect.getdoc(RULES[field]), f"the rule of {field} has no docstring"


@pytest.mark.parametrize("field", RULES)
def test_a_case_of_a_rule_sends_its_field_or_expects_its_fault(field):
    cases = [case for case in CASES if case.rule == field]
    sent = [field in turn.request for case in cases for turn in case.turns]
    assert any(sent)


def test_every_file_is_a_case_of_a_known_suite():
    files = {path.relative_to(ROOT) for path in ROOT.rglob("*.json")}
    assert {path.parts[0] for path in files} == set(SUITES)
    assert len(files) == len(CASES)


def test_no_two_cases_ask_the_same():
    seen: dict[str, str] = {}
    for case in CASES:
        asked = repr([(turn.request, turn.answer, turn.events, turn.status) for turn in case.turns])
        key = asked + repr((case.settings, case.signatures, case.clients))
        assert key not in seen, f"{case.id} asks what {seen.get(key)} asks"
        seen[key] = case.id


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_says_where_it_comes_from_and_expects_something(case):
    assert len(case.source) > 10
    assert case.rule
    assert all(turn.request for turn in case.turns)
    last = case.turns[-1]
    assert last.upstream or last.path or last.response or last.chunks or last.error
