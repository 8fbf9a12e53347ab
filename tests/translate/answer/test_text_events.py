"""Events that bring a piece of text and nothing else: told from one comparison, as they would be field by field."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate.answer.reader import StreamReader
from adapter.translate.answer.stream import ChatStream
from adapter.wire.base import encode
from tests.support.answering import STAMP, Object, answer, context, read

TEXT = answer({"text": "more"}, finish=None)


def reader_of(first: Object) -> StreamReader:
    """A reader that has read one event."""
    reader = StreamReader(context(), STAMP, shows_code=False)
    reader.feed(*read(first))
    return reader


def event(**fields: Any) -> Object:
    return {**TEXT, **fields}


NEW = {
    "a finish": answer({"text": "more"}),
    "a thought": answer({"text": "more", "thought": True}, finish=None),
    "a signature": answer({"text": "more", "thoughtSignature": "U0lH"}, finish=None),
    "a field of the part": answer({"text": "more", "partMetadata": {"a": 1}}, finish=None),
    "a field of the candidate": answer({"text": "more"}, finish=None, avgLogprobs=-0.5),
    "another choice": answer({"text": "more"}, finish=None, index=1),
    "a second part": answer({"text": "more"}, {"text": "and more"}, finish=None),
    "a second candidate": event(candidates=[*TEXT["candidates"], {"index": 1, "finishReason": "STOP"}]),
    "no text": answer({"text": ""}, finish=None),
    "a call": answer({"functionCall": {"name": "f"}}, finish=None),
    "no content": event(candidates=[{"index": 0}]),
    "no candidate": event(candidates=[]),
    "another model": event(modelVersion="gemini-y"),
    "an id": event(responseId="r2"),
    "a time": event(createTime="2026-11-26T00:00:00Z"),
    "a status of the model": event(modelStatus={"modelStage": "STABLE"}),
    "feedback": event(promptFeedback={"safetyRatings": []}),
}
"""Each is to be looked at whole behind an event that only has a text."""


@pytest.mark.parametrize("new", NEW.values(), ids=NEW)
def test_an_event_that_says_something_new_is_looked_at_whole(new):
    reader = reader_of(TEXT)
    assert reader.plain_text(read(TEXT)[0]) == "more"
    assert reader.plain_text(read(new)[0]) is None
    assert reader.plain_text(read(TEXT)[0]) == "more"


def test_the_usage_of_every_event_may_be_another():
    reader = reader_of(TEXT)
    assert reader.plain_text(read(event(usageMetadata={"totalTokenCount": 5}))[0]) == "more"
    assert reader.plain_text(read(TEXT)[0]) == "more"


def test_thoughts_go_on_as_thoughts():
    reader = reader_of(NEW["a thought"])
    thought = read(NEW["a thought"])[0]
    assert (reader.plain_text(thought), reader.is_thinking) == ("more", True)
    reader.feed(*read(TEXT))
    assert (reader.plain_text(thought), reader.is_thinking) == (None, False)


@given(st.lists(st.sampled_from([TEXT, TEXT, TEXT, NEW["a thought"], *NEW.values()]), max_size=8), st.booleans())
def test_what_is_told_does_not_depend_on_what_was_looked_at(events, leaking):
    at = context(options={"leaked_thoughts": leaking})
    quick, whole = ChatStream(at, STAMP), ChatStream(at, STAMP)
    never: Any = lambda _response: None  # noqa: E731
    whole.plain_text = never
    for number, one in enumerate(events):
        usage = {"promptTokenCount": number, "serviceTier": ["", "flex", "priority"][number % 3]}
        told = [machine.feed(*read({**one, "usageMetadata": usage})) for machine in (quick, whole)]
        assert encode(told[0]) == encode(told[1])
    end = event(candidates=[{"index": index, "finishReason": "STOP"} for index in range(2)])
    ends = [encode(machine.feed(*read(end)) + machine.close()) for machine in (quick, whole)]
    assert ends[0] == ends[1]
    assert quick.notes == whole.notes
    assert quick.take_issued() == whole.take_issued()
