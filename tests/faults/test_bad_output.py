"""A model's words are text and nothing else: they end no event, name no header, break no line of the log."""

import json
import logging
from typing import cast

import pytest
import pytest_asyncio

from adapter.server.observe.log_sink import LogSink
from adapter.server.observe.request_log import RequestLog
from adapter.settings import Settings
from conformance.events import join_events
from conformance.joining import join
from tests.faults.rows import CHAT, post, says_hello, serve
from tests.support.scripted import LogLines, answer, chat

pytestmark = pytest.mark.asyncio(loop_scope="module")

RESPONSES = "/v1/responses"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}

TEXTS = {
    "an end of the stream": "a\n\ndata: [DONE]\n\nb",
    "an event": 'a\r\n\r\nevent: error\r\ndata: {"error":{}}\r\n\r\nb',
    "line ends of all kinds": "\r\n\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029",
    "a comment": "\n:\n: ping\n",
    "a script": "</script><script>alert(1)</script><!--",
    "colours of a terminal": "\x1b[31mred\x1b]0;title\x07",
    "zero bytes": "\0a\0",
    "a mark of the byte order": "\ufeffa",
    "marks of direction": "\u202eabc\u202c",
    "no character": "\uffff\ufffe",
    "an emoji of several": "👩‍👩‍👧‍👦",
    "JSON": '{"choices":[]}',
    "a quote and a slash": '"\\/\\u0000\\',
    "half a megabyte": "\n" * 500_000,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server():
    async with serve() as made:
        yield made


@pytest.fixture(autouse=True)
def only_warnings(caplog):
    caplog.set_level(logging.WARNING)


def says(*events):
    """A script that answers with one of these whole, or with all of them as a stream; bytes are JSON as they are."""

    async def script(call):
        if "stream" in call.request.path:
            await call.stream(*(b"data: " + one + b"\r\n\r\n" if isinstance(one, bytes) else one for one in events))
        else:
            await call.json(events[0])

    return script


def payloads(response):
    """The data of a stream's events, read as the standard says: lines end with LF, CR or both, nothing else."""
    text = response.content.decode().replace("\r\n", "\n").replace("\r", "\n")
    blocks = [block for block in text.split("\n\n") if block]
    lines = [[line for line in block.split("\n") if not line.startswith((":", "event: "))] for block in blocks]
    assert all(len(block) <= 1 and all(line.startswith("data: ") for line in block) for block in lines)
    return [block[0].removeprefix("data: ") for block in lines if block]


async def streamed_chat(client, **fields):
    response = await post(client, CHAT, chat(stream=True, **fields))
    assert response.status_code == 200
    *events, last = payloads(response)
    assert last == "[DONE]"
    return [json.loads(event) for event in events]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
async def test_a_text_arrives_as_it_is_in_one_event(server, text, caplog):
    upstream, client = server
    upstream.script = says(answer(text))
    whole = (await post(client, CHAT, chat())).json()
    assert whole["choices"][0]["message"]["content"] == text
    events = await streamed_chat(client)
    deltas = [choice["delta"].get("content") or "" for event in events for choice in event["choices"]]
    assert "".join(deltas) == text
    body = {"model": "gemini-3.5-flash", "input": "hi"}
    assert (await post(client, RESPONSES, body)).json()["output"][-1]["content"][0]["text"] == text
    *events, last = payloads(await post(client, RESPONSES, {**body, "stream": True}))
    assert last == "[DONE]"
    events = [json.loads(one) for one in events]
    assert "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta") == text
    assert events[-1]["type"] == "response.completed"
    assert caplog.records == []


def calls(arguments, name=b'"f"'):
    """An answer of one call, in which name and arguments are these bytes."""
    plain = json.dumps(answer({"functionCall": {"name": "NAME", "args": "ARGUMENTS"}})).encode()
    return plain.replace(b'"NAME"', name).replace(b'"ARGUMENTS"', arguments)


