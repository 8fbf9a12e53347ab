"""Every limit of a request: what is just within it is served, and what is just beyond is refused and says where."""

import asyncio
import json
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from tests.faults.rows import CHAT, Row, called_out, check_refusal, post, serve
from tests.support.raw import BODY, head, raw, request
from tests.support.responses_socket import create, receive_events, socket
from tests.support.scripted import answer, chat

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD = chat()
INT32 = 2**31


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server():
    async with serve(**SETTINGS) as made:
        yield made


SETTINGS = {"max_messages": 5, "max_parts": 5, "max_choices": 3}


PART = {"type": "text", "text": "x"}


class Limit(NamedTuple):
    """A body just within a limit, one just beyond it, and the path that the error names."""

    name: str
    within: object
    beyond: object
    where: str | None


def having(**fields):
    return {**GOOD, **fields}


def with_content(content):
    return having(messages=[{"role": "user", "content": content}])


def image(size):
    return with_content([{"type": "image_url", "image_url": {"url": "https://a/".ljust(size, "x")}}])


def alternatives(count):
    return having(logprobs=True, top_logprobs=count)


def unknown_fields(count):
    return {**GOOD, **{f"x{i}": 1 for i in range(count)}}


def with_call(levels):
    function = {"name": "f", "arguments": '{"a":' * levels + "1" + "}" * levels}
    calls = [{"id": "c", "type": "function", "function": function}]
    return having(messages=[{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": calls}])


def tool(parameters):
    return having(tools=[{"type": "function", "function": {"name": "f", "parameters": parameters}}])


def nest(levels):
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def deep(levels):
    """A schema of so many levels of JSON, nearly all of them in a value."""
    value: Any = 1
    for _ in range(levels - 2):
        value = [value]
    return {"type": "string", "default": value}


def large(size):
    """A schema of so many bytes as `json` writes it."""
    empty = len(json.dumps({"type": "string", "description": ""}))
    return {"type": "string", "description": "x" * (size - empty)}


def several(count):
    return [{"type": "function", "function": {"name": f"f{i}"}} for i in range(count)]


def functions(count):
    return [one["function"] for one in several(count)]


LIMITS = [
    *(
        Limit(f"{name} {least}", having(**{name: least}), having(**{name: under}), name)
        for name, least, under in (
            ("temperature", 0, -0.001),
            ("top_p", 0, -0.001),
            ("frequency_penalty", -2, -2.001),
            ("presence_penalty", -2, -2.001),
            ("n", 1, 0),
            ("max_tokens", 1, 0),
            ("max_completion_tokens", 1, 0),
            ("top_k", -1, -2),
        )
    ),
    *(
        Limit(f"{name} {most}", having(**{name: most}), having(**{name: over}), name)
        for name, most, over in (
            ("temperature", 2, 2.001),
            ("top_p", 1, 1.001),
            ("frequency_penalty", 2, 2.001),
            ("presence_penalty", 2, 2.001),
            ("n", 3, 4),
            ("top_k", INT32 - 1, INT32),
        )
    ),
    *(
        Limit(f"top_logprobs {good}", alternatives(good), alternatives(bad), "top_logprobs")
        for good, bad in ((0, -1), (20, 21))
    ),
    Limit("messages", having(messages=GOOD["messages"] * 5), having(messages=GOOD["messages"] * 6), "messages"),
    Limit("parts", with_content([PART] * 5), with_content([PART] * 6), "messages[0].content"),
    Limit("tools", having(tools=several(512)), having(tools=several(513)), "tools"),
    Limit("functions", having(functions=functions(512)), having(functions=functions(513)), "functions"),
    Limit("levels of arguments", with_call(64), with_call(65), "messages[1].tool_calls[0].function.arguments"),
    Limit("levels of schemas", tool(nest(11)), tool(nest(12)), "tools[0].function.parameters"),
    Limit("levels of a schema's JSON", tool(deep(100)), tool(deep(101)), "tools[0].function.parameters"),
    Limit("bytes of a schema", tool(large(1024 * 1024)), tool(large(1024 * 1024 + 1)), "tools[0].function.parameters"),
    Limit(
        "schemas in a schema",
        tool({"type": "object", "properties": {f"p{i}": {} for i in range(4_999)}}),
        tool({"type": "object", "properties": {f"p{i}": {} for i in range(5_000)}}),
        "tools[0].function.parameters",
    ),
    Limit("characters of a model's name", having(model="m" * 256), having(model="m" * 257), "model"),
    Limit("pieces of a model's name", having(model="m" + "/m" * 8), having(model="m" + "/m" * 9), "model"),
    Limit("characters of a URL", image(8_192), image(8_193), "messages[0].content[0].image_url.url"),
    Limit("unknown fields", unknown_fields(1_000), unknown_fields(1_001), "x1000"),
]  # fmt: skip


@pytest.mark.parametrize("limit", LIMITS, ids=called_out)
async def test_a_limit_holds_to_the_last_one(server, limit, caplog):
    _, client = server
    response = await post(client, CHAT, limit.within)
    assert response.status_code == 200, response.text[:1_000]
    await check_refusal(server, CHAT, Row("", limit.beyond, limit.where), caplog)


TOLD = {
    "stop sequences": (having(stop=list("abcde")), having(stop=list("abcdef")), "stop-sequences-cut"),
    "bits of a seed": (having(seed=INT32 - 1), having(seed=INT32), "seed-folded"),
    "bits of a negative seed": (having(seed=-INT32), having(seed=-INT32 - 1), "seed-folded"),
    "tokens": (having(max_tokens=65_536), having(max_tokens=65_537), "output-limit-lowered"),
}


@pytest.mark.parametrize(("within", "beyond", "note"), TOLD.values(), ids=TOLD.keys())
async def test_a_limit_of_geminis_is_kept_and_told(server, within, beyond, note):
    _, client = server
    for body, told in ((within, False), (beyond, True)):
        response = await post(client, CHAT, body)
        assert response.status_code == 200
        assert (note in response.headers["x-adapter-notes"]) is told


async def status_of(client, sent):
    async with raw(client) as connection:
        await connection.send(sent)
        return (await connection.answer())[0]


async def test_a_head_may_have_so_many_bytes_and_no_more():
    async with serve(max_header_bytes=2_000) as (_, client):
        empty = sum(len(line) - 2 for line in request("X: ").split(b"\r\n\r\n")[0].split(b"\r\n")[1:]) + len(CHAT)
        within = 2_000 - empty
        assert await status_of(client, request("X: " + "a" * within)) == 200
        assert await status_of(client, request("X: " + "a" * (within + 1))) == 431
        url = CHAT + "?" + "a" * within
        assert await status_of(client, request(path=url)) == 200
        assert await status_of(client, request(path=url + "a")) == 431


async def test_a_head_may_have_so_many_fields_and_no_more():
    async with serve(max_headers=20) as (_, client):
        sent = request().split(b"\r\n\r\n")[0].count(b"\r\n")
        assert await status_of(client, request(*(f"X-{i}: a" for i in range(20 - sent)))) == 200
        assert await status_of(client, request(*(f"X-{i}: a" for i in range(21 - sent)))) == 431


def chunks(body, size=1_000):
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def chunked_request(body):
    plain = head(length=0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    return plain + chunks(body)


@pytest.mark.parametrize("sent", [lambda body: request(body=body), chunked_request], ids=["with a length", "in chunks"])
@pytest.mark.parametrize("path", [CHAT, "/v1/responses", "/v1/conversations", "/translate"])
async def test_a_body_may_have_so_many_bytes_and_no_more(sent, path):
    body = {CHAT: BODY, "/translate": BODY, "/v1/conversations": b"{}"}.get(path) or json.dumps(
        {"model": "gemini-3.5-flash", "input": "hi"}
    ).encode()
    within = body + b" " * (5_000 - len(body))
    async with serve(max_body=5_000) as (_, client):
        for beyond, status in ((b"", 200), (b" ", 413)):
            whole = sent(within + beyond).replace(CHAT.encode(), path.encode(), 1)
            assert await status_of(client, whole) == status


async def test_requests_are_held_up_to_a_size_and_no_more_and_then_again():
    body = json.dumps(chat("x" * 10_000)).encode()
    async with serve(max_bodies=2 * len(body), max_body=len(body)) as (upstream, client):
        async with raw(client) as one, raw(client) as other:
            for connection in (one, other):
                await connection.send(request(body=body)[:-1])
            await until_held(client, upstream, body)
            async with raw(client) as third:
                await third.send(request(body=body))
                answer = await third.answer()
                assert answer is not None
                status, headers, told = answer
                assert (status, json.loads(told)["error"]["code"]) == (503, "overloaded")
                assert headers["retry-after"] == "1"
            one.reset()
            await until_served(client, body)
            await other.send(body[-1:])
            assert (await other.answer())[0] == 200
        for _ in range(5):
            assert (await post(client, CHAT, body)).status_code == 200


async def until_held(client, upstream, body):
    """Wait until what two others have sent is read."""
    for _ in range(500):
        if (await post(client, CHAT, body)).status_code == 503:
            upstream.seen.clear()
            return
        await asyncio.sleep(0.01)
    raise AssertionError("both were not held")


async def until_served(client, body):
    """Wait until what one had sent is given back."""
    for _ in range(500):
        if (await post(client, CHAT, body)).status_code == 200:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it was not given back")


BAD = [b"{", b"[" * 5_000, json.dumps(having(n=9)).encode(), json.dumps(chat("x" * 5_000)).encode()]


async def test_what_a_request_held_is_given_back_however_it_ends():
    async def fails(call):
        await call.json({"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}, 400)

    async with serve(max_bodies=6_000, max_body=6_000) as (upstream, client):
        upstream.script = fails
        for path in (CHAT, "/v1/responses", "/v1/conversations", "/translate"):
            for body in BAD * 3:
                assert (await post(client, path, body)).status_code in (200, 400)
        for _ in range(5):
            assert await status_of(client, request("Content-Encoding: gzip", body=BAD[3])) == 415
            assert await status_of(client, chunked_request(b" " * 6_001)) == 413
        upstream.script = answers_hello
        longest = json.dumps(chat()).encode()
        assert (await post(client, CHAT, longest + b" " * (6_000 - len(longest)))).status_code == 200


async def answers_hello(call):
    if "stream" in call.request.path:
        await call.stream(answer("hello"))
    else:
        await call.json(answer("hello"))


async def test_requests_in_a_websocket_are_held_like_others_and_given_back_when_it_closes():
    release = asyncio.Event()

    async def slow(call):
        await release.wait()
        await answers_hello(call)

    text = create("x" * 5_000)
    async with serve(max_bodies=2 * len(text) + 100, max_body=len(text) + 100) as (upstream, client):
        upstream.script = slow
        async with socket(client) as connection:
            for _ in range(3):
                await connection.send(text)
            [event] = await receive_events(connection)
            assert (event["type"], event["status"], event["error"]["code"]) == ("error", 503, "overloaded")
            release.set()
            for _ in range(2):
                assert (await receive_events(connection))[-1]["type"] == "response.completed"
            release.clear()
            await connection.send(text)
            await connection.send(text)
        release.set()
        await until_served(client, json.dumps(chat("x" * 5_000)).encode())
