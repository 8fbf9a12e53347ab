"""An agent's turns over HTTP: what is remembered of them changes nothing that is seen, and is no other client's."""

from typing import Any

import msgspec
import pytest

from adapter.server.pipeline.planner import ChatPlanner
from adapter.server.prefixes.prefix_memory import PrefixMemory
from adapter.store.shared.base import Records
from adapter.store.signatures.memory import MemoryStore
from adapter.translate.core.context import Media
from tests.support.figures import total, wait_until_idle
from tests.support.scripted import adapter, answer, chat, run_upstream

PATH = "/v1/chat/completions"
LONG = "x" * 20_000
USER = {"role": "user", "content": "and now?"}


def turns(number, **more):
    """A history of so many calls, of which the store knows nothing."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": LONG}, {"role": "user", "content": "begin"}]
    for index in range(number):
        function = {"name": "f", "arguments": f'{{"index":{index}}}'}
        call = {"id": f"c{index}", "type": "function", "function": function}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"c{index}", "content": f"result {index}", **more})
    return messages


async def says_hello(call):
    if "stream" in call.request.path:
        await call.stream(answer("Hello"))
    else:
        await call.json(answer("Hello"))


async def send_all(bodies, key="", **settings):
    """Send bodies; return what Gemini got, status and headers of each answer, and the figures of /metrics."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with run_upstream(says_hello) as upstream, adapter(upstream, metrics=True, **settings) as client:
        notes = []
        for body in bodies:
            response = await client.post(PATH, json=body, headers=headers)
            found = response.headers.get("x-adapter-notes"), response.headers.get("x-adapter-signatures")
            notes.append((response.status_code, *found))
        return [call.body for call in upstream.seen], notes, await wait_until_idle(client)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("schema", ["json", "openapi"])
async def test_turns_that_go_on_give_the_same_with_and_without_memory(stream, schema):
    bodies = [chat(messages=turns(number), stream=stream) for number in (2, 3, 4, 4)]
    bodies += [chat(messages=[*turns(number), USER], stream=stream) for number in (4, 5)]
    bodies += [chat(messages=[*turns(4), USER, *turns(5)[-2:]], stream=stream, unheard_of=1)]
    bodies += [chat(messages=turns(7, odd=1), stream=stream), chat(messages=turns(8, odd=1), stream=stream)]
    bodies += [chat(messages=[*turns(8, odd=1), *turns(9)[-2:], {"role": "nobody"}], stream=stream)]
    sent, notes, figures = await send_all(bodies, upstream_schema=schema)
    assert (sent, notes) == (await send_all(bodies, prefix_max_bytes=0, upstream_schema=schema))[:2]
    assert total(figures, "adapter_prefixes_total", outcome="hit") >= 5
    assert total(figures, "adapter_prefix_bytes") > len(LONG)


async def test_each_client_has_a_memory_of_its_own():
    keys = {"client_keys": ("ann", "bob")}
    async with run_upstream(says_hello) as upstream, adapter(upstream, metrics=True, **keys) as client:
        for key in ("ann", "bob", "bob"):
            await client.post(PATH, json=chat(messages=turns(3)), headers={"authorization": f"Bearer {key}"})
        client.headers["authorization"] = "Bearer ann"
        figures = await wait_until_idle(client)
    assert total(figures, "adapter_prefixes_total", outcome="hit") == 1


async def test_what_was_looked_up_is_not_looked_up_again(monkeypatch):
    asked = []
    get = MemoryStore.get

    async def counting(self, keys, client):
        asked.extend([sorted(keys)] if "id:" in str(keys) else [])
        return await get(self, keys, client)

    monkeypatch.setattr(MemoryStore, "get", counting)
    await send_all([chat(messages=turns(number)) for number in (3, 4, 5)])
    assert asked == [["id:c0", "id:c1", "id:c2"], ["id:c2", "id:c3"], ["id:c3", "id:c4"]]


async def test_a_read_that_failed_is_not_remembered(monkeypatch):
    answers = []

    async def failing(self, keys, client):
        records = Records()
        records.is_complete = len(answers) > 1
        answers.extend([len(keys)] if "id:" in str(keys) else [])
        return records

    monkeypatch.setattr(MemoryStore, "get", failing)
    await send_all([chat(messages=turns(number)) for number in (3, 4, 5, 6)])
    assert answers == [3, 4, 5, 2]


async def test_another_place_gets_the_whole_history():
    async def refuses(call):
        await call.json({"error": {"code": 503, "message": "no", "status": "UNAVAILABLE"}}, 503)

    bodies = [chat(messages=turns(number)) for number in (3, 4)]
    async with run_upstream(refuses) as first, run_upstream(says_hello) as second:
        other = {"upstream_url": second.url, "upstream_keys": ["k"], "upstream_name": "o", "upstream_schema": "openapi"}
        settings = {"fallback_upstreams": (other,), "circuit_pause": 0}
        async with adapter(first, **settings) as client:
            for body in bodies:
                assert (await client.post(PATH, json=body)).status_code == 200
        async with adapter(first, prefix_max_bytes=0, **settings) as client:
            for body in bodies:
                assert (await client.post(PATH, json=body)).status_code == 200
    assert [call.body for call in first.seen[:2]] == [call.body for call in first.seen[2:]]
    assert [call.body for call in second.seen[:2]] == [call.body for call in second.seen[2:]]
    assert all(len(call.body["contents"]) >= 7 for call in second.seen)


