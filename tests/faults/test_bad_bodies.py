"""Bodies that no client should send: each is answered with a 400 that says where it is wrong, and Gemini never asked.

Bodies are bytes, or values that are encoded; `where` is the path that the error names.
"""

import json
import logging
from typing import NamedTuple

import pytest

from tests.server.scripted import adapter, answer, chat, scripted

PATH = "/v1/chat/completions"
GOOD = chat()
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


class Row(NamedTuple):
    """One bad body."""

    name: str
    body: object
    where: str | None = None
    status: int = 400


def text(raw):
    """A chat request in which the text of the message is these bytes of JSON."""
    return b'{"model":"gemini-3.5-flash","messages":[{"role":"user","content":' + raw + b"}]}"


def field(raw, name=b"temperature"):
    """A chat request with one more field, as these bytes of JSON."""
    return text(b'"hi"')[:-1] + b',"' + name + b'":' + raw + b"}"


def said(content):
    return {**GOOD, "messages": [{"role": "user", "content": content}]}


def image(url):
    return said([{"type": "image_url", "image_url": {"url": url}}])


def called(**function):
    call = {**CALL, "function": {**CALL["function"], **function}}
    user = {"role": "user", "content": "hi"}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "1"}
    return {**GOOD, "messages": [user, {"role": "assistant", "tool_calls": [call]}, result]}


def tool(**function):
    return {**GOOD, "tools": [{"type": "function", "function": {**TOOL["function"], **function}}]}


