"""A little fuzzing with every run of the tests; `python -m tests.fuzz --minutes 10` does more of it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import driving
from tests.fuzz.in_process import in_process

RANDOM = st.randoms(use_true_random=False)
SOME = settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def app():
    with in_process() as running:
        yield running


def test_no_request_gets_anything_but_a_valid_answer_or_an_error(app):
    @SOME
    @given(RANDOM)
    def check(random):
        driving.ask(app, random)

    check()


@SOME
@given(RANDOM)
def test_the_core_refuses_a_request_or_makes_one_that_gemini_knows(random):
    driving.translate(random)


@SOME
@given(RANDOM)
def test_whatever_gemini_says_becomes_an_answer_or_an_error(random):
    driving.answer(random)
