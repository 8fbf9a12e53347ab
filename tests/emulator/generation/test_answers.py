"""The emulator's answers: the rules of the package's docstring, and the shape of the real server's answers."""

import base64
import io
import json
import re
import struct
import wave
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from adapter.emulator.generation.media import picture
from adapter.emulator.http.wire_form import pretty
from tests.emulator.asking import (
    CLOCK,
    MODEL,
    WEATHER,
    ask,
    call,
    calls,
    model_content,
    parts,
    request,
    result,
    text,
    user,
)

DUMMY = "skip_thought_signature_validator"
TEXT_MODELS = [MODEL, "gemini-2.5-flash", "gemini-2.0-flash"]


def calling(mode: str, *allowed: str) -> dict[str, Any]:
    return {"functionCallingConfig": {"mode": mode} | ({"allowedFunctionNames": list(allowed)} if allowed else {})}


def test_an_answer_repeats_the_text_and_counts_the_turns() -> None:
    assert text(ask(request("hello"))) == 'You said: "hello". This is turn 1 of our conversation.'
    assert "turn 2" in text(ask(request("hello", model_content("hi"), "more")))


def test_the_system_instruction_is_quoted() -> None:
    answer = ask(request("hello", systemInstruction={"parts": [{"text": "Be brief."}, {"text": " Be kind."}]}))
    assert 'My instructions are: "Be brief. Be kind.".' in text(answer)


@pytest.mark.parametrize("asked", ['Say "yes"', 'please reply with: "yes"', "answer exactly: “yes”"])
def test_words_to_say_are_said(asked: str) -> None:
    assert text(ask(request(asked))) == "yes"


def test_so_many_words() -> None:
    assert len(text(ask(request("write 250 words about the sea"))).split()) == 250


def test_the_same_request_gets_the_same_answer_and_another_request_another_id() -> None:
    body = request("weather in Rome", functions=[WEATHER])
    first, second = (ask(body, clock=lambda: 0.0) for _ in range(2))
    assert first == second
    assert calls(ask(request("weather in Oslo", functions=[WEATHER])))[0]["id"] != calls(first)[0]["id"]


@pytest.mark.parametrize("model", TEXT_MODELS)
def test_auto_calls_a_function_that_the_text_names(model: str) -> None:
    assert [one["name"] for one in calls(ask(request("use get_time", functions=[WEATHER, CLOCK]), model))] == [
        "get_time"
    ]
    assert [one["name"] for one in calls(ask(request("Get time!", functions=[WEATHER, CLOCK]), model))] == ["get_time"]


def test_auto_calls_every_function_named_in_the_order_of_the_text() -> None:
    found = calls(ask(request("get_time then get_weather", functions=[WEATHER, CLOCK])))
    assert [one["name"] for one in found] == ["get_time", "get_weather"]


def test_auto_calls_by_a_word_of_the_description() -> None:
    assert [one["name"] for one in calls(ask(request("look at the clock", functions=[WEATHER, CLOCK])))] == ["get_time"]


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("get_weather", "What's the weather in Paris?"),
        ("getWeather", "weather, please"),
        ("fetch_weather_reports", "a report on Paris"),
        ("HTTPWeatherLookup", "lookup of Paris"),
    ],
)
def test_auto_calls_by_a_word_of_the_name_once_for_each_user_text(name: str, asked: str) -> None:
    functions = [{"name": "look_up_train", "description": "weather and reports"}, {"name": name}]
    assert [one["name"] for one in calls(ask(request(asked, functions=functions)))] == [name]
    turn = (model_content(call(name, signature=DUMMY)), user(result(name)))
    after = request(asked, *turn, functions=functions)
    assert (calls(ask(after)), text(ask(after)).startswith(f"{name} returned")) == ([], True)
    again = request(asked, *turn, model_content("Sunny."), f"And now: {asked}", functions=functions)
    assert [one["name"] for one in calls(ask(again))] == [name]