SERVED = {
    "a name that was not declared": (calls(b"{}", b'"g"'), "g", {}),
    "a name of a module": (calls(b"{}", b'"__proto__"'), "__proto__", {}),
    "a name with a line end": (calls(b"{}", rb'"f\n\ndata: [DONE]\n\n"'), "f\n\ndata: [DONE]\n\n", {}),
    "arguments of five megabytes": (calls(b'{"a":"%s"}' % (b"x" * 5_000_000)), "f", {"a": "x" * 5_000_000}),
    "arguments with line ends": (calls(rb'{"a":"\n\ndata: [DONE]\n\n"}'), "f", {"a": "\n\ndata: [DONE]\n\n"}),
    "arguments with a long number": (calls(b'{"a":%s}' % (b"1" + b"0" * 300)), "f", {"a": 10**300}),
    "arguments of one name twice": (calls(b'{"a":1,"a":2}'), "f", {"a": 2}),
    "no arguments": (calls(b"null"), "f", {}),
    "half a surrogate pair in arguments": (calls(rb'{"a":"\ud800"}'), "f", {"a": "\ufffd"}),
    "half a surrogate pair in a name": (calls(b"{}", rb'"f\udc00"'), "f\ufffd", {}),
}


@pytest.mark.parametrize(("said", "name", "arguments"), SERVED.values(), ids=SERVED.keys())
async def test_an_odd_call_arrives(server, said, name, arguments, caplog):
    upstream, client = server
    upstream.script = says(said)
    whole = (await post(client, CHAT, chat(tools=[TOOL]))).json()["choices"][0]["message"]["tool_calls"][0]["function"]
    assert (whole["name"], json.loads(whole["arguments"])) == (name, arguments)
    functions = [
        call["function"]
        for event in await streamed_chat(client, tools=[TOOL])
        for choice in event["choices"]
        for call in choice["delta"].get("tool_calls") or ()
    ]
    assert functions[0]["name"] == name
    assert json.loads("".join(one["arguments"] for one in functions)) == arguments
    assert caplog.records == []


BAD = "upstream_bad_response"
MALFORMED = "malformed_function_call"
NESTED = '{"a":' * 300 + "1" + "}" * 300

HOSTILE = {
    "arguments of three hundred levels": (calls(NESTED.encode()), NESTED),
    "arguments that are a list": (calls(b"[1]"), '{"_raw":"[1]"}'),
    "arguments that are a text": (calls(b'"x"'), r'{"_raw":"\"x\""}'),
    "a number beyond a double": (calls(b'{"a":1e400}'), '{"a":1e400}'),
    "half a surrogate pair in a text": (json.dumps(answer("TEXT")).encode().replace(b"TEXT", rb"\ud83d"), "\ufffd"),
    "an image that is no base64": (
        json.dumps(answer({"inlineData": {"mimeType": "a\r\nb: c", "data": "?"}})).encode(),
        "",
    ),
    "counts below zero": (json.dumps({**answer("hi"), "usageMetadata": {"promptTokenCount": -1}}).encode(), "hi"),
    "huge counts": (json.dumps({**answer("hi"), "usageMetadata": {"totalTokenCount": 10**40}}).encode(), "hi"),
}
"""Gemini's words, and the text or the arguments that the client gets."""

REFUSED = {
    "arguments of a hundred thousand levels": (calls(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), BAD),
    "broken UTF-8 in a text": (json.dumps(answer("TEXT")).encode().replace(b"TEXT", b"\xff\xfe"), BAD),
    "broken UTF-8 in arguments": (calls(b'{"a":"\xff"}'), BAD),
    "arguments that are no JSON": (calls(b"{a:1}"), BAD),
    "not a number": (calls(b'{"a":NaN}'), BAD),
    "a name of null": (calls(b"{}", b"null"), MALFORMED),
    "a name that is a number": (calls(b"{}", b"5"), BAD),
    "an empty name": (calls(b"{}", b'""'), MALFORMED),
    "a text that is a number": (json.dumps(answer({"text": 5})).encode(), BAD),
}
"""Gemini's words, and the code of the error that the client gets."""


def body_for(path):
    return chat(tools=[TOOL]) if path == CHAT else {"model": "gemini-3.5-flash", "input": "hi"}


def said_in(path, whole):
    """The text of an answer, or the arguments of its call."""
    if path == CHAT:
        message = whole["choices"][0]["message"]
        calls = message.get("tool_calls")
        return calls[0]["function"]["arguments"] if calls else message["content"]
    item = whole["output"][0]
    return item["arguments"] if item["type"] == "function_call" else item["content"][0]["text"]


