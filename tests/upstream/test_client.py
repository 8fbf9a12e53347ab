import asyncio
import gzip
import json
from contextlib import aclosing, suppress

import pytest

from adapter.upstream import open_upstream
from adapter.upstream.client import MAX_PAGES, Caller, Upstream
from adapter.upstream.errors import (
    MAX_ERROR_BODY,
    InvalidModelName,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from adapter.upstream.event_source import UNSPECIFIED
from adapter.upstream.observer import outcome
from adapter.upstream.policy.retry import WORLD
from adapter.upstream.settings import UpstreamSettings
from adapter.wire.gemini.content import Content, Part
from adapter.wire.gemini.generate import GenerateContentRequest
from tests.support.chaos import CHUNKED, answer, chunk

ASKED = GenerateContentRequest(contents=[Content(role="user", parts=[Part(text="Hi")])])
ANYONE = Caller()


def event(text, **more):
    return json.dumps({"candidates": [{"content": {"parts": [{"text": text}]}}], **more}).encode()


def sse(*payloads):
    return b"".join(b"data: " + payload + b"\r\n\r\n" for payload in payloads)


def error_body(code, **more):
    return json.dumps({"error": {"code": code, "message": "no", **more}}).encode()


class Answer:
    """A canned answer: pieces, or exceptions in their place."""

    def __init__(self, *pieces, status=200, **headers):
        self.status = status
        self.headers = headers
        self.pieces = list(pieces)
        self.reads = 0
        self.closed = 0

    async def read(self):
        self.reads += 1
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def aclose(self):
        self.closed += 1


class Canned:
    """A transport that gives answers, or raises, in order."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.closed = False

    async def send(self, request):
        self.requests.append(request)
        outcome = self.answers[len(self.requests) - 1]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def aclose(self):
        self.closed = True


async def no_sleep(_seconds):
    return None


def upstream(*answers, **settings):
    transport = Canned(*answers)
    given = UpstreamSettings(url="http://gemini.test", keys=("k",), **settings)
    return Upstream(given, transport, WORLD._replace(sleep=no_sleep)), transport


def texts(replies):
    return [part.text for reply in replies for part in reply.response.candidates[0].content.parts]


async def ask_stream(client, **options):
    async with aclosing(await client.stream("m", ASKED, ANYONE, **options)) as events:
        return [reply async for reply in replies_of(events)]


async def replies_of(events):
    while (reply := await events.next()) is not None:
        yield reply


async def test_generate_sends_gemini_what_it_documents():
    client, transport = upstream(Answer(event("Hello")), headers={"X-Extra": "1"})
    reply = await client.generate("gemini-3.5-flash", ASKED, ANYONE)
    assert texts([reply]) == ["Hello"]
    [request] = transport.requests
    assert (request.method, request.url) == (
        "POST",
        "http://gemini.test/v1beta/models/gemini-3.5-flash:generateContent",
    )
    assert json.loads(request.body) == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
    assert request.headers["x-goog-api-key"] == "k"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-extra"] == "1"
    assert request.headers["x-server-timeout"] == "590"
    assert "authorization" not in request.headers
    assert transport.answers[0].closed == 1


async def test_stream_gives_each_event():
    body = sse(event("a"), event("b"))
    client, transport = upstream(Answer(body[:20], body[20:], sse(event("c")) + b"data: [DONE]\n\n"))
    assert texts(await ask_stream(client)) == ["a", "b", "c"]
    assert transport.requests[0].url == "http://gemini.test/v1beta/models/m:streamGenerateContent?alt=sse"
    assert transport.requests[0].headers["accept-encoding"] == "identity"
    assert transport.answers[0].closed == 1


@pytest.mark.parametrize(
    "body",
    [sse(event("a"))[:-4], b"[" + event("a") + b"\n]", event("a"), sse(event("a"), b"[DONE]")[:-4]],
    ids=["no blank line", "an array", "a whole answer", "DONE without a blank line"],
)
async def test_stream_reads_what_the_end_completes(body):
    client, _ = upstream(Answer(body))
    assert texts(await ask_stream(client)) == ["a"]


async def test_unknown_fields_are_handed_on():
    client, _ = upstream(Answer(event("a", novelty={"x": 1})), Answer(sse(event("a", novelty=2))))
    assert bytes((await client.generate("m", ASKED, ANYONE)).unknown["novelty"]) == b'{"x": 1}'
    assert bytes((await ask_stream(client))[0].unknown["novelty"]) == b"2"


async def test_a_relay_without_streaming_gives_its_whole_answer_as_one_event():
    client, transport = upstream(Answer(event("Hello")), streaming=False)
    assert texts(await ask_stream(client)) == ["Hello"]
    assert transport.requests[0].url.endswith(":generateContent")


async def test_closing_a_stream_closes_its_answer():
    client, transport = upstream(Answer(sse(event("a")), sse(event("b"))))
    replies = await client.stream("m", ASKED, ANYONE)
    assert texts([await replies.next()]) == ["a"]
    await replies.aclose()
    assert (transport.answers[0].closed, transport.answers[0].reads) == (1, 1)


class Ends:
    """Observes calls; `heard` has each event's payload, and how each call ended."""

    def __init__(self):
        self.heard = []

    def add_open_circuits(self, *_):
        pass

    def start_call(self, *_):
        return self

    def on_attempt(self, _headers):
        pass

    def on_head(self, _status):
        pass

    def on_error(self, error):
        self.heard.append(("failed", outcome(error)))

    def on_reply(self, _response, payload):
        self.heard.append(payload)

    def __enter__(self):
        return self

    def __exit__(self, _kind, error, _trace):
        self.heard.append(outcome(error))


@pytest.mark.parametrize(
    ("read", "tail", "heard"),
    [
        (3, b"", [event("a"), event("b"), "ok"]),
        (3, error_body(503), [event("a"), event("b"), "503"]),
        (1, b"", [event("a"), "cancelled"]),
        (0, b"", [event("a"), "cancelled"]),
    ],
    ids=["read to its end", "failed", "closed before", "closed before it was read"],
)
async def test_an_observer_learns_of_each_event_and_once_of_the_end(read, tail, heard):
    observer = Ends()
    refused = Answer(error_body(503), status=503)
    transport = Canned(refused, Answer(sse(event("a")), sse(event("b")), *([tail] if tail else [])))
    given = UpstreamSettings(url="http://gemini.test", keys=("k",))
    client = Upstream(given, transport, WORLD._replace(sleep=no_sleep), observer)
    async with aclosing(await client.stream("m", ASKED, ANYONE)) as events:
        with suppress(UpstreamError):
            for _ in range(read):
                await events.next()
    assert observer.heard == [("failed", "503"), *heard]


async def test_an_error_status_raises_geminis_status_and_closes():
    client, transport = upstream(Answer(error_body(400, status="INVALID_ARGUMENT"), status=400))
    with pytest.raises(UpstreamError) as caught:
        await client.generate("m", ASKED, ANYONE)
    assert (caught.value.status, caught.value.error.status) == (400, "INVALID_ARGUMENT")
    assert transport.answers[0].closed == 1


async def test_an_error_body_is_read_only_so_far():
    refusal = Answer(*[b"x" * 10_000] * 50, status=400)
    client, _ = upstream(refusal)
    with pytest.raises(UpstreamError):
        await client.generate("m", ASKED, ANYONE)
    assert refusal.reads == MAX_ERROR_BODY // 10_000 + 1


async def test_an_error_whose_body_is_cut_is_still_that_error():
    client, _ = upstream(Answer(b"<html", UpstreamTruncated(), status=404))
    with pytest.raises(UpstreamError) as caught:
        await client.generate("m", ASKED, ANYONE)
    assert caught.value.status == 404


NO_ANSWERS = {
    "empty": b"",
    "HTML": b"<html>",
    "another shape": b'{"candidates": 7}',
    "bad UTF-8": b'{"modelVersion": "\xff"}',
    "cut": b'{"candidates": [',
    "too deep": b'{"candidates": ' + b"[" * 100_000,
    "too many unknown fields": json.dumps({"candidates": [{"x": 1}] * 1_100}).encode(),
}


@pytest.mark.parametrize("name", NO_ANSWERS)
async def test_a_200_that_is_no_answer_is_a_protocol_error(name):
    body = NO_ANSWERS[name]
    client, transport = upstream(Answer(body), Answer(sse(body)))
    with pytest.raises(UpstreamProtocolError):
        await client.generate("m", ASKED, ANYONE)
    with pytest.raises(UpstreamProtocolError):
        await ask_stream(client)
    assert [one.closed for one in transport.answers] == [1, 1]


@pytest.mark.parametrize("wrap", [b"%s", b"[%s]"], ids=["object", "list of one"])
async def test_an_error_inside_a_200_is_that_error(wrap):
    body = wrap % error_body(400, status="INVALID_ARGUMENT")
    client, _ = upstream(Answer(body), Answer(sse(body)), Answer(body))
    with pytest.raises(UpstreamError, match="no") as caught:
        await client.generate("m", ASKED, ANYONE)
    assert caught.value.status == 400
    for _ in range(2):
        with pytest.raises(UpstreamError, match="no") as caught:
            await ask_stream(client)
        assert (caught.value.status, caught.value.code) == (400, None)


TAILS = {
    "an event": sse(error_body(503)),
    "raw JSON over lines": json.dumps({"error": {"code": 503, "message": "no"}}, indent=2).encode(),
    "a list of one": b"[" + error_body(503) + b"]\n",
    "a broken connection": UpstreamTruncated(),
}


@pytest.mark.parametrize("tail", TAILS)
async def test_what_ends_a_stream_badly_is_raised_after_its_events_and_never_repeated(tail):
    client, transport = upstream(Answer(sse(event("a")), TAILS[tail]))
    seen = []

    async def consume():
        async with aclosing(await client.stream("m", ASKED, ANYONE)) as events:
            async for reply in replies_of(events):
                seen.append(reply)

    with pytest.raises(UpstreamError) as caught:
        await consume()
    assert texts(seen) == ["a"]
    assert caught.value.status in (502, 503)
    assert (len(transport.requests), transport.answers[0].closed) == (1, 1)


def candidate(text, index=0, finish=None):
    said = {"index": index, "content": {"parts": [{"text": text}]}}
    return json.dumps({"candidates": [said | ({"finishReason": finish} if finish else {})]}).encode()


def ends_of(replies):
    return [(one.index, one.finish_reason) for reply in replies for one in reply.response.candidates or ()]


@pytest.mark.parametrize("pieces", ["together", "apart"])
@pytest.mark.parametrize(
    ("events", "ends"),
    [
        ([candidate("a"), b"[DONE]"], [(0, None), (0, UNSPECIFIED)]),
        ([candidate("a"), candidate("b", 1, "STOP"), b"[DONE]"], [(0, None), (1, "STOP"), (0, UNSPECIFIED)]),
        ([candidate("a", finish="STOP"), b"[DONE]"], [(0, "STOP")]),
        ([candidate("a", finish="STOP"), candidate("b"), b"[DONE]"], [(0, "STOP"), (0, None)]),
        ([candidate("a")], [(0, None)]),
        ([candidate("a"), b"[DONE]", b"[DONE]"], [(0, None), (0, UNSPECIFIED)]),
    ],
)
async def test_done_ends_what_has_no_finish_reason_where_the_operator_says_so(events, ends, pieces):
    """github.com/router-for-me/CLIProxyAPI/issues/4167 (2026)."""
    body = [sse(*events)] if pieces == "together" else [sse(one) for one in events]
    for done_ends in (True, False):
        client, _ = upstream(Answer(*body), done_ends=done_ends)
        seen = ends_of(await ask_stream(client))
        assert seen == (ends if done_ends else [one for one in ends if one[1] != UNSPECIFIED])


async def test_an_error_as_the_first_event_is_repeated():
    client, transport = upstream(Answer(sse(error_body(503))), Answer(sse(event("a"))))
    assert texts(await ask_stream(client)) == ["a"]
    assert [one.closed for one in transport.answers] == [1, 1]


async def test_a_stream_without_events_is_a_protocol_error():
    client, transport = upstream(Answer(b"<html>\n"))
    with pytest.raises(UpstreamProtocolError, match="without any event"):
        await ask_stream(client)
    assert transport.answers[0].closed == 1


async def test_an_answer_too_large_is_cut_off():
    large = Answer(*[b" " * 100] * 10)
    client, _ = upstream(large, max_answer_bytes=250)
    with pytest.raises(UpstreamProtocolError, match="larger than 250 bytes"):
        await client.generate("m", ASKED, ANYONE)
    assert (large.reads, large.closed) == (3, 1)


async def test_an_event_too_large_is_cut_off():
    large = Answer(b"data: ", *[b" " * 100] * 10)
    client, _ = upstream(large, max_event_bytes=250)
    with pytest.raises(UpstreamProtocolError, match="larger than 250 bytes"):
        await ask_stream(client)
    assert (large.reads, large.closed) == (4, 1)


async def test_a_refused_connection_is_tried_twice():
    refused = UpstreamUnavailable("No connection.", again=True)
    client, transport = upstream(refused, Answer(event("a")))
    assert texts([await client.generate("m", ASKED, ANYONE)]) == ["a"]
    assert len(transport.requests) == 2


@pytest.mark.parametrize("told", ["status", "first event"])
async def test_a_429_moves_to_the_next_key_which_stays_first(told):
    refusal = error_body(429)
    first = Answer(refusal, status=429) if told == "status" else Answer(sse(refusal))
    transport = Canned(first, *(Answer(sse(event("a"))) for _ in range(3)))
    client = Upstream(UpstreamSettings(url="http://gemini.test", keys=("one", "two")), transport)
    for _ in range(3):
        assert texts(await ask_stream(client)) == ["a"]
    assert [request.headers["x-goog-api-key"] for request in transport.requests] == ["one", "two", "two", "two"]


@pytest.mark.parametrize("callers", [None, 30.0, 9_999.0])
async def test_the_sooner_deadline_holds(callers):
    client, transport = upstream(Answer(event("a")), total=100.0)
    now = asyncio.get_running_loop().time()
    await client.generate("m", ASKED, ANYONE, None if callers is None else now + callers)
    seconds = min(callers or 100.0, 100.0)
    [request] = transport.requests
    assert now + seconds <= request.deadline < now + seconds + 5
    assert 0 < int(request.headers["x-server-timeout"]) <= seconds


@pytest.mark.parametrize("name", ["../secrets", "a?key=b", ""])
async def test_a_bad_name_never_leaves(name):
    client, transport = upstream()
    with pytest.raises(InvalidModelName):
        await client.generate(name, ASKED, ANYONE)
    with pytest.raises(InvalidModelName):
        await client.stream(name, ASKED, ANYONE)
    with pytest.raises(InvalidModelName):
        await client.model(name, ANYONE)
    assert transport.requests == []


async def test_models_come_from_all_pages():
    pages = [{"models": [{"name": "models/a"}], "nextPageToken": "x/y="}, {"models": [{"name": "models/b", "new": 1}]}]
    client, transport = upstream(*(Answer(json.dumps(page).encode()) for page in pages))
    assert [model.name for model in await client.models(ANYONE)] == ["models/a", "models/b"]
    assert [request.url for request in transport.requests] == [
        "http://gemini.test/v1beta/models?pageSize=1000",
        "http://gemini.test/v1beta/models?pageSize=1000&pageToken=x%2Fy%3D",
    ]
    assert [request.body for request in transport.requests] == [None, None]


async def test_no_models_are_an_empty_list():
    client, _ = upstream(Answer(b"{}"))
    assert await client.models(ANYONE) == []


async def test_pages_without_end_are_an_error():
    client, _ = upstream(*(Answer(b'{"nextPageToken": "again"}') for _ in range(MAX_PAGES)))
    with pytest.raises(UpstreamProtocolError, match="pages"):
        await client.models(ANYONE)


async def test_one_model():
    client, transport = upstream(Answer(b'{"name": "models/a", "inputTokenLimit": 7}'))
    assert (await client.model("a", ANYONE)).input_token_limit == 7
    assert (transport.requests[0].method, transport.requests[0].url) == ("GET", "http://gemini.test/v1beta/models/a")


async def test_closing_closes_the_transport():
    client, transport = upstream()
    await client.aclose()
    assert transport.closed


@pytest.fixture(params=["asyncio", "httpx2"])
async def live(request, chaos):
    client = open_upstream(UpstreamSettings(url=chaos.url, keys=("top-secret",), http_client=request.param))
    yield client
    await client.aclose()


@pytest.mark.faults
async def test_leaving_a_stream_cuts_the_connection(live, chaos):
    async def script(exchange):
        await exchange.send(CHUNKED + chunk(sse(event("a"))))
        await exchange.wait_closed()
        return True

    chaos.script = script
    replies = await live.stream("m", ASKED, ANYONE)
    assert texts([await replies.next()]) == ["a"]
    await replies.aclose()
    await chaos.wait_for_connections()


@pytest.mark.faults
@pytest.mark.parametrize("began", [False, True])
async def test_cancelling_a_stream_cuts_the_connection(live, chaos, began):
    waiting = asyncio.Event()

    async def script(exchange):
        await exchange.send(CHUNKED + (chunk(sse(event("a"))) if began else b""))
        if not began:
            waiting.set()
        await exchange.wait_closed()
        return True

    async def consume():
        async with aclosing(await live.stream("m", ASKED, ANYONE)) as events:
            while await events.next() is not None:
                waiting.set()

    chaos.script = script
    task = asyncio.create_task(consume())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await chaos.wait_for_connections()


@pytest.mark.faults
async def test_a_stream_read_to_its_end_keeps_the_connection(live, chaos):
    async def script(exchange):
        await exchange.send(CHUNKED + chunk(sse(event("a"))) + chunk(sse(event("b"))) + b"0\r\n\r\n")

    chaos.script = script
    for _ in range(3):
        assert texts(await ask_stream(live)) == ["a", "b"]
    assert chaos.connections == 1


@pytest.mark.faults
async def test_every_byte_may_come_alone(live, chaos):
    async def script(exchange):
        body = 'data: {"candidates":[{"content":{"parts":[{"text":"é😀\u2028x\u0085y"}]}}]}\r\n\r\n'.encode()
        await exchange.send(CHUNKED)
        for number in range(len(body)):
            await exchange.send(chunk(body[number : number + 1]))
            await asyncio.sleep(0)
        await exchange.send(b"0\r\n\r\n")

    chaos.script = script
    assert texts(await ask_stream(live)) == ["é😀\u2028x\u0085y"]


@pytest.mark.faults
async def test_a_compressed_error_is_read(live, chaos):
    async def script(exchange):
        body = gzip.compress(error_body(400, status="FAILED_PRECONDITION"))
        await exchange.send(answer(body, "400 Bad Request", Content_Encoding="gzip"))

    chaos.script = script
    with pytest.raises(UpstreamError) as caught:
        await live.generate("m", ASKED, ANYONE)
    assert caught.value.error.status == "FAILED_PRECONDITION"


@pytest.mark.faults
async def test_no_error_shows_the_key_or_the_foreign_body(live, chaos, caplog):
    async def script(exchange):
        assert exchange.fields["x-goog-api-key"] == "top-secret"
        assert "top-secret" not in exchange.line
        match exchange.hit:
            case 1:
                await exchange.send(answer(b"<html>canary", "500 Oops", Content_Type="text/html"))
            case 2:
                await exchange.send(answer(b"<html>canary"))
            case 3:
                await exchange.send(b"canary\r\n\r\n")
            case _:
                await exchange.send(CHUNKED + b"ff\r\ncanary")
        return True

    chaos.script = script
    for _ in range(4):
        with pytest.raises(UpstreamError) as caught:
            await live.generate("m", ASKED, ANYONE)
        shown = str(caught.value) + repr(caught.value) + repr(caught.value.error)
        assert "top-secret" not in shown
        assert "canary" not in shown
    assert "top-secret" not in caplog.text