def test_words_to_say_and_the_mode_win_over_words_of_a_name() -> None:
    functions = [WEATHER, {"name": "get_train"}]
    assert text(ask(request('Say "the weather is fine"', functions=functions))) == "the weather is fine"
    assert calls(ask(request("weather in Rome", functions=functions, toolConfig=calling("NONE")))) == []
    allowed = request("weather in Rome", functions=functions, toolConfig=calling("ANY", "get_train"))
    assert [one["name"] for one in calls(ask(allowed))] == ["get_train"]
    assert [one["name"] for one in calls(ask(request('Say "hi" by get_weather', functions=functions)))] == [
        "get_weather"
    ]


def test_words_that_all_names_have_call_nothing() -> None:
    assert calls(ask(request("Please get me some information", functions=[CLOCK, {"name": "find_information"}]))) == []


def test_auto_answers_otherwise() -> None:
    assert not calls(ask(request("hello", functions=[WEATHER, CLOCK])))


def test_part_of_a_name_is_not_the_name() -> None:
    assert not calls(ask(request("get_times", functions=[{"name": "get_time"}])))


def test_any_always_calls_even_after_results() -> None:
    config = calling("ANY")
    assert calls(ask(request("hello", functions=[WEATHER, CLOCK], toolConfig=config)))[0]["name"] == "get_weather"
    after = request("hello", model_content(call(signature=DUMMY)), user(result()), functions=[CLOCK], toolConfig=config)
    assert calls(ask(after))[0]["name"] == "get_time"


def test_any_calls_what_is_allowed() -> None:
    body = request("get_weather", functions=[WEATHER, CLOCK], toolConfig=calling("ANY", "get_time"))
    assert [one["name"] for one in calls(ask(body))] == ["get_time"]


def test_none_never_calls() -> None:
    assert not calls(ask(request("get_weather", functions=[WEATHER], toolConfig=calling("NONE"))))


def test_validated_calls_like_auto() -> None:
    assert calls(ask(request("get_weather", functions=[WEATHER], toolConfig=calling("VALIDATED"))))
    assert not calls(ask(request("hello", functions=[WEATHER], toolConfig=calling("VALIDATED"))))


@pytest.mark.parametrize("number", ["3", "three"])
def test_steps_are_sequential_and_at_once_is_parallel(number: str) -> None:
    contents: list[Any] = [user(f"do it in {number} steps, two at once")]
    for _ in range(3):
        content = ask(request(*contents, functions=[WEATHER, CLOCK]))["candidates"][0]["content"]
        called = [part["functionCall"] for part in content["parts"]]
        assert [one["name"] for one in called] == ["get_weather", "get_time"]
        contents += [content, user(*(result(one["name"], id=one["id"]) for one in called))]
    assert not calls(ask(request(*contents, functions=[WEATHER, CLOCK])))


def test_parallel_calls_of_one_function_differ() -> None:
    found = calls(ask(request("weather in Paris, 3 at once", functions=[WEATHER])))
    assert [one["args"]["city"] for one in found] == ["Paris", "city 2", "city 3"]
    assert len({one["id"] for one in found}) == 3


def test_arguments_come_from_the_text() -> None:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "unit": {"enum": ["celsius", "fahrenheit"]},
            "country": {"type": "string"},
        },
        "required": ["city", "days"],
    }
    forecast = {"name": "forecast", "parametersJsonSchema": schema}
    asked = "forecast for 'New York', 3 days, in fahrenheit as the unit"
    assert calls(ask(request(asked, functions=[forecast])))[0]["args"] == {
        "city": "New York",
        "days": 3,
        "unit": "fahrenheit",
    }


def test_the_older_schema_is_understood() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "tags": {"type": "ARRAY", "items": {"type": "STRING"}, "minItems": "2"},
            "when": {"type": "STRING", "format": "date-time"},
            "none": {"type": "NULL", "nullable": True},
        },
        "required": ["tags", "when", "none"],
    }
    found = calls(ask(request("f", functions=[{"name": "f", "parameters": schema}])))[0]["args"]
    assert len(found["tags"]) == 2
    assert found["when"].startswith("2026-")


