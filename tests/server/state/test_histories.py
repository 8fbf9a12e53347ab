"""The bytes that a short request loads from the store are reserved before, and given back after it."""

import asyncio
import json

import pytest

from adapter.server.http.byte_budget import ByteBudget, Overloaded
from adapter.server.limits.admission import HeldBytes
from tests.support.scripted import adapter, answer, run_upstream
from tests.support.stateful import PATH, ask

CONVERSATIONS = "/v1/conversations"
LONG = "x" * 100_000


async def says_ok(call):
    await call.json(answer("ok"))


async def turn(client, text, **fields):
    return await client.post(PATH, json=ask(text, **fields))


async def conversation_of(client, items, text=LONG):
    made = (await client.post(CONVERSATIONS, json={})).json()
    for number in range(items):
        item = {"type": "message", "role": "user", "content": f"{number}{text}"}
        added = await client.post(f"{CONVERSATIONS}/{made['id']}/items", json={"items": [item]})
        assert added.status_code == 200, added.text
    return made["id"]


@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("how", ["conversation", "previous_response_id", "item_reference"])
async def test_a_history_beyond_the_limit_is_refused_with_the_limit_and_its_setting(how, store, tmp_path):
    where = store if store == "memory" else f"sqlite:{tmp_path / 'state.sqlite3'}"
    async with run_upstream(says_ok) as upstream, adapter(upstream, max_history=150_000, store=where) as client:
        if how == "conversation":
            refused = await turn(client, "hi", conversation=await conversation_of(client, 2))
        elif how == "previous_response_id":
            first = (await turn(client, LONG)).json()
            second = (await turn(client, LONG, previous_response_id=first["id"])).json()
            refused = await turn(client, "hi", previous_response_id=second["id"])
        else:
            made = [(await turn(client, LONG)).json() for _ in range(2)]
            references = [{"type": "item_reference", "id": one["output"][-1]["id"]} for one in made]
            refused = await client.post(PATH, json=ask([*references, {"role": "user", "content": "hi"}]))
        asked = len(upstream.seen)
        served = await turn(client, "hi")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "history_too_large")
    assert "150000 bytes (the setting max_history)" in refused.json()["error"]["message"]
    assert refused.json()["error"]["param"] == (how if how != "item_reference" else "input")
    assert (asked, served.status_code) == (
        {"conversation": 0, "previous_response_id": 2, "item_reference": 2}[how],
        200,
    )


async def test_histories_count_among_the_bodies_that_are_held_at_once():
    release = asyncio.Event()

    async def hangs(call):
        await release.wait()
        await call.json(answer("ok"))

    limits = {"max_history": 250_000, "max_bodies": 500_000, "max_body": 500_000}
    async with run_upstream(hangs) as upstream, adapter(upstream, **limits) as client:
        conversation = await conversation_of(client, 2)
        asked = [asyncio.create_task(turn(client, "hi", conversation=conversation)) for _ in range(4)]
        while not any(one.done() for one in asked) or len(upstream.seen) < 2:
            await asyncio.sleep(0.01)
        release.set()
        statuses = sorted(one.status_code for one in await asyncio.gather(*asked))
        again = [(await turn(client, "hi", conversation=conversation)).status_code for _ in range(4)]
    assert statuses == [200, 200, 503, 503]
    assert again == [200] * 4


async def test_a_history_has_as_many_items_as_a_request():
    async with run_upstream(says_ok) as upstream, adapter(upstream, max_items=4) as client:
        conversation = await conversation_of(client, 4, "")
        refused = await turn(client, "hi", conversation=conversation)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "conversation")
        assert "max_items" in refused.json()["error"]["message"]


async def test_a_page_of_items_ends_where_it_would_be_too_large(monkeypatch):
    monkeypatch.setattr("adapter.server.endpoints.conversations.PAGE_BYTES", 250_000)
    monkeypatch.setattr("adapter.server.endpoints.stored_responses.PAGE_BYTES", 250_000)
    async with run_upstream(says_ok) as upstream, adapter(upstream) as client:
        conversation = await conversation_of(client, 5)
        items = [{"role": "user", "content": f"{n}{LONG}"} for n in range(5)]
        made = (await client.post(PATH, json=ask(items))).json()
        for path in (f"{CONVERSATIONS}/{conversation}/items", f"{PATH}/{made['id']}/input_items"):
            found, after = [], ""
            for length in (2, 2, 1):
                page = (await client.get(path, params={"order": "asc", "after": after, "limit": 100})).json()
                assert len(page["data"]) == length
                assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
                assert page["has_more"] is (length == 2)
                found += [item["content"][0]["text"][0] for item in page["data"]]
                after = page["last_id"]
            assert found == list("01234")


async def test_a_page_that_ends_with_the_last_item_says_that_there_are_no_more():
    async with run_upstream(says_ok) as upstream, adapter(upstream) as client:
        conversation = await conversation_of(client, 2, "")
        path = f"{CONVERSATIONS}/{conversation}/items"
        pages = [json.loads((await client.get(path, params={"limit": n})).text) for n in (1, 2)]
    assert [(len(page["data"]), page["has_more"]) for page in pages] == [(1, True), (2, False)]


def test_room_is_taken_as_long_as_what_it_stands_for_lives():
    room = ByteBudget(10)
    held = HeldBytes(room)
    held.reserve(6)
    with pytest.raises(Overloaded):
        held.reserve(6)
    del held
    room.reserve(10)


async def test_a_single_item_and_a_response_count_among_the_bodies_that_are_held_at_once(tmp_path):
    where = f"sqlite:{tmp_path / 'state.sqlite3'}"
    async with run_upstream(says_ok) as upstream, adapter(upstream, store=where) as client:
        conversation = await conversation_of(client, 1)
        item = (await client.get(f"{CONVERSATIONS}/{conversation}/items")).json()["data"][0]["id"]
        made = (await turn(client, "hi", instructions=LONG)).json()["id"]
        paths = [f"{CONVERSATIONS}/{conversation}/items/{item}", f"{PATH}/{made}"]
        assert [(await client.get(path)).status_code for path in paths] == [200, 200]
    async with (
        run_upstream(says_ok) as upstream,
        adapter(upstream, store=where, max_bodies=50_000, max_body=50_000) as client,
    ):
        assert [(await client.get(path)).status_code for path in paths] == [503, 503]
