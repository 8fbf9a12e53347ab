"""Bodies that no client should send: each is answered with a 400 that says where it is wrong, and Gemini never asked.

Bodies are bytes, or values that are encoded; `where` is the path that the error names.
"""

import builtins
import json
import re
import socket
from typing import Any

import pytest
import pytest_asyncio

from adapter.settings import KnownClient
from tests.faults.rows import CHAT, Row, called_out, check_refusal, field, post, serve, text
from tests.support.scripted import chat

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD = chat()
CALL: dict[str, Any] = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server():
    async with serve() as made:
        yield made


def with_content(content):
    return {**GOOD, "messages": [{"role": "user", "content": content}]}


def image(url):
    return with_content([{"type": "image_url", "image_url": {"url": url}}])


def with_call(**function):
    call = {**CALL, "function": {**CALL["function"], **function}}
    user = {"role": "user", "content": "hi"}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "1"}
    return {**GOOD, "messages": [user, {"role": "assistant", "tool_calls": [call]}, result]}


def tool(**function):
    return {**GOOD, "tools": [{"type": "function", "function": {**TOOL["function"], **function}}]}


def nest(levels, innermost=None):
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
    Row("UTF-16", text(b'"hi"').decode().encode("utf-16")),
    Row("broken UTF-8 in a text", text(b'"\xff"')),
    Row("broken UTF-8 in a field that nobody knows", field(b'"\xff"', b"x_unknown")),
    Row("an overlong UTF-8 sequence", text(b'"\xc0\xaf"')),
    Row("a raw control character in a text", text(b'"\x01"')),
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
        for raw in ("0", "-2", '"10"')
    ),
    *(Row(f"seed {raw}", field(raw.encode(), b"seed"), "seed") for raw in ("1.5", '"1"')),
    *(Row(f"top_logprobs {raw}", {**GOOD, "logprobs": True, "top_logprobs": raw}, "top_logprobs") for raw in (21, -1)),
    *(
        Row(f"{name} {raw}", {**GOOD, name: raw}, name)
        for name in ("frequency_penalty", "presence_penalty")
        for raw in (-2.1, 2.1, "1")
    ),
    *(
        Row(f"top_k {raw[:20]}", field(raw.encode(), b"top_k"), "top_k")
        for raw in ("-2", "0.5", "1.5", "2147483648", "1e308", "1e400", '"1"', "true")
    ),
    *(
        Row(f"a number of {len(raw)} digits as {name}", field(raw.encode(), name.encode()), name)
        for name in ("n", "top_k", "top_logprobs", "temperature", "top_p", "frequency_penalty", "presence_penalty")
        for raw in ("1" + "0" * 4_000, "-1" + "0" * 4_000)
    ),
    *(
        Row(
            f"{name} with a budget of {raw[:9]!r}",
            field(b'{"type":"enabled","%s":%s}' % (key, raw), name.encode()),
            name,
        )
        for name, key in (("thinking", b"budget_tokens"), ("reasoning", b"max_tokens"))
        for raw in (b"-2", b"-1" + b"0" * 4_000, b"1.5", b'"1"', b"true")
    ),
    *(
        Row(
            f"google with a budget of {raw[:9]!r}",
            field(b'{"thinking_config":{"thinking_budget":%s}}' % raw, b"google"),
            "google",
        )
        for raw in (b"1.5", b'"x"', b"1" + b"0" * 40, b"1" + b"0" * 4_000)
    ),
    *(Row(f"stream {raw!r}", {**GOOD, "stream": raw}, "stream") for raw in ("true", 1)),
    Row("a stop sequence that is a number", {**GOOD, "stop": 1}, "stop"),
    Row("a stop sequence in a list in a list", {**GOOD, "stop": [["a"]]}, "stop[0]"),
]

BAD_MODELS = [
    "", "a" * 10_240, "a\0b", "../../v1beta/files", "a/../b", "..", ".", "x%2f..%2fy", "x%00", "x%0d%0aHost:evil",
    "gemini-x:generateContent", "gemini-x:streamGenerateContent", "x:predict", "x:batchEmbedContents/y",
    "a" * 257, "a/" * 10 + "a", "/a", "a/", "a//b", "-a", "gemini-x?alt=sse&key=1", "gemini-x#f",
    "http://169.254.169.254/", "//evil/x",
    "\\\\evil", "gemini-x\n", "gemini x", "gеmini-3.5-flash", "🙂",
]  # fmt: skip

MODELS = [
    Row("no model", {"messages": GOOD["messages"]}, "model"),
    Row("model null", {**GOOD, "model": None}, "model"),
    Row("model a number", {**GOOD, "model": 1}, "model"),
    *(Row(f"model {name[:30]!r}", {**GOOD, "model": name}, "model") for name in BAD_MODELS),
]

