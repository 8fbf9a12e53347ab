"""Several choices by several calls."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.answer.completion import from_gemini
from adapter.translate.answer.parallel_choices import ChoiceMerger, count_calls
from adapter.translate.answer.stream import ChatStream
from adapter.translate.core.capabilities import ModelCapabilities
from adapter.translate.core.context import Context
from adapter.translate.core.errors import AnswerError
from adapter.wire.base import decode, encode
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.openai.chat_request import ChatCompletionRequest, Message
from tests.support.answering import STAMP, answer, read, stream_answer, translate_answer
from tests.support.answering import context as context_of
from tests.support.joiner import comparable, join_chunks


def context(n, candidates):
    row = ModelCapabilities(pattern="*", source="", date="", candidates=candidates)
    request = ChatCompletionRequest(model="m", messages=[Message(role="user", content="hi")], n=n)
    return Context(request=request, capabilities=row)


def response(body):
    return decode(body, GenerateContentResponse)[0]


ANSWER = (
    b'{"candidates":[{"index":0,"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}],'
    b'"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5,"serviceTier":"standard",'
    b'"promptTokensDetails":[{"modality":"TEXT","tokenCount":3}]},"modelVersion":"m"}'
)


def test_one_call_is_enough_where_the_model_gives_several_candidates():
    assert count_calls(context(None, 1)) == 1
    assert count_calls(context(4, 8)) == 1
    assert count_calls(context(4, 1)) == 4


def test_whole_answers_join_with_their_own_indexes_and_the_sum_of_their_usage():
    both = ChoiceMerger(2).join([response(ANSWER), response(ANSWER)])
    assert [one.index for one in both.candidates] == [0, 1]
    usage = both.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (6, 4, 10)
    assert [(item.modality, item.token_count) for item in usage.prompt_tokens_details] == [("TEXT", 6)]
    assert usage.service_tier == "standard"
    assert usage.thoughts_token_count is None


def test_events_carry_the_usage_of_all_calls_so_far():
    merger = ChoiceMerger(2)
    assert merger.usage() is None
    assert merger.renumber(1, response(ANSWER))[0].usage_metadata.prompt_token_count == 3
    assert merger.renumber(0, response(ANSWER))[0].usage_metadata.prompt_token_count == 6
    assert merger.renumber(0, response(b'{"modelVersion":"m"}'))[0].usage_metadata is None


def test_a_call_whose_prompt_was_blocked_is_a_filtered_choice_beside_the_others():
    blocked = response(b'{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}')
    other = response(b'{"promptFeedback":{"blockReason":"OTHER"}}')
    all_three = ChoiceMerger(3).join([response(ANSWER), blocked, other])
    assert [one.finish_reason for one in all_three.candidates] == ["STOP", "PROHIBITED_CONTENT", "SAFETY"]
    assert all_three.prompt_feedback is None


@pytest.mark.parametrize("silent", [0, 1, 2])
def test_a_call_that_answers_nothing_is_an_error_that_a_client_may_retry(silent):
    nothing = {"usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}, "responseId": "r"}
    bodies = [nothing if call == silent else answer({"text": str(call)}) for call in range(3)]
    with pytest.raises(AnswerError) as whole:
        ChoiceMerger(3).join([read(body)[0] for body in bodies])
    merger = ChoiceMerger(3)
    for call, body in enumerate(bodies):
        merger.renumber(call, read(body)[0])
        if call != silent:
            merger.end(call)
    with pytest.raises(AnswerError) as streaming:
        merger.end(silent)
    for error in (whole.value, streaming.value):
        assert (error.status, error.code, error.retry) == (502, "empty_answer", True)


FACTS = {
    "responseId": st.sampled_from(["r1", "r2", "r3"]),
    "createTime": st.sampled_from(["2026-11-30T00:00:00Z", "2026-11-30T00:00:01Z"]),
    "modelStatus": st.sampled_from([{"modelStage": "STABLE"}, {"modelStage": "DEPRECATED"}]),
    "promptFeedback": st.sampled_from([{"safetyRatings": [{"category": "a"}]}, {"safetyRatings": [{"category": "b"}]}]),
    "modelVersion": st.sampled_from(["asked", "other", "third"]),
    "usageMetadata": st.sampled_from(
        [
            {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2, "trafficType": "ON_DEMAND"},
            {"promptTokenCount": 2, "totalTokenCount": 2, "trafficType": "PROVISIONED_THROUGHPUT"},
            {"promptTokenCount": 3, "totalTokenCount": 3, "serviceTier": "flex"},
        ]
    ),
    "newField": st.sampled_from([1, 2]),
}
"""Fields of an answer beside its candidates."""


@st.composite
def answers(draw):
    """The answer to one call."""
    facts = draw(st.fixed_dictionaries({}, optional=FACTS))
    ratings = draw(st.sampled_from([{}, {"safetyRatings": [{"category": "x", "probability": "LOW"}]}, {"newOne": 1}]))
    bare = answer({"text": draw(st.sampled_from(["a", "b"]))}, **ratings)
    return {"candidates": bare["candidates"], "modelVersion": "asked", **facts}


@given(st.lists(answers(), min_size=2, max_size=3))
def test_what_each_call_says_comes_with_its_choice_whole_and_streamed(bodies):
    at = context_of(n=len(bodies))
    joined_answer = ChoiceMerger(len(bodies)).join(*zip(*map(read, bodies), strict=True))
    completion, notes, _ = from_gemini(joined_answer, at, STAMP, {})
    machine, merger = ChatStream(at, STAMP), ChoiceMerger(len(bodies))
    chunks = []
    for call, body in enumerate(bodies):
        chunks += machine.feed(*merger.renumber(call, *read(body)))
        merger.end(call)
    chunks += machine.close()
    seen = json.loads(encode(completion))
    assert join_chunks([json.loads(encode(chunk)) for chunk in chunks]) == comparable(seen)
    for choice, body in zip(seen["choices"], bodies, strict=True):
        said = choice["message"].get("extra_content", {}).get("google", {})
        assert said.get("response_id") == body.get("responseId")
        assert said.get("create_time") == body.get("createTime")
        assert said.get("model_status") == body.get("modelStatus")
        assert (said.get("prompt_feedback") is None) == (body.get("promptFeedback") is None)
        unknown = said.get("unknown", {})
        assert unknown.get("newField") == body.get("newField")
        assert (f"candidates[{choice['index']}].newOne" in unknown) == ("newOne" in body["candidates"][0])
        ratings = body["candidates"][0].get("safetyRatings")
        assert said.get("safety_ratings") == ratings
        model = said.get("model_version", seen["model"])
        assert model == body["modelVersion"]
    traffic = {kind for body in bodies if (kind := body.get("usageMetadata", {}).get("trafficType"))}
    told = seen["choices"][0]["message"].get("extra_content", {}).get("google", {}).get("usage_metadata", {})
    assert set(told.get("trafficType", "").split(", ")) - {""} == traffic
    others = {body["modelVersion"] for body in bodies} - {"asked"}
    assert len([note for note in notes if note.code == "model-substituted"]) == len(others)


def test_fewer_choices_than_were_asked_for_have_a_note():
    at, body = context_of(n=3, capabilities={"candidates": 8}), answer({"text": "a"})
    ledgers = [translate_answer(body, at)[1], stream_answer([body], at)[1]]
    for notes in ledgers:
        assert [(note.path, note.code) for note in notes] == [("candidates", "choices-missing")]