def nested(levels, innermost=None):
    schema = innermost or {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def deep_bytes(levels):
    """A tool whose schema is nested so deeply that Python cannot encode it."""
    schema = b'{"type":"object","properties":{"a":' * levels + b'{"type":"string"}' + b"}}" * levels
    return text(b'"hi"')[:-1] + b',"tools":[{"type":"function","function":{"name":"f","parameters":' + schema + b"}}]}"


def bomb(levels=18):
    """A schema of 2 KB that is 17 MB with its references written out."""
    pair = {
        f"L{i}": {"type": "object", "properties": {key: {"$ref": f"#/$defs/L{i - 1}"} for key in "ab"}}
        for i in range(1, levels + 1)
    }
    return {"$defs": {"L0": {"type": "string"}, **pair}, "$ref": f"#/$defs/L{levels}"}


JSON = [
    Row("nothing", b""),
    Row("only blanks", b" \n\t "),
    Row("cut off", b'{"model":'),
    Row("a comma too many", field(b"1,")),
    Row("a comment", b"/* c */" + text(b'"hi"')),
    Row("single quotes", b"{'model': 'm'}"),
    Row("a leading zero", field(b"01")),
    Row("a hexadecimal number", field(b"0x1")),
    Row("two documents", text(b'"hi"') * 2),
    Row("something behind the document", text(b'"hi"') + b"x"),
    Row("a list", b"[]"),
    Row("a string", b'"hi"'),
    Row("a number", b"1"),
    Row("null", b"null"),
    Row("a byte order mark", b"\xef\xbb\xbf" + text(b'"hi"')),
    Row("UTF-16", text(b'"hi"').decode().encode("utf-16")),
    Row("broken UTF-8 in a text", text(b'"\xff"')),
    Row("broken UTF-8 in a field that nobody knows", field(b'"\xff"', b"x_unknown")),
    Row("an overlong UTF-8 sequence", text(b'"\xc0\xaf"')),
    Row("a raw control character in a text", text(b'"\x01"')),
    Row("half a surrogate pair in a text", text(rb'"\ud800"')),
    Row("not a number", field(b"NaN")),
    Row("infinity", field(b"Infinity")),
    Row("minus infinity", field(b"-Infinity")),
    Row("a hundred thousand open brackets", b"[" * 100_000),
    Row("a hundred thousand open brackets in a field that nobody knows", field(b"[" * 100_000, b"x_unknown")),
    Row(
        "objects nested a thousand times in a field that nobody knows",
        field(b'{"a":' * 2000 + b"1" + b"}" * 2000, b"x_unknown"),
    ),
]

NUMBERS = [
    Row("a temperature beyond a double", field(b"1e400"), "temperature"),
    *(Row(f"temperature {raw}", field(raw.encode()), "temperature") for raw in ("-0.1", "2.1", '"0.5"', "true", "[]")),
    *(Row(f"top_p {raw}", field(raw.encode(), b"top_p"), "top_p") for raw in ("-1", "1.5")),
    *(
        Row(f"n {raw}", field(raw.encode(), b"n"), "n")
        for raw in ("0", "-1", "9", "1.5", '"1"', "true", "1" + "0" * 40)
    ),
    *(
        Row(f"{name} {raw}", field(raw.encode(), name.encode()), name)
        for name in ("max_tokens", "max_completion_tokens")
        for raw in ("0", "-1", '"10"')
    ),
    *(Row(f"seed {raw}", field(raw.encode(), b"seed"), "seed") for raw in ("1.5", '"1"')),
    *(Row(f"top_logprobs {raw}", {**GOOD, "logprobs": True, "top_logprobs": raw}, "top_logprobs") for raw in (21, -1)),
    *(
        Row(f"{name} {raw}", {**GOOD, name: raw}, name)
        for name in ("frequency_penalty", "presence_penalty")
        for raw in (-2.1, 2.1, "1")
    ),
    *(Row(f"stream {raw!r}", {**GOOD, "stream": raw}, "stream") for raw in ("true", 1)),
    Row("a stop sequence that is a number", {**GOOD, "stop": 1}, "stop"),
    Row("a stop sequence in a list in a list", {**GOOD, "stop": [["a"]]}, "stop[0]"),
]

BAD_MODELS = [
    "", "a" * 10_240, "a\0b", "../../v1beta/files", "a/../b", "..", ".", "x%2f..%2fy", "x%00", "x%0d%0aHost:evil",
 "gemini-x?alt=sse&key=1", "gemini-x#f", "http://169.254.169.254/", "//evil/x",
    "\\\\evil", "gemini-x\n", "gemini x", "gеmini-3.5-flash", "🙂",
]  # fmt: skip

MODELS = [
    Row("no model", {"messages": GOOD["messages"]}, "model"),
    Row("model null", {**GOOD, "model": None}, "model"),
    Row("model a number", {**GOOD, "model": 1}, "model"),
    *(Row(f"model {name[:30]!r}", {**GOOD, "model": name}, status=404) for name in BAD_MODELS),
]

MESSAGES = [
    Row("no messages", {"model": "m"}, "messages"),
    *(Row(f"messages {value!r}", {**GOOD, "messages": value}, "messages") for value in (None, {}, "", [])),
    *(Row(f"a message {value!r}", {**GOOD, "messages": [value]}, "messages[0]") for value in (None, "hi", 1)),
    Row("a message without a role", {**GOOD, "messages": [{"content": "hi"}]}, "messages[0].role"),
    Row("a role that there is not", {**GOOD, "messages": [{"role": "robot", "content": "hi"}]}, "messages[0]"),
    Row("a role that is a number", {**GOOD, "messages": [{"role": 5, "content": "hi"}]}, "messages[0]"),
    Row("more messages than may be", {**GOOD, "messages": [{"role": "user", "content": "x"}] * 10_001}, "messages"),
    Row(
        "a million messages",
        b'{"model":"m","messages":[' + b",".join([b'{"role":"user"}'] * 1_000_000) + b"]}",
        "messages",
    ),
    *(Row(f"content {value!r}", said(value), "messages[0].content") for value in (1, {}, [1])),
    Row("a part of a type that there is not", said([{"type": "smell", "smell": "hi"}]), "messages[0].content[0]"),
    Row("a part whose type is a number", said([{"type": 5}]), "messages[0].content[0]"),
    Row("more parts than may be", said([{"type": "text", "text": "x"}] * 4_097), "messages[0].content"),
    *(
        Row(f"a text part with text {value!r}", said([{"type": "text", "text": value}]), "messages[0].content[0].text")
        for value in (5, ["x"])
    ),
]

CALLS = [
    *(
        Row(f"arguments {value[:20]!r}", called(arguments=value), "messages[1].tool_calls[0].function.arguments")
        for value in ("{", "[]", "1", '"x"', "null", rb'{"a":"\udc00x"}'.decode(), "[" * 100_000)
    ),
    Row(
        "arguments nested two hundred times",
        called(arguments='{"a":' * 200 + "1" + "}" * 200),
        "messages[1].tool_calls[0].function.arguments",
    ),
    Row(
        "arguments nested a thousand times",
        called(arguments='{"a":' * 1000 + "1" + "}" * 1000),
        "messages[1].tool_calls[0].function.arguments",
    ),
]

TOOLS = [
    Row("tools an object", {**GOOD, "tools": {}}, "tools"),
    Row("a tool null", {**GOOD, "tools": [None]}, "tools[0]"),
    Row(
        "more tools than may be",
        {**GOOD, "tools": [{"type": "function", "function": {"name": f"f{i}"}} for i in range(513)]},
        "tools",
    ),
    Row("a tool without a name", {**GOOD, "tools": [{"type": "function", "function": {}}]}, "tools[0].function"),
    Row("a tool with an empty name", tool(name=""), "tools[0].function.name"),
    Row("parameters a list", tool(parameters=[]), "tools[0].function.parameters"),
    Row("parameters a string", tool(parameters="x"), "tools[0].function.parameters"),
    Row("parameters nested three hundred times", deep_bytes(300), "tools[0].function.parameters"),
    Row("parameters nested two thousand times", deep_bytes(2_000)),
    Row("parameters nested a hundred thousand times", deep_bytes(100_000)),
    Row("a tool choice that there is not", {**GOOD, "tools": [TOOL], "tool_choice": "maybe"}, "tool_choice"),
    Row("a tool choice without a name", {**GOOD, "tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice"),
    Row(
        "the choice of a tool that there is not",
        {**GOOD, "tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}},
        "tool_choice",
    ),
    Row("a response format that there is not", {**GOOD, "response_format": {"type": "yaml"}}, "response_format"),
]

MEDIA = [
    *(Row(f"an image URL {value!r}", image(value), "messages[0].content[0].image_url") for value in (None, "", 5)),
    Row("an image without a URL", said([{"type": "image_url", "image_url": {}}]), "messages[0].content[0].image_url"),
    *(
        Row(f"an image {value[:40]!r}", image(value), "messages[0].content[0].image_url")
        for value in (
            "data:image/png;base64,",
            "data:image/png;base64,!!!!",
            "data:image/png;base64,AAAA====",
            "data:image/png;base64,A",
            "data:image/png;base64,AA AA",
            "data:image/png;base64,AAAA\n",
            "data:image/png;base64,=AAA",
            "data:image/png;base64,AAAAAAA=AAAA",
            "data:image;base64,AAAA",
            "data:;base64,AAAA",
            "data:image/png,AAAA",
            "data:image/png\r\nX: y;base64,AAAA",
            "data:" + "a/" * 100_000,
            "file:///etc/passwd",
            "gopher://x/",
            "ftp://x/",
            "//x",
            "http:x",
            "/etc/passwd",
        )
    ),
    Row("a user that is a number", {**GOOD, "user": 5}, "user"),
    *(
        Row(f"{name} that is none", said([part]), "messages[0].content[0]")
        for name, part in (
            ("sound", {"type": "input_audio", "input_audio": {"data": "?", "format": "wav"}}),
            ("sound of a format", {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "a\r\nb"}}),
            ("file", {"type": "file", "file": {"file_data": "?", "filename": "a.pdf"}}),
        )
    ),
]  # fmt: skip

ROWS = [*JSON, *NUMBERS, *MODELS, *MESSAGES, *CALLS, *TOOLS, *MEDIA]


async def says_hello(call):
    await call.json(answer("Hello"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_a_bad_body_is_a_400_that_says_where(row, caplog):
    caplog.set_level(logging.WARNING)
    body = row.body if isinstance(row.body, bytes) else json.dumps(row.body).encode()
    async with scripted(says_hello) as upstream, adapter(upstream) as client:
        response = await client.post(PATH, content=body, headers={"content-type": "application/json"})
        assert upstream.seen == []
        assert (await client.post(PATH, json=GOOD)).status_code == 200
    error = response.json()["error"]
    assert response.status_code == row.status, error
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert (error["param"] or "").startswith(row.where or ""), error
    assert len(error["message"]) < 1_000
    assert caplog.records == []
