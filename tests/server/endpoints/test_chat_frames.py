"""The frames of a streamed chat: the same bytes, whether chunks are encoded or texts put where the last one was."""

import json
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapter.server.endpoints.chat import ChatWriter
from adapter.server.observe.exchange_log import Exchange
from adapter.translate.answer.stream import ChatStream
from adapter.upstream.client import Reply
from adapter.wire.sse import event
from tests.support.answering import STAMP, answer, context, read

TEXTS = st.text(st.sampled_from('ab č😀\n\u2028"\\\0'), max_size=6)
PARTS = st.one_of(
    st.builds(lambda text: {"text": text}, TEXTS),
    st.builds(lambda text: {"text": text, "thought": True}, TEXTS),
    st.sampled_from([{"functionCall": {"name": "f"}}, {"text": "a", "thoughtSignature": "U0lH"}]),
)
SIDES = st.sampled_from([{}, {}, {}, {"modelVersion": "gemini-y"}, {"unknownField": 1}])
USAGES = st.sampled_from([None, {"totalTokenCount": 3}, {"serviceTier": "flex"}, {"serviceTier": "other"}])


def streamed_chat(at):
    call: Any = SimpleNamespace(exchange=Exchange(id="r1", path="/v1/chat/completions", started_at=0.0))
    writer = ChatWriter(call, STAMP)
    plan: Any = SimpleNamespace(context=at, model=STAMP.model)
    writer.begin(plan)
    return writer


@given(st.lists(st.tuples(PARTS, SIDES, USAGES, st.booleans()), max_size=12), st.booleans())
def test_frames_are_the_chunks_of_the_stream_machine(events, leaking):
    at = context(options={"leaked_thoughts": leaking})
    answered, machine = streamed_chat(at), ChatStream(at, STAMP)
    for part, side, usage, continued in events:
        body = {**answer(part, finish=None), **side, **({"usageMetadata": usage} if usage else {})}
        response, unknown = read(body)
        if continued:
            machine.note_continuation()
        chunks = machine.feed(response, unknown)
        frames = answered.feed(Reply(response, unknown, is_continued=continued))
        assert ([frames] if type(frames) is bytes else frames) == [event(chunk) for chunk in chunks]
    assert answered.machine.notes == machine.notes


def test_texts_that_go_on_are_not_encoded_with_all_that_is_around_them(monkeypatch):
    answered = streamed_chat(context())
    texts = ["one", "two", "three", "four"]
    made = []
    whole = ChatStream.text_chunk.__get__(answered.machine)
    monkeypatch.setattr(answered.machine, "text_chunk", lambda text: made.append(text) or whole(text))
    frames = [answered.feed(Reply(*read(answer({"text": text}, finish=None)))) for text in texts]
    last = [frame if type(frame) is bytes else frame[-1] for frame in frames]
    said = [json.loads(frame.removeprefix(b"data: "))["choices"][0]["delta"]["content"] for frame in last]
    assert said == texts
    assert len(made) == 1
