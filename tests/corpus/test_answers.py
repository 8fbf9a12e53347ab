"""Recorded answers of Gemini, whole and streamed, as OpenAI's."""

import json
import random

import msgspec
import pytest

from adapter.translate.answer.completion import from_gemini
from adapter.translate.core.errors import AnswerError
from adapter.upstream.sse import EventDecoder
from adapter.wire.base import encode
from tests.corpus.answers import answers, completion_of, context_of, read, stream_of, whole_of
from tests.support.answering import STAMP, Object
from tests.support.joiner import check_rules, comparable, join_chunks
from tests.support.leaves import Output, lost_leaves
from tests.support.oracles import check_chunks, check_completion
from tests.support.recordings import RECORDED, Recording, compare, exceptions, gemini_answers

CONSTANT = {
    "candidates[].content.role": "always `model`; OpenAI's is `assistant`",
    "candidates[].index": "the index of the choice",
    "candidates[].finishReason": "mapped by a table; all but STOP and MAX_TOKENS are in extra_content too",
    "candidates[].content.parts[].thought": "such parts are reasoning_content",
    "candidates[].content.parts[].functionCall.willContinue": "pieces of a call are joined",
    "candidates[].content.parts[].functionCall.partialArgs[].willContinue": "pieces of a text are joined",
    "candidates[].content.parts[].functionCall.partialArgs[].jsonPath": "where the piece stands in the arguments",
    "usageMetadata": "counts are summed, and in a stream only the last ones hold; checked by test_usage_adds_up",
}
"""Paths whose values may be absent from the output without a note, and why."""


def test_integer_enums_are_refused_and_not_misread(count):
    """Only clients that ask for them get them; the adapter does not."""
    for recording in gemini_answers():
        if recording.integer_enums:
            count(recording.fidelity)
            with pytest.raises(msgspec.ValidationError):
                _ = [read(event) for event in recording.events()]


def failure_of(recording: Recording) -> str:
    """Why an answer is none; raises for everything that is not argued: a wrong shape, or an AnswerError."""
    try:
        if recording.is_stream:
            chunks = stream_of(recording, list(recording.events())).chunks
            check_rules(chunks, usage=True)
            check_chunks(chunks)
        else:
            completion, _, _ = from_gemini(*whole_of(recording))
            check_completion(json.loads(encode(completion)))
    except (AnswerError, msgspec.ValidationError) as error:
        return f"{type(error).__name__} {getattr(error, 'code', '')}: {error}"
    return ""


@pytest.mark.parametrize("streamed", [False, True])
def test_every_answer_is_one_that_openai_types_take_or_a_named_error(streamed, count):
    failures = {}
    for recording in answers(streamed=streamed):
        failure = failure_of(recording)
        count(f"{recording.fidelity} {'failed' if failure else 'translated'}")
        if failure:
            failures[recording.id] = failure
    compare(f"answers.{'streamed' if streamed else 'whole'}", failures)


@pytest.mark.parametrize("streamed", [False, True])
def test_nothing_of_an_answer_is_lost_without_a_note(streamed, count):
    assert len(CONSTANT) <= 20
    failures = {}
    known = exceptions(f"answers.{'streamed' if streamed else 'whole'}")
    for recording in answers(streamed=streamed):
        if recording.id in known:
            continue
        events = list(recording.events())
        if streamed:
            chunks, notes, issued = stream_of(recording, events)
            answer = join_chunks(chunks)
        else:
            completion, notes, issued = from_gemini(*whole_of(recording))
            answer = json.loads(encode(completion))
        output = Output(answer, [json.loads(encode(one.signature)) for one in issued])
        gone = sorted(
            {path for event in events for path in lost_leaves(event, output, notes, CONSTANT, merged=streamed)}
        )
        count("all there" if not gone else "lost")
        if gone:
            failures[recording.id] = ", ".join(gone)
    compare("answers.lost", failures)


def joined_by_hand(events: list[Object]) -> Object:
    """The whole answer that a stream's events amount to."""
    whole: Object = {"candidates": []}
    for event in events:
        whole |= {name: value for name, value in event.items() if name != "candidates"}
        for position, candidate in enumerate(event.get("candidates", [])):
            index = candidate.get("index", position)
            while len(whole["candidates"]) <= index:
                whole["candidates"].append({"index": len(whole["candidates"]), "content": {"parts": []}})
            target = whole["candidates"][index]
            target["content"]["parts"] += candidate.get("content", {}).get("parts", [])
            _add_said(target, candidate)
    return whole


