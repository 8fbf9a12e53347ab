"""Streams: what each chunk says, how it is framed, and that it leaves before the next one is made."""

import json
import threading
from typing import Any

import httpx2 as httpx
import pytest

from adapter.emulator import EmulatorSettings
from adapter.emulator.core.models import models
from adapter.emulator.http.wire_form import chunks, one_line
from adapter.emulator.service import generate
from tests.emulator.asking import CLOCK, MODEL, WEATHER, ask, calls, parts, request, stream

KEY = {"x-goog-api-key": "any"}
TEXT_MODELS = [MODEL, "gemini-2.5-flash", "gemini-2.0-flash"]


def finishes(found: list[dict[str, Any]]) -> list[str | None]:
    return [chunk["candidates"][0].get("finishReason") for chunk in found]


@pytest.mark.parametrize("model", TEXT_MODELS)
def test_the_pieces_of_a_text_join_to_the_whole(model: str) -> None:
    body = request("hello, how are you?", generationConfig={"thinkingConfig": {}})
    pieces = [part.get("text", "") for chunk in stream(body, model) for part in parts(chunk)]
    assert len(pieces) > 3
    assert "".join(pieces) == "".join(part["text"] for part in parts(ask(body, model)))


@pytest.mark.parametrize("model", TEXT_MODELS)
def test_only_the_last_chunk_finishes_and_all_have_the_same_id(model: str) -> None:
    found = stream(request("hello, how are you?"), model)
    assert finishes(found) == [None] * (len(found) - 1) + ["STOP"]
    assert len({chunk["responseId"] for chunk in found}) == 1
    assert {chunk["modelVersion"] for chunk in found} == {model}


def test_a_text_of_gemini_3_ends_with_an_empty_signed_part() -> None:
    last = stream(request("hello"))[-1]["candidates"][0]
    assert last["content"]["parts"][0]["text"] == ""
    assert last["content"]["parts"][0]["thoughtSignature"]


def test_a_text_of_gemini_2_5_ends_with_its_last_piece() -> None:
    assert parts(stream(request("hello"), "gemini-2.5-flash")[-1])[0]["text"]


def test_calls_of_gemini_3_are_followed_by_an_empty_text() -> None:
    first, last = stream(request("get_time get_weather", functions=[CLOCK, WEATHER]))
    assert [one["name"] for one in calls(first)] == ["get_time", "get_weather"]
    assert ["thoughtSignature" in part for part in parts(first)] == [True, False]
    assert "finishReason" not in first["candidates"][0]
    assert last["candidates"][0]["content"] == {"parts": [{"text": ""}], "role": "model"}
    assert last["candidates"][0]["finishReason"] == "STOP"
    assert "finishMessage" not in last["candidates"][0]


def test_a_call_of_gemini_2_5_carries_the_finish_reason() -> None:
    (only,) = stream(request("get_time", functions=[CLOCK]), "gemini-2.5-flash")
    assert calls(only)
    assert finishes([only]) == ["STOP"]


def test_thoughts_come_before_the_answer_in_pieces() -> None:
    body = request("hello", generationConfig={"thinkingConfig": {"includeThoughts": True}})
    thought = [bool(part.get("thought")) for chunk in stream(body) for part in parts(chunk)]
    assert thought == sorted(thought, reverse=True)
    assert sum(thought) > 1


@pytest.mark.parametrize("model", TEXT_MODELS)
def test_usage_grows_and_ends_as_in_the_whole(model: str) -> None:
    body = request("hello, how are you?")
    counts = [chunk["usageMetadata"] for chunk in stream(body, model)]
    said = [usage["candidatesTokenCount"] for usage in counts]
    assert said == sorted(said)
    assert said[0] < said[-1]
    assert counts[-1] == ask(body, model)["usageMetadata"]


def test_thinking_that_uses_up_all_tokens_is_one_chunk_without_parts() -> None:
    (only,) = stream(request("hi", generationConfig={"maxOutputTokens": 5}), "gemini-2.5-flash")
    assert only["candidates"][0] == {"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}
    assert "candidatesTokenCount" not in only["usageMetadata"]


def test_each_candidate_finishes() -> None:
    found = stream(request("hi", generationConfig={"candidateCount": 2}), "gemini-2.5-flash")
    ends = [chunk["candidates"][0]["index"] for chunk in found if chunk["candidates"][0].get("finishReason")]
    assert ends == [0, 1]


def test_logprobs_are_not_streamed() -> None:
    with pytest.raises(Exception, match="LogProbs is not supported in streaming mode"):
        stream(request("hi", generationConfig={"responseLogprobs": True}), "gemini-2.0-flash")


def test_one_line_is_written_as_the_server_writes_it() -> None:
    line = one_line({"a": "<b>: c, é", "d": [1, {"e": "f\n"}]})
    assert line.decode() == '{"a": "\\u003cb\\u003e: c, é","d": [1,{"e": "f\\n"}]}'


def test_chunks_are_made_one_at_a_time() -> None:
    made = chunks(generate(request("hello"), models()[MODEL], EmulatorSettings()).reply)
    assert next(made)["candidates"]
    assert next(made)["candidates"]


def test_events_are_framed_as_google_frames_them(live: str) -> None:
    url = f"{live}/v1beta/models/{MODEL}:streamGenerateContent?alt=sse"
    answer = httpx.post(url, json=request("hello"), headers=KEY)
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["x-gemini-service-tier"] == "standard"
    frames = answer.content.split(b"\r\n\r\n")
    assert frames.pop() == b""
    assert all(frame.startswith(b'data: {"candidates": [{"content": ') and b"\n" not in frame for frame in frames)
    assert b"[DONE]" not in answer.content


def test_without_alt_it_is_an_array(live: str) -> None:
    answer = httpx.post(f"{live}/v1beta/models/{MODEL}:streamGenerateContent", json=request("hello"), headers=KEY)
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    assert answer.text.startswith("[{\n")
    assert "\n}\n,\r\n{\n" in answer.text
    assert finishes(answer.json())[-1] == "STOP"


def test_the_client_has_the_first_chunk_before_the_last_is_made(slow: str) -> None:
    url = f"{slow}/v1beta/models/{MODEL}:streamGenerateContent?alt=sse"
    with httpx.stream("POST", url, json=request("write 30 words"), headers=KEY) as answer:
        lines = answer.iter_lines()
        first = json.loads(next(lines).removeprefix("data: "))
        during = httpx.get(f"{slow}/emulator/stats").json()
        rest = [line for line in lines if line]
    after = httpx.get(f"{slow}/emulator/stats").json()
    assert "finishReason" not in first["candidates"][0]
    assert during["open_streams"] == 1
    assert during["chunks"] < after["chunks"] == len(rest) + 1
    assert after["open_streams"] == 0


def test_a_client_that_leaves_ends_the_stream(slow: str) -> None:
    url = f"{slow}/v1beta/models/{MODEL}:streamGenerateContent?alt=sse"
    with httpx.stream("POST", url, json=request("write 3000 words"), headers=KEY) as answer:
        next(answer.iter_lines())
    waiting = threading.Event()
    for _ in range(50):
        if httpx.get(f"{slow}/emulator/stats").json()["open_streams"] == 0:
            break
        waiting.wait(0.1)
    assert httpx.get(f"{slow}/emulator/stats").json()["open_streams"] == 0
