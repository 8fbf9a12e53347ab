"""One rule per field, one case per rule: the request type, the rules and `conformance/` agree."""

import inspect
import re
from typing import Any

import pytest

from adapter.translate import chat
from adapter.translate.answer.reply import FAILURES, FINISH_REASONS
from adapter.translate.responses import fields as responses
from adapter.wire.base import encode
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.openai.images import ImageEditRequest, ImageRequest, ImageVariationRequest
from adapter.wire.openai.responses_request import ResponsesRequest
from adapter.wire.openai.speech import SpeechRequest
from adapter.wire.openai.transcriptions import TranscriptionRequest, TranslationRequest
from conformance.cases import PATHS, ROOT, SUITES, all_cases

CASES = all_cases()

REQUESTS: dict[str, tuple[dict[str, Any], Any]] = {
    "chat/completions": (chat.RULES, ChatCompletionRequest),
    "responses": (responses.RULES, ResponsesRequest),
}
FIELDS = [(endpoint, field) for endpoint, (rules, _) in REQUESTS.items() for field in rules]


def cases_of(endpoint, field):
    return [case for case in CASES if case.rule == field and case.endpoint == endpoint]


@pytest.mark.parametrize("endpoint", REQUESTS)
def test_every_field_has_a_rule_in_the_order_of_the_fields(endpoint):
    rules, request = REQUESTS[endpoint]
    fields = request.__struct_fields__
    missing = [field for field in fields if field not in rules]
    assert not missing, "each needs a rule: a function, and its row in RULES (CONTRIBUTING.md, A chat field)"
    assert list(rules) == list(fields), "the rows of RULES stand in the order of the request's fields"


@pytest.mark.parametrize(("endpoint", "field"), FIELDS)
def test_every_rule_has_a_case(endpoint, field):
    assert cases_of(endpoint, field), f"no file in conformance/ has the rule {field!r}"


def test_every_finish_reason_has_a_case():
    sent = {
        candidate.get("finishReason")
        for case in CASES
        for turn in case.turns
        for answer in (turn.answer, *(turn.events or ()))
        if isinstance(answer, dict)
        for candidate in answer.get("candidates") or ()
        if isinstance(candidate, dict)
    }
    missing = {*FINISH_REASONS, *FAILURES} - sent
    assert not missing, "no case in conformance/ has an answer that ends so (CONTRIBUTING.md, A finish reason)"


@pytest.mark.parametrize(("endpoint", "field"), FIELDS)
def test_every_rule_says_what_it_does(endpoint, field):
    rules, _ = REQUESTS[endpoint]
    assert inspect.getdoc(rules[field]), f"the rule of {field} has no docstring"


MEDIA: dict[str, Any] = {
    "images": ImageRequest,
    "image_edits": ImageEditRequest,
    "image_variations": ImageVariationRequest,
    "speech": SpeechRequest,
    "transcriptions": TranscriptionRequest,
    "translations": TranslationRequest,
}


def test_every_field_of_images_and_sounds_has_a_case_in_its_suite():
    tried = {(case.suite, case.rule) for case in CASES}
    fields = {(suite, field) for suite, request in MEDIA.items() for field in request.__struct_fields__}
    assert sorted(fields - tried) == [], "write a case for each, in conformance/SUITE/FIELD/"


ENDS = ("errors", "finish_reason", "blocked", "extra_fields")


def test_images_and_sounds_have_cases_for_errors_and_for_answers_that_end_otherwise():
    tried = {(case.suite, case.rule) for case in CASES}
    ends = {(suite, rule) for suite in MEDIA for rule in ENDS}
    assert sorted(ends - tried) == [], "write a case for each, in conformance/SUITE/RULE/"


def is_about(turn, field):
    """Return whether a turn sends a field, has it in its answer, or expects a refusal that names it."""
    fault = turn.error is not None and field in (turn.error.param, *re.findall(r"\w+", turn.error.message or ""))
    answer = encode([turn.response, turn.chunks]).decode()
    return field in turn.request or fault or f'"{field}":' in answer


@pytest.mark.parametrize(("endpoint", "field"), FIELDS)
def test_every_case_of_a_rule_sends_its_field_or_is_answered_with_it(endpoint, field):
    elsewhere = [case.id for case in cases_of(endpoint, field) if not any(is_about(turn, field) for turn in case.turns)]
    assert elsewhere == [], f"no turn of these cases sends {field!r} or is answered with it: give each another `rule`"


def test_every_suite_that_has_an_endpoint_of_its_own_is_a_suite():
    assert set(PATHS) <= set(SUITES)


def test_every_file_is_a_case_of_a_known_suite():
    files = {path.relative_to(ROOT) for path in ROOT.rglob("*.json")}
    assert {path.parts[0] for path in files} == set(SUITES)
    assert len(files) == len(CASES)


def test_every_case_lies_in_the_folder_of_its_rule():
    elsewhere = [case.id for case in CASES if not (ROOT / f"{case.id}.json").is_file()]
    assert elsewhere == [], "move each to conformance/SUITE/RULE/, as this says, and run python -m tests.test_docs"


def test_no_two_cases_ask_the_same():
    seen: dict[str, str] = {}
    for case in CASES:
        asked = repr([(turn.request, turn.answer, turn.events, turn.status, turn.further) for turn in case.turns])
        key = asked + repr((case.settings, case.day, case.signatures, case.clients))
        assert key not in seen, f"{case.id} asks what {seen.get(key)} asks"
        seen[key] = case.id


def test_a_case_says_where_it_comes_from():
    short = [case.id for case in CASES if len(case.source) <= 10]
    assert not short, "`source` says where the behaviour was documented or asked for"


def test_a_case_asks_and_expects_something():
    empty = [case.id for case in CASES if not (case.rule and all(turn.request for turn in case.turns))]
    assert not empty, "each needs a `rule`, and each of its turns a `request`"
    lasts = [(case.id, case.turns[-1]) for case in CASES]
    vague = [
        id_
        for id_, turn in lasts
        if not any((turn.upstream, turn.path, turn.response, turn.chunks, turn.error, turn.notes, turn.reply_notes))
    ]
    assert not vague, "the last turn of each expects nothing: say what Gemini must get, or the client"