@pytest.mark.parametrize(("said", "expected"), HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("path", [CHAT, RESPONSES])
async def test_what_is_odd_and_harmless_arrives_whole_and_streamed(server, said, expected, path, caplog):
    upstream, client = server
    upstream.script = says(said)
    whole = await post(client, path, body_for(path))
    stream = await post(client, path, {**body_for(path), "stream": True})
    assert (whole.status_code, stream.status_code) == (200, 200)
    events = [json.loads(one) for one in payloads(stream) if one != "[DONE]"]
    joined = join(events) if path == CHAT else join_events(events)
    assert said_in(path, whole.json()) == said_in(path, joined) == expected
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize(("said", "code"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("path", [CHAT, RESPONSES])
async def test_an_answer_that_is_none_is_the_upstreams_fault(server, said, code, path, caplog):
    upstream, client = server
    upstream.script = says(said)
    for more in ({}, {"stream": True}):
        response = await post(client, path, body_for(path) | more)
        error = response.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert (response.status_code, error["code"]) == (502, code)
    assert not any(record.exc_info for record in caplog.records)
    upstream.script = says_hello
    assert (await post(client, CHAT, chat())).status_code == 200


ODD = "r1\r\nx-evil: 1\x00\x1b[31m\u2028"


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
async def test_what_gemini_calls_its_answer_is_in_no_header(server, path):
    upstream, client = server
    upstream.script = says({**answer("hi"), "responseId": ODD, "modelVersion": ODD})
    for stream in (False, True):
        body = chat(stream=stream) if path == CHAT else {"model": "gemini-3.5-flash", "input": "hi", "stream": stream}
        response = await post(client, path, body)
        assert response.status_code == 200
        assert "x-evil" not in response.headers
        assert not any("r1" in value for value in response.headers.values())


TOLD = {
    "content-type", "content-length", "transfer-encoding", "date", "cache-control", "x-accel-buffering", "connection",
    "x-request-id", "x-adapter-upstream", "x-adapter-model", "x-adapter-notes", "openai-version", "retry-after",
    "openai-processing-ms", "x-content-type-options", "x-should-retry",
}  # fmt: skip


async def test_no_header_of_geminis_is_handed_on_but_when_to_come_back(server):
    async def script(call):
        body = json.dumps({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "no"}}).encode()
        if call.number % 2:
            body = json.dumps(answer("hi")).encode()
        head = "429 X\r\nRetry-After: 7" if call.number % 2 == 0 else "200 OK"
        names = ("Set-Cookie", "Server", "X-Evil", "Location", "Via", "Access-Control-Allow-Origin", "X-Request-Id")
        lines = "".join(f"{name}: planted\r\n" for name in names)
        call.writer.write(f"HTTP/1.1 {head}\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await call.writer.drain()

    async with serve() as (upstream, client):
        upstream.script = script
        good, bad = [await post(client, CHAT, chat()) for _ in range(2)]
    assert (good.status_code, bad.status_code, bad.headers["retry-after"]) == (200, 429, "7")
    for response in (good, bad):
        assert set(response.headers) <= TOLD
        assert "planted" not in str(response.headers)


STRANGE = ['a\n{"level":"fatal"}', "\x1b[31m", "a\r\nb", "a\u2028b", "x" * 100_000, '"', "\0"]


@pytest.mark.parametrize("log_format", ["plain", "json"])
@pytest.mark.parametrize("text", STRANGE, ids=lambda text: repr(text[:12]))
async def test_one_request_is_one_line_whatever_it_says(log_format, text):
    written = LogLines()
    lines = RequestLog(Settings(log_format=log_format), cast(LogSink, written))
    async with serve(lines=lines) as (upstream, client):
        upstream.script = says({**answer(text), "modelVersion": text})
        for body in ({**chat(text), "model": text}, {**chat(), "user": text, text: text}):
            assert (await post(client, CHAT, body)).status_code in (200, 400)
        await client.post(f"/v1/responses/{'%0a'}{{}}", json={})
    shown = "\n".join([*written, ""]).split("\n")
    assert len(shown) == 4
    assert shown[-1] == ""
    assert not any(character in "".join(written) for character in "\x1b\r\0\u2028")
    assert max(map(len, shown)) < 2_000
    if log_format == "json":
        assert all(json.loads(line)["level"] == "info" for line in shown[:-1])
