"""Every case of `conformance/` through the pure core."""

import orjson
import pytest

from adapter.wire.base import decode
from adapter.wire.gemini.generate import GenerateContentResponse
from conformance.cases import OK
from tests.support.pure import RUNS, check_case


@pytest.mark.parametrize(("case", "client"), [pytest.param(*run, id=f"{run[0].id}-{run[1]}") for run in RUNS])
def test_case(case, client):
    check_case(case, client)


def test_a_default_answer_is_one_that_gemini_gives():
    response, unknown = decode(orjson.dumps(OK), GenerateContentResponse)
    assert response.candidates
    assert not unknown