def _add_said(target: Object, candidate: Object) -> None:
    for name, value in candidate.items():
        if name == "citationMetadata" and name in target:
            target[name] = {key: target[name].get(key, []) + items for key, items in value.items()}
        elif name not in ("content", "index"):
            target[name] = {**target.get(name, {}), **value} if isinstance(value, dict) else value


def test_a_stream_says_what_its_joined_events_say(count):
    failures = {}
    for recording in answers(streamed=True):
        events = list(recording.events())
        if recording.id in exceptions("answers.streamed"):
            continue
        count(recording.fidelity)
        chunks = stream_of(recording, events).chunks
        response, unknown = read(joined_by_hand(events))
        completion, _, _ = from_gemini(response, context_of(recording), STAMP, unknown)
        ours, theirs = join_chunks(chunks), comparable(json.loads(encode(completion)))
        if theirs["usage"] is None:
            assert ours["usage"]["total_tokens"] == 0
            ours["usage"] = None
        for choice in (*ours["choices"], *theirs["choices"]):
            choice["message"].get("extra_content", {"google": {}})["google"].pop("unknown", None)
        if ours != theirs:
            failures[recording.id] = first_difference(ours, theirs)
    compare("answers.joined", failures)


def first_difference(ours: object, theirs: object, path: str = "") -> str:
    """The first difference between two answers."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
        return first_difference(ours.get(names[0]), theirs.get(names[0]), f"{path}.{names[0]}")
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        at = next(i for i, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1])
        return first_difference(ours[at], theirs[at], f"{path}[{at}]")
    return f"{path}: {str(ours)[:200]!r} and {str(theirs)[:200]!r}"


def test_bytes_cut_anywhere_are_the_same_events(count):
    """The network cuts a stream anywhere: inside a character, between CR and LF, after each byte."""
    chance = random.Random(20261124)
    for recording in answers(streamed=True):
        if recording.sse is None or "\n{" in recording.sse.replace("\r", ""):
            continue
        data = recording.sse.encode()
        expected = list(recording.events())
        for _ in range(2):
            cuts = sorted({chance.randrange(1, len(data)) for _ in range(chance.randrange(40))})
            pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
            decoder = EventDecoder(2**26)
            payloads = [payload for piece in pieces for payload in decoder.feed(piece)] + decoder.close()
            assert [json.loads(payload) for payload in payloads] == expected, recording.id
            count("streams cut")


def recordings_to_check() -> list[Recording]:
    known = {**exceptions("answers.streamed"), **exceptions("answers.whole")}
    return [one for flag in (False, True) for one in answers(streamed=flag) if one.id not in known]


def test_usage_adds_up_and_is_that_of_the_last_event(count):
    """Totals: total = prompt + candidates + tool use + thoughts in all recordings that have prompt and total."""
    for recording in recordings_to_check():
        told = [event["usageMetadata"] for event in recording.events() if event.get("usageMetadata")]
        if not told or recording.fidelity not in RECORDED:
            continue
        last, usage = told[-1], completion_of(recording)["usage"]
        count("answers with usage")
        if "totalTokenCount" in last:
            assert usage["total_tokens"] == last["totalTokenCount"], recording.id
        thoughts = last.get("thoughtsTokenCount", 0)
        assert usage["completion_tokens"] == last.get("candidatesTokenCount", 0) + thoughts, recording.id
        assert usage["completion_tokens_details"]["reasoning_tokens"] == thoughts
        assert usage["prompt_tokens_details"]["cached_tokens"] == last.get("cachedContentTokenCount", 0)


def test_text_thoughts_and_calls_go_where_they_belong(count):
    for recording in recordings_to_check():
        parts = [
            part
            for event in recording.events()
            for candidate in event.get("candidates", [])
            for part in candidate.get("content", {}).get("parts", [])
        ]
        choices = completion_of(recording)["choices"]
        texts = ["".join(choice["message"].get("content", "") for choice in choices)]
        assert texts == ["".join(part.get("text", "") for part in parts if not part.get("thought"))], recording.id
        thoughts = "".join(choice["message"].get("reasoning_content", "") for choice in choices)
        assert thoughts == "".join(part.get("text", "") for part in parts if part.get("thought")), recording.id
        for choice in choices:
            calls = choice["message"].get("tool_calls", [])
            assert (choice["finish_reason"] == "tool_calls") is bool(calls), recording.id
            assert all(isinstance(json.loads(call["function"]["arguments"]), dict) for call in calls), recording.id
            count("choices")
