"""Faults between this server and Gemini, made real by a server on raw sockets.

Each fault meets a whole and a streamed request. The client sees a status or an event of an error, never an answer that
looks finished and is none; then nothing is left of the call, and the next one is served.
"""

import asyncio
import gzip
import json
import logging
import socket
import zlib

import pytest

from tests.faults.upstreams import (
    BAD,
    BUSY,
    CUT,
    EMPTY,
    FINAL,
    GOOD,
    LATE,
    LIMITS,
    LOST,
    PATH,
    Broken,
    Named,
    Row,
    Whole,
    answer_bytes,
    both,
    by_kind,
    check_error,
    check_record,
    check_stream,
    check_whole,
    delta,
    first,
    google,
    http_error,
    one_line_without_end,
    quota,
    says,
    streams,
    waits,
    whole_stream,
)
from tests.support.chaos import CHUNKED, chunk, running
from tests.support.chaos import answer as http
from tests.support.guards import PATIENCE
from tests.support.scripted import LogLines, adapter, answer, chat, frame

SECRETS = ("AIzaSyCanaryCanaryCanaryCanaryCanaryCan", "canary prompt")


async def drips(exchange):
    await exchange.send(CHUNKED)
    while True:
        await exchange.send(chunk(b":\n"))
        await asyncio.sleep(0.02)


async def never_ends(exchange):
    await exchange.send(CHUNKED)
    while True:
        await exchange.send(chunk(delta("a")))
        await asyncio.sleep(0.02)


def zip_body(*parts, cut=None):
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    pieces = [packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH) for part in parts] + [packer.flush()]
    data = b"".join(pieces)[:cut]
    return http(data, content_encoding="gzip", content_type="text/event-stream")


def nothing(value):
    """The same answer, whole or as the only event."""
    return by_kind(answer_bytes(value), whole_stream(frame(value)))


def candidate(content, reason="STOP"):
    return {**FINAL, "candidates": [{"index": 0, "content": content, "finishReason": reason}]}


def without_usage(text):
    event = answer(text, finish=None)
    del event["usageMetadata"]
    return frame(event)


WELL = Whole("!")
TEXT = {"parts": [{"text": "!"}]}
NO_USAGE = {name: value for name, value in FINAL.items() if name != "usageMetadata"}
NO_SENSE = {"promptTokenCount": -5, "totalTokenCount": 2**40}
END = "\n\ndata: [DONE]\n\n</script>\r\n\x1b[0m"
TRICKY = "é😀\u2028x\u0085y\u2029"
BOMB = gzip.compress(b"data: " + b"0" * 200_000_000)

