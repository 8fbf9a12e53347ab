"""The memory of tools, and the requests of an agent that declares the same ones with every turn."""

import json
from typing import Any

import msgspec
import pytest

from adapter.server.prefixes.known_tools import LEAST, MAX_COUNT, KnownTools
from adapter.wire.known_value import KnownValue
from tests.support.figures import total, wait_until_idle
from tests.support.scripted import adapter, answer, chat, run_upstream

PATH = "/v1/chat/completions"


def value(number, size=LEAST):
    return KnownValue.of(b'[{"name":"%08d","description":"%b"}]' % (number, b"x" * size))


def body(number):
    return b'{"tools":%b}' % value(number).text


def test_a_client_has_its_own_tools():
    memory = KnownTools(10**6)
    memory.put("ann", value(1))
    assert memory.find("ann", body(1)) == (len('{"tools":'), value(1))
    assert memory.find("ann", body(2)) is None
    assert memory.find("bob", body(1)) is None


def test_what_was_used_last_stays():
    memory = KnownTools(10**6)
    for number in range(MAX_COUNT):
        memory.put("ann", value(number))
    memory.put("ann", value(0))
    assert memory.find("ann", body(0)) is not None
    memory.put("ann", value(MAX_COUNT))
    assert [memory.find("ann", body(number)) is not None for number in (0, 1, 2)] == [True, False, True]
    assert memory.size_bytes == MAX_COUNT * len(value(0).text)


def test_the_client_that_was_idle_for_longest_loses_its_own():
    memory = KnownTools(3 * len(value(0).text))
    for number, client in enumerate(("ann", "bob", "cid")):
        memory.put(client, value(number))
    assert memory.find("ann", body(0)) is not None
    memory.put("dan", value(3))
    clients = enumerate(("ann", "bob", "cid", "dan"))
    assert [memory.find(client, body(at)) is not None for at, client in clients] == [True, False, True, True]
    assert memory.size_bytes == 3 * len(value(0).text)


def test_only_long_tools_are_remembered_and_none_where_it_is_off():
    tools = msgspec.Raw(value(1).text)
    assert KnownTools(10**6).takes(tools)
    assert not KnownTools(10**6).takes(msgspec.Raw(b"[]"))
    assert not KnownTools(0).takes(tools)


async def says_hello(call):
    await call.json(answer("Hello"))


def turns(number):
    """A history of so many calls, of which the store knows nothing."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": "x" * 20_000}, {"role": "user", "content": "go"}]
    for index in range(number):
        call = {"id": f"c{index}", "type": "function", "function": {"name": "f", "arguments": f'{{"at":{index}}}'}}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"c{index}", "content": f"result {index}"})
    return messages


def tools(number, **more):
    properties = {f"field_{at}": {"type": "string", "description": "d" * 50} for at in range(6)}
    schema = {"type": "object", "properties": properties, "$comment": "dropped", **more}
    functions = [
        {"name": f"f{at or ''}", "description": f"caf\u00e9 {at}", "parameters": schema} for at in range(number)
    ]
    return [{"type": "function", "function": one} for one in functions]


async def send_all(bodies, **settings):
    """Send bodies; return what Gemini got, status and notes of each answer, and the figures of /metrics."""
    async with run_upstream(says_hello) as upstream, adapter(upstream, metrics=True, **settings) as client:
        seen: list[Any] = []
        for one in bodies:
            response = await client.post(PATH, content=one, headers={"x-adapter-notes": "full"})
            shown = response.json() if response.status_code >= 400 else response.json()["extra_content"]
            seen.append((response.status_code, response.headers.get("x-adapter-notes"), shown))
        return [call.body for call in upstream.seen], seen, await wait_until_idle(client)


def bodies():
    """The turns of an agent, and what may change between them."""
    messages = turns(2)
    same = {"tools": tools(10)}
    yield chat(messages=messages, **same)
    yield chat(messages=turns(3), **same)
    yield chat(messages=turns(4), **same, tool_choice={"type": "function", "function": {"name": "f3"}})
    yield chat(messages=turns(4), **same, parallel_tool_calls=False, response_format={"type": "json_object"})
    yield {**same, **chat(messages=turns(5)), "unheard_of": 1}
    yield chat(messages=turns(5), tools=[*tools(10), {"type": "web_search"}])
    yield chat(messages=turns(5), tools=tools(11, title="t"))
    yield chat(messages=turns(5), **same, tool_choice="none")
    yield chat(messages=turns(6), **same, temperature="hot")
    yield chat(messages=[*turns(6), {"role": "nobody", "content": ""}], **same)
    yield chat(messages=turns(6), **same, user="\ud800")


@pytest.mark.parametrize("settings", [{"upstream_schema": "openapi"}, {"strict": "all"}, {}, {"max_values": 1_500}])
async def test_turns_with_equal_tools_give_the_same_with_and_without_memory(settings):
    texts = [json.dumps(one).encode() for one in bodies()]
    texts.append(texts[0][:-1] + b',"tools":[]}')
    sent, notes, figures = await send_all(texts, **settings)
    assert (sent, notes) == (await send_all(texts, prefix_max_bytes=0, **settings))[:2]
    assert total(figures, "adapter_known_tools_total", outcome="hit") >= 5


async def test_the_page_shows_the_whole_request():
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        for number in (2, 3):
            headers = {"x-client-request-id": f"r{number}"}
            await client.post(PATH, json=chat(messages=turns(number), tools=tools(10)), headers=headers)
        detail = (await client.get("/inspector/exchanges/r3?whole=true")).json()
    assert json.loads(detail["request"])["tools"] == tools(10)
    assert json.loads(detail["upstream_request"])["tools"] == upstream.seen[0].body["tools"]
