"""Every case of `conformance/` through the pure core."""

import orjson
import pytest

from adapter.wire.base import decode
from adapter.wire.gemini.generate import GenerateContentResponse
from conformance.cases import OK, Turn
from conformance.judging import Observed, judge
from tests.support.pure import RUNS, check_case


@pytest.mark.parametrize(("case", "client"), [pytest.param(*run, id=f"{run[0].id}-{run[1]}") for run in RUNS])
def test_case(case, client):
    check_case(case, client)


def test_a_longer_chat_whose_contents_come_first_extends_nothing():
    """Objects that differ in the order of their members are equal; the bytes that Gemini's cache compares are not."""
    turn = Turn(request={}, upstream=None, extends=True, response={})
    earlier, later = [{"text": "a"}], [{"text": "a"}, {"text": "b"}]
    tools = [{"functionDeclarations": []}]
    good = [({"tools": tools, "contents": one}) for one in (earlier, later)]
    bad = [({"contents": one, "tools": tools}) for one in (earlier, later)]
    for (before, after), faults in ((good, 0), (bad, 1)):
        verdict, _ = judge(turn, Observed([after], [], 200, {}, {}), [before])
        assert len(verdict.request) == faults, verdict.request


def test_a_default_answer_is_one_that_gemini_gives():
    response, unknown = decode(orjson.dumps(OK), GenerateContentResponse)
    assert response.candidates
    assert not unknown