def test_an_answer_quotes_every_result() -> None:
    responses = [{"output": "21 °C"}, {"a": [1, "x"]}, {"error": "no such place"}]
    body = request(
        "go",
        model_content(call(signature=DUMMY), call(), call("other")),
        user(*(result(response=response) for response in responses[:2]), result("other", response=responses[2])),
        functions=[WEATHER],
    )
    assert text(ask(body)) == (
        'get_weather returned 21 °C. get_weather returned {"a":[1,"x"]}. other returned no such place.'
    )


def test_results_that_came_before_a_new_text_are_quoted_too() -> None:
    body = request("go", model_content(call(signature=DUMMY)), user(result()), "and?", functions=[WEATHER])
    assert "sunny" in text(ask(body))


def test_json_is_valid_for_its_schema_on_every_path() -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 18}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    ways = [
        {"responseMimeType": "application/json", "responseJsonSchema": schema},
        {"responseMimeType": "application/json", "_responseJsonSchema": schema},
        {"responseFormat": {"text": {"mimeType": "application/json", "schema": schema}}},
    ]
    for way in ways:
        Draft202012Validator(schema).validate(json.loads(text(ask(request("hi", generationConfig=way)))))


def test_json_without_a_schema_is_an_object() -> None:
    answer = json.loads(text(ask(request("hi", generationConfig={"responseMimeType": "application/json"}))))
    assert answer == {"answer": 'You said: "hi". This is turn 1 of our conversation.'}


def test_an_enumeration_answers_one_value() -> None:
    schema = {"type": "STRING", "enum": ["red", "green"]}
    config = {"responseMimeType": "text/x.enum", "responseSchema": schema}
    assert text(ask(request("green please", generationConfig=config))) == "green"


def test_media_are_described() -> None:
    png = base64.b64encode(picture("x", "1:1", "512")).decode()
    body = request(
        user(
            "look",
            {"inlineData": {"mimeType": "image/png", "data": png}},
            {"fileData": {"mimeType": "application/pdf", "fileUri": "https://example.com/a.pdf"}},
        )
    )
    answer = ask(body)
    assert re.search(
        r"image/png, \d+ bytes, 512x512 pixels; application/pdf at https://example.com/a.pdf", text(answer)
    )
    details = answer["usageMetadata"]["promptTokensDetails"]
    assert [entry["modality"] for entry in details] == ["TEXT", "IMAGE", "DOCUMENT"]


@pytest.mark.parametrize("model", TEXT_MODELS)
def test_the_shape_of_an_answer(model: str) -> None:
    answer = ask(request("hello"), model)
    assert list(answer) == ["candidates", "usageMetadata", "modelVersion", "responseId"]
    assert list(answer["candidates"][0]) == ["content", "finishReason", "index"]
    assert list(answer["candidates"][0]["content"]) == ["parts", "role"]
    assert answer["modelVersion"] == model
    assert pretty(answer).startswith(b'{\n  "candidates": [\n    {\n      "content": {\n')


def test_an_alias_says_which_model_it_is() -> None:
    assert ask(request("hi"), "gemini-flash-latest")["modelVersion"] == "gemini-3.8-flash"


def test_calls_finish_with_stop_and_a_message() -> None:
    candidate = ask(request("get_time", functions=[CLOCK]))["candidates"][0]
    assert candidate["finishReason"] == "STOP"
    assert candidate["finishMessage"] == "Model generated function call(s)."
    assert candidate["content"]["parts"][0]["functionCall"]["args"] == {}


def test_calls_have_ids_on_3_only() -> None:
    body = request("get_time", functions=[CLOCK])
    assert re.fullmatch(r"[a-z0-9]{8}", calls(ask(body))[0]["id"])
    assert "id" not in calls(ask(body, "gemini-2.5-flash"))[0]


