"""The exchange log keeps the last exchanges, within bounds, and shortens long base64."""

import json
import re
from typing import Any

import msgspec
import pytest

from adapter.server.observe.exchange_log import (
    LARGE,
    MAX_BODY,
    MAX_EXCHANGES,
    MAX_FOLLOWED,
    MAX_ONE,
    MAX_SHORT,
    MAX_WHOLE,
    Exchange,
    ExchangeLog,
    UpstreamCall,
    shorten,
)
from adapter.server.observe.timed_frames import MAX_FRAMES
from adapter.translate.core.notes import Fate, Note
from adapter.wire.gemini.content import Blob, Content, FunctionResponse, FunctionResponsePart, Part
from adapter.wire.gemini.generate import GenerateContentRequest


def exchange(number=0, request=b"{}", answer=b"{}"):
    return Exchange(id=f"req_{number}", path="/v1/chat/completions", started_at=0.0, request=request, answer=[answer])


def detail_of(one: Exchange) -> dict[str, Any]:
    return one.detail()


def test_the_newest_are_kept():
    ring = ExchangeLog(enabled=True)
    for number in range(MAX_EXCHANGES + 5):
        ring.add(exchange(number))
    assert len(ring.newest_first()) == MAX_EXCHANGES
    assert ring.newest_first()[0].id == f"req_{MAX_EXCHANGES + 4}"
    assert ring.find("req_0") is None
    assert ring.find("req_5") is not None


def test_nothing_is_kept_where_it_is_off():
    ring = ExchangeLog(enabled=False)
    ring.add(exchange())
    assert ring.newest_first() == []