MESSAGES = [
    Row("no messages", {"model": "m"}, "messages"),
    *(Row(f"messages {value!r}", {**GOOD, "messages": value}, "messages") for value in (None, {}, "", [])),
    *(Row(f"a message {value!r}", {**GOOD, "messages": [value]}, "messages[0]") for value in (None, "hi", 1)),
    Row("a message without a role", {**GOOD, "messages": [{"content": "hi"}]}, "messages[0].role"),
    Row("a role that there is not", {**GOOD, "messages": [{"role": "robot", "content": "hi"}]}, "messages[0].role"),
    Row("a role of ten thousand characters", {**GOOD, "messages": [{"role": "r\n" * 5_000}]}, "messages[0].role"),
    Row("a role that is a number", {**GOOD, "messages": [{"role": 5, "content": "hi"}]}, "messages[0].role"),
    Row("more messages than may be", {**GOOD, "messages": [{"role": "user", "content": "x"}] * 10_001}, "messages"),
    Row(
        "a million messages",
        b'{"model":"m","messages":[' + b",".join([b'{"role":"user"}'] * 1_000_000) + b"]}",
    ),
    Row("a million stop sequences", {**GOOD, "stop": ["x"] * 1_000_000}),
    *(Row(f"content {value!r}", with_content(value), "messages[0].content") for value in (1, {}, [1])),
    Row(
        "a part of a type that there is not",
        with_content([{"type": "smell", "smell": "hi"}]),
        "messages[0].content[0].type",
    ),
    Row("a part of a long type", with_content([{"type": "s" * 100_000}]), "messages[0].content[0].type"),
    Row("a part whose type is a number", with_content([{"type": 5}]), "messages[0].content[0].type"),
    Row("more parts than may be", with_content([{"type": "text", "text": "x"}] * 4_097), "messages[0].content"),
    *(
        Row(
            f"a text part with text {value!r}",
            with_content([{"type": "text", "text": value}]),
            "messages[0].content[0].text",
        )
        for value in (5, ["x"])
    ),
]

CALLS = [
    Row(
        "arguments of a hundred thousand open brackets",
        with_call(arguments="[" * 100_000),
        "messages[1].tool_calls[0].function.arguments",
    ),
    Row(
        "arguments nested two hundred times",
        with_call(arguments='{"a":' * 200 + "1" + "}" * 200),
        "messages[1].tool_calls[0].function.arguments",
    ),
    Row(
        "arguments nested a thousand times",
        with_call(arguments='{"a":' * 1000 + "1" + "}" * 1000),
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
    Row("a tool with a name of a hundred thousand characters", tool(name="a" * 100_000), "tools"),
    Row("parameters a list", tool(parameters=[]), "tools[0].function.parameters"),
    Row("parameters a string", tool(parameters="x"), "tools[0].function.parameters"),
    Row("a schema nested twelve times", tool(parameters=nest(12)), "tools[0].function.parameters"),
    Row("a schema nested sixty-five times", tool(parameters=nest(65)), "tools[0].function.parameters"),
    Row(
        "a schema nested sixty-four times below other properties",
        tool(parameters={"type": "object", "additionalProperties": nest(64)}),
        "tools[0].function.parameters",
    ),
    Row(
        "a schema of ten thousand properties",
        tool(parameters={"type": "object", "properties": {f"p{i}": {} for i in range(10_000)}}),
        "tools[0].function.parameters",
    ),
    Row(
        "a schema with a wrong property of a long name",
        tool(parameters={"type": "object", "properties": {"p" * 10_000: nest(12)}}),
        "tools[0].function.parameters",
    ),
    Row(
        "a schema of a megabyte and more",
        tool(parameters={"type": "string", "enum": [f"value {i}" for i in range(80_000)]}),
        "tools[0].function.parameters",
    ),
    Row("not a number among the values of a schema", deep_bytes(1).replace(b'"string"', b'"number","enum":[NaN]')),
    Row(
        "one name for two tools that differ",
        {**GOOD, "tools": [TOOL, {"type": "function", "function": {"name": "f", "description": "another"}}]},
        "tools[1].function.name",
    ),
    Row("parameters a number", tool(parameters=1), "tools[0].function.parameters"),
    Row("parameters false", tool(parameters=False), "tools[0].function.parameters"),
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
    Row("a response format of a long type", {**GOOD, "response_format": {"type": "y" * 100_000}}, "response_format"),
    Row(
        "an answer's schema that is none",
        {**GOOD, "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": []}}},
        "response_format.json_schema.schema",
    ),
]