async def test_the_page_shows_the_whole_history():
    details = []
    for size in (2**26, 0):
        async with run_upstream(says_hello) as upstream, adapter(upstream, prefix_max_bytes=size) as client:
            for number in (3, 4):
                headers = {"x-client-request-id": f"r{number}"}
                await client.post(PATH, json=chat(messages=turns(number, odd=1)), headers=headers)
            detail = (await client.get("/inspector/exchanges/r4?whole=true")).json()
        details.append([detail["upstream_request"], detail["signatures"], detail["plan"]["notes"], detail["notes"]])
    assert details[0] == details[1]
    assert len(details[0][1]) == 4


async def test_a_body_that_is_at_fault_is_told_as_ever(monkeypatch):
    found = []
    find = PrefixMemory.find

    def finding(self, *arguments):
        found.append(find(self, *arguments))
        return found[-1]

    monkeypatch.setattr(PrefixMemory, "find", finding)
    async with run_upstream(says_hello) as upstream, adapter(upstream) as client:
        await client.post(PATH, json=chat(messages=turns(3)))
        response = await client.post(PATH, json=chat(messages=[*turns(4), {"role": 7}]))
    assert found[-1] is not None
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "messages[10].role"
    assert msgspec.json.decode(response.content)["error"]["type"] == "invalid_request_error"


async def test_media_that_were_fetched_are_fetched_again(monkeypatch):
    fetched = []

    async def fetch(_self, urls):
        fetched.append(list(urls))
        return {url: Media(mime_type="image/png", data="aVZC") for url in fetched[-1]}

    monkeypatch.setattr(ChatPlanner, "fetch", fetch)
    url = "https://example.org/a.png"
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}
    bodies = [chat(messages=[image, *turns(number)]) for number in (2, 3)]
    sent, _, figures = await send_all(bodies, fetch_media="https")
    assert fetched == [[url], [url]]
    assert all(one["contents"][0]["parts"][0]["inlineData"]["data"] == "aVZC" for one in sent)
    assert total(figures, "adapter_prefixes_total", outcome="hit") == 0


def items(number, **more):
    """The same history as items of the Responses API; the answers have the ids that this adapter gives."""
    said: list[dict[str, Any]] = [{"role": "system", "content": LONG}, {"role": "user", "content": "begin"}]
    for index in range(number):
        said.append({"type": "message", "role": "assistant", "id": f"msg_{index:048x}", "content": f"step {index}"})
        call = {"type": "function_call", "call_id": f"c{index}", "name": "f", "arguments": f'{{"index":{index}}}'}
        said.append({**call, "id": f"fc_{index:048x}", "status": "completed", **more})
        said.append({"type": "function_call_output", "call_id": f"c{index}", "output": f"result {index}"})
    return said


async def responses(bodies, **settings):
    """Gemini's requests, the headers of the answers, and the figures at the end."""
    async with run_upstream(says_hello) as upstream, adapter(upstream, metrics=True, **settings) as client:
        notes, last = [], ""
        for body in bodies:
            follows = {"previous_response_id": last} if body.pop("follows", False) else {}
            response = await client.post("/v1/responses", json={"model": "gemini-3.5-flash", **body, **follows})
            last = response.json()["id"]
            notes.append((response.status_code, response.headers["x-adapter-notes"]))
        return [call.body for call in upstream.seen], notes, await wait_until_idle(client)


def stateless():
    bodies = [{"input": items(number), "store": False} for number in (3, 4, 5)]
    bodies += [{"input": [*items(5), {"role": "user", "content": "and now?"}], "store": False}]
    return [*bodies, {"input": items(6, caller={}), "store": False}, {"input": items(7, caller={}), "store": False}]


def stored_items():
    return [{"input": items(4)}] + [{"input": items(number)[-3:], "follows": True} for number in (5, 6, 7)]


@pytest.mark.parametrize("requests", [stateless, stored_items])
async def test_responses_that_go_on_give_the_same_with_and_without_memory(requests):
    sent, notes, figures = await responses(requests())
    assert (sent, notes) == (await responses(requests(), prefix_max_bytes=0))[:2]
    # What is stored is not spelled as it was sent, so the first one that follows is read as a whole.
    assert total(figures, "adapter_prefixes_total", outcome="hit") >= 2


async def test_answers_of_a_response_are_not_looked_up_again(monkeypatch):
    asked = []
    get = MemoryStore.get

    async def counting(self, keys, client):
        asked.extend([len(keys)] if "id:" in str(keys) else [])
        return await get(self, keys, client)

    monkeypatch.setattr(MemoryStore, "get", counting)
    await responses([{"input": items(number), "store": False} for number in (6, 7, 8)])
    assert asked == [12, 4, 4]
