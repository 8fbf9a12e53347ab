"""Several choices by several calls."""

from adapter.translate.answer.parallel_choices import Fanout, calls_needed
from adapter.translate.core.capabilities import ModelCapabilities
from adapter.translate.core.context import Context
from adapter.wire.base import decode
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.openai.chat_request import ChatCompletionRequest, Message


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
    assert calls_needed(context(None, 1)) == 1
    assert calls_needed(context(4, 8)) == 1
    assert calls_needed(context(4, 1)) == 4


def test_whole_answers_join_with_their_own_indexes_and_the_sum_of_their_usage():
    joined = Fanout(2).join([response(ANSWER), response(ANSWER)])
    assert [one.index for one in joined.candidates] == [0, 1]
    usage = joined.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (6, 4, 10)
    assert [(item.modality, item.token_count) for item in usage.prompt_tokens_details] == [("TEXT", 6)]
    assert usage.service_tier == "standard"
    assert usage.thoughts_token_count is None


def test_events_carry_the_usage_of_all_calls_so_far():
    fanout = Fanout(2)
    assert fanout.usage() is None
    assert fanout.renumber(1, response(ANSWER)).usage_metadata.prompt_token_count == 3
    assert fanout.renumber(0, response(ANSWER)).usage_metadata.prompt_token_count == 6
    assert fanout.renumber(0, response(b'{"modelVersion":"m"}')).usage_metadata is None


def test_a_call_whose_prompt_was_blocked_is_a_filtered_choice_beside_the_others():
    blocked = response(b'{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}')
    other = response(b'{"promptFeedback":{"blockReason":"OTHER"}}')
    joined = Fanout(3).join([response(ANSWER), blocked, other])
    assert [one.finish_reason for one in joined.candidates] == ["STOP", "PROHIBITED_CONTENT", "SAFETY"]
    assert joined.prompt_feedback is None