MEDIA = [
    *(Row(f"an image URL {value!r}", image(value), "messages[0].content[0].image_url") for value in (None, "", 5)),
    Row(
        "an image without a URL",
        with_content([{"type": "image_url", "image_url": {}}]),
        "messages[0].content[0].image_url",
    ),
    *(
        Row(f"an image {value[:40]!r}", image(value), "messages[0].content[0].image_url")
        for value in (
            "data:image/png;base64,",
            "data:image/png;base64,!!!!",
            "data:image/png;base64,AAAA====",
            "data:image/png;base64,A",
            "data:image/png;base64,AA AA",
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
            "data:image/png;base64",
            "data:,hello",
            "data:",
            "http://a/" + "x" * 10_000_000,
            "https://a/" + "x" * 10_000_000,
            "https://youtu.be/" + "x" * 10_000_000,
            "gs://b/" + "x" * 10_000_000 + ".png",
            "files/" + "x" * 10_000_000,
        )
    ),
    Row("a user that is a number", {**GOOD, "user": 5}, "user"),
    *(
        Row(f"{name} that is none", with_content([part]), "messages[0].content[0]")
        for name, part in (
            ("sound", {"type": "input_audio", "input_audio": {"data": "?", "format": "wav"}}),
            ("sound of a format", {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "a\r\nb"}}),
            ("file", {"type": "file", "file": {"file_data": "?", "filename": "a.pdf"}}),
        )
    ),
]  # fmt: skip

ROWS = [*JSON, *NUMBERS, *MODELS, *MESSAGES, *CALLS, *TOOLS, *MEDIA]


ODD = {
    "a zero byte in a text": with_content("\0"),
    "a part without a type": with_content([{"text": "hi"}]),
    "a user's message of null": with_content(None),
    "arguments of a megabyte": with_call(arguments=json.dumps({"a": "x" * 1_000_000})),
    "a tool of a type that there is not": {**GOOD, "tools": [{"type": "web"}]},
    "one tool twice alike": {**GOOD, "tools": [TOOL, TOOL]},
    "a tool's description of a megabyte": tool(description="x" * 1_000_000),
    "no parameters": tool(parameters=None),
    "any parameters": tool(parameters=True),
    "a schema that points to itself": tool(
        parameters={"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"x": {"$ref": "#/$defs/A"}}}}}
    ),
    "two schemas that point to each other": tool(
        parameters={"$ref": "#/$defs/A", "$defs": {"A": {"items": {"$ref": "#/$defs/B"}}, "B": {"$ref": "#/$defs/A"}}}
    ),
    "two schemas that are each other": tool(
        parameters={"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}}
    ),
    "a schema that is 17 MB with its references written out": tool(parameters=bomb()),
    "values of all types": tool(parameters={"enum": ["a", 1, 1.5, None, True, [], {}]}),
    "ten thousand values": tool(parameters={"type": "string", "enum": [str(i) for i in range(10_000)]}),
    "required properties that there are not": tool(parameters={"type": "object", "required": ["a", "b"]}),
    "an image that is a packed file": image("data:image/png;base64,H4sIAAAAAAAC" + "A" * 1_000),
    "a text's character set": image("data:text/plain;charset=utf-8;base64,AAAA"),
    "tags of any kind": {**GOOD, "metadata": {"a": [1, {"b": None}]}},
    "a user of a megabyte": {**GOOD, "user": "x" * 1_000_000},
    "a field with a name of a hundred thousand characters": {**GOOD, "x" * 100_000: 1},
    "two hundred thousand stop sequences": {**GOOD, "stop": ["x"] * 200_000},
    "a byte order mark": b"\xef\xbb\xbf" + text(b'"hi"'),
    "half a surrogate pair in a text": text(rb'"\ud800"'),
    **{
        f"arguments {value!r} of a call that is over": with_call(arguments=value)
        for value in ("{", "[]", "1", '"x"', "null", rb'{"a":"\udc00x"}'.decode())
    },
    **{f"{name} -1": {**GOOD, name: -1} for name in ("max_tokens", "max_completion_tokens")},
    **{
        f"an image {url!r}": image(url)
        for url in ("data:image/png;base64,AAAA\n", "DATA:image/png;base64,AAAA", "data:image/png;BASE64,AAAA")
    },
    "the largest seed and beyond": field(b"1" + b"0" * 4_000, b"seed"),
    "more tokens than there are": field(b"1" + b"0" * 4_000, b"max_tokens"),
    "the names of JavaScript's own": {
        **GOOD,
        "tools": [{"type": "function", "function": {"name": name}} for name in ("__proto__", "constructor")],
    },
}
"""Odd requests with a clear meaning: they are served, and their losses are noted."""


@pytest.mark.parametrize("row", ROWS, ids=called_out)
async def test_a_bad_body_is_a_400_that_says_where(server, row, caplog):
    await check_refusal(server, CHAT, row, caplog)


@pytest.mark.parametrize("body", ODD.values(), ids=ODD.keys())
async def test_what_is_only_odd_is_served(server, body, caplog):
    upstream, client = server
    response = await post(client, CHAT, body)
    assert response.status_code == 200, response.text[:1_000]
    assert upstream.seen[-1].path == "/v1beta/models/gemini-3.5-flash:generateContent"
    assert len(response.headers["x-adapter-notes"]) < 4_000
    assert caplog.records == []


async def test_a_zero_byte_arrives_as_one(server):
    upstream, client = server
    await post(client, CHAT, with_content("a\0b"))
    assert upstream.seen[-1].body["contents"][0]["parts"] == [{"text": "a\0b"}]


NAMES = ["f" * 65, "a b", "a/b", "a\n", 'a"b', "имя", "1a", "a\0b", "../x", "a" * 1_024]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name[:10]))
async def test_a_tools_name_that_gemini_does_not_take_becomes_one_that_it_takes(server, name):
    upstream, client = server
    assert (await post(client, CHAT, tool(name=name))).status_code == 200
    [declared] = upstream.seen[-1].body["tools"][0]["functionDeclarations"]
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}", declared["name"])


