"""The emulator's Decisions API: its refusals, and its answers as google-genai reads them."""

import pytest
from google import genai
from google.genai._gaos.lib.compat_errors import NotFoundError
from google.genai.types import HttpOptions

from adapter.emulator import EmulatorSettings
from adapter.emulator.core.errors import Refusal
from adapter.emulator.service import decide, decision_model
from tests.support.scripted import run_emulator

ASKED = {"type": "noul", "instructions": "Is it so?"}
BODY = {"model": "models/gemini-decision-1", "input": "a", "questions": {"q": ASKED}}
CHOICE = {"type": "choice", "instructions": "Which?"}
SCORE = {"type": "score", "instructions": "How much?"}


def asking(**question):
    return {**BODY, "questions": {"q": {**ASKED, **question}}}


FAULTS = [
    ([], "Expected an object"),
    ({**BODY, "temperature": 0}, "temperature: unknown field"),
    ({**BODY, "model": ""}, "model is not specified"),
    ({**BODY, "input": ""}, "input is not specified"),
    ({**BODY, "input": []}, "at least one content block"),
    ({**BODY, "input": None}, "at least one content block"),
    ({**BODY, "input": [{"type": "noise"}]}, "input[0].type"),
    ({**BODY, "input": [{"type": "text", "text": ""}]}, "input[0].text"),
    ({**BODY, "input": [{"type": "text", "text": "a", "role": "user"}]}, "input[0].role: unknown field"),
    ({**BODY, "input": [{"type": "image"}]}, "exactly one of data and uri"),
    ({**BODY, "input": [{"type": "image", "data": "?", "mime_type": "image/png"}]}, "Base64 decoding failed"),
    ({**BODY, "input": [{"type": "image", "data": "YQ==", "mime_type": "text/html"}]}, "mime_type is not supported"),
    ({**BODY, "input": [{"type": "image", "data": "YQ==", "mimeType": "image/png"}]}, "mimeType: unknown field"),
    ({**BODY, "questions": {}}, "questions is not specified"),
    ({**BODY, "questions": {str(number): ASKED for number in range(1_001)}}, "at most 1000"),
    (asking(type="predicate"), "questions[q].type"),
    (asking(name="a"), "questions[q].name: unknown field"),
    (asking(instructions=""), "instructions is not specified"),
    (asking(instructions=[{"type": "image", "uri": "a"}]), "questions[q].instructions[0].type"),
    (asking(criteria={"yes": "a"}), "true_description"),
    (asking(**CHOICE), "between 2 and 255 options"),
    (asking(**CHOICE, criteria={"a": ""}), "between 2 and 255 options"),
    (asking(**CHOICE, criteria={"a": "", " b": ""}), "option IDs"),
    (asking(**CHOICE, criteria={"a": "", "b\n": ""}), "option IDs"),
    (asking(**CHOICE, criteria={"a": "", "b": None}), "must be a string"),
    (asking(**SCORE, criteria={"a": "", "b": ""}), "between 2 and 255 levels"),
    (asking(**SCORE, criteria=["a", ""]), "levels must not be empty"),
]


@pytest.mark.parametrize(("body", "text"), FAULTS, ids=[text for _, text in FAULTS])
def test_a_body_with_a_fault_is_refused_by_name(body, text):
    with pytest.raises(Refusal) as refused:
        decision_model(body)
    assert refused.value.code == 400
    assert text in refused.value.message


GOOD = [
    BODY,
    {**BODY, "input": {"type": "text", "text": "a"}},
    {**BODY, "input": [{"type": "image", "uri": "https://a/b.png"}]},
    asking(criteria={"true_description": "a"}),
    asking(**CHOICE, criteria={"a": "", "b": "c"}),
    asking(**SCORE, criteria=["a", "b"]),
]


@pytest.mark.parametrize("body", GOOD)
def test_what_is_taken_has_an_answer_whose_odds_add_up(body):
    assert decision_model(body) == "gemini-decision-1"
    answer = decide(body)["answers"]["q"]
    assert 0 < answer["confidence"] <= 1
    assert sum(answer.get("probabilities", {"": 1}).values()) == pytest.approx(1, abs=1e-4)


async def asked_by_google_genai(model, question):
    """The answer that Google's own client reads, or its error."""
    async with run_emulator(EmulatorSettings()) as gemini:
        options = HttpOptions(base_url=gemini.url, api_version="v1beta")
        async with genai.Client(api_key="any", http_options=options).aio as client:
            return await client.decisions.create(model=model, input="It is urgent.", questions={"a": question})


async def test_google_genai_gets_its_answer():
    found = await asked_by_google_genai("gemini-decision-1", {**ASKED, "instructions": "Is it urgent?"})
    assert found.answers["a"].noul > 0.9
    assert found.usage.total_output_tokens == 0


@pytest.mark.parametrize("model", ["gemini-3.5-flash", "gemini-decision-9"])
async def test_a_model_that_does_not_decide_is_not_found(model):
    with pytest.raises(NotFoundError, match="createDecision"):
        await asked_by_google_genai(model, ASKED)