CONNECTIONS = [
    Row("closed before the answer", says(), LOST, LOST),
    Row("reset before the answer", says(then="reset"), LOST, LOST),
    Row("half a head", says(b"HTTP/1.1 200 OK\r\nContent-Le"), LOST, LOST),
    Row("garbage", says(b"\x00\x01garbage\r\n\r\n"), BAD, BAD),
    Row(
        "a header of 200 KB",
        says(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\nContent-Length: 0\r\n\r\n"),
        BAD,
        BAD,
    ),
    Row(
        "interim answers",
        by_kind(
            says(
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                + http(json.dumps(FINAL).encode()),
                then="keep",
            ),
            says(b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED + chunk(frame(FINAL)) + chunk(b""), then="keep"),
        ),
        Whole("!"),
        Whole("!"),
    ),
    Row("a redirect", answer_bytes(b"", "302 Found", location="http://169.254.169.254/"), BAD, BAD),
    Row("a body shorter than it says", says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"), CUT, CUT),
    Row("silence", says(then="hang"), LATE, LATE, settings=LIMITS),
    Row("silence after the head", says(CHUNKED, then="hang"), LATE, LATE, settings=LIMITS),
    Row(
        "silence after the client was promised an answer",
        says(then="hang"),
        LATE,
        Broken("", "upstream_timeout"),
        settings=LIMITS | {"commit_after": 0.1},
    ),
    Row(
        "a body that ends with its connection, cut",
        says(b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(FINAL).encode()[:30]),
        BAD,
        BAD,
    ),
    Row("an early refusal", by_kind(http_error(413, "X"), http_error(413, "X")), (413, None), (413, None)),
]

STREAMS = [
    Row(
        "silence after two events",
        streams(delta("a"), delta("b"), then="hang"),
        LATE,
        Broken("ab", "upstream_timeout"),
        settings=LIMITS,
    ),
    Row("comments for ever", drips, LATE, LATE, settings={"total_timeout": 0.5}),
    Row(
        "comments for ever after the client was promised an answer",
        drips,
        LATE,
        Broken("", "upstream_timeout"),
        settings={"total_timeout": 0.5, "commit_after": 0.1},
    ),
    Row("events for ever", never_ends, LATE, Broken("a", "upstream_timeout"), settings={"total_timeout": 0.5}),
    Row(
        "cut inside an event",
        says(CHUNKED, chunk(delta("a")), b"20\r\n1234567"),
        CUT,
        Broken("a", "upstream_stream_truncated"),
    ),
    Row("cut between events", streams(delta("a")), CUT, Broken("a", "upstream_stream_truncated")),
    Row("reset between events", streams(delta("a"), then="reset"), CUT, Broken("a", "upstream_stream_truncated")),
    Row("an end without a finish", whole_stream(delta("a"), delta("b")), BAD, Broken("ab", "incomplete_stream")),
    Row(
        "an error as the first event",
        by_kind(http_error(503, "UNAVAILABLE"), whole_stream(frame(google(503, "UNAVAILABLE")))),
        BUSY,
        BUSY,
        hits=2,
    ),
    Row(
        "an error as the third event",
        whole_stream(delta("a"), delta("b"), frame(google(503, "UNAVAILABLE"))),
        BAD,
        Broken("ab", "server_is_overloaded"),
    ),
    Row(
        "an error that is no event",
        streams(delta("a"), json.dumps(google(503, "UNAVAILABLE"), indent=2).encode(), b""),
        BAD,
        Broken("a", "server_is_overloaded"),
    ),
    Row(
        "an event that is no JSON",
        whole_stream(delta("a"), b'data: {"cand\n\n'),
        BAD,
        Broken("a", "upstream_bad_response"),
    ),
    Row(
        "an event that is no object",
        whole_stream(delta("a"), b"data: 5\n\n"),
        BAD,
        Broken("a", "upstream_bad_response"),
    ),
    Row(
        "a finish without parts",
        by_kind(
            answer_bytes({"candidates": [{"finishReason": "STOP"}]}),
            whole_stream(delta("a"), frame({"candidates": [{"finishReason": "STOP"}]})),
        ),
        Whole(""),
        Whole("a"),
    ),
    Row(
        "every byte alone",
        by_kind(
            answer_bytes(answer(TRICKY)),
            whole_stream(
                *(
                    bytes([byte])
                    for byte in b"data: " + json.dumps(answer(TRICKY), ensure_ascii=False).encode() + b"\r\n\r\n"
                )
            ),
        ),
        Whole(TRICKY),
        Whole(TRICKY),
    ),
    Row(
        "other line ends and fields",
        by_kind(
            answer_bytes(FINAL),
            whole_stream(
                b"\xef\xbb\xbf: c\r\nid: 1\rretry: 5\nevent: x\ndata:"
                + json.dumps(answer("a", finish=None)).encode()
                + b"\r\r"
                + frame(FINAL)
            ),
        ),
        Whole("!"),
        Whole("a!"),
    ),
    Row("a line without an end", one_line_without_end, BAD, BAD),
    Row(
        "packed events",
        by_kind(
            says(zip_body(json.dumps(FINAL).encode()), then="keep"),
            says(zip_body(delta("a"), frame(FINAL)), then="keep"),
        ),
        Whole("!"),
        Whole("a!"),
    ),
    Row(
        "packed events, cut",
        says(zip_body(delta("a" * 50), frame(FINAL), cut=-20), then="keep"),
        CUT,
        Broken("a" * 50, "upstream_stream_truncated"),
    ),
    Row("not packed though it says so", says(http(b"hello", content_encoding="gzip"), then="keep"), CUT, CUT),
    Row("200 MB packed in 200 KB", says(http(BOMB, content_encoding="gzip"), then="keep"), BAD, BAD),
    Row(
        "two finishes",
        by_kind(answer_bytes(FINAL), whole_stream(delta("a"), frame(FINAL), frame(answer("late")))),
        Whole("!"),
        Whole("a!late"),
    ),
    Row(
        "silence behind the finish",
        by_kind(answer_bytes(FINAL), streams(delta("a"), frame(FINAL), then="hang")),
        Whole("!"),
        Whole("a!"),
        settings=LIMITS,
    ),
    Row(
        "a reset behind the finish",
        by_kind(answer_bytes(FINAL), streams(delta("a"), frame(FINAL), then="reset")),
        Whole("!"),
        Whole("a!"),
    ),
]

ANSWERS = [
    Row(
        "a page of HTML as a 502",
        answer_bytes(b"<html>secret</html>", "502 X", content_type="text/html"),
        (502, None),
        (502, None),
    ),
    Row(
        "a page of HTML as a 503",
        answer_bytes(b"<html>secret</html>", "503 X", content_type="text/html"),
        (503, None),
        (503, None),
        hits=2,
    ),
    Row("a page of HTML as a 200", answer_bytes(b"<html>secret</html>", content_type="text/html"), BAD, BAD),
    Row("nothing as a 200", answer_bytes(b""), BAD, BAD),
    Row("a list as a 200", answer_bytes(b"[]"), BAD, BAD),
    Row("a string as a 200", answer_bytes(b'"x"'), BAD, BAD),
    Row(
        "an error in a list",
        answer_bytes([google(400, "INVALID_ARGUMENT", "bad field")], "400 X"),
        (400, None),
        (400, None),
    ),
    Row("an error as a 200", answer_bytes(google(400, "INVALID_ARGUMENT", "bad field")), (400, None), (400, None)),
    Row(
        "an error whose code is a word",
        answer_bytes({"error": {"code": "invalid_request", "message": "m"}}, "400 X"),
        (400, None),
        (400, None),
    ),
    Row("an error that is a string", answer_bytes({"error": "x"}, "400 X"), (400, None), (400, None)),
    Row("an error with nothing in it", answer_bytes(b"", "500 X"), (500, None), (500, None)),
    Row("no candidates", by_kind(answer_bytes({}), whole_stream(frame({}))), EMPTY, EMPTY),
    Row("an empty list of candidates", nothing({"candidates": []}), EMPTY, EMPTY),
    Row("null for candidates", nothing({"candidates": None}), EMPTY, EMPTY),
    Row("null for parts", nothing(candidate({"parts": None})), Whole(""), Whole("")),
    Row("null for a content", nothing(candidate(None)), Whole(""), Whole("")),
    Row("a kind of part that nobody knows", nothing(candidate({"parts": [{"new": 1}, {"text": "!"}]})), WELL, WELL),
    Row("a reason to end that nobody knows", nothing(candidate(TEXT, "NEW_REASON")), WELL, WELL),
    Row(
        "usage only in the last event",
        by_kind(answer_bytes(FINAL), whole_stream(without_usage("a"), frame(FINAL))),
        WELL,
        Whole("a!"),
    ),
    Row("no usage", by_kind(answer_bytes(NO_USAGE), whole_stream(frame(NO_USAGE))), WELL, WELL),
    Row("zero bytes in a text", *both(answer("a\0b"), "a\0b")),
    Row("usage that makes no sense", *both({**FINAL, "usageMetadata": NO_SENSE}, "!")),
    Row("a control character in the ids", *both({**FINAL, "responseId": "a\r\nb", "modelVersion": "m\r\nX: y"}, "!")),
    Row("text that looks like the end of a stream", *both(answer(END), END)),
]

STATUSES = [
    Row(
        "429 with a wait",
        http_error(429, "RESOURCE_EXHAUSTED", details=[waits(39)]),
        (429, "rate_limit_exceeded"),
        (429, "rate_limit_exceeded"),
    ),
    Row(
        "429 for the day",
        http_error(429, "RESOURCE_EXHAUSTED", details=[quota("GenerateRequestsPerDayPerProjectPerModel")]),
        (429, "insufficient_quota"),
        (429, "insufficient_quota"),
    ),
    Row("503 once", first(http_error(503, "UNAVAILABLE"), GOOD), Whole("!"), Whole("!"), hits=2),
    Row("503 always", http_error(503, "UNAVAILABLE"), BUSY, BUSY, hits=2),
    Row("500", http_error(500, "INTERNAL"), (500, None), (500, None)),
    Row("501", http_error(501, "UNIMPLEMENTED"), (501, None), (501, None)),
    Row("504", http_error(504, "DEADLINE_EXCEEDED"), LATE, LATE),
    Row("499", http_error(499, "CANCELLED"), (503, None), (503, None)),
    Row("401", http_error(401, "UNAUTHENTICATED"), (502, "upstream_auth_failed"), (502, "upstream_auth_failed")),
    Row(
        "403",
        http_error(403, "PERMISSION_DENIED", "Your API key was reported as leaked."),
        (502, "upstream_auth_failed"),
        (502, "upstream_auth_failed"),
    ),
    Row(
        "404", http_error(404, "NOT_FOUND", "models/x is not found"), (404, "model_not_found"), (404, "model_not_found")
    ),
]

ROWS = [*CONNECTIONS, *STREAMS, *ANSWERS, *STATUSES]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_fault_is_told_and_leaves_nothing_behind(row, stream, caplog):
    caplog.set_level(logging.WARNING)
    one_upstream = {"max_concurrent": 1, "max_queued": 0}
    given = {
        "upstream_keys": (SECRETS[0],),
        "retries": 1,
        "circuit_pause": 0.0,
        "metrics": True,
        **one_upstream,
        **row.settings,
    }
    log = LogLines()
    async with running() as (chaos, url), adapter(Named(url), lines=log, **given) as client:
        before = len(asyncio.all_tasks())
        chaos.script = row.play
        response = await client.post(PATH, json=chat(SECRETS[1], stream=stream))
        (check_stream if stream else check_whole)(response, row.streamed if stream else row.whole)
        assert chaos.hits == row.hits
        chaos.script = GOOD
        # Each was told by its answer alone; what is logged is a bug.
        assert [one for one in caplog.records if one.name == "adapter" and one.levelno >= logging.ERROR] == []
        # A quota is one model's: where it is used up, only requests for others are sent.
        after = await client.post(PATH, json=chat("next", stream=stream, model="gemini-3.8-flash"))
        (check_stream if stream else check_whole)(after, Whole("!"))
        async with asyncio.timeout(PATIENCE):
            while chaos.open > 1 or len(asyncio.all_tasks()) > before + 1:
                await asyncio.sleep(0.01)
        figures = (await client.get("/metrics")).text
    check_record(log, figures, row.streamed if stream else row.whole)
    for place in (response.text, str(response.headers), caplog.text, "".join(log), figures):
        assert not any(secret in place for secret in SECRETS)


TOLD = {
    "429 with a wait": (http_error(429, "RESOURCE_EXHAUSTED", details=[waits(39)]), "39", None),
    "503 with a wait": (http_error(503, "UNAVAILABLE", details=[waits(39)]), "39", None),
    "429 for the day": (
        http_error(429, "RESOURCE_EXHAUSTED", details=[quota("GenerateRequestsPerDayPerProjectPerModel")]),
        None,
        "false",
    ),
    "a refused key": (http_error(403, "PERMISSION_DENIED"), None, "false"),
    "501": (http_error(501, "UNIMPLEMENTED"), None, "false"),
    "500": (http_error(500, "INTERNAL"), None, None),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("error", TOLD)
async def test_clients_are_told_whether_and_when_to_ask_again(error, stream):
    play, after, again = TOLD[error]
    async with running() as (chaos, url), adapter(Named(url)) as client:
        chaos.script = play
        response = await client.post(PATH, json=chat(stream=stream))
    assert (response.headers.get("retry-after"), response.headers.get("x-should-retry")) == (after, again)
    assert chaos.hits == 1


async def test_a_total_time_limit_that_ran_out_is_not_worth_another_try():
    async with running() as (chaos, url), adapter(Named(url), total_timeout=0.3) as client:
        chaos.script = says(then="hang")
        response = await client.post(PATH, json=chat())
    check_error(response, LATE)
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_an_answer_with_more_than_it_says_never_becomes_anothers(stream):
    async with running() as (chaos, url), adapter(Named(url)) as client:
        stolen = http(json.dumps(answer("stolen")).encode())
        mine = http(json.dumps(answer("mine")).encode())
        events = CHUNKED + chunk(frame(answer("mine"))) + chunk(b"")
        chaos.script = by_kind(says(mine + stolen, then="keep"), says(events + stolen, then="keep"))
        one = await client.post(PATH, json=chat(stream=stream))
        chaos.script = GOOD
        other = await client.post(PATH, json=chat(stream=stream))
    assert one.status_code in (200, 502)
    assert "stolen" not in one.text
    (check_stream if stream else check_whole)(other, Whole("!"))
    assert chaos.connections == 2


async def test_packed_events_arrive_as_they_come():
    """The second event is sent when the first one has arrived."""
    arrived = asyncio.Event()

    async def send_slowly(exchange):
        packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        await exchange.send(CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"))
        await exchange.send(chunk(packer.compress(delta("a")) + packer.flush(zlib.Z_SYNC_FLUSH)))
        await arrived.wait()
        await exchange.send(chunk(packer.compress(frame(FINAL)) + packer.flush()) + chunk(b""))

    async with running() as (chaos, url), adapter(Named(url)) as client:
        chaos.script = send_slowly
        async with client.stream("POST", PATH, json=chat(stream=True)) as response:
            text = ""
            async for piece in response.aiter_text():
                text += piece
                if '"a"' in text:
                    arrived.set()
    assert '"content":"!"' in text
    assert text.endswith("data: [DONE]\n\n")


async def test_a_kept_connection_that_is_reset_when_it_is_used_costs_nothing():
    async def resets(exchange):
        if exchange.hit == 2:
            exchange.reset()
            return True
        return await GOOD(exchange)

    for stream in (False, True):
        async with running() as (chaos, url), adapter(Named(url)) as client:
            chaos.script = resets
            for _ in range(2):
                response = await client.post(PATH, json=chat(stream=stream))
                (check_stream if stream else check_whole)(response, Whole("!"))
            assert chaos.hits == 3


async def test_a_key_that_must_rest_leaves_the_next_one_to_answer():
    async def script(exchange):
        if exchange.fields["x-goog-api-key"] == "a":
            return await http_error(429, "RESOURCE_EXHAUSTED", details=[waits(39)])(exchange)
        return await GOOD(exchange)

    async with running() as (chaos, url), adapter(Named(url), upstream_keys=("a", "b")) as client:
        chaos.script = script
        for _ in range(3):
            check_whole(await client.post(PATH, json=chat()), Whole("!"))
        assert [one.fields["x-goog-api-key"] for one in chaos.exchanges] == ["a", "b", "b", "b"]


@pytest.mark.parametrize("message", ["Your API key was reported as leaked. Please use another API key."])
async def test_a_key_that_is_dead_leaves_the_next_one_to_answer(message):
    async def script(exchange):
        if exchange.fields["x-goog-api-key"] == "a":
            return await http_error(403, "PERMISSION_DENIED", message)(exchange)
        return await GOOD(exchange)

    async with running() as (chaos, url), adapter(Named(url), upstream_keys=("a", "b")) as client:
        chaos.script = script
        for _ in range(3):
            check_whole(await client.post(PATH, json=chat()), Whole("!"))
        assert [one.fields["x-goog-api-key"] for one in chaos.exchanges].count("a") == 1


async def test_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    async with adapter(Named(url), retries=1) as client:
        for stream in (False, True):
            check_error(await client.post(PATH, json=chat(stream=stream)), LOST)


async def test_no_such_host():
    async with adapter(Named("http://no-such-host.invalid"), retries=1) as client:
        response = await client.post(PATH, json=chat())
    check_error(response, LOST)
    assert "no-such-host" not in response.text


async def test_a_host_that_accepts_nothing():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        async with adapter(Named(f"http://127.0.0.1:{port}"), connect_timeout=0.2, retries=1) as client:
            check_error(await client.post(PATH, json=chat()), LATE)
        for one in waiting:
            one.close()


async def test_a_slow_first_event_is_waited_for_with_heartbeats():
    async def slow(exchange):
        await exchange.send(CHUNKED)
        await asyncio.sleep(0.5)
        await exchange.send(chunk(frame(FINAL)) + chunk(b""))

    beats = {"commit_after": 0.1, "heartbeat_after": 0.1}
    async with running() as (chaos, url), adapter(Named(url), **beats) as client:
        chaos.script = slow
        response = await client.post(PATH, json=chat(stream=True))
    check_stream(response, Whole("!"))
    assert response.text.count(":\n\n") + response.text.count(": ") >= 2


async def test_an_image_of_eight_megabytes_arrives_whole():
    data = "A" * 8_000_000
    part = {"inlineData": {"mimeType": "image/png", "data": data}}
    async with running() as (chaos, url), adapter(Named(url)) as client:
        chaos.script = by_kind(answer_bytes(answer(part)), whole_stream(frame(answer(part))))
        for stream in (False, True):
            response = await client.post(PATH, json=chat(stream=stream))
            assert response.status_code == 200
            assert data in response.text
