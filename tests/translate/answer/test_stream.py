"""The stream machine: however an answer is cut, the client gets what the whole answer says."""

import msgspec
import pytest
from hypothesis import given

from adapter.translate.answer.issued_signatures import MAX_PIECES
from adapter.translate.answer.stream import ChatStream, empty_chunk
from tests.support.answering import STAMP, answer, context, read, stream_answer, translate_answer
from tests.support.joiner import check_rules, comparable, join_chunks, last_records
from tests.support.oracles import check_chunks, check_completion
from tests.support.streams import streams, survivors

WITH_SAMPLES = context(audio={"format": "pcm16", "voice": "Kore"}, n=3)


@given(streams())
def test_a_stream_says_what_the_whole_answer_says_however_it_is_cut(case):
    body, events = case
    completion, _, issued = translate_answer(body, WITH_SAMPLES)
    check_completion(completion)
    chunks, _, issued_by_stream = stream_answer(events, WITH_SAMPLES)
    check_rules(chunks, usage=True)
    check_chunks(chunks)
    assert join_chunks(chunks) == comparable(completion)
    assert last_records(issued_by_stream) == last_records(issued)


def test_the_upstream_that_answers_is_who_issued_the_signatures_also_after_a_heartbeat_of_another():
    before = empty_chunk(STAMP)
    machine = ChatStream(context(options={"upstream": "relay"}), msgspec.structs.replace(STAMP, model="another"))
    call = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "U0lH"}
    response, unknown = read({name: value for name, value in answer(call).items() if name != "modelVersion"})
    chunks = machine.feed(response, unknown)
    assert (before.model, chunks[0].model) == ("asked", "another")
    assert [choice.index for choice in before.choices] == [0]
    assert before.id == chunks[0].id == STAMP.id
    assert {issued.signature.origin for issued in machine.take_issued()} == {"relay"}


@pytest.mark.parametrize("looks_for_leaks", [False, True], ids=["by comparison", "part by part"])
def test_the_signature_of_a_text_in_many_pieces_is_stored_under_the_whole_text(looks_for_leaks):
    at = context(options={"leaked_thoughts": looks_for_leaks})
    words = [f"word {number} and " for number in range(3 * MAX_PIECES)]
    last = {"text": "no more.", "thoughtSignature": "U0lH"}
    events = [answer({"text": word}, finish=None) for word in words] + [answer(last)]
    completion, _, issued = translate_answer(answer({**last, "text": "".join(words) + "no more."}), at)
    chunks, _, issued_by_stream = stream_answer(events, at)
    assert join_chunks(chunks)["choices"] == comparable(completion)["choices"]
    assert last_records(issued_by_stream) == last_records(issued)
    assert last_records(issued)


def test_a_stream_that_is_over_or_was_left_goes_at_once():
    def leave_stream():
        machine = ChatStream(context(), STAMP)
        machine.feed(*read(answer({"text": "hi"}, finish=None)))
        return machine

    def end_stream():
        machine = ChatStream(context(), STAMP)
        machine.feed(*read(answer({"text": "hi"})))
        machine.close()
        return machine

    assert survivors(leave_stream) == survivors(end_stream) == []
