"""Whole answers of Gemini as chat completions; what streams say in the same cases."""

import pytest

from adapter.translate.answer import reply
from adapter.translate.answer.stream import ChatStream
from adapter.translate.core import part_kinds
from adapter.translate.core.errors import AnswerError
from adapter.wire.gemini.content import Blob, Part
from adapter.wire.gemini.generate import Candidate
from tests.support.answering import (
    STAMP,
    answer,
    context,
    function,
    google,
    message,
    notes_of,
    read,
    stream_answer,
    translate_answer,
)
from tests.support.joiner import check_rules, comparable, join_chunks
from tests.translate.answer.agreeing import CALL, PNG, SIGNATURE, both, error


class TestContent:
    def test_texts_join_and_thoughts_are_apart(self):
        parts = [{"text": "th", "thought": True}, {"text": "Hel"}, {"text": "lo"}, {"text": ""}]
        said = both(answer(*parts))["message"]
        assert (said["content"], said["reasoning_content"]) == ("Hello", "th")

    def test_an_answer_without_parts_is_an_empty_text(self):
        for content in ({}, {"role": "model"}, {"parts": []}):
            choice = both({"candidates": [{"content": content, "finishReason": "STOP"}]})
            assert (choice["message"]["content"], choice["finish_reason"]) == ("", "stop")

    def test_an_empty_part_says_nothing(self):
        assert "extra_content" not in both(answer({"text": "a"}, {}))["message"]

    def test_a_call_is_a_tool_call_without_content(self):
        choice = both(answer(CALL))
        assert choice["finish_reason"] == "tool_calls"
        assert choice["message"]["content"] is None
        call = choice["message"]["tool_calls"][0]
        assert call["function"] == {"name": "f", "arguments": '{"a":"1"}'}
        assert len(call["id"]) <= 40

    def test_a_call_without_arguments_has_an_empty_object(self):
        assert (
            both(answer({"functionCall": {"name": "f"}}))["message"]["tool_calls"][0]["function"]["arguments"] == "{}"
        )
        null = {"functionCall": {"name": "f", "args": None}}
        assert both(answer(null))["message"]["tool_calls"][0]["function"]["arguments"] == "{}"

    def test_images_are_data_urls_with_their_signatures(self):
        images = both(answer(PNG, {**PNG, "thoughtSignature": SIGNATURE}))["message"]["images"]
        assert [image["image_url"]["url"] for image in images] == ["data:image/png;base64,iVBORw0KGgo="] * 2
        assert images[1]["extra_content"] == {"google": {"thought_signature": SIGNATURE}}

    def test_what_openai_has_no_place_for_is_passed_on_and_noted(self):
        code = {"executableCode": {"language": "PYTHON", "code": "1"}}
        body = answer(code, {"text": "one"})
        assert google(both(body)["message"])["parts"] == [code, {"text": "one"}]
        assert (
            notes_of(translate_answer(body)[1])
            == notes_of(stream_answer([body])[1])
            == {"candidates[0].content.parts[0]": "approximated"}
        )

    def test_a_thought_that_is_an_image_is_passed_on_and_is_no_image_of_the_answer(self):
        said = both(answer({**PNG, "thought": True}, {"text": "x"}))["message"]
        assert "images" not in said
        assert google(said)["parts"][0]["thought"] is True

    def test_side_fields_of_a_text_are_passed_on(self):
        parts = [{"text": "a", "partMetadata": {"k": 1}}, {"text": "b"}]
        said = both(answer(*parts))["message"]
        assert said["content"] == "ab"
        assert google(said)["parts"] == parts

    def test_calls_that_gemini_answered_itself_are_no_calls_of_the_client(self):
        mcp = {"functionCall": {"name": "mcp", "args": {}}}
        result = {"functionResponse": {"name": "mcp", "response": {"r": 1}}}
        choice = both(answer(mcp, result, mcp, {"text": "done"}))
        assert choice["finish_reason"] == "stop"
        assert "tool_calls" not in choice["message"]
        assert google(choice["message"])["parts"] == [mcp, result, mcp, {"text": "done"}]

    def test_a_result_of_gemini_before_its_call_says_the_same(self):
        mcp, result = {"functionCall": {"name": "mcp"}}, {"functionResponse": {"name": "mcp"}}
        assert "tool_calls" not in both(answer({"text": "a"}, result, mcp))["message"]

    def test_a_call_of_an_unknown_function_is_passed_on_in_its_place(self):
        calls = both(answer({"functionCall": {"name": "h"}}, CALL))["message"]["tool_calls"]
        assert [call["function"]["name"] for call in calls] == ["h", "f"]

    def test_a_declared_function_is_the_clients_even_beside_a_result_of_that_name(self):
        assert both(answer(CALL, {"functionResponse": {"name": "f"}}))["message"]["tool_calls"]


