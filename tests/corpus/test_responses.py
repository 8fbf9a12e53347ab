"""Recorded requests of the Responses API as Gemini's, and recorded answers as input."""

import json

import msgspec
import pydantic
import pytest

from adapter.translate import chat
from adapter.translate.core.context import Context
from adapter.translate.core.notes import Note, Rejected
from adapter.translate.responses import fields as responses
from adapter.translate.signatures.history import look_up
from adapter.wire.base import decode, encode
from adapter.wire.openai.responses_request import InputItem, ResponsesRequest
from conformance.events import join_events
from conformance.joining import BrokenStream
from tests.corpus.requests import requests
from tests.support.leaves import Output, lost_leaves
from tests.support.oracles import check_gemini_request, emulator_refusal
from tests.support.recordings import Recording, compare, exceptions, recordings, row_of
from tests.support.responding import Object

MODELS = ["gemini-3.5-flash", "gemini-2.5-flash"]

CONSTANT = {
    "model": "the model is in the URL",
    "input[].type": "says which fields of the item count",
    "input[].role": "roles and their order become turns",
    "input[].id": "names the item; calls and results are paired by call_id",
    "input[].status": "says that the item is whole",
    "input[].execution": "whether the client ran the search for tools or OpenAI; its result is sent alike",
    "input[].container_id": "Gemini runs code in its own sandbox",
    "input[].content[].type": "says which field of the part counts",
    "input[].content[].detail": "becomes a media resolution, by a table; auto is the default of both",
    "input[].output[].type": "says which field of the part counts",
    "input[].tools[].type": "says which fields of the tool count",
    "input[].tools[].strict": "chooses the mode VALIDATED where the model has it",
    "tools[].type": "says which fields of the tool count",
    "tools[].strict": "chooses the mode VALIDATED where the model has it",
    "tool_choice.type": "says which field of the choice counts",
    "include[]": "what every answer has, or has a note",
    "reasoning.summary": "asks for thoughts",
    "reasoning.generate_summary": "asks for thoughts",
    "text.format.type": "becomes the MIME type of the answer",
    "text.format.strict": "Gemini always follows the schema",
}
"""Paths whose values may be absent from the output without a note, and why."""


def translate_response(recording: Recording, model: str) -> tuple[Object, list[Note]]:
    """Gemini's request and the ledger. Raises as `decode`, `to_chat` and `to_gemini` do."""
    body = {**recording.request, "model": model}
    view = responses.to_chat(*decode(json.dumps(body).encode(), ResponsesRequest))
    try:
        context = Context(
            request=view.request, capabilities=row_of(model), history=look_up(view.request, {}, view.carried)
        )
        gemini, notes = chat.to_gemini(context)
    except Rejected as error:
        raise view.with_client_path(error) from None
    return json.loads(encode(gemini)), view.ledger(notes)


@pytest.mark.parametrize("model", MODELS)
def test_every_request_is_one_that_google_genai_takes_or_a_named_refusal(model, count):
    failures = {}
    for recording in requests():
        try:
            body, notes = translate_response(recording, model)
            check_gemini_request(body)
        except (Rejected, msgspec.ValidationError, pydantic.ValidationError) as error:
            failures[recording.id] = f"{type(error).__name__} {getattr(error, 'note', '')}: {error}"
            count("refused")
        else:
            count("translated")
            assert not [note for note in notes if note.path.startswith("messages")]
    compare("responses", failures)


@pytest.mark.parametrize("model", MODELS)
def test_the_strict_emulator_takes_every_request(model, count):
    failures = {}
    for recording in requests():
        if recording.id in exceptions("responses"):
            continue
        body, _ = translate_response(recording, model)
        refusal = emulator_refusal(body, model)
        count("refused" if refusal else "taken")
        if refusal:
            failures[recording.id] = refusal
    compare("responses.emulator", failures)


def test_nothing_of_a_request_is_lost_without_a_note(count):
    assert len(CONSTANT) <= 20
    failures = {}
    for recording in requests():
        if recording.id in exceptions("responses"):
            continue
        body, notes = translate_response(recording, MODELS[0])
        gone = lost_leaves(recording.request, Output(body), notes, CONSTANT)
        count("lost" if gone else "all there")
        if gone:
            failures[recording.id] = ", ".join(gone)
    compare("responses.lost", failures)


def test_every_item_of_an_answer_is_known_as_input(count):
    for recording in recordings("openai_responses_exchanges"):
        for event in recording.events() if recording.status == 200 else ():
            whole = event.get("response", event) if isinstance(event, dict) else {}
            _, unknown = decode(json.dumps(whole.get("output") or []).encode(), list[InputItem])
            assert not unknown
            count("read")


def test_the_judge_of_events_takes_the_streams_of_openai(count):
    """OpenAI's own streams keep the rules by which this adapter's are judged."""
    failures = {}
    for recording in recordings("openai_responses_exchanges"):
        if recording.sse is None or recording.fidelity != "wire":
            continue
        try:
            join_events(list(recording.events()))
        except BrokenStream as error:
            failures[recording.id] = str(error)
            count("broken")
        else:
            count("whole")
    compare("responses.events", failures)
