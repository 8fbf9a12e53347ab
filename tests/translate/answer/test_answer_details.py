"""Usage, log probabilities, citations, sounds, extras and signatures of answers, whole and streamed."""

import base64
import io
import json
import wave
from itertools import combinations

import msgspec
import pytest

from adapter.translate.answer import audio, extras, reply
from adapter.translate.core.notes import Fate, Note
from adapter.wire.gemini.content import Blob
from adapter.wire.gemini.generate import UsageMetadata
from adapter.wire.signatures import NOTHING
from tests.support.answering import (
    STAMP,
    answer,
    context,
    google,
    message,
    notes_of,
    read,
    stream_answer,
    translate_answer,
)
from tests.support.joiner import check_rules, join_chunks
from tests.support.leaves import Output, lost_leaves
from tests.translate.answer.agreeing import CALL, PNG, SIGNATURE, both, error


class TestUsage:
    def test_counts_add_up(self):
        told = {"promptTokenCount": 5, "candidatesTokenCount": 7, "thoughtsTokenCount": 2, "toolUsePromptTokenCount": 3,
                "totalTokenCount": 17, "cachedContentTokenCount": 4, "serviceTier": "STANDARD"}  # fmt: skip
        completion = translate_answer(answer() | {"usageMetadata": told})[0]
        usage = completion["usage"]
        assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (8, 9, 17)
        assert usage["completion_tokens_details"]["reasoning_tokens"] == 2
        assert usage["prompt_tokens_details"]["cached_tokens"] == 4
        assert completion["service_tier"] == "default"

    def test_modalities_are_told_apart(self):
        details = [{"modality": name, "tokenCount": count} for name, count in (("TEXT", 1), ("AUDIO", 2), ("IMAGE", 3))]
        told = {"promptTokensDetails": details, "candidatesTokensDetails": details[:2]}
        usage = translate_answer(answer() | {"usageMetadata": told})[0]["usage"]
        prompt, given = usage["prompt_tokens_details"], usage["completion_tokens_details"]
        assert (prompt["text_tokens"], prompt["audio_tokens"], prompt["image_tokens"]) == (1, 2, 3)
        assert (given["text_tokens"], given["audio_tokens"]) == (1, 2)

    def test_a_prompt_without_a_count_is_what_is_left_of_the_total(self):
        told = UsageMetadata(total_token_count=20, candidates_token_count=5)
        usage = reply.usage(told)
        assert usage is not None
        assert (usage.prompt_tokens, usage.total_tokens) == (15, 20)

    def test_a_stream_tells_the_last_ones_and_only_when_asked(self):
        first = answer({"text": "a"}, finish=None) | {"usageMetadata": {"promptTokenCount": 10, "totalTokenCount": 10}}
        last = answer({"text": "b"}) | {"usageMetadata": {"promptTokenCount": 12, "totalTokenCount": 12}}
        assert join_chunks(stream_answer([first, last])[0])["usage"]["total_tokens"] == 12
        check_rules(stream_answer([first, last], context(stream_options=None))[0], usage=False)
        check_rules(stream_answer([answer()], context(stream_options={}))[0], usage=False)

    def test_where_gemini_told_none_they_are_zero_with_a_note(self):
        silent = {**answer({"text": "a"}), "usageMetadata": None}
        for seen, notes, _ in (stream_answer([silent]), translate_answer(silent)):
            usage = join_chunks(seen)["usage"] if isinstance(seen, list) else seen["usage"]
            assert (usage["prompt_tokens"], usage["total_tokens"]) == (0, 0)
            assert [(note.path, note.code) for note in notes] == [("usageMetadata", "usage-unknown")]
        assert not stream_answer([silent], context(stream_options=None))[1]

    @pytest.mark.parametrize(
        "told",
        [
            {"toolUsePromptTokenCount": 3},
            {"cacheTokensDetails": []},
            {"trafficType": "ON_DEMAND"},
            {"serviceTier": "new"},
            {"promptTokensDetails": [{"modality": "VIDEO", "tokenCount": 3}]},
            {"candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 3}]},
            {"promptTokenCount": 1, "totalTokenCount": 3},
        ],
    )
    def test_what_usage_cannot_say_is_passed_on(self, told):
        assert google(message(answer() | {"usageMetadata": told}))["usage_metadata"] == told

    def test_what_it_can_say_is_not_said_twice(self):
        told = {"promptTokenCount": 5, "totalTokenCount": 5, "serviceTier": "flex"}
        assert "extra_content" not in message(answer() | {"usageMetadata": told})


class TestLogprobs:
    def test_tokens_come_with_their_bytes_and_alternatives(self):
        chosen = [{"token": "č", "logProbability": -0.1, "tokenId": 7}, {"token": "b"}, {"token": "c"}]
        tops = [{"candidates": [{"token": "d", "logProbability": -2.0}]}, {}]
        result = {"chosenCandidates": chosen, "topCandidates": tops, "logProbabilitySum": -0.5}
        body = answer({"text": "čbc"}, logprobsResult=result)
        choice = both(body)
        first, second, third = choice["logprobs"]["content"]
        assert (first["token"], first["bytes"], first["logprob"]) == ("č", [196, 141], -0.1)
        assert first["top_logprobs"] == [{"token": "d", "logprob": -2.0, "bytes": [100]}]
        assert second["top_logprobs"] == third["top_logprobs"] == []
        assert google(choice["message"]) == {"log_probability_sum": -0.5}
        expected = {"candidates[0].logprobsResult.chosenCandidates[].tokenId": "dropped"}
        assert notes_of(translate_answer(body)[1]) == notes_of(stream_answer([body])[1]) == expected

    def test_they_need_no_content(self):
        both(answer(logprobsResult={"chosenCandidates": [{"token": "a"}]}))

    def test_none_chosen_are_none(self):
        assert both(answer(logprobsResult={}))["logprobs"] is None


class TestCitations:
    SOURCE = {"groundingChunks": [{"web": {"uri": "https://e.x", "title": "T"}}, {"image": {}}]}  # noqa: RUF012

    def cite(self, *parts, **segment):
        support = {"segment": segment, "groundingChunkIndices": [0, 1, 7]}
        return answer(*parts, groundingMetadata={**self.SOURCE, "groundingSupports": [support]})

    def test_bytes_of_a_part_are_characters_of_the_whole(self):
        body = self.cite({"text": "čš "}, {"text": "žý hello"}, partIndex=1, startIndex=5, endIndex=10, text="hello")
        annotation = both(body)["message"]["annotations"][0]
        assert annotation["url_citation"] == {"start_index": 6, "end_index": 11, "url": "https://e.x", "title": "T"}

    @pytest.mark.parametrize(
        ("segment", "expected"),
        [
            ({"endIndex": 4, "text": "čš"}, (0, 2)),
            ({"endIndex": 4}, (0, 2)),
            ({"partIndex": 7, "startIndex": 9, "endIndex": 14, "text": "hello"}, (5, 10)),
            ({"partIndex": 7, "startIndex": 1, "endIndex": 3, "text": "hello"}, (5, 10)),
            ({"partIndex": 7, "startIndex": 1, "endIndex": 3}, None),
            ({"startIndex": 1, "endIndex": 3, "text": "absent"}, None),
        ],
    )
    def test_a_segment_is_found_by_its_place_or_its_text(self, segment, expected):
        body = self.cite({"text": "čšžý hello"}, **segment)
        found = [one["url_citation"] for one in both(body)["message"].get("annotations", [])]
        assert [(one["start_index"], one["end_index"]) for one in found] == ([expected] if expected else [])
        path = "candidates[0].groundingMetadata.groundingSupports[0]"
        assert (
            notes_of(translate_answer(body)[1])
            == notes_of(stream_answer([body])[1])
            == ({} if expected else {path: "approximated"})
        )

    def test_a_support_without_a_segment_is_noted(self):
        body = answer({"text": "a"}, groundingMetadata={"groundingSupports": [{}]})
        assert notes_of(translate_answer(body)[1]) == {
            "candidates[0].groundingMetadata.groundingSupports[0]": "approximated"
        }

    def test_metadata_of_another_shape_does_no_harm(self):
        body = answer({"text": "a"}, groundingMetadata={"groundingSupports": "new"})
        assert google(both(body)["message"])["grounding_metadata"] == {"groundingSupports": "new"}
        assert notes_of(translate_answer(body)[1]) == {"candidates[0].groundingMetadata": "approximated"}


class TestAudio:
    PCM = bytes(range(10))

    def sound(self, data, mime_type="audio/L16;codec=pcm;rate=16000"):
        return {"inlineData": {"mimeType": mime_type, "data": base64.b64encode(data).decode()}}

    def test_pcm_becomes_a_wav_file(self):
        body = answer(self.sound(self.PCM[:4]), self.sound(self.PCM[4:]))
        said = message(body)
        assert said["content"] is None
        assert (said["audio"]["id"], said["audio"]["expires_at"]) == ("audio_1", STAMP.created)
        with wave.open(io.BytesIO(base64.b64decode(said["audio"]["data"]))) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
            assert file.readframes(99) == self.PCM
        assert notes_of(translate_answer(body)[1])["candidates[0].content.parts[0].inlineData"] == "approximated"

    def test_pcm_stays_pcm_where_the_client_wants_it(self):
        at = context(audio={"format": "pcm16"})
        choice = both(answer(self.sound(self.PCM[:4]), self.sound(self.PCM[4:])), at)
        assert base64.b64decode(choice["message"]["audio"]["data"]) == self.PCM

    def test_other_sounds_come_as_they_are(self):
        body = answer({"text": "words"}, self.sound(b"ID3", "audio/mpeg"))
        said = both(body)["message"]
        assert (said["content"], said["audio"]["transcript"]) == ("words", "words")
        assert base64.b64decode(said["audio"]["data"]) == b"ID3"
        assert "audio/mpeg" in translate_answer(body)[1][0].reason

    def test_url_safe_base64_without_padding_is_read(self):
        assert audio.content_of(Blob(data="-_8")) == b"\xfb\xff"
        assert audio.content_of(Blob()) == b""

    def test_what_is_no_base64_is_an_error(self):
        broken = {"inlineData": {"mimeType": "audio/pcm", "data": "é"}}
        assert error(answer(broken)).code == "malformed_response"

    def test_a_type_without_a_rate_is_24_khz(self):
        assert audio.rate_of("audio/pcm") == audio.DEFAULT_RATE
        assert "without a type" in audio.note_on_type(Blob(), "p", samples=False).reason


class TestExtras:
    def test_several_values_of_a_stream_are_joined_or_noted(self):
        events = [
            answer({"text": "a"}, finish=None, citationMetadata={"citations": [{"uri": "1"}]}, groundingMetadata={}),
            answer(
                {"text": "b"},
                citationMetadata={"citations": [{"uri": "2"}]},
                groundingMetadata={"webSearchQueries": ["q"]},
            ),
            {"candidates": [{"safetyRatings": [1], "avgLogprobs": -1.0}], "createTime": "1"},
            {"candidates": [{"safetyRatings": [2], "avgLogprobs": -2.0}], "createTime": "2"},
            {
                "candidates": [{"safetyRatings": [2], "groundingMetadata": {"webSearchQueries": ["r"]}}],
                "createTime": "2",
            },
        ]
        chunks, notes, _ = stream_answer(events)
        said = google(join_chunks(chunks)["choices"][0]["message"])
        assert said == {
            "citation_metadata": {"citations": [{"uri": "1"}, {"uri": "2"}]},
            "grounding_metadata": {"webSearchQueries": ["r"]},
            "safety_ratings": [2],
            "avg_logprobs": -2.0,
            "create_time": "2",
        }
        assert notes_of(notes) == {
            "candidates[0].safetyRatings": "approximated",
            "createTime": "approximated",
            "candidates[0].groundingMetadata": "approximated",
        }

    def test_unknown_fields_are_passed_on(self):
        body = answer({"text": "a"}, score=0.5) | {"turnToken": "t", "usageMetadata": {"new": 1}}
        expected = {"turnToken": "t", "candidates[0].score": 0.5, "usageMetadata.new": 1}
        assert google(both(body)["message"])["unknown"] == expected
        assert notes_of(translate_answer(body)[1]) == dict.fromkeys(expected, "approximated")

    def test_an_unknown_field_that_changes_in_a_stream_is_noted(self):
        one = answer({"text": "a"}, finish=None) | {"turnToken": "1", "usageMetadata": {"new": 1}}
        two = answer({"text": "b"}) | {"turnToken": "2", "usageMetadata": {"new": 2}}
        chunks, notes, _ = stream_answer([one, one, two])
        assert google(join_chunks(chunks)["choices"][0]["message"])["unknown"] == {
            "turnToken": "2",
            "usageMetadata.new": 2,
        }
        reason = "told several times: the last one is passed on"
        assert Note("turnToken", Fate.DROPPED, "stream-value-replaced", reason) in notes

    def test_the_model_is_the_one_that_answers_and_does_not_change(self):
        other = {**answer(), "modelVersion": "gemini-x"}
        assert translate_answer(other)[0]["model"] == "gemini-x"
        assert translate_answer({"candidates": [{"finishReason": "STOP"}]})[0]["model"] == "asked"
        late = [{"candidates": [{"content": {"parts": [{"text": "a"}]}}]}, other]
        chunks = stream_answer(late)[0]
        assert {chunk["model"] for chunk in chunks} == {"asked"}
        assert google(join_chunks(chunks)["choices"][0]["message"]) == {"model_version": "gemini-x"}

    def test_free_form_fields_are_on_one_line(self):
        raw = b'{"candidates":[{"safetyRatings":[\n{"a":\r\n1}],"finishReason":"STOP"}],"modelStatus":{\n"x":1}}'
        response = msgspec.json.decode(raw, type=type(read({})[0]))
        said = extras.from_candidate(response.candidates[0]) | extras.from_response(
            response, {"u": msgspec.Raw(b"[\n1]")}, None
        )
        assert b"\n" not in msgspec.json.encode(said)


class TestSignatures:
    def test_the_first_call_of_several_equal_ones_keeps_its_own_signature(self):
        issued = translate_answer(answer({**CALL, "thoughtSignature": SIGNATURE}, CALL, CALL))[2]
        by_id = [one.signature.value for one in issued if not one.by_words]
        by_words = [call.value for one in issued if one.by_words for call in one.signature.calls]
        assert by_id == by_words == [SIGNATURE]

    def test_a_call_with_nothing_to_remember_is_not_stored(self):
        assert [one.signature for one in translate_answer(answer(CALL))[2]] == [NOTHING]

    def test_geminis_own_id_is_stored(self):
        body = answer({"functionCall": {"name": "f", "id": "own"}})
        assert {one.signature.id for one in translate_answer(body)[2] if not one.by_words} == {"own"}

    def test_the_parts_are_stored_with_the_first_call(self):
        body = answer({"executableCode": {"code": "1"}}, CALL, {"functionCall": {"name": "g"}})
        first, *_ = translate_answer(body)[2]
        assert len(json.loads(bytes(first.signature.parts))) == 3

    def test_a_texts_signature_is_stored_and_sent(self):
        body = answer({"text": "a"}, {"text": "", "thoughtSignature": SIGNATURE})
        assert google(both(body)["message"]) == {"thought_signature": SIGNATURE}
        assert [one.signature.value for one in translate_answer(body)[2]] == [SIGNATURE]

    @pytest.mark.parametrize(
        ("parts", "needed"),
        [
            ([{"text": "a"}, PNG, CALL], False),
            ([CALL, {"text": "a"}], True),
            ([{"text": "a", "thoughtSignature": SIGNATURE}, {"text": "b"}], True),
            ([{"text": "", "thoughtSignature": SIGNATURE}, CALL], True),
            ([CALL, {"text": "", "thoughtSignature": SIGNATURE}], True),
            ([{"text": "a", "thought": True}, {"text": "b"}], False),
            ([{"text": "a", "thought": True, "thoughtSignature": SIGNATURE}, {"text": "b"}], True),
            ([{"text": "a"}, {"text": ""}], False),
        ],
    )
    def test_the_parts_travel_where_openais_shape_loses_some(self, parts, needed):
        said = both(answer(*parts))["message"]
        assert ("parts" in said.get("extra_content", {}).get("google", {})) is needed


FULL = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "thought-1", "thought": True},
                    {"text": "text-1", "videoMetadata": {"v": "side-1"}, "mediaResolution": {"level": "side-2"}},
                    {"functionCall": {"name": "f", "id": "id-1", "args": {"a": "args-1"}}, "thoughtSignature": "sig-1"},
                    {"inlineData": {"mimeType": "image/x-1", "data": "ZGF0YTE=", "displayName": "name-1"}},
                    {"fileData": {"mimeType": "mime-2", "fileUri": "uri-2"}},
                    {"functionResponse": {"id": "id-3", "name": "name-3", "response": {"r": "response-3"}}},
                    {"executableCode": {"code": "code-4"}},
                    {"codeExecutionResult": {"output": "output-5"}},
                    {"toolCall": {"id": "id-6"}},
                    {"toolResponse": {"id": "id-7"}, "partMetadata": {"p": "side-7"}},
                    {"audioTranscription": {"text": "transcription-8"}},
                    {"speechMetadata": {"s": "side-9"}},
                ],
            },
            "finishReason": "SAFETY",
            "finishMessage": "finish-1",
            "safetyRatings": [{"category": "rating-1"}],
            "citationMetadata": {"citations": [{"uri": "citation-1"}]},
            "tokenCount": 101,
            "groundingMetadata": {"webSearchQueries": ["query-1"]},
            "groundingAttributions": [{"a": "attribution-1"}],
            "avgLogprobs": -0.25,
            "urlContextMetadata": {"u": "url-1"},
            "continuationToken": "token-1",
            "logprobsResult": {"chosenCandidates": [{"token": "chosen-1"}], "logProbabilitySum": -7.5},
            "new": "unknown-1",
        }
    ],
    "promptFeedback": {"blockReason": "BLOCK_REASON_UNSPECIFIED", "safetyRatings": [{"category": "feedback-1"}]},
    "usageMetadata": {"trafficType": "traffic-1", "promptTokensDetails": [{"modality": "VIDEO", "tokenCount": 103}]},
    "modelVersion": "version-1",
    "responseId": "response-1",
    "modelStatus": {"m": "status-1"},
    "createTime": "time-1",
    "also": {"new": "unknown-2"},
}  # fmt: skip


