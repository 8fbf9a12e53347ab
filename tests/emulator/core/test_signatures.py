"""Thought signatures: issued where Gemini issues them, checked as its documentation says."""

import base64
from typing import Any

import pytest

from adapter.emulator import EmulatorSettings
from adapter.emulator.core.models import models
from adapter.emulator.core.signatures import DUMMIES
from adapter.emulator.service import generate
from tests.emulator.asking import (
    MODEL,
    WEATHER,
    ask,
    call,
    calls,
    message,
    model_content,
    parts,
    request,
    result,
    stream,
    user,
)

ASKED = "What is the weather in Paris, 2 at once?"


def model_turn(body: dict[str, Any], model: str = MODEL, **settings: Any) -> dict[str, Any]:
    """The content that a client would send back."""
    return dict(ask(body, model, **settings)["candidates"][0]["content"])


def follow_up(content: dict[str, Any], *more: Any) -> dict[str, Any]:
    """The request with the results of every call in the content."""
    results = [
        result(part["functionCall"]["name"], id=part["functionCall"]["id"])
        for part in content["parts"]
        if "functionCall" in part
    ]
    return request(ASKED, content, user(*results), *more, functions=[WEATHER])


def test_the_first_call_is_signed_and_only_that() -> None:
    signed = ["thoughtSignature" in part for part in model_turn(request(ASKED, functions=[WEATHER]))["parts"]]
    assert signed == [True, False]


def test_an_issued_signature_is_standard_base64_and_verified() -> None:
    content = model_turn(request(ASKED, functions=[WEATHER]))
    base64.b64decode(content["parts"][0]["thoughtSignature"], validate=True)
    report = generate(follow_up(content), models()[MODEL], EmulatorSettings()).signatures
    assert (report.verified, report.sentinels) == (1, 0)


def test_a_signature_is_taken_in_the_urlsafe_alphabet() -> None:
    content = model_turn(request(ASKED, functions=[WEATHER]))
    part = content["parts"][0]
    part["thoughtSignature"] = part["thoughtSignature"].replace("+", "-").replace("/", "_").rstrip("=")
    assert ask(follow_up(content))


def test_another_process_with_the_same_key_accepts_it_and_one_with_another_key_does_not() -> None:
    content = model_turn(request(ASKED, functions=[WEATHER]), signature_key=b"shared")
    assert ask(follow_up(content), signature_key=b"shared")
    assert message(follow_up(content), signature_key=b"other") == "Thought signature is not valid"


def test_a_missing_signature_names_the_function_and_the_position() -> None:
    content = model_turn(request(ASKED, functions=[WEATHER]))
    del content["parts"][0]["thoughtSignature"]
    text = message(follow_up(content))
    assert text.startswith("Function call is missing a thought_signature in functionCall parts.")
    assert "function call `default_api:get_weather` , position 2." in text
    assert "https://ai.google.dev/gemini-api/docs/thought-signatures" in text


def test_an_altered_signature_is_not_valid() -> None:
    content = model_turn(request(ASKED, functions=[WEATHER]))
    part = content["parts"][0]
    raw = bytearray(base64.b64decode(part["thoughtSignature"]))
    raw[-1] ^= 1
    part["thoughtSignature"] = base64.b64encode(raw).decode()
    assert message(follow_up(content)) == "Thought signature is not valid"


def test_a_signature_on_another_call_is_corrupted() -> None:
    content = model_turn(request(ASKED, functions=[WEATHER]))
    first, second = content["parts"]
    second["thoughtSignature"] = first.pop("thoughtSignature")
    assert "Corrupted thought signature." in message(follow_up(content))


def test_changed_arguments_corrupt_the_signature_but_their_order_does_not() -> None:
    wide = {"type": "object", "properties": {"b": {"type": "number"}, "a": {"type": "string"}}, "required": ["b", "a"]}
    body = request("now call f", functions=[{"name": "f", "parametersJsonSchema": wide}])
    content = model_turn(body)
    called = content["parts"][0]["functionCall"]
    called["args"] = {"a": called["args"]["a"], "b": float(called["args"]["b"])}
    after = request("now call f", content, user(result("f", id=called["id"])))
    assert ask(after)
    called["args"]["a"] += "!"
    assert message(after) == "Corrupted thought signature."