def test_of_large_exchanges_but_the_newest_the_ends_are_kept_and_all_together_are_bounded():
    ring = ExchangeLog(enabled=True)
    for number in range(50):
        one = exchange(number, request=b"x" * (MAX_ONE // 4))
        one.notes = [Note("messages", Fate.EXACT)]
        one.upstream_request = {"contents": "y" * (MAX_ONE // 4)}
        one.calls = [UpstreamCall("studio", "m", "generateContent", 0.0, [], [(0.0, b"z" * (MAX_ONE // 16))] * 2)]
        ring.add(one)
        assert sum(one.size for one in ring.newest_first()) <= MAX_WHOLE + MAX_EXCHANGES * MAX_SHORT
    newest, *_, oldest = ring.newest_first()
    assert (newest.request, newest.detail()["is_part"]) == (b"x" * (MAX_ONE // 4), False)
    assert oldest.size < MAX_SHORT
    detail = detail_of(oldest)
    assert detail["is_part"] is True
    assert [note["path"] for note in detail["notes"]] == ["messages"]
    assert re.fullmatch(r"x+\n\.\.\. 1032192 bytes are left out \.\.\.\nx+", detail["request"])
    assert json.loads(detail["upstream_request"])["contents"].endswith("yyy ... 1032207 bytes are left out ...")
    assert [len(event["text"]) < LARGE for event in detail["calls"][0]["events"]] == [True, True]


def test_of_a_large_image_its_length_is_kept_and_of_all_else_the_whole():
    raw: Any = msgspec.Raw(b'{"role":"model","parts":[{"text":"earlier"}]}')
    data = "QUJD" * MAX_ONE
    blob = Blob(mime_type="image/png", data=data)
    result = FunctionResponse(name="shoot", parts=[FunctionResponsePart(inline_data=blob)])
    parts = [Part(text="before"), Part(inline_data=blob), Part(function_response=result), Part(text="behind")]
    sent = GenerateContentRequest(contents=[raw, Content(role="user", parts=parts), Content(role="user")])
    one = exchange(request=b"x" * MAX_ONE)
    one.upstream_request = sent
    ring = ExchangeLog(enabled=True)
    ring.add(one)
    _, content, bare = json.loads(one.detail()["upstream_request"])["contents"]
    text, image, returned, more = content["parts"]
    assert bare == {"role": "user"}
    assert returned["functionResponse"]["parts"] == [image]
    assert (text, more) == ({"text": "before"}, {"text": "behind"})
    assert image["inlineData"] == {"mimeType": "image/png", "data": f"... {4 * MAX_ONE} characters ..."}
    assert parts[1].inline_data.data is data, "what was sent stays as it is"


def test_an_exchange_that_is_too_large_by_itself_pushes_no_other_out():
    ring = ExchangeLog(enabled=True)
    ring.add(exchange(1, request=b"x" * (MAX_ONE // 4)))
    ring.add(exchange(2, request=b"x" * MAX_ONE))
    large, other = ring.newest_first()
    assert large.detail()["is_part"]
    assert not other.detail()["is_part"]


def test_of_a_long_stream_the_first_and_the_last_events_are_kept_with_their_times():
    ring = ExchangeLog(enabled=True)
    one = exchange(request=b"x" * MAX_ONE)
    frames = ring.tap(one)
    assert frames is not None
    times = [float(number) for number in range(5 * MAX_FRAMES)]
    for number in times:
        frames.append(b"data: %d\n\n" % number)
        frames.times.append(number)
    events = [(one.begun + number, b"{}") for number in range(500)]
    one.calls = [UpstreamCall("studio", "m", "streamGenerateContent", 0.0, [], events)]
    ring.add(one)
    detail = detail_of(one)
    assert detail["events"] == 5 * MAX_FRAMES
    assert len(detail["answer"]) == len(detail["answer_times"]) == 2 * MAX_FRAMES + 1
    assert detail["answer"][0] == "data: 0\n\n"
    assert detail["answer"][MAX_FRAMES] == ": ... 120 events are left out ...\n\n"
    assert detail["answer"][-1] == f"data: {5 * MAX_FRAMES - 1}\n\n"
    shown = [at + one.begun for at in detail["answer_times"]]
    assert shown == pytest.approx([*times[:MAX_FRAMES], *times[-MAX_FRAMES - 1 :]], abs=1e-3)
    assert (len(one.calls[0].events), one.last_event_after) == (2 * MAX_FRAMES, pytest.approx(499))


def test_of_one_with_many_large_events_the_row_and_the_notes_are_left():
    one = exchange(request=b"x" * MAX_ONE)
    one.calls = [UpstreamCall("studio", "m", "generateContent", 0.0, [], [(0.0, b"z" * LARGE)] * 200)]
    ExchangeLog(enabled=True).add(one)
    assert one.request == b"(too large to keep)"
    assert one.size < LARGE


def test_where_large_ones_lost_their_bodies_the_rows_of_small_ones_are_overwritten_in_order():
    ring = ExchangeLog(enabled=True)
    for number in range(20):
        ring.add(exchange(number, request=b"x" * (MAX_ONE // 4)))
    for number in range(20, 130):
        ring.add(exchange(number))
    kept = ring.newest_first()
    assert [one.id for one in kept] == [f"req_{number}" for number in range(129, 29, -1)]
    assert all(one.request == b"{}" for one in kept)


def test_long_base64_is_told_by_its_length():
    body = b'{"url": "data:image/png;base64,' + b"A" * 1_000 + b'", "text": "hello"}'
    assert shorten(body) == '{"url": "data:image/png;base64,... 1024 characters ...", "text": "hello"}'
    assert shorten(b"\xff") == "\ufffd"


def test_of_a_body_that_is_too_large_to_be_shown_the_middle_is_left_out():
    body = json.dumps({"input": ["a text"] * MAX_BODY, "model": "m"}).encode()
    shown = json.loads(shorten(body))
    assert shown["input"][0] == "a text"
    assert shown["model"] == "m"
    assert len(shorten(body)) < MAX_BODY


def test_no_more_streams_are_followed_than_exchanges_are_kept():
    ring = ExchangeLog(enabled=True)
    running = [exchange(number) for number in range(MAX_FOLLOWED + 1)]
    taps = [ring.tap(one) for one in running]
    assert all(tap is one.answer for tap, one in zip(taps[:-1], running[:-1], strict=True))
    assert taps[-1] is None
    assert b"too many" in running[-1].answer[0]
    ring.add(running[0])
    assert ring.tap(exchange()) is not None
    assert ring.tap(exchange()) is None


def test_a_stream_that_falls_back_is_followed_once():
    ring = ExchangeLog(enabled=True)
    for number in range(2 * MAX_FOLLOWED):
        stream = exchange(number)
        assert ring.tap(stream) is not None
        assert ring.tap(stream) is not None, "the next place"
        ring.add(stream)
    assert all(ring.tap(exchange()) is not None for _ in range(MAX_FOLLOWED))


def test_a_stream_is_not_followed_where_nothing_is_kept():
    assert ExchangeLog(enabled=False).tap(exchange()) is None


def test_what_the_store_brought_back_counts_too():
    ring = ExchangeLog(enabled=True)
    large = exchange(1)
    large.history_bytes, large.upstream_request = MAX_ONE, {}
    ring.add(large)
    assert (large.history_bytes, large.upstream_request, large.size < 5_000) == (0, b"{}", True)