def test_the_response_id_carries_the_time() -> None:
    identifier = ask(request("hi"), clock=lambda: 1_777_777_777.9)["responseId"]
    assert len(identifier) == 22
    assert struct.unpack("<I", base64.urlsafe_b64decode(identifier + "==")[:4])[0] == 1_777_777_777


@pytest.mark.parametrize("model", TEXT_MODELS)
def test_usage_adds_up_and_leaves_zeros_out(model: str) -> None:
    usage = ask(request("hello"), model)["usageMetadata"]
    counted = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    assert usage["totalTokenCount"] == sum(usage.get(name, 0) for name in counted)
    assert ("thoughtsTokenCount" in usage) == (model != "gemini-2.0-flash")
    assert usage["promptTokensDetails"] == [{"modality": "TEXT", "tokenCount": 2}]
    assert usage["serviceTier"] == "standard"


def test_the_service_tier_is_the_one_asked_for() -> None:
    assert ask(request("hi", serviceTier="flex"))["usageMetadata"]["serviceTier"] == "flex"


@pytest.mark.parametrize("model", ["gemini-3.5-flash", "gemini-2.5-pro"])
def test_thoughts_come_when_asked(model: str) -> None:
    answer = ask(request("hi", generationConfig={"thinkingConfig": {"includeThoughts": True}}), model)
    assert [bool(part.get("thought")) for part in parts(answer)] == [True, False]
    assert not any(part.get("thought") for part in parts(ask(request("hi"), model)))


def test_minimal_thinking_has_no_thoughts() -> None:
    config = {"thinkingConfig": {"includeThoughts": True, "thinkingLevel": "MINIMAL"}}
    answer = ask(request("hi", generationConfig=config))
    assert "thoughtsTokenCount" not in answer["usageMetadata"]
    assert len(parts(answer)) == 1


def test_higher_levels_think_longer() -> None:
    tokens = [
        ask(request("hi", generationConfig={"thinkingConfig": {"thinkingLevel": level}}))["usageMetadata"]
        for level in ("LOW", "MEDIUM", "HIGH")
    ]
    assert [usage["thoughtsTokenCount"] for usage in tokens] == [16, 32, 64]


def test_thinking_can_use_up_all_tokens() -> None:
    answer = ask(request("hi", generationConfig={"maxOutputTokens": 20}))
    assert answer["candidates"] == [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}]
    assert "candidatesTokenCount" not in answer["usageMetadata"]
    assert answer["usageMetadata"]["thoughtsTokenCount"] == 20


