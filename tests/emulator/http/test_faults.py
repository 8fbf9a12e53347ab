"""Every fault that a model name can ask for, over a real socket."""

import json
from typing import Any

import httpx2 as httpx
import pytest

from adapter.emulator.http import faults
from adapter.emulator.http.faults import FAULTS, FINISH_REASONS, split_model
from tests.emulator.asking import CLOCK, MODEL, WEATHER, request

KEY = {"x-goog-api-key": "any"}
ASK = request("tell me a tale of größe")
SLOW = ("stall", "hang")
CUT = ("cut", "cut-event")


def ask(live: str, fault: str, body: Any = ASK, model: str = MODEL) -> httpx.Response:
    return httpx.post(f"{live}/v1beta/models/{model}+fault-{fault}:generateContent", json=body, headers=KEY)


def stream(live: str, fault: str, body: Any = ASK, query: str = "?alt=sse") -> httpx.Response:
    url = f"{live}/v1beta/models/{MODEL}+fault-{fault}:streamGenerateContent{query}"
    return httpx.post(url, json=body, headers=KEY)


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    lines = [line for line in answer.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def receive(url: str, into: bytearray) -> None:
    with httpx.stream("POST", url, json=ASK, headers=KEY) as answer:
        for piece in answer.iter_raw():
            into += piece


def text_of(found: list[dict[str, Any]]) -> str:
    candidates = [candidate for chunk in found for candidate in chunk.get("candidates", [])]
    return "".join(
        part.get("text", "") for candidate in candidates for part in candidate.get("content", {}).get("parts", [])
    )


def test_every_fault_is_in_the_table_of_the_module() -> None:
    for name in set(FAULTS) - {reason.lower().replace("_", "-") for reason in FINISH_REASONS}:
        assert f"`{name}`" in str(faults.__doc__)


def test_a_fault_does_not_change_which_model_it_is(live: str) -> None:
    assert split_model(f"{MODEL}+fault-safety") == (MODEL, FAULTS["safety"])
    assert split_model(f"{MODEL}+fault-nonsense") == (f"{MODEL}+fault-nonsense", None)
    assert ask(live, "safety").json()["modelVersion"] == MODEL
    assert ask(live, "nonsense").status_code == 404


def test_requests_are_checked_before_they_fail(live: str) -> None:
    assert ask(live, "safety", {"contents": []}).status_code == 400
    assert ask(live, "503", {"wrong": []}).status_code == 400


@pytest.mark.parametrize("name", sorted(set(FAULTS) - set(SLOW)))
def test_every_fault_answers_something(live: str, name: str) -> None:
    for answering in (ask, stream):
        try:
            assert answering(live, name).status_code in {200, 400, 404, 429, 499, 500, 502, 503, 504}
        except httpx.RemoteProtocolError:
            assert name in CUT


@pytest.mark.parametrize("reason", sorted(set(FINISH_REASONS) - {"CONTINUATION"}))
def test_a_finish_reason_comes_alone_or_after_half_of_the_text(live: str, reason: str) -> None:
    name = reason.lower().replace("_", "-")
    candidate = ask(live, name).json()["candidates"][0]
    assert candidate["finishReason"] == reason
    assert "content" not in candidate
    found = events(stream(live, name))
    assert found[-1]["candidates"][0]["finishReason"] == reason
    assert "content" not in found[-1]["candidates"][0]
    assert 0 < len(text_of(found)) < len(text_of(events(stream(live, "late-usage"))))


@pytest.mark.parametrize("answering", [ask, stream])
@pytest.mark.parametrize(("fault", "calls"), [("continuation", 2), ("continuation-4", 4)])
def test_the_parts_of_an_answer_are_the_whole_and_count_their_own_tokens(
    live: str, answering: Any, fault: str, calls: int
) -> None:
    body: dict[str, Any] = dict(ASK)
    parts: list[dict[str, Any]] = []
    spent = 0
    for number in range(calls):
        answer = answering(live, fault, body)
        found = events(answer) if answering is stream else [answer.json()]
        last = found[-1]["candidates"][0]
        assert last["finishReason"] == ("CONTINUATION" if number + 1 < calls else "STOP")
        body["continuationToken"] = last.get("continuationToken")
        parts += found
        spent += found[-1]["usageMetadata"].get("candidatesTokenCount", 0)
    once = ask(live, "late-usage").json()
    assert text_of(parts) == text_of([once])
    assert spent == once["usageMetadata"]["candidatesTokenCount"]


def test_a_short_answer_in_parts_has_parts_that_say_nothing(live: str) -> None:
    body = request("hi") | {"generationConfig": {"maxOutputTokens": 1}}
    answer = ask(live, "continuation-4", body).json()["candidates"][0]
    assert answer["content"] == {"role": "model"}
    assert answer["finishReason"] == "CONTINUATION"


def test_only_tokens_that_were_given_are_taken(live: str) -> None:
    assert ask(live, "continuation", ASK | {"continuationToken": "YQ=="}).status_code == 400
    assert ask(live, "continuation-lost", ASK | {"continuationToken": "cGFydCAx"}).status_code == 503


def test_a_stuck_answer_gives_the_same_token_again(live: str) -> None:
    first = ask(live, "continuation-stuck").json()["candidates"][0]
    second = ask(live, "continuation-stuck", ASK | {"continuationToken": first["continuationToken"]}).json()
    assert second["candidates"][0]["continuationToken"] == first["continuationToken"]
    assert text_of([second]) not in ("", text_of([{"candidates": [first]}]))


@pytest.mark.parametrize("answering", [ask, stream])
def test_a_leaked_thought_stands_before_the_text_and_not_before_calls(live: str, answering: Any) -> None:
    found = answering(live, "leaked-thought")
    assert text_of(events(found) if answering is stream else [found.json()]).startswith("THOUGHT: What")
    calls = request("what is the weather?") | {"tools": [{"functionDeclarations": [WEATHER]}]}
    found = answering(live, "leaked-thought", calls)
    assert "THOUGHT" not in found.text


def test_a_blocked_prompt_has_no_candidates(live: str) -> None:
    for answer in (ask(live, "blocked").json(), events(stream(live, "blocked"))[0]):
        assert "candidates" not in answer
        assert answer["promptFeedback"] == {"blockReason": "SAFETY"}
        assert set(answer["usageMetadata"]) == {"promptTokenCount", "totalTokenCount"}
    assert len(events(stream(live, "blocked-other"))) == 1


def test_odd_bodies(live: str) -> None:
    assert "candidates" not in ask(live, "no-candidates").json()
    assert ask(live, "empty-candidates").json()["candidates"] == []
    assert ask(live, "empty-candidate").json()["candidates"] == [{}]
    assert ask(live, "empty-content").json()["candidates"][0]["content"] == {}
    assert ask(live, "no-parts").json()["candidates"][0]["content"] == {"role": "model"}
    assert ask(live, "empty-part").json()["candidates"][0]["content"]["parts"] == [{}]
    assert ask(live, "unknown-finish").json()["candidates"][0]["finishReason"] == "REASON_OF_THE_FUTURE"
    assert ask(live, "not-json").text == "This is not JSON."
    assert len(ask(live, "big-signature").content) > 1_000_000


def test_usage_may_be_missing_or_late(live: str) -> None:
    assert "usageMetadata" not in ask(live, "no-usage").json()
    found = ["usageMetadata" in chunk for chunk in events(stream(live, "late-usage"))]
    assert found == [False] * (len(found) - 1) + [True]


@pytest.mark.parametrize(
    ("name", "code", "status"),
    [
        ("400", 400, "INVALID_ARGUMENT"),
        ("429", 429, "RESOURCE_EXHAUSTED"),
        ("429-day", 429, "RESOURCE_EXHAUSTED"),
        ("429-bare", 429, "RESOURCE_EXHAUSTED"),
        ("499", 499, "CANCELLED"),
        ("500", 500, "INTERNAL"),
        ("503", 503, "UNAVAILABLE"),
        ("504", 504, "DEADLINE_EXCEEDED"),
    ],
)
def test_errors_come_instead_of_an_answer(live: str, name: str, code: int, status: str) -> None:
    for answer in (ask(live, name), stream(live, name)):
        assert answer.status_code == code
        assert answer.json()["error"]["status"] == status


def test_quota_errors_say_when_to_come_back(live: str) -> None:
    details = {entry["@type"].rpartition(".")[2]: entry for entry in ask(live, "429").json()["error"]["details"]}
    assert details["RetryInfo"]["retryDelay"] == "2s"
    assert "PerMinute" in details["QuotaFailure"]["violations"][0]["quotaId"]
    assert "PerDay" in ask(live, "429-day").text
    assert "details" not in ask(live, "429-bare").json()["error"]


def test_pages_and_arrays(live: str) -> None:
    assert ask(live, "html-502").status_code == 502
    assert ask(live, "html-502").headers["content-type"].startswith("text/html")
    assert ask(live, "array-error").json()[0]["error"]["code"] == 429


def test_an_error_after_half_of_a_stream(live: str) -> None:
    bare = stream(live, "tail-error")
    assert bare.status_code == 200
    assert events(bare)
    assert json.loads(bare.text.split("\r\n\r\n")[-1])["error"]["status"] == "CANCELLED"
    assert events(stream(live, "tail-event"))[-1]["error"]["code"] == 503


def test_a_stream_may_end_without_a_reason(live: str) -> None:
    found = events(stream(live, "no-finish"))
    assert found
    assert not any("finishReason" in chunk["candidates"][0] for chunk in found)


@pytest.mark.parametrize("name", CUT)
def test_a_connection_may_be_lost(live: str, name: str) -> None:
    url = f"{live}/v1beta/models/{MODEL}+fault-{name}:streamGenerateContent?alt=sse"
    received = bytearray()
    with pytest.raises(httpx.RemoteProtocolError):
        receive(url, received)
    assert received.startswith(b"data: {")
    assert received.endswith(b"\r\n\r\n") is (name == "cut")
    with pytest.raises(httpx.RemoteProtocolError):
        ask(live, name)


@pytest.mark.parametrize("name", ["bytes", "split-utf8", "split-crlf", "one-write", "comments"])
def test_splits_do_not_change_what_is_said(live: str, name: str) -> None:
    assert text_of(events(stream(live, name))) == text_of(events(stream(live, "late-usage")))
    assert (": still here" in stream(live, name).text) is (name == "comments")


def test_parallel_calls_may_come_apart(live: str) -> None:
    body = request("get_time get_weather", functions=[CLOCK, WEATHER])
    assert [len(chunk["candidates"][0]["content"]["parts"]) for chunk in events(stream(live, "calls-apart", body))] == [
        1,
        1,
        1,
    ]
