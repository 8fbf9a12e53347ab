"""Recorded chat requests as Gemini's."""

import msgspec
import pydantic
import pytest

from adapter.translate.core.notes import Rejected
from tests.corpus.requests import MODELS, translate
from tests.support.leaves import Output, lost_leaves
from tests.support.oracles import check_gemini_request, emulator_refusal
from tests.support.recordings import chat_requests, compare, exceptions

CONSTANT = {
    "model": "the model is in the URL",
    "messages[].role": "roles and their order become turns, checked by test_conversations.py",
    "messages[].content[].type": "says which field of the part counts",
    "messages[].content[].image_url.detail": "becomes a media resolution, by a table; auto is the default of both",
    "messages[].tool_calls[].type": "says which field of the call counts",
    "messages[].tool_calls[].index": "the call's place in its list",
    "tools[].type": "says which field of the tool counts",
    "tools[].function.strict": "chooses the mode VALIDATED where the model has it",
    "response_format.type": "becomes the MIME type of the answer",
    "response_format.json_schema.strict": "Gemini always follows the schema",
    "thinking.type": "`enabled` is what a budget says, or the default; `disabled` has a note",
    "stream_options.include_usage": "honoured by the stream of chunks",
}
"""Paths whose values may be absent from the output without a note, and why."""

WITHOUT_IDS = {
    "messages[].tool_calls[].id": "models before Gemini 3 have no call ids: results stand in the order of their calls",
    "messages[].tool_call_id": "the same",
    "reasoning.effort": "a budget in tokens stands for it, by a table",
}
"""The same, for models before Gemini 3."""


@pytest.mark.parametrize("model", MODELS)
def test_every_request_is_one_that_google_genai_takes_or_a_named_refusal(model, count):
    failures = {}
    for recording in chat_requests():
        try:
            body, _ = translate(recording, model)
            check_gemini_request(body)
        except (Rejected, msgspec.ValidationError, pydantic.ValidationError) as error:
            failures[recording.id] = f"{type(error).__name__} {getattr(error, 'note', '')}: {error}"
            count("refused")
        else:
            count("translated")
    compare("requests", failures)


@pytest.mark.parametrize("model", MODELS)
def test_the_strict_emulator_takes_every_request(model, count):
    failures = {}
    for recording in chat_requests():
        if recording.id in exceptions("requests"):
            continue
        body, _ = translate(recording, model)
        refusal = emulator_refusal(body, model)
        count("refused" if refusal else "taken")
        if refusal:
            failures[recording.id] = refusal
    compare("requests.emulator", failures)


@pytest.mark.parametrize("model", MODELS)
def test_nothing_of_a_request_is_lost_without_a_note(model, count):
    constant = CONSTANT if model.startswith("gemini-3") else CONSTANT | WITHOUT_IDS
    assert len(constant) <= 20
    failures = {}
    for recording in chat_requests():
        if recording.id in exceptions("requests"):
            continue
        body, notes = translate(recording, model)
        gone = lost_leaves(recording.request, Output(body), notes, constant)
        count("lost" if gone else "all there")
        if gone:
            failures[recording.id] = ", ".join(gone)
    compare("requests.lost", failures)
