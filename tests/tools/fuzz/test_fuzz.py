"""A little fuzzing with every run of the tests; `python -m tests.tools.fuzz --minutes 10` does more of it."""

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from schemathesis.core.failures import FailureGroup

from tests.support.in_process import InProcess
from tests.support.size import IS_LARGE, tenth
from tests.tools.fuzz import checks, inputs

SOME = settings(
    max_examples=100 if IS_LARGE else 15,
    deadline=None,
    derandomize=True,
    stateful_step_count=checks.STEPS,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def apps():
    with checks.apps() as running:
        yield running


@pytest.mark.parametrize("name", checks.DOCUMENTS)
def test_any_document_gets_a_valid_answer_or_an_error(name, apps):
    checks.check(name, apps, SOME)


@pytest.mark.parametrize("name", [*tenth(checks.LABELS), checks.CHAINS])
def test_an_operation_answers_as_it_is_described(name, apps):
    checks.check(name, apps, settings(SOME, max_examples=5 if IS_LARGE else 2))


@pytest.mark.parametrize("kind", inputs.KINDS)
def test_what_a_guided_fuzzer_starts_with_and_makes_of_it_passes(kind, apps):
    some = Random(kind).sample(list(inputs.starting(kind)), 60 if IS_LARGE else 10)
    made = [inputs.mutate(data, Random(number)) for number, data in enumerate(some)]
    assert any(made)
    for data in (*some, *filter(None, made)):
        inputs.KINDS[kind](apps, data)


async def teapot(scope, receive, send):
    await send({"type": "http.response.start", "status": 418, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"short and stout"})


def test_an_answer_that_is_not_described_is_found():
    nobody: Any = None
    asked = checks.Apps(InProcess(teapot), nobody, nobody, Counter())
    with pytest.raises(FailureGroup, match="Undocumented status code"):
        checks.check("GET /v1/models", asked, SOME)
    asked.app.loop.close()