def test_no_leaf_of_an_answer_that_says_everything_is_lost():
    constant = {"candidates[].content.role", "candidates[].content.parts[].thought"}
    completion, notes, issued = translate_answer(FULL)
    stored = [json.loads(msgspec.json.encode(record)) for _, record, _ in issued]
    assert lost_leaves(FULL, Output(completion, stored), notes, constant) == []
    chunks, notes, issued = stream_answer([FULL])
    stored = [json.loads(msgspec.json.encode(record)) for _, record, _ in issued]
    assert lost_leaves(FULL, Output(join_chunks(chunks), stored), notes, constant, merged=True) == []


HELD = {
    "text": "said",
    "inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="},
    "fileData": {"fileUri": "files/a"},
    "functionCall": {"name": "f", "args": {}},
    "executableCode": {"language": "PYTHON", "code": "1"},
}


@pytest.mark.parametrize("names", list(combinations(HELD, 2)), ids=" and ".join)
def test_a_part_that_holds_two_things_loses_neither(names):
    body = answer({**{name: HELD[name] for name in names}, "thoughtSignature": "U0lH"})
    choice = both(body)
    message = choice["message"]
    seen = json.dumps(message)
    marks = {"text": "said", "inlineData": "iVBORw0KGgo=", "fileData": "files/a", "functionCall": "call_"}
    assert all(marks.get(name, "executableCode") in seen for name in names)
    assert choice["finish_reason"] == ("tool_calls" if "functionCall" in names else "stop")