class TestToolsOfOtherKinds:
    CUSTOM = context(tools=[{"type": "custom", "custom": {"name": "sql"}}])

    @pytest.mark.parametrize(
        ("args", "expected"),
        [
            ({"input": "select 1"}, "select 1"),
            ({"input": 5}, "5"),
            ({"query": "x"}, '{"query":"x"}'),
            ([1], "[1]"),
            (None, ""),
        ],
    )
    def test_a_custom_tool_gets_its_input(self, args, expected):
        body = answer({"functionCall": {"name": "sql", "args": args}})
        call = message(body, self.CUSTOM)["tool_calls"][0]
        assert (call["type"], call["custom"]) == ("custom", {"name": "sql", "input": expected})
        chunks = stream_answer([body], self.CUSTOM)[0]
        check_rules(chunks, usage=True)
        assert join_chunks(chunks)["choices"] == comparable(translate_answer(body, self.CUSTOM)[0])["choices"]

    def test_the_deprecated_function_call_holds_one_call(self):
        legacy = context(tools=None, functions=[{"name": "f"}])
        body = answer(CALL, {"functionCall": {"name": "f", "args": {"a": "2"}}})
        choice = both(body, legacy)
        assert choice["finish_reason"] == "function_call"
        assert choice["message"]["function_call"] == {"name": "f", "arguments": '{"a":"1"}'}
        expected = {"candidates[0].content.parts[1].functionCall": "dropped"}
        assert notes_of(translate_answer(body, legacy)[1]) == notes_of(stream_answer([body], legacy)[1]) == expected

    def test_the_deprecated_function_call_may_come_behind_another_call(self):
        legacy = context(tools=None, functions=[{"name": "f"}])
        message = both(answer({"functionCall": {"name": "h"}}, CALL), legacy)["message"]
        assert [call["function"]["name"] for call in message["tool_calls"]] == ["h"]
        assert message["function_call"]["name"] == "f"

    def test_the_function_that_stands_in_for_json_mode_is_the_text(self):
        at = context(response_format={"type": "json_object"}, capabilities={"tools_with_json": False})
        part = {"functionCall": {"name": "json_answer", "args": {"a": [1, 2]}}, "thoughtSignature": SIGNATURE}
        choice = both(answer(part), at)
        assert (choice["message"]["content"], choice["finish_reason"]) == ('{"a":[1,2]}', "stop")
        assert google(choice["message"]) == {"thought_signature": SIGNATURE}
        assert both(answer({"functionCall": {"name": "json_answer"}}), at)["message"]["content"] == "{}"

    def test_a_client_may_have_a_function_of_that_name(self):
        at = context(tools=[function("json_answer")])
        assert both(answer({"functionCall": {"name": "json_answer"}}), at)["message"]["tool_calls"]

    def test_a_stateless_id_carries_the_signature(self):
        at = context(options={"stateless_ids": True})
        assert both(answer({**CALL, "thoughtSignature": SIGNATURE}), at)["message"]["tool_calls"][0]["id"].endswith(
            "_ts_U0lH"
        )
        assert len(both(answer(CALL), at)["message"]["tool_calls"][0]["id"]) == 29

    def test_arguments_are_restored_where_a_schema_had_to_change_them(self):
        at = context(
            options={"schema": "openapi"},
            tools=[
                {
                    **function("f"),
                    "function": {
                        "name": "f",
                        "parameters": {"type": "object", "properties": {"a": {"type": "string"}}},
                    },
                }
            ],
        )
        assert both(answer(CALL), at)["message"]["tool_calls"][0]["function"]["arguments"] == '{"a":"1"}'


class TestFinish:
    @pytest.mark.parametrize(
        ("reason", "expected"),
        [
            ("STOP", "stop"),
            ("MAX_TOKENS", "length"),
            ("CONTINUATION", "length"),
            ("SAFETY", "content_filter"),
            ("MODEL_ARMOR", "content_filter"),
            ("OTHER", "stop"),
            ("BRAND_NEW", "stop"),
            ("FINISH_REASON_UNSPECIFIED", "stop"),
        ],
    )
    def test_a_reason_with_content_keeps_the_content(self, reason, expected):
        choice = both(answer({"text": "part"}, finish=reason))
        assert (choice["message"]["content"], choice["finish_reason"]) == ("part", expected)

    @pytest.mark.parametrize("reason", sorted(set(reply.FINISH_REASONS) - {"STOP", "MAX_TOKENS"}))
    def test_an_approximated_reason_is_noted_and_passed_on(self, reason):
        body = answer({"text": "part"}, finish=reason)
        assert (
            notes_of(translate_answer(body)[1])
            == notes_of(stream_answer([body])[1])
            == {"candidates[0].finishReason": "approximated"}
        )
        assert google(message(body))["finish_reason"] == reason

    @pytest.mark.parametrize("reason", ["MAX_TOKENS", "SAFETY"])
    def test_only_a_stop_asks_the_client_to_run_calls(self, reason):
        assert both(answer(CALL, finish=reason))["finish_reason"] != "tool_calls"

    def test_an_unknown_reason_beside_calls_is_noted(self):
        body = answer(CALL, finish="BRAND_NEW")
        assert both(body)["finish_reason"] == "tool_calls"
        assert notes_of(translate_answer(body)[1]) == {"candidates[0].finishReason": "approximated"}

    @pytest.mark.parametrize("reason", sorted(reply.FAILURES))
    def test_a_broken_answer_is_an_error_with_geminis_words(self, reason):
        raised = error(answer({"text": "part"}, finish=reason, finishMessage="why"))
        assert (raised.status, raised.code, raised.message) == (502, reason.lower(), "why")

    @pytest.mark.parametrize("reason", ["OTHER", "NO_IMAGE", "BRAND_NEW", "FINISH_REASON_UNSPECIFIED"])
    def test_an_unknown_reason_without_content_is_an_error(self, reason):
        assert error(answer(finish=reason)).code == reason.lower()
        assert error(answer({"text": "", "thoughtSignature": SIGNATURE}, finish=reason)).code == reason.lower()

    def test_filtered_and_empty_is_a_refusal(self):
        said = both(answer(finish="SAFETY", finishMessage="why"))["message"]
        assert (said["content"], said["refusal"]) == (None, "why")
        assert both(answer(finish="SPII"))["message"]["refusal"] == "Gemini blocked the request: SPII."

    def test_a_whole_answer_without_a_reason_is_noted(self):
        completion, notes, _ = translate_answer(answer({"text": "part"}, finish=None))
        assert completion["choices"][0]["finish_reason"] == "stop"
        assert notes_of(notes) == {"candidates[0].finishReason": "approximated"}

    def test_a_stream_without_a_reason_is_cut(self):
        with pytest.raises(AnswerError) as raised:
            stream_answer([answer({"text": "part"}, finish=None)])
        assert (raised.value.code, raised.value.retry) == ("incomplete_stream", True)

    def test_nothing_at_all_is_an_error(self):
        assert error({"usageMetadata": {"promptTokenCount": 4}}).code == "empty_answer"
        assert error({"candidates": []}).code == "empty_answer"


