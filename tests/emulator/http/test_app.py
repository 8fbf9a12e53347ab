"""Paths, keys, headers, model lists and counters."""

import datetime
from collections.abc import Callable, Iterator
from typing import Any

import httpx2 as httpx
import pytest

from adapter.emulator import EmulatorSettings
from adapter.emulator.core.models import models
from tests.emulator.asking import MODEL, call, model_content, request, result, user
from tests.emulator.serving import serve

KEY = {"x-goog-api-key": "any"}
JSON = "application/json; charset=UTF-8"


@pytest.fixture(scope="module")
def strict() -> Iterator[str]:
    """One with known keys, and a small limit."""
    yield from serve(EmulatorSettings(api_keys=frozenset({"good"}), max_body=10_000))


@pytest.fixture(scope="module")
def relay() -> Iterator[str]:
    """One that takes keys as tokens."""
    yield from serve(EmulatorSettings(api_keys=frozenset({"good"}), relay=True))


def post(url: str, body: Any = None, headers: dict[str, str] | None = None, model: str = MODEL) -> httpx.Response:
    return httpx.post(
        f"{url}/v1beta/models/{model}:generateContent",
        json=request("hi") if body is None else body,
        headers=KEY if headers is None else headers,
    )


def error(answer: httpx.Response) -> tuple[int, str, str]:
    found = answer.json()["error"]
    assert found["code"] == answer.status_code
    return found["code"], found["status"], found["message"]


def test_no_key_is_an_unregistered_caller(live: str) -> None:
    code, status, message = error(post(live, headers={}))
    assert (code, status) == (403, "PERMISSION_DENIED")
    assert message.startswith("Method doesn't allow unregistered callers")