@pytest.mark.parametrize("dialect", ["json", "openapi"])
@pytest.mark.parametrize("target", ["http://169.254.169.254/x", "file:///etc/passwd", "#/missing", "#", 5, None])
async def test_a_schema_elsewhere_is_never_looked_up(dialect, target, monkeypatch):
    touched = []

    def watch(owner, name):
        real = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *given, **more: touched.append(str(given[0])) or real(*given, **more))

    async with serve(upstream_schema=dialect) as (_, client):
        watch(builtins, "open")
        watch(socket, "getaddrinfo")
        assert (await post(client, CHAT, tool(parameters={"$ref": target}))).status_code == 200
    assert set(touched) <= {"127.0.0.1"}


@pytest.mark.parametrize("dialect", ["json", "openapi"])
async def test_a_clients_regular_expression_is_never_compiled(dialect, monkeypatch):
    compiled = []
    compile_: Any = vars(re)["_compile"]
    monkeypatch.setattr(re, "_compile", lambda pattern, flags: compiled.append(pattern) or compile_(pattern, flags))
    evil = "(a+)+$"
    parameters = {"type": "string", "pattern": evil, "patternProperties": {evil: {"pattern": evil}}, "format": evil}
    grammar = {"type": "grammar", "grammar": {"syntax": "regex", "definition": evil}}
    tools = [*tool(parameters=parameters)["tools"], {"type": "custom", "custom": {"name": "g", "format": grammar}}]
    async with serve(upstream_schema=dialect) as (upstream, client):
        assert (await post(client, CHAT, {**GOOD, "tools": tools, "stop": evil})).status_code == 200
        assert evil in json.dumps(upstream.seen[-1].body)
    assert evil not in compiled


async def test_a_bomb_of_references_is_refused_where_they_must_be_written_out(caplog):
    async with serve(upstream_schema="openapi") as server:
        await check_refusal(server, CHAT, Row("", tool(parameters=bomb()), "tools[0].function.parameters"), caplog)


DETOURS = {
    "api_base": "http://evil.example",
    "base_url": "http://evil.example",
    "api_key": "theirs",
    "headers": {"x-goog-user-project": "theirs"},
    "extra_headers": {"x-goog-api-key": "theirs"},
    "extra_query": {"key": "theirs"},
    "project": "theirs",
    "vertex_project": "theirs",
    "custom_llm_provider": "openai",
    "extra_body": {"api_base": "http://evil.example", "google": {"model": "theirs", "headers": {"a": "b"}}},
    "google": {"model": "theirs", "api_version": "v1"},
}


@pytest.mark.parametrize("name", DETOURS)
async def test_no_field_changes_where_a_call_goes_and_with_whose_key(server, name):
    upstream, client = server
    await post(client, CHAT, GOOD)
    plain = upstream.seen[-1]
    assert (await post(client, CHAT, {**GOOD, name: DETOURS[name]})).status_code == 200
    odd = upstream.seen[-1]
    assert (odd.method, odd.path, odd.headers, odd.body) == plain


async def test_of_a_field_that_comes_twice_the_last_one_counts_for_all():
    clients = (KnownClient(name="a", key="k", models=("gemini-3.5-*",)),)
    names = b'"gemini-3.8-pro"', b'"gemini-3.5-flash"'
    async with serve(clients=clients) as (upstream, client):
        client.headers["authorization"] = "Bearer k"
        for first, last, status in ((*names, 200), (*reversed(names), 404)):
            body = b'{"model":%s,"messages":[{"role":"user","content":"hi"}],"model":%s}' % (first, last)
            assert (await post(client, CHAT, body)).status_code == status
    assert [one.path for one in upstream.seen] == ["/v1beta/models/gemini-3.5-flash:generateContent"]