@pytest.mark.parametrize("dummy", DUMMIES)
@pytest.mark.parametrize("encode", [str, lambda text: base64.b64encode(text.encode()).decode()])
def test_the_documented_dummies_are_accepted_and_counted(dummy: str, encode: Any) -> None:
    body = request("hi", model_content(call(signature=encode(dummy)), call()), user(result(), result()))
    assert generate(body, models()[MODEL], EmulatorSettings()).signatures.sentinels == 1


def test_earlier_turns_need_no_signatures() -> None:
    assert ask(request("hi", model_content(call()), user(result()), model_content("sunny"), "thanks"))


def test_each_step_of_the_current_turn_needs_its_own() -> None:
    dummy = DUMMIES[0]
    steps = [model_content(call(signature=dummy)), user(result()), model_content(call()), user(result())]
    assert "position 4" in message(request("hi", *steps))
    steps[2] = model_content(call(signature=dummy))
    assert ask(request("hi", *steps))


def test_calls_torn_apart_are_steps_without_signatures() -> None:
    dummy = DUMMIES[0]
    torn = [model_content(call(signature=dummy)), user(result()), model_content(call()), user(result())]
    assert "missing a thought_signature" in message(request("hi", *torn))


def test_minimal_thinking_needs_signatures_too() -> None:
    body = request(
        "hi", model_content(call()), user(result()), generationConfig={"thinkingConfig": {"thinkingLevel": "MINIMAL"}}
    )
    assert "missing a thought_signature" in message(body)


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-2.0-flash"])
def test_earlier_models_check_nothing(model: str) -> None:
    assert ask(request("hi", model_content(call(signature="Z2FyYmFnZQ==")), user(result())), model)
    assert ask(request("hi", model_content(call()), user(result())), model)


def test_2_5_signs_with_tools_or_thinking_only() -> None:
    quiet = {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}
    assert "thoughtSignature" not in parts(ask(request("hi", **quiet), "gemini-2.5-flash"))[0]
    assert "thoughtSignature" in parts(ask(request("hi", functions=[WEATHER], **quiet), "gemini-2.5-flash"))[0]
    assert "thoughtSignature" in parts(ask(request("hi"), "gemini-2.5-flash"))[0]
    assert "thoughtSignature" not in parts(ask(request("hi"), "gemini-2.0-flash"))[0]


def test_a_text_is_signed_and_may_come_back_in_one_piece_or_with_the_signature_behind_it() -> None:
    body = request("tell me something")
    whole = parts(ask(body))[-1]
    assert whole["thoughtSignature"]
    assert ask(request("tell me something", model_content(whole), "and?"))
    streamed = [part for chunk in stream(body) for part in parts(chunk)]
    assert streamed[-1] == {"text": "", "thoughtSignature": whole["thoughtSignature"]}
    assert ask(request("tell me something", model_content(*streamed), "and?"))


def test_a_texts_signature_is_optional_but_does_not_fit_another_text() -> None:
    signed = parts(ask(request("tell me something")))[-1]
    assert ask(request("tell me something", model_content(signed["text"]), "and?"))
    assert message(request("hi", model_content(signed | {"text": "other"}), "and?")) == "Corrupted thought signature."


def test_foreign_signatures_are_taken_when_told_so_but_missing_ones_are_not() -> None:
    foreign = request("hi", model_content(call(signature="Zm9yZWlnbg==")), user(result()))
    assert message(foreign) == "Thought signature is not valid"
    assert ask(foreign, verify_signatures=False)
    assert "missing" in message(request("hi", model_content(call()), user(result())), verify_signatures=False)


def test_a_picture_is_signed_for_itself() -> None:
    model = "gemini-3-pro-image"
    content = model_turn(request("draw a cat"), model)
    assert all("thoughtSignature" in part for part in content["parts"] if "inlineData" in part)
    assert ask(request("draw a cat", content, "now a dog"), model)
    picture = next(part for part in content["parts"] if "inlineData" in part)
    other = next(part for part in model_turn(request("draw a dog"), model)["parts"] if "inlineData" in part)
    picture["inlineData"] = other["inlineData"]
    assert "Corrupted" in message(request("draw a cat", content, "now a dog"), model)


def test_a_loop_of_issued_signatures_runs_to_its_end() -> None:
    contents: list[Any] = [user("weather in Rome in 4 steps")]
    for _ in range(4):
        content = model_turn(request(*contents, functions=[WEATHER]), "gemini-3.8-flash")
        called = content["parts"][0]["functionCall"]
        contents += [content, user(result(id=called["id"]))]
    last = ask(request(*contents, functions=[WEATHER]), "gemini-3.8-flash")
    assert not calls(last)