def test_an_unknown_key_is_a_400(strict: str) -> None:
    answer = post(strict, headers={"x-goog-api-key": "bad"})
    assert error(answer) == (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.")
    assert answer.json()["error"]["details"][0]["reason"] == "API_KEY_INVALID"


def test_a_key_may_be_in_the_query(strict: str) -> None:
    url = f"{strict}/v1beta/models/{MODEL}:generateContent?key=good"
    assert httpx.post(url, json=request("hi")).status_code == 200


def test_a_key_as_a_token_is_refused_by_google_and_taken_by_a_relay(strict: str, relay: str) -> None:
    token = {"authorization": "Bearer good"}
    assert error(post(strict, headers=token))[:2] == (401, "UNAUTHENTICATED")
    assert post(relay, headers=token).status_code == 200
    assert error(post(relay, headers={"authorization": "Bearer bad"}))[0] == 400


def test_an_oauth_token_is_taken(strict: str) -> None:
    assert post(strict, headers={"authorization": "Bearer ya29.abc"}).status_code == 200


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_both_versions_are_served(live: str, version: str) -> None:
    answer = httpx.post(f"{live}/{version}/models/{MODEL}:generateContent", json=request("hi"), headers=KEY)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == JSON
    assert answer.text.startswith('{\n  "candidates": [')


@pytest.mark.parametrize(
    ("method", "named", "lister"),
    [
        ("generateContent", "generateContent", "ModelService.ListModels"),
        ("streamGenerateContent", "generateContent", "ModelService.ListModels"),
        ("countTokens", "countTokens", "ListModels"),
        ("batchEmbedContents", "embedContent", "ModelService.ListModels"),
    ],
)
def test_an_unknown_model_is_a_404(live: str, method: str, named: str, lister: str) -> None:
    url = f"{live}/v1beta/models/gemini-3.6-flahs:{method}?alt=sse"
    assert error(httpx.post(url, json={}, headers=KEY)) == (
        404,
        "NOT_FOUND",
        f"models/gemini-3.6-flahs is not found for API version v1beta, or is not supported for {named}. "
        f"Call {lister} to see the list of available models and their supported methods.",
    )


def test_an_alias_is_not_there_in_v1(live: str) -> None:
    answer = httpx.post(f"{live}/v1/models/gemini-flash-latest:generateContent", json=request("hi"), headers=KEY)
    assert "for API version v1," in error(answer)[2]


def test_an_embedding_model_does_not_chat(live: str) -> None:
    assert error(post(live, model="gemini-embedding-2"))[0] == 404


def test_a_name_with_a_space_is_no_name(live: str) -> None:
    assert error(post(live, model="bad%20model"))[2] == (
        "* GenerateContentRequest.model: unexpected model name format\n"
    )


@pytest.mark.parametrize("path", ["/", "/v2/models", "/v1beta/nothing", "/v1beta/models/x:fly", "/v1beta/corpora"])
def test_an_unknown_path_is_a_page(live: str, path: str) -> None:
    answer = httpx.post(live + path, json={}, headers=KEY)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_the_wrong_verb_is_a_page(live: str) -> None:
    assert httpx.get(f"{live}/v1beta/models/{MODEL}:generateContent", headers=KEY).status_code == 404
    assert httpx.delete(f"{live}/v1beta/models/{MODEL}", headers=KEY).status_code == 404


def test_broken_json_is_a_400(live: str) -> None:
    url = f"{live}/v1beta/models/{MODEL}:generateContent"
    answer = httpx.post(url, content=b'{"contents": [', headers=KEY)
    assert error(answer)[0] == 400
    assert error(answer)[2].startswith("Invalid JSON payload received.")


def test_a_body_over_the_limit_is_a_400(strict: str) -> None:
    answer = post(strict, request("x" * 20_000), {"x-goog-api-key": "good"})
    assert error(answer)[2] == "Request payload size exceeds the limit: 10000 bytes."


def test_an_error_of_a_stream_is_an_array_unless_events_were_asked_for(live: str) -> None:
    url = f"{live}/v1beta/models/{MODEL}:streamGenerateContent"
    assert httpx.post(url, json={}, headers=KEY).json()[0]["error"]["code"] == 400
    assert httpx.post(f"{url}?alt=sse", json={}, headers=KEY).json()["error"]["code"] == 400


def test_models_are_listed_in_pages(live: str) -> None:
    names: list[str] = []
    token = ""
    while True:
        query = {"pageSize": "7"} | ({"pageToken": token} if token else {})
        page = httpx.get(f"{live}/v1beta/models", params=query, headers=KEY).json()
        assert len(page["models"]) <= 7
        names += [model["name"] for model in page["models"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert names == [f"models/{name}" for name in models()]


def test_one_model_is_shown_with_what_it_can_do(live: str) -> None:
    shown = httpx.get(f"{live}/v1beta/models/gemini-2.5-flash", headers=KEY).json()
    assert shown["name"] == "models/gemini-2.5-flash"
    assert shown["thinking"] is True
    assert "generateContent" in shown["supportedGenerationMethods"]
    assert "thinking" not in httpx.get(f"{live}/v1beta/models/gemini-2.0-flash", headers=KEY).json()
    assert httpx.get(f"{live}/v1beta/models/none", headers=KEY).status_code == 404


def test_tokens_are_counted_for_contents_or_for_a_whole_request(live: str) -> None:
    url = f"{live}/v1beta/models/{MODEL}:countTokens"
    contents = request("four byte")["contents"]
    plain = httpx.post(url, json={"contents": contents}, headers=KEY).json()
    assert plain == {"totalTokens": 3, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 3}]}
    inner = {"model": f"models/{MODEL}", "contents": contents, "systemInstruction": {"parts": [{"text": "Be good."}]}}
    assert httpx.post(url, json={"generateContentRequest": inner}, headers=KEY).json()["totalTokens"] == 5
    both = {"contents": contents, "generateContentRequest": inner}
    assert httpx.post(url, json=both, headers=KEY).status_code == 400
    assert "systemInstruction" in httpx.post(url, json={"systemInstruction": {}}, headers=KEY).text


def test_requests_and_signatures_are_counted_and_kept(slow: str) -> None:
    dummy = call(signature="skip_thought_signature_validator")
    post(slow, request("hi", model_content(dummy), user(result())))
    post(slow, {"contents": []})
    stats = httpx.get(f"{slow}/emulator/stats").json()
    assert (stats["requests"], stats["rejected"], stats["sentinels"]) == (2, 1, 1)
    kept = httpx.get(f"{slow}/emulator/requests").json()
    assert [entry["method"] for entry in kept] == ["generateContent"] * 2
    assert kept[1]["body"] == {"contents": []}
    assert kept[0]["model"] == MODEL


def test_only_the_last_hundred_requests_are_kept(live: str) -> None:
    with httpx.Client(headers=KEY) as client:
        for _ in range(105):
            client.post(f"{live}/v1beta/models/{MODEL}:countTokens", json={"contents": []})
    assert len(httpx.get(f"{live}/emulator/requests").json()) == 100


def on(moment: str) -> Callable[[], float]:
    """A clock that stands still."""
    return lambda: datetime.datetime.fromisoformat(moment).timestamp()


BEFORE, AFTER = "2026-11-30T23:59:59+00:00", "2026-12-01T00:00:00+00:00"


@pytest.mark.parametrize(("moment", "answers"), [(BEFORE, "gemini-2.5-pro"), (AFTER, "gemini-3.8-flash")])
def test_a_model_that_ends_is_answered_by_its_successor_from_the_day_on(moment, answers):
    for url in serve(EmulatorSettings(clock=on(moment))):
        assert post(url, model="gemini-2.5-pro").json()["modelVersion"] == answers
        names = {one["name"] for one in httpx.get(f"{url}/v1beta/models?pageSize=1000", headers=KEY).json()["models"]}
        assert ("models/gemini-2.5-pro" in names) == (moment == BEFORE)


def test_the_rules_of_the_successor_hold_for_the_name_of_the_model_that_ended():
    for url in serve(EmulatorSettings(clock=on(AFTER))):
        answer = post(url, request("hi", generationConfig={"candidateCount": 2}), model="gemini-2.5-pro")
        assert (answer.status_code, answer.json()["error"]["message"]) == (
            400,
            "Multiple candidates is not enabled for this model",
        )


def test_a_model_without_a_successor_is_not_found_once_it_has_ended_but_on_a_relay():
    for url in serve(EmulatorSettings(clock=on(AFTER))):
        assert post(url, model="gemini-2.0-flash").status_code == 404
    for url in serve(EmulatorSettings(clock=on(AFTER), relay=True)):
        assert post(url, model="gemini-2.0-flash").json()["modelVersion"] == "gemini-2.0-flash"
