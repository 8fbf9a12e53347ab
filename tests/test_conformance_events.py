"""The judge of streamed responses: it takes what keeps the rules of events, and nothing else."""

import copy

import pytest

from conformance.events import join_events
from conformance.joining import BrokenStream
from tests.support.responding import make_answer, make_view, stream_response

GROUNDED = {
    "groundingChunks": [{"web": {"uri": "https://e.x", "title": "E"}}],
    "groundingSupports": [{"segment": {"endIndex": 5, "text": "words"}, "groundingChunkIndices": [0]}],
}

GOOD, _ = stream_response(
    [
        make_answer({"text": "hm", "thought": True}, {"text": "words"}, finish=""),
        make_answer({"text": " here"}, finish=""),
        make_answer({"functionCall": {"name": "f", "args": {"a": 1}}}, groundingMetadata=GROUNDED),
    ],
    make_view(tools=[{"type": "function", "name": "f"}, {"type": "web_search"}]),
)


def renumber(events):
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def place(kind, last=False):
    found = [number for number, event in enumerate(GOOD) if event["type"] == kind]
    return found[-1 if last else 0]


def test_a_good_stream_is_its_response():
    assert join_events(GOOD) == GOOD[-1]["response"]


@pytest.mark.parametrize("number", range(len(GOOD)), ids=[event["type"] for event in GOOD])
def test_a_stream_without_one_of_its_events_is_broken(number):
    with pytest.raises(BrokenStream):
        join_events(renumber(GOOD[:number] + GOOD[number + 1 :]))


@pytest.mark.parametrize("number", range(len(GOOD)), ids=[event["type"] for event in GOOD])
def test_a_stream_with_an_event_told_twice_is_broken(number):
    with pytest.raises(BrokenStream):
        join_events(renumber([*GOOD[: number + 1], *GOOD[number:]]))


CHANGES = {
    "a number is left out": lambda events: events[3].update(sequence_number=9),
    "an item has another id": lambda events: events[place("response.output_item.done")]["item"].update(id="x"),
    "a call has another call id": lambda events: events[place("response.output_item.done", last=True)]["item"].update(
        call_id="x"
    ),
    "an event names another item": lambda events: events[place("response.output_text.delta")].update(item_id="x"),
    "an item begins as completed": lambda events: events[place("response.output_item.added")]["item"].update(
        status="completed"
    ),
    "an item begins with content": lambda events: events[place("response.output_item.added", last=True)]["item"].update(
        arguments="{}"
    ),
    "a whole text is another": lambda events: events[place("response.output_text.done")].update(text="x"),
    "the response has another id": lambda events: events[-1]["response"].update(id="x"),
    "the response has no items": lambda events: events[-1]["response"].update(output=[]),
    "the response has another status": lambda events: events[-1]["response"].update(status="incomplete"),
    "the response begins as completed": lambda events: events[0]["response"].update(status="completed"),
    "a delta is of another kind": lambda events: events[place("response.function_call_arguments.delta")].update(
        type="response.custom_tool_call_input.delta"
    ),
    "an item that is not the last is incomplete": lambda events: (
        events[place("response.output_item.done")]["item"].update(status="incomplete"),
        events[-1]["response"]["output"][0].update(status="incomplete"),
    ),
    "a citation is numbered from one": lambda events: events[place("response.output_text.annotation.added")].update(
        annotation_index=1
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_stream_that_breaks_a_rule_is_broken(change):
    events = copy.deepcopy(GOOD)
    change(events)
    with pytest.raises(BrokenStream):
        join_events(events)
