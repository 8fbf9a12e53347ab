"""The emulator's refusals of readable requests: each rule with a request that breaks it and one that keeps it."""

import base64
from typing import Any

import pytest

from adapter.emulator.generation.media import picture
from tests.emulator.asking import CLOCK, MODEL, WEATHER, ask, call, message, model_content, request, result, user

COUNTS = "Please ensure that the number of function response parts is equal to the number of function call parts"
NEW = "gemini-3.6-flash"
OLD = "gemini-2.5-flash"
DUMMY = "skip_thought_signature_validator"
PNG = base64.b64encode(picture("a", "1:1", "512")).decode()


def blob(mime: str, data: str = PNG) -> dict[str, Any]:
    return {"inlineData": {"mimeType": mime, "data": data}}


def config(**fields: Any) -> dict[str, Any]:
    return request("hi", generationConfig=fields)


def tool(**fields: Any) -> dict[str, Any]:
    return request("hi", functions=[{"name": "f", **fields}])


def mode(name: str, *allowed: str, **fields: Any) -> dict[str, Any]:
    calling = {"mode": name} | ({"allowedFunctionNames": list(allowed)} if allowed else {})
    return request("hi", functions=[WEATHER], toolConfig={"functionCallingConfig": calling} | fields)


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no contents": ({}, MODEL, "* GenerateContentRequest.contents: contents is not specified\n"),
    "no parts": (
        request("hi", {"role": "user", "parts": []}),
        MODEL,
        "* GenerateContentRequest.contents[1].parts: contents.parts must not be empty.\n",
    ),
    "empty part": (
        request(user("hi", {})),
        MODEL,
        "* GenerateContentRequest.contents[0].parts[1].data: required oneof field 'data' must have one initialized "
        "field\n",
    ),
    "only a signature": (request(user({"thoughtSignature": "YQ=="})), MODEL, "required oneof field 'data'"),
    "role": (request({"role": "assistant", "parts": [{"text": "a"}]}), MODEL, "Please use a valid role: user, model."),
    "system role": (request({"role": "system", "parts": [{"text": "a"}]}), MODEL, "Please use a valid role"),
    "result without a name": (
        request("hi", model_content(call(signature=DUMMY)), user(result(""))),
        MODEL,
        "* GenerateContentRequest.contents[2].parts[0].function_response.name: Name cannot be empty.\n",
    ),
    "system instruction that is a file": (
        request("hi", systemInstruction={"parts": [blob("image/png")]}),
        MODEL,
        "system_instruction.parts[0]",
    ),
    "function name": (
        request("hi", functions=[{"name": "2fast"}]),
        MODEL,
        "* GenerateContentRequest.tools[0].function_declarations[0].name: Invalid function name. Must start with a "
        "letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes "
        "(-), with a maximum length of 64.\n",
    ),
    "long function name": (request("hi", functions=[{"name": "f" * 65}]), MODEL, "Invalid function name."),
    "no function name": (request("hi", functions=[{}]), MODEL, "Invalid function name."),
    "same function twice": (
        request("hi", functions=[WEATHER, WEATHER]),
        MODEL,
        "Duplicate function declaration found: get_weather",
    ),
    "both schemas": (tool(parameters={}, parametersJsonSchema={}), MODEL, "only one of"),
    "513 functions": (
        request("hi", functions=[{"name": f"f{number}"} for number in range(513)]),
        MODEL,
        "at most 512 function declarations",
    ),
    "array without items": (
        tool(parameters={"type": "OBJECT", "properties": {"tags": {"type": "ARRAY"}}}),
        MODEL,
        "* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties[tags].items: missing field.",
    ),
    "enum of numbers": (
        tool(parameters={"type": "OBJECT", "properties": {"n": {"type": "INTEGER", "enum": ["1"]}}}),
        MODEL,
        "properties[n].enum: only allowed for STRING type",
    ),
    "required but not there": (
        tool(parameters={"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["a", "b"]}),
        MODEL,
        "parameters.required[1]: property is not defined",
    ),
    "format": (
        config(responseMimeType="application/json", responseSchema={"type": "STRING", "format": "email"}),
        MODEL,
        "response_schema.format: only 'enum' and 'date-time' are supported for STRING type",
    ),
    "allowed names with AUTO": (mode("AUTO", "get_weather"), MODEL, "allowed_function_names should be set only when"),
    "allowed name nobody declared": (mode("ANY", "get_weather", "other"), MODEL, "allowed_function_names[1]"),
    "functions and a built-in tool on 2.5": (
        request("hi", tools=[{"functionDeclarations": [WEATHER]}, {"googleSearch": {}}]),
        OLD,
        "Tool use with function calling is unsupported",
    ),
    "functions and a built-in tool on 3 without the flag": (
        request("hi", tools=[{"functionDeclarations": [WEATHER], "googleSearch": {}}]),
        MODEL,
        "Please enable tool_config.include_server_side_tool_invocations to use Built-in tools with Function calling.",
    ),
    "functions, a built-in tool and AUTO": (
        request(
            "hi",
            tools=[{"functionDeclarations": [WEATHER], "googleSearch": {}}],
            toolConfig={"includeServerSideToolInvocations": True, "functionCallingConfig": {"mode": "AUTO"}},
        ),
        MODEL,
        "Request contains an invalid argument.",
    ),
    "functions and JSON on 2.5": (
        request("hi", functions=[WEATHER], generationConfig={"responseMimeType": "application/json"}),
        OLD,
        "Function calling with a response mime type: 'application/json' is unsupported",
    ),
    "search and JSON on 2.5": (
        request("hi", tools=[{"googleSearch": {}}], generationConfig={"responseMimeType": "application/json"}),
        OLD,
        "Tool use with a response mime type: 'application/json' is unsupported",
    ),
    "functions on a picture model": (
        request("hi", functions=[WEATHER]),
        "gemini-2.5-flash-image",
        "Function calling is not enabled for models/gemini-2.5-flash-image",
    ),
    "two candidates on 3": (config(candidateCount=2), MODEL, "Multiple candidates is not enabled for this model"),
    "nine candidates": (config(candidateCount=9), OLD, "candidate_count"),
    "temperature": (config(temperature=2.1), MODEL, "temperature must be in the range [0.0, 2.0]."),
    "topP": (config(topP=1.5), MODEL, "top_p must be in the range [0.0, 1.0]."),
    "six stops": (config(stopSequences=list("abcdef")), MODEL, "stop_sequences: at most 5"),
    "no tokens": (config(maxOutputTokens=0), MODEL, "max_output_tokens must be positive."),
    "too many tokens": (config(maxOutputTokens=65_537), MODEL, "supported range is from 1 (inclusive) to 65537"),
    "logprobs alone": (config(logprobs=2), "gemini-2.0-flash", "logprobs should only be set when"),
    "logprobs on 3": (config(responseLogprobs=True), MODEL, "Logprobs is not enabled for this model"),
    "penalty on 2.5": (config(presencePenalty=0.5), OLD, "Penalty is not enabled for models/gemini-2.5-flash"),
    "penalty on 3": (config(frequencyPenalty=0.5), MODEL, "Penalty is not enabled for models/gemini-3.5-flash"),
    "two response schemas": (
        config(responseMimeType="application/json", responseSchema={}, responseJsonSchema={}),
        MODEL,
        "only one of response_schema and response_json_schema",
    ),
    "schema without a MIME type": (config(responseJsonSchema={}), MODEL, "requires a compatible response_mime_type"),
    "MIME type": (config(responseMimeType="text/html"), MODEL, "allowed mimetypes are `text/plain`,"),
    "budget and level": (
        config(thinkingConfig={"thinkingBudget": 1, "thinkingLevel": "LOW"}),
        MODEL,
        "You can only set only one of thinking budget and thinking level.",
    ),
    "level on 2.5": (
        config(thinkingConfig={"thinkingLevel": "LOW"}),
        OLD,
        "Thinking level is not supported for this model.",
    ),
    "minimal on 3.1 pro": (
        config(thinkingConfig={"thinkingLevel": "MINIMAL"}),
        "gemini-3.1-pro-preview",
        "Thinking level MINIMAL is not supported for this model.",
    ),
    "minimal on 3.8": (
        config(thinkingConfig={"thinkingLevel": "MINIMAL"}),
        "gemini-3.8-flash",
        "Thinking level MINIMAL",
    ),
    "budget range": (
        config(thinkingConfig={"thinkingBudget": 52428}),
        OLD,
        "The thinking budget (52428) is invalid.",
    ),
    "small budget": (config(thinkingConfig={"thinkingBudget": 100}), "gemini-2.5-flash-lite", "(100) is invalid."),
    "budget 0 on 2.5 pro": (
        config(thinkingConfig={"thinkingBudget": 0}),
        "gemini-2.5-pro",
        "Budget 0 is invalid. This model only works in thinking mode.",
    ),
    "thinking on 2.0": (
        config(thinkingConfig={"includeThoughts": True}),
        "gemini-2.0-flash",
        "Thinking is not enabled for models/gemini-2.0-flash",
    ),
    "pictures from a text model": (
        config(responseModalities=["TEXT", "IMAGE"]),
        MODEL,
        "The requested combination of response modalities (TEXT, IMAGE) is not supported by the model.",
    ),
    "a form of speech before 3.8": (
        config(responseFormat={"audio": {"mimeType": "AUDIO_L16"}}),
        "gemini-3.1-flash-tts-preview",
        "Audio response format is not supported",
    ),
    "an unknown form of speech": (
        config(responseFormat={"audio": {"mimeType": "audio/mp3"}}),
        "gemini-3.8-flash-tts",
        "Unsupported audio mime type: audio/mp3",
    ),
    "text from a speech model": (config(responseModalities=["TEXT"]), "gemini-3.8-flash-tts", "* AUDIO\n"),
    "picture size": (config(imageConfig={"imageSize": "2k"}), "gemini-3-pro-image", "invalid argument"),
    "picture size 512 on pro": (config(imageConfig={"imageSize": "512"}), "gemini-3-pro-image", "invalid argument"),
    "system instruction on gemma 3": (
        request("hi", systemInstruction={"parts": [{"text": "be brief"}]}),
        "gemma-3-27b-it",
        "Developer instruction is not enabled for models/gemma-3-27b-it",
    ),
    "old safety category": (
        request("hi", safetySettings=[{"category": "HARM_CATEGORY_TOXICITY", "threshold": "OFF"}]),
        MODEL,
        "safety_settings[0]",
    ),
    "starts with a call": (
        request(model_content(call(signature=DUMMY)), user(result())),
        MODEL,
        "Please ensure that function call turn comes immediately after a user turn or after a function response turn.",
    ),
    "call after the model's text": (
        request("hi", model_content("well"), model_content(call(signature=DUMMY)), user(result())),
        MODEL,
        "Please ensure that function call turn comes immediately after",
    ),
    "result after a user turn": (
        request("hi", user(result())),
        MODEL,
        "Please ensure that function response turn comes immediately after a function call turn.",
    ),
    "result after the model's text": (
        request("hi", model_content("a"), user(result())),
        MODEL,
        "function response turn comes",
    ),
    "fewer results than calls": (
        request("hi", model_content(call(signature=DUMMY), call()), user(result())),
        MODEL,
        COUNTS,
    ),
    "more results than calls": (
        request("hi", model_content(call(signature=DUMMY)), user(result(), result())),
        MODEL,
        COUNTS,
    ),
    "call without a result": (request("hi", model_content(call(signature=DUMMY)), "go on"), MODEL, COUNTS),
    "prefill on 3.6": (
        request("hi", model_content("Once")),
        NEW,
        "Requests ending with a model turn are not supported.",
    ),
    "prefill on 4": (
        request("hi", model_content("Once")),
        "gemini-4-argon",
        "Requests ending with a model turn are not",
    ),
    "empty last turn on 3.6": (request("hi", model_content("a"), " "), NEW, "Request contains an invalid argument."),
    "text behind results on 3.6": (
        request("hi", model_content(call(signature=DUMMY)), user(result(), "and now?")),
        NEW,
        "Requests ending with a model turn are not supported.",
    ),
    "another call's id": (
        request("hi", model_content(call(signature=DUMMY, id="a")), user(result(id="b"))),
        MODEL,
        "Request contains an invalid argument.",
    ),
    "MIME type of a file": (request(user("x", blob("bad/mime_type"))), MODEL, "Unsupported MIME type: bad/mime_type"),
    "picture that is none": (
        request(user("x", blob("image/png", "aGVsbG8="))),
        MODEL,
        "Unable to process input image.",
    ),
    "cached content": (
        request("hi", cachedContent="cachedContents/x"),
        MODEL,
        "CachedContent not found (or permission denied)",
    ),
    "too long": (
        request("x" * 40_000),
        "gemini-2.5-flash-preview-tts",
        "The input token count (10000) exceeds the maximum number of tokens allowed (8192).",
    ),
}


@pytest.mark.parametrize(("body", "model", "expected"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused(body: dict[str, Any], model: str, expected: str) -> None:
    assert expected in message(body, model)


ACCEPTED: dict[str, tuple[dict[str, Any], str]] = {
    "no role": (request({"parts": [{"text": "hi"}]}), MODEL),
    "empty text on 2.5": (request("hi", model_content(""), ""), OLD),
    "two users in a row": (request("a", "b"), NEW),
    "name of 64": (request("hi", functions=[{"name": "_" + "f.:-" * 15 + "abc"}]), MODEL),
    "empty description": (request("hi", functions=[{"name": "f", "description": ""}]), MODEL),
    "no parameters": (request("hi", functions=[{"name": "f"}]), MODEL),
    "object without properties": (tool(parameters={"type": "OBJECT", "properties": {}}), MODEL),
    "any schema at all": (tool(parametersJsonSchema={"type": ["object", "null"], "$defs": {}, "not": {}}), MODEL),
    "allowed names with ANY": (mode("ANY", "get_weather"), MODEL),
    "allowed names with VALIDATED": (mode("validated", "get_weather"), NEW),
    "ANY with nothing declared": (
        request("hi", tools=[{"googleSearch": {}}], toolConfig={"functionCallingConfig": {"mode": "ANY"}}),
        MODEL,
    ),
    "functions and search on 3 with the flag": (
        request(
            "hi",
            tools=[{"functionDeclarations": [WEATHER]}, {"googleSearch": {}}],
            toolConfig={"includeServerSideToolInvocations": True},
        ),
        MODEL,
    ),
    "functions and JSON on 3": (
        request("hi", functions=[WEATHER], generationConfig={"responseMimeType": "application/json"}),
        MODEL,
    ),
    "search and code on 2.5": (request("hi", tools=[{"googleSearch": {}, "codeExecution": {}}]), OLD),
    "eight candidates on 2.5": (config(candidateCount=8), OLD),
    "penalties on 2.0": (config(presencePenalty=0.5, frequencyPenalty=-1), "gemini-2.0-flash"),
    "logprobs on 2.0": (config(responseLogprobs=True, logprobs=2), "gemini-2.0-flash"),
    "five stops": (config(stopSequences=list("12345")), MODEL),
    "temperature on 3.8": (config(temperature=2, topP=0, topK=40), "gemini-3.8-flash"),
    "all the tokens": (config(maxOutputTokens=65_536), MODEL),
    "budget on 3": (config(thinkingConfig={"thinkingBudget": 1024}), MODEL),
    "dynamic budget": (config(thinkingConfig={"thinkingBudget": -1}), "gemini-2.5-pro"),
    "budget 0 on 2.5 flash": (config(thinkingConfig={"thinkingBudget": 0}), OLD),
    "thoughts off on 2.0": (config(thinkingConfig={"includeThoughts": False}), "gemini-2.0-flash"),
    "text alone from a picture model": (config(responseModalities=["TEXT"]), "gemini-3-pro-image"),
    "a picture alone": (
        config(responseModalities=["IMAGE"], imageConfig={"aspectRatio": "16:9"}),
        "gemini-3-pro-image",
    ),
    "enumeration": (config(responseMimeType="text/x.enum", responseSchema={"type": "STRING", "enum": ["a"]}), MODEL),
    "calls in two contents": (
        request("hi", model_content(call(signature=DUMMY)), model_content(call()), user(result(), result())),
        "gemini-3-flash-preview",
    ),
    "results in two contents": (
        request("hi", model_content(call(signature=DUMMY), call()), user(result()), user(result())),
        MODEL,
    ),
    "text and a call in one content": (
        request("hi", model_content("let me see", call(signature=DUMMY)), user(result())),
        MODEL,
    ),
    "user text after results, by itself": (
        request("hi", model_content(call(signature=DUMMY)), user(result()), "and?"),
        NEW,
    ),
    "text before results": (request("hi", model_content(call(signature=DUMMY)), user("here", result())), NEW),
    "prefill on 3.5": (request("hi", model_content("Once")), MODEL),
    "prefill on 2.5": (request("hi", model_content("Once")), OLD),
    "the call's id": (request("hi", model_content(call(signature=DUMMY, id="a")), user(result(id="a"))), NEW),
    "no id for an id": (request("hi", model_content(call(signature=DUMMY, id="a")), user(result())), NEW),
    "an id for no id": (request("hi", model_content(call(signature=DUMMY)), user(result(id="mine"))), NEW),
    "empty result": (request("hi", model_content(call(signature=DUMMY)), user(result(response={}))), NEW),
    "picture in a result": (
        request("hi", model_content(call(signature=DUMMY)), user(result(parts=[blob("image/png")]))),
        NEW,
    ),
    "files by address": (
        request(user("x", {"fileData": {"fileUri": "https://youtu.be/x"}}, {"fileData": {"fileUri": "gs://a/b"}})),
        MODEL,
    ),
    "sound": (request(user("x", blob("audio/wav", "AAAA"))), MODEL),
    "signed thought": (
        request("hi", model_content({"thought": True, "thoughtSignature": DUMMY}, "hello"), "and?"),
        "gemini-3-flash-preview",
    ),
    "calls of functions nobody declared": (
        request("hi", model_content(call("other", DUMMY)), user(result("other")), functions=[CLOCK]),
        MODEL,
    ),
}


@pytest.mark.parametrize(("body", "model"), ACCEPTED.values(), ids=ACCEPTED)
def test_it_is_answered(body: dict[str, Any], model: str) -> None:
    assert ask(body, model)["candidates"][0]["finishReason"] == "STOP"


def test_all_bullets_come_in_one_answer() -> None:
    body = request(
        user({}),
        {"role": "user", "parts": []},
        functions=[{"name": "1"}],
        generationConfig={"temperature": 9, "maxOutputTokens": -1},
    )
    lines = message(body).splitlines()
    assert len(lines) == 5
    assert all(line.startswith("* GenerateContentRequest.") for line in lines)


def test_all_rules_of_model_and_turns_come_in_one_answer() -> None:
    body = request(
        user(result()),
        model_content(call()),
        generationConfig={"candidateCount": 2, "presencePenalty": 1, "thinkingConfig": {"thinkingLevel": "XHIGH"}},
    )
    text = message(body)
    for expected in ("Multiple candidates", "Penalty", "Thinking level XHIGH", "function response turn", COUNTS):
        assert expected in text


def test_results_need_ids_when_the_emulator_is_told_so() -> None:
    body = request("hi", model_content(call(signature=DUMMY, id="a")), user(result()))
    assert "invalid argument" in message(body, NEW, require_result_ids=True)
    assert ask(body, MODEL, require_result_ids=True)