def test_a_text_is_cut_at_the_limit() -> None:
    answer = ask(request("hello", generationConfig={"maxOutputTokens": 35}))
    assert text(answer) == 'You said: "h'
    assert answer["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert answer["usageMetadata"]["candidatesTokenCount"] == 3


def test_stop_sequences_end_the_text_and_are_not_in_it() -> None:
    answer = ask(request("hello", generationConfig={"stopSequences": ["nothing", " This"]}))
    assert text(answer) == 'You said: "hello".'
    assert answer["candidates"][0]["finishReason"] == "STOP"


def test_candidates_are_numbered() -> None:
    answer = ask(request("hi", generationConfig={"candidateCount": 3}), "gemini-2.5-flash")
    assert [candidate["index"] for candidate in answer["candidates"]] == [0, 1, 2]
    assert len({candidate["content"]["parts"][0]["text"] for candidate in answer["candidates"]}) == 3


def test_logprobs_cover_the_text() -> None:
    config = {"responseLogprobs": True, "logprobs": 1}
    candidate = ask(request("hi", generationConfig=config), "gemini-2.0-flash")["candidates"][0]
    chosen = candidate["logprobsResult"]["chosenCandidates"]
    assert "".join(one["token"] for one in chosen) == candidate["content"]["parts"][0]["text"]
    assert len(candidate["logprobsResult"]["topCandidates"]) == len(chosen)
    assert candidate["avgLogprobs"] < 0


@pytest.mark.parametrize("model", ["gemini-3-pro-image", "gemini-2.5-flash-image", "gemini-3.1-flash-image-preview"])
def test_a_picture_model_draws(model: str) -> None:
    answer = ask(request("a cat", generationConfig={"imageConfig": {"aspectRatio": "16:9"}}), model)
    blob = parts(answer)[-1]["inlineData"]
    data = base64.b64decode(blob["data"])
    assert blob["mimeType"] == "image/png"
    assert data.startswith(b"\x89PNG")
    assert struct.unpack(">II", data[16:24]) == (1376, 768)
    assert answer["usageMetadata"]["candidatesTokensDetails"][-1]["modality"] == "IMAGE"


def test_a_picture_model_asked_for_text_writes() -> None:
    body = request("a cat", generationConfig={"responseModalities": ["TEXT"]})
    assert "inlineData" not in parts(ask(body, "gemini-3-pro-image"))[-1]


def sound(model: str, **config: Any) -> tuple[str, bytes]:
    """The media type and the bytes of a speech model's answer."""
    blob = parts(ask(request("hello there", **({"generationConfig": config} if config else {})), model))[0][
        "inlineData"
    ]
    return blob["mimeType"], base64.b64decode(blob["data"])


def test_a_speech_model_speaks_samples() -> None:
    mime_type, data = sound("gemini-3.1-flash-tts-preview")
    assert mime_type == "audio/L16;codec=pcm;rate=24000"
    assert len(data) == 2 * 11 * 24_000 // 50


def test_a_speech_model_from_3_8_on_speaks_a_wav_file_unless_it_is_asked_for_samples() -> None:
    mime_type, data = sound("gemini-3.8-flash-tts")
    assert mime_type == "audio/wav"
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)
        samples = file.readframes(file.getnframes())
    asked = sound("gemini-3.8-flash-tts", responseFormat={"audio": {"mimeType": "AUDIO_L16"}})
    assert asked == ("audio/L16;codec=pcm;rate=24000", samples)


def test_a_search_is_grounded_with_byte_offsets() -> None:
    candidate = ask(request("größe?", tools=[{"googleSearch": {}}]))["candidates"][0]
    metadata = candidate["groundingMetadata"]
    answer = candidate["content"]["parts"][0]["text"]
    assert metadata["groundingSupports"][0]["segment"]["endIndex"] == len(answer.encode())
    assert metadata["webSearchQueries"] == ["größe?"]
    assert metadata["groundingChunks"][0]["web"]["uri"].startswith("https://")


def test_searches_show_when_their_invocations_are_asked_for_and_may_be_sent_back() -> None:
    tools = {"tools": [{"googleSearch": {}}], "toolConfig": {"includeServerSideToolInvocations": True}}
    content = ask(request("news", **tools))["candidates"][0]["content"]
    assert ["toolCall" in part or "toolResponse" in part for part in content["parts"]] == [True, True, False]
    assert all("thoughtSignature" in part for part in content["parts"])
    assert ask(request("news", content, "more", **tools))


def test_code_runs_when_the_text_speaks_of_it() -> None:
    body = {"tools": [{"codeExecution": {}}]}
    assert [next(iter(part)) for part in parts(ask(request("run some code", **body)))] == [
        "executableCode",
        "codeExecutionResult",
        "text",
    ]
    assert len(parts(ask(request("hello", **body)))) == 1


def test_addresses_are_read_with_url_context() -> None:
    body = request("read https://example.com/a", tools=[{"urlContext": {}}])
    found = ask(body)["candidates"][0]["urlContextMetadata"]["urlMetadata"]
    assert [entry["retrievedUrl"] for entry in found] == ["https://example.com/a"]


def test_large_integers_survive() -> None:
    schema = {"type": "object", "properties": {"id": {"const": 2**53 + 1}}, "required": ["id"]}
    body = request("f", functions=[{"name": "f", "parametersJsonSchema": schema}])
    assert orjson.loads(pretty(ask(body)))["candidates"][0]["content"]["parts"][0]["functionCall"]["args"] == {
        "id": 2**53 + 1
    }
