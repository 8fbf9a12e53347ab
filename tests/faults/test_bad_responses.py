"""Bad bodies of /v1/responses and its stored things: a 400 or a 404 that says where, and Gemini never asked."""

import json

import pytest
import pytest_asyncio

from adapter.settings import KnownClient
from tests.faults.rows import Row, called_out, check_refusal, post, serve

pytestmark = pytest.mark.asyncio(loop_scope="module")

RESPONSES = "/v1/responses"
GOOD = {"model": "gemini-3.5-flash", "input": "hi"}
NOBODYS = f"resp_{'0' * 48}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server():
    async with serve() as made:
        yield made


def having(**fields):
    return {**GOOD, **fields}


def with_items(*items):
    return having(input=[{"role": "user", "content": "hi"}, *items])


def part(**fields):
    return having(input=[{"role": "user", "content": [fields]}])


def declaration(**function):
    return {"tools": [{"type": "function", **function}]}


def with_call(arguments):
    return with_items({"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments})


def number(raw, name):
    return json.dumps(GOOD).encode()[:-1] + b',"%s":%s}' % (name.encode(), raw)


LARGE = b"1" + b"0" * 4_000

ROWS = [
    Row("nothing", b""),
    Row("cut off", b'{"model":'),
    Row("a list", b"[]"),
    Row("a hundred thousand open brackets", b"[" * 100_000),
    Row("broken UTF-8", b'{"model":"m","input":"\xff"}'),
    Row("no model", {"input": "hi"}, "model"),
    *(Row(f"model {name!r}", having(model=name), "model") for name in ("", "..", "a/../b", "m\n", "m?key=1", 5, None)),
    Row("no input", {"model": "m"}, "input"),
    *(Row(f"input {value!r}", having(input=value), "input") for value in (5, {}, [], None, True)),
    *(Row(f"an item {value!r}", having(input=[value]), "input[0]") for value in (5, "hi", None, [])),
    Row("only an item of a type that there is not", having(input=[{"type": "smell"}]), "input"),
    Row("an item whose type is a number", having(input=[{"type": 5}]), "input[0].type"),
    Row("a role that there is not", having(input=[{"role": "robot", "content": "x"}]), "input[0].role"),
    Row("more items than may be", having(input=[{"role": "user", "content": "x"}] * 10_001), "input"),
    Row(
        "more parts than may be",
        having(input=[{"role": "user", "content": [{"type": "input_text", "text": "x"}] * 4_097}]),
        "input[0].content",
    ),
    *(Row(f"instructions {value!r}", having(instructions=value), "instructions") for value in (5, {})),
    *(
        Row(f"arguments {value[:20]!r}", with_call(value), "input[1].arguments")
        for value in ('{"a":' * 200 + "1" + "}" * 200, "[" * 100_000)
    ),
    *(
        Row(f"{name} {raw[:9]!r}", number(raw, name), name)
        for name, raws in {
            "max_output_tokens": (b"0", b"-2", b'"10"', b"1.5", b"true"),
            "top_logprobs": (b"-1", b"21", LARGE, b"1.5"),
            "temperature": (b"-0.1", b"2.1", LARGE, b'"1"'),
            "top_p": (b"-0.1", b"1.1", LARGE),
            "stream": (b'"true"', b"1"),
            "background": (b'"x"',),
            "user": (b"5",),
            "store": (b'"yes"',),
        }.items()
        for raw in raws
    ),
    *(
        Row(f"tags {name}", having(metadata=tags), "metadata")
        for name, tags in {
            "in a text": "x",
            "of numbers": {"a": 1},
            "seventeen": {str(i): "" for i in range(17)},
            "with a long name": {"a" * 65: ""},
            "of a megabyte": {"a": "x" * 1_000_000},
        }.items()
    ),
    *(Row(f"tools {value!r}", having(tools=value), "tools") for value in ({}, [None], [5])),
    Row("more tools than may be", having(tools=[{"type": "function", "name": f"f{i}"} for i in range(513)]), "tools"),
    Row("a tool without a name", having(**declaration()), "tools[0].name"),
    Row("parameters a list", having(**declaration(name="f", parameters=[])), "tools[0].parameters"),
    Row("a tool choice that there is not", having(**declaration(name="f"), tool_choice="maybe"), "tool_choice"),
    Row("a format that there is not", having(text={"format": {"type": "yaml"}}), "text.format.type"),
    Row("an effort that there is not", having(reasoning={"effort": "e" * 10_000}), "reasoning"),
    *(
        Row(f"an image {url[:30]!r}", part(type="input_image", image_url=url), "input[0].content[0].image_url")
        for url in ("file:///etc/passwd", "data:image/png;base64,!", "http://a/" + "x" * 10_000_000, "//x")
    ),
    *(
        Row(f"a file {id_!r}", part(type="input_file", file_id=id_), "input[0].content[0].file_id")
        for id_ in ("../x", "file-1")
    ),
    *(
        Row(f"a reference to nothing {id_[:30]!r}", having(input=[{"id": id_}]), "input[0].id", 404)
        for id_ in ("../x", "a\0b", "x" * 1_000_000)
    ),
    *(
        Row(f"a response before it {id_[:30]!r}", having(previous_response_id=id_), "previous_response_id")
        for id_ in (NOBODYS, "../x", "resp_1/../2", "a\0b", "%2e%2e", "", "x" * 1_000_000)
    ),
    Row("a response before it that is a number", having(previous_response_id=5), "previous_response_id"),
    *(
        Row(f"a conversation {id_!r}", having(conversation=id_), "conversation", 404)
        for id_ in (f"conv_{'0' * 48}", "../x", "a\0b")
    ),
    Row("a conversation without an id", having(conversation={}), "conversation.id"),
    Row("a response and a conversation before it", having(conversation="a", previous_response_id="b"), "conversation"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=called_out)
async def test_a_bad_body_says_where(server, row, caplog):
    await check_refusal(server, RESPONSES, row, caplog)


@pytest.mark.parametrize("path", [f"{RESPONSES}/compact", f"{RESPONSES}/input_tokens"])
@pytest.mark.parametrize("row", [row for row in ROWS if row.where in (None, "model")], ids=called_out)
async def test_a_bad_body_says_where_beside_responses_too(server, path, row, caplog):
    await check_refusal(server, path, row, caplog)


CONVERSATIONS = [
    Row("cut off", b"{"),
    Row("a list", b"[]"),
    Row("a hundred thousand open brackets", b"[" * 100_000),
    Row("items an object", {"items": {}}, "items"),
    Row("an item that is a number", {"items": [5]}, "items[0]"),
    Row("more items than may be", {"items": [{"role": "user", "content": "x"}] * 21}, "items"),
    Row("tags of numbers", {"metadata": {"a": 1}}, "metadata"),
    Row("seventeen tags", {"metadata": {str(i): "" for i in range(17)}}, "metadata"),
]


@pytest.mark.parametrize("row", CONVERSATIONS, ids=called_out)
async def test_a_bad_conversation_says_where(server, row, caplog):
    await check_refusal(server, "/v1/conversations", row, caplog)


async def test_a_conversation_keeps_its_tags_when_the_new_ones_are_bad(server):
    _, client = server
    made = (await post(client, "/v1/conversations", {"metadata": {"a": "b"}})).json()
    path = f"/v1/conversations/{made['id']}"
    assert (await post(client, path, {"metadata": {"a": 1}})).status_code == 400
    assert (await client.get(path)).json()["metadata"] == {"a": "b"}


STORED = [
    ("GET", "/v1/responses/{}"),
    ("DELETE", "/v1/responses/{}"),
    ("POST", "/v1/responses/{}/cancel"),
    ("GET", "/v1/responses/{}/input_items"),
    ("GET", "/v1/conversations/{}"),
    ("POST", "/v1/conversations/{}"),
    ("DELETE", "/v1/conversations/{}"),
    ("GET", "/v1/conversations/{}/items"),
    ("GET", "/v1/conversations/{}/items/x"),
    ("DELETE", "/v1/conversations/{}/items/x"),
]
STRANGE = [NOBODYS, f"conv_{'0' * 48}", "x", "..%2f..%2f", "%2e%2e", "a%00b", "%ff", "a%0d%0ab", "%25", "a" * 8_000]


@pytest.mark.parametrize(("method", "path"), STORED, ids=lambda text: text)
async def test_an_id_that_is_none_is_not_found(server, method, path, caplog):
    _, client = server
    for id_ in STRANGE:
        response = await client.request(method, path.format(id_), json={} if method == "POST" else None)
        assert response.status_code == 404, id_
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert caplog.records == []


PAGES = ["limit=0", "limit=101", "limit=-1", "limit=x", "limit=1e2", "limit=" + "9" * 5_000, "limit=%00", "order=up"]


@pytest.mark.parametrize("query", PAGES, ids=lambda query: query[:12])
async def test_a_page_that_there_is_not_is_told(server, query):
    _, client = server
    made = (await post(client, RESPONSES, GOOD)).json()
    response = await client.get(f"{RESPONSES}/{made['id']}/input_items?{query}")
    assert (response.status_code, response.json()["error"]["param"]) == (400, query.partition("=")[0])


@pytest.mark.parametrize("limit", [1, 100])
async def test_the_smallest_page_and_the_largest_are_served(server, limit):
    _, client = server
    made = (await post(client, RESPONSES, GOOD)).json()
    assert (await client.get(f"{RESPONSES}/{made['id']}/input_items?limit={limit}")).status_code == 200


async def test_what_is_anothers_is_told_apart_from_nothing_by_nobody():
    alice, bob = ({"authorization": f"Bearer {key}"} for key in ("a", "b"))
    clients = tuple(KnownClient(name=key, key=key) for key in ("a", "b"))
    async with serve(clients=clients) as (upstream, client):
        kept = (await client.post(RESPONSES, json=GOOD, headers=alice)).json()["id"]
        talk = (await client.post("/v1/conversations", json={}, headers=alice)).json()["id"]
        for method, path in STORED:
            there, nowhere = (talk, f"conv_{'0' * 48}") if "conversations" in path else (kept, NOBODYS)
            found = await client.request(method, path.format(there), json={} if method == "POST" else None, headers=bob)
            missed = await client.request(
                method, path.format(nowhere), json={} if method == "POST" else None, headers=bob
            )
            assert found.status_code == missed.status_code == 404
            assert found.text.replace(there, nowhere) == missed.text
        asked = len(upstream.seen)
        for name, there, nowhere in (
            ("previous_response_id", kept, NOBODYS),
            ("conversation", talk, f"conv_{'0' * 48}"),
        ):
            found = await client.post(RESPONSES, json=having(**{name: there}), headers=bob)
            missed = await client.post(RESPONSES, json=having(**{name: nowhere}), headers=bob)
            assert found.status_code == missed.status_code >= 400
            assert found.text.replace(there, nowhere) == missed.text
        assert len(upstream.seen) == asked
        assert (await client.get(f"{RESPONSES}/{kept}", headers=alice)).status_code == 200