class TestBlockedPrompts:
    BODY = {"promptFeedback": {"blockReason": "SAFETY", "safetyRatings": [{"category": "C"}]}}  # noqa: RUF012

    def test_a_blocked_prompt_is_a_refusal(self):
        choice = both(self.BODY)
        assert choice["finish_reason"] == "content_filter"
        assert choice["message"]["refusal"] == "Gemini blocked the request: SAFETY."
        assert google(choice["message"]) == {"prompt_feedback": self.BODY["promptFeedback"]}
        assert notes_of(translate_answer(self.BODY)[1]) == notes_of(stream_answer([self.BODY])[1])

    def test_its_words_are_geminis_where_there_are_any(self):
        body = {"promptFeedback": {"blockReason": "OTHER", "blockReasonMessage": "no"}}
        assert both(body)["message"]["refusal"] == "no"

    def test_it_is_refused_once(self):
        chunks = stream_answer([self.BODY, self.BODY])[0]
        check_rules(chunks, usage=True)

    def test_it_is_an_error_where_the_operator_wants_one(self):
        raised = error(self.BODY, context(options={"blocked_prompt": "error"}))
        assert (raised.status, raised.code) == (400, "content_policy_violation")

    def test_an_unspecified_reason_beside_an_answer_blocks_nothing(self):
        body = answer({"text": "fine"}) | {"promptFeedback": {"blockReason": "BLOCK_REASON_UNSPECIFIED"}}
        assert both(body)["finish_reason"] == "stop"


class TestCandidates:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [([None], [0]), ([None, None], [0, 1]), ([1, None], [0, 1]), ([0, None], [0, 1]), ([2, 0, None], [0, 1, 2])],
    )
    def test_an_index_that_is_left_out_is_the_lowest_that_is_free(self, given, expected):
        candidates = [Candidate(index=index) for index in given]
        assert [index for index, _ in reply.by_index(candidates)] == expected

    @pytest.mark.parametrize("given", [[-1], [128], [0, 0]])
    def test_an_index_that_cannot_be_one_is_an_error(self, given):
        body = {"candidates": [{"index": index, "finishReason": "STOP"} for index in given]}
        assert error(body).code == "malformed_response"

    def test_choices_start_in_the_order_of_their_indexes(self):
        late = [{"candidates": [{"index": 1, "content": {"parts": [{"text": "b"}]}, "finishReason": "STOP"}]}]
        late.append({"candidates": [{"index": 0, "content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}]})
        chunks = stream_answer(late)[0]
        check_rules(chunks, usage=True)
        assert [choice["message"]["content"] for choice in join_chunks(chunks)["choices"]] == ["a", "b"]


def test_a_silent_chunk_keeps_the_connection_alive_and_does_not_change_the_answer():
    machine = ChatStream(context(), STAMP)
    assert not machine.is_finished
    silent = machine.empty_chunk()
    assert (silent.model, silent.choices[0].delta.role) == ("asked", None)
    chunks = machine.feed(*read(answer({"text": "a"}))) + machine.close()
    assert {chunk.model for chunk in chunks} == {"asked"}
    assert machine.is_finished


def test_a_part_of_no_known_kind_is_empty():
    assert part_kinds.kind_of(Part()) == "empty"
    assert part_kinds.kind_of(Part(inline_data=Blob(mime_type="video/mp4"))) == "opaque"
