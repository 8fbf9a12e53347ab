"""Two processes that add to one conversation at once lose nothing, however their reads and writes interleave."""

import asyncio
from typing import Any

import msgspec
import pytest

from adapter.server.http.byte_budget import ByteBudget
from adapter.server.limits.work import InlineWork
from adapter.server.prefixes.prefix_memory import PrefixMemory
from adapter.server.state.not_stored import NotStored
from adapter.server.state.recall import Histories
from adapter.server.state.stored_objects import MAX_TRIES, State
from adapter.store import Changed
from adapter.store.documents.base import ALL, NOTHING_EXPECTED, DocumentLimits, MemoryDocuments
from adapter.store.documents.redis import RedisDocuments
from adapter.store.documents.sqlite import SqliteDocuments
from adapter.wire.base import ABSENT
from adapter.wire.limits import DEFAULTS
from adapter.wire.openai.responses_request import InputItem
from tests.support.key_value import key_value_server

CLIENT = "c"


class Halting:
    """A store whose writer waits, before each of its first writes, until the other one has written."""

    def __init__(self, store, halts):
        self._store = store
        self._halts = halts
        self.writes = 0
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def put(self, documents, client, max_age=None, expected=NOTHING_EXPECTED):
        self.writes += 1
        if self.writes <= self._halts:
            self.reached.set()
            await self.go_on.wait()
            self.go_on.clear()
        return await self._store.put(documents, client, max_age, expected)


@pytest.fixture
def redis_url(tmp_path):
    with key_value_server(tmp_path) as server:
        yield server.url


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def stores(request, tmp_path):
    """Two stores of the same documents, as two processes have them."""
    made: list[Any]
    match request.param:
        case "memory":
            made = [MemoryDocuments(DocumentLimits())] * 2
        case "sqlite":
            made = [SqliteDocuments(tmp_path / "state.sqlite", DocumentLimits()) for _ in range(2)]
        case _:
            url = request.getfixturevalue("redis_url")
            made = [RedisDocuments(url, DocumentLimits()) for _ in range(2)]
    for store in made:
        await store.open()
    yield made
    for store in made:
        await store.aclose()


def state_of(store):
    budget, work = ByteBudget(2**30), InlineWork()
    return State(store, Histories(budget, 2**20, DEFAULTS, lambda _size: work, PrefixMemory(0)))


def item(text, id_="m1"):
    return InputItem(type="message", role="user", content=text, id=id_)


async def texts_of(state, conversation):
    items = await state.conversation_items(conversation, CLIENT, ALL)
    return sorted(part["text"] for one in items for part in msgspec.json.decode(one)["content"])


@pytest.mark.parametrize("halts", [1, 3])
async def test_items_with_one_id_are_all_kept(stores, halts):
    slow_store = Halting(stores[0], halts)
    quick, slow = state_of(stores[1]), state_of(slow_store)
    conversation = (await quick.create_conversation(ABSENT, [], CLIENT)).id
    adding = asyncio.create_task(slow.add_items(conversation, [item("slow"), item("new", "m2")], CLIENT))
    for number in range(halts):
        await slow_store.reached.wait()
        slow_store.reached.clear()
        # What the slow one has read holds no more when it writes.
        await quick.add_items(conversation, [item(f"quick {number}", f"m{number + 1}")], CLIENT)
        slow_store.go_on.set()
    await adding
    assert await texts_of(quick, conversation) == sorted(["slow", "new", *[f"quick {n}" for n in range(halts)]])
    assert slow_store.writes == halts + 1 if halts == 1 else slow_store.writes <= halts + 1


async def test_an_id_of_two_conversations_is_ambiguous_whoever_was_first(stores):
    slow_store = Halting(stores[0], 1)
    quick, slow = state_of(stores[1]), state_of(slow_store)
    one, two = [(await quick.create_conversation(ABSENT, [], CLIENT)).id for _ in range(2)]
    adding = asyncio.create_task(slow.add_items(one, [item("slow", "mine")], CLIENT))
    await slow_store.reached.wait()
    await quick.add_items(two, [item("quick", "mine")], CLIENT)
    slow_store.go_on.set()
    await adding
    with pytest.raises(NotStored) as refused:
        await quick.add_items(two, [InputItem(type="item_reference", id="mine")], CLIENT)
    assert refused.value.code == "ambiguous_item"


class Contested(MemoryDocuments):
    """A store in which others always are faster."""

    tries = 0

    async def put(self, documents, client, max_age=None, expected=NOTHING_EXPECTED):
        if expected:
            self.tries += 1
            raise Changed
        return await super().put(documents, client, max_age, expected)


async def test_a_writer_that_is_never_first_gives_up():
    store = Contested(DocumentLimits())
    state = state_of(store)
    conversation = (await state.create_conversation(ABSENT, [], CLIENT)).id
    with pytest.raises(NotStored) as refused:
        await state.add_items(conversation, [item("x")], CLIENT)
    assert (refused.value.status, store.tries) == (503, MAX_TRIES)
