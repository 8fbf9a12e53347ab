"""The upstreams at which an answer may be continued."""

import pytest

from adapter.settings import ANYFAST_FIELDS, VERTEX_FIELDS
from adapter.translate.answer.continuation import Continuation
from adapter.wire.gemini.generate import Candidate, GenerateContentRequest, GenerateContentResponse
from tests.support.answering import context


@pytest.mark.parametrize(("fields", "goes_on"), [(None, True), (VERTEX_FIELDS, True), (ANYFAST_FIELDS, False)])
def test_an_answer_goes_on_where_the_upstream_knows_the_token(fields, goes_on):
    answer = Continuation(GenerateContentRequest(), context(options={"fields": fields}), 1)
    ended = Candidate(finish_reason="CONTINUATION", continuation_token="dDE=")
    event = answer.feed(GenerateContentResponse(candidates=[ended]))
    assert answer.goes_on is goes_on
    assert (event.candidates[0].continuation_token is None) is goes_on
    assert ended.continuation_token == "dDE="


def test_an_answer_that_does_not_go_on_has_no_next_request():
    answer = Continuation(GenerateContentRequest(), context(), 1)
    answer.feed(GenerateContentResponse(candidates=[Candidate(finish_reason="STOP")]))
    assert answer.next_request() is None
    assert not answer.is_continued
