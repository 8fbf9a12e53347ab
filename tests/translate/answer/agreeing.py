"""The two ways back must agree: the whole answer, and the stream of one event."""

import pytest

from adapter.translate.core.context import Context
from adapter.translate.core.errors import AnswerError
from tests.support.answering import Object, stream_answer, translate_answer
from tests.support.joiner import check_rules, comparable, join_chunks
from tests.support.oracles import check_chunks, check_completion

SIGNATURE = "U0lH"
CALL = {"functionCall": {"name": "f", "args": {"a": "1"}}}
PNG = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}


def both(body: Object, at: Context | None = None) -> Object:
    """The first choice of an answer: the same whole and streamed."""
    completion = translate_answer(body, at)[0]
    check_completion(completion)
    chunks = stream_answer([body], at)[0]
    check_rules(chunks, usage=True)
    check_chunks(chunks)
    ours, theirs = join_chunks(chunks), comparable(completion)
    assert ours["choices"] == theirs["choices"]
    choice: Object = completion["choices"][0]
    return choice


def error(body: Object, at: Context | None = None) -> AnswerError:
    """The error of an answer that is none: the same whole and streamed."""
    with pytest.raises(AnswerError) as raised:
        translate_answer(body, at)
    with pytest.raises(AnswerError) as streaming:
        stream_answer([body], at)
    assert (streaming.value.status, streaming.value.code) == (raised.value.status, raised.value.code)
    return raised.value
