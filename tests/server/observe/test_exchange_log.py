"""What the page at / keeps: the last exchanges, within bounds, with long base64 shorten."""

from adapter.server.observe.exchange_log import (
    MAX_ALL,
    MAX_FOLLOWED,
    MAX_KEPT,
    MAX_ONE,
    Exchange,
    ExchangeLog,
    shorten,
)


def exchange(number=0, request=b"{}", answer=b"{}"):
    return Exchange(id=f"req_{number}", path="/v1/chat/completions", started_at=0.0, request=request, answer=[answer])


def test_the_newest_are_kept():
    ring = ExchangeLog(enabled=True)
    for number in range(MAX_KEPT + 5):
        ring.add(exchange(number))
    assert len(ring.newest_first()) == MAX_KEPT
    assert ring.newest_first()[0].id == f"req_{MAX_KEPT + 4}"
    assert ring.find("req_0") is None
    assert ring.find("req_5") is not None


def test_nothing_is_kept_where_it_is_off():
    ring = ExchangeLog(enabled=False)
    ring.add(exchange())
    assert ring.newest_first() == []


def test_large_bodies_are_not_kept_and_all_together_are_bounded():
    ring = ExchangeLog(enabled=True)
    ring.add(exchange(request=b"x" * MAX_ONE))
    assert ring.newest_first()[0].request == b"(too large to keep)"
    assert ring.newest_first()[0].detail()["upstream_request"] == ""
    for number in range(50):
        ring.add(exchange(number, request=b"x" * (MAX_ONE // 4)))
    kept = ring.newest_first()
    assert sum(one.size for one in kept) <= MAX_ALL
    assert len(kept) == 51
    assert kept[0].request.startswith(b"xx")
    assert kept[40].request == b"(newer requests took its place in memory)"
    assert kept[50].request == b"(too large to keep)"


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


def test_a_stream_is_not_followed_where_nothing_is_kept():
    assert ExchangeLog(enabled=False).tap(exchange()) is None


def test_what_the_store_brought_back_counts_too():
    ring = ExchangeLog(enabled=True)
    large = exchange(1)
    large.history_bytes, large.upstream_request = MAX_ONE, {}
    ring.add(large)
    assert (large.upstream_request, large.size < 5_000) == (None, True)
