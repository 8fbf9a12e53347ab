"""No conversation's words enter another one: many at once, of one client, with the same words.

After each request Gemini's history must be the client's, part for part, and every signature, id and hidden part in it
one that Gemini issued in this conversation to this very part (rows A1 to A12 of the faults of 2026-11-30).
"""

import asyncio
import copy
import json
from contextlib import AsyncExitStack
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.server.state.conversing import ANSWERS, MODEL, RESPONSE_TOOLS, TOOLS, WORDS, Marking, Turn, bare, check
from tests.server.state.conversing import words as words_of
from tests.support.key_value import key_value_server
from tests.support.responses_socket import receive_events, socket
from tests.support.scripted import adapter, run_upstream


def shown_parts(message):
    """The parts in an answer's `extra_content` that are texts and calls, bare."""
    parts = (message.get("extra_content") or {}).get("google", {}).get("parts") or []
    return [bare(part) for part in parts if "text" in part or "functionCall" in part]


class Chat:
    """A chat whose client keeps the whole of each answer, or only OpenAI's own fields, maybe under ids of its own.

    "shown": under ids of its own, and beside them those parts of Gemini's that the client can show, without signatures.
    """

    shows_code = False
    is_branchable = True
    is_cut = False

    def __init__(self, keeps):
        self.keeps = keeps
        self.turns = []

    @property
    def shows_images(self):
        """Return whether this client's history has the images of answers."""
        return self.shows_code or self.keeps == "all"

    def messages(self):
        for turn in self.turns:
            yield {"role": "user", "content": turn.said}
            yield from turn.carried
            yield from turn.results

    async def ask(self, client, marking):
        body = {"model": MODEL, "messages": list(self.messages()), "tools": TOOLS}
        response = await client.post("/v1/chat/completions", json=body)
        assert response.status_code == 200, response.text
        self.take(response.json()["choices"][0]["message"])

    def take(self, message):
        turn = self.turns[-1]
        if self.keeps != "all":
            extra = shown_parts(message)
            message = {key: message[key] for key in ("role", "content", "tool_calls") if message.get(key) is not None}
            message.setdefault("content", None)
            if self.keeps == "shown" and extra:
                message["extra_content"] = {"google": {"parts": extra}}
            for number, call in enumerate(message.get("tool_calls", ())):
                call.pop("extra_content", None)
                call["id"] = f"own_{len(self.turns)}_{number}" if self.keeps in ("rewritten", "shown") else call["id"]
        turn.carried = [message]
        turn.results = [
            {"role": "tool", "tool_call_id": call["id"], "content": "same"} for call in message.get("tool_calls") or ()
        ]

    def edit(self, turn):
        if turn.carried[0].get("content"):
            kept = {key: value for key, value in turn.carried[0].items() if key != "extra_content"}
            turn.carried = [{**copy.deepcopy(kept), "content": "Edited."}]
            turn.edited = True

    def trim(self):
        del self.turns[0]


class Items(Chat):
    """Responses whose client sends all items itself, with or without what only this adapter can read."""

    shows_code = True

    async def ask(self, client, marking):
        body = {"model": MODEL, "input": list(self.messages()), "tools": RESPONSE_TOOLS, "store": False}
        response = await client.post("/v1/responses", json=body)
        assert response.status_code == 200, response.text
        self.take(response.json())

    def take(self, response):
        turn = self.turns[-1]
        items = response["output"]
        if self.keeps != "all":
            items = [
                {key: value for key, value in item.items() if key not in ("id", "encrypted_content")}
                for item in items
                if item["type"] != "reasoning"
            ]
        turn.carried = items
        turn.results = [
            {"type": "function_call_output", "call_id": item["call_id"], "output": "same"}
            for item in items
            if item["type"] == "function_call"
        ]

    def edit(self, turn):
        edited = copy.deepcopy(turn.carried)
        texts = [item for item in edited if item["type"] == "message" and item["content"][0].get("text")]
        if len(texts) == 1:
            texts[0]["content"][0]["text"] = "Edited."
            turn.carried, turn.edited = edited, True


class Stored(Items):
    """Responses that follow each other by id, in a conversation, or over a websocket."""

    def __init__(self, how):
        super().__init__("all")
        self.how = how
        self.is_branchable = how != "conversation"
        self.previous = None

    def new_items(self):
        """The items that are not stored yet: the results of the last calls, and the user's words."""
        before = self.turns[-2].results if len(self.turns) > 1 else []
        return [*before, {"role": "user", "content": self.turns[-1].said}]

    async def ask(self, client, marking):
        body = {"model": MODEL, "input": self.new_items(), "tools": RESPONSE_TOOLS}
        if self.how == "conversation":
            self.previous = self.previous or (await client.post("/v1/conversations", json={})).json()["id"]
            body["conversation"] = self.previous
        elif self.previous:
            body["previous_response_id"] = self.previous
        response = await (self.on_socket if self.how == "websocket" else self.post)(client, body)
        assert response["status"] == "completed", response
        if self.how != "conversation":
            self.previous = response["id"]
        self.take(response)

    async def post(self, client, body):
        return (await client.post("/v1/responses", json=body)).json()

    async def on_socket(self, client, body):
        async with socket(client) as connection:
            await connection.send(json.dumps({"type": "response.create", **body}))
            return (await receive_events(connection))[-1]["response"]

    def edit(self, turn):
        """Do nothing: stored items cannot be edited."""

    def trim(self):
        """Do nothing: stored items cannot be trimmed."""


MAKERS = {
    **{f"chat, {keeps}": lambda keeps=keeps: Chat(keeps) for keeps in ("all", "bare", "rewritten", "shown")},
    **{f"items, {keeps}": lambda keeps=keeps: Items(keeps) for keeps in ("all", "bare")},
    **{how: lambda how=how: Stored(how) for how in ("previous", "conversation", "websocket")},
}

STEPS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["say", "say", "say", "again", "branch", "edit", "trim"]),
        st.sampled_from(sorted(ANSWERS)),
        st.sampled_from(WORDS),
    ),
    min_size=4,
    max_size=16,
)
KINDS = st.lists(st.sampled_from(sorted(MAKERS)), min_size=4, max_size=4)


class World:
    """Some conversations in front of one upstream; each step may go to another worker."""

    def __init__(self, kinds):
        self.marking = Marking()
        self.conversations = [MAKERS[kind]() for kind in kinds]

    async def step(self, client, upstream, step):
        number, action, kind, words = step
        chosen = self.conversations[number % len(self.conversations)]
        if action == "branch" and chosen.turns and chosen.is_branchable:
            chosen = copy.deepcopy(chosen)
            self.conversations.append(chosen)
        if action == "edit" and chosen.turns:
            chosen.edit(chosen.turns[len(words) % len(chosen.turns)])
            chosen.is_cut = True
        if action == "trim" and len(chosen.turns) > 1:
            chosen.trim()
            chosen.is_cut = True
        is_again = action == "again" and chosen.turns and not isinstance(chosen, Stored)
        turn = Turn(chosen.turns.pop().said if is_again else words)
        chosen.turns.append(turn)
        self.marking.next = kind
        await chosen.ask(client, self.marking)
        shown = {"shows_code": chosen.shows_code, "shows_images": chosen.shows_images, "is_cut": chosen.is_cut}
        check(self.marking, chosen.turns, upstream.seen[-1].body, **shown)
        turn.serial, turn.kind = self.marking.last, kind
        self.marking.histories[turn.serial] = [words_of(chosen.turns, shows_images=shows) for shows in (True, False)]


async def run(kinds, steps, *stores, lives=1):
    """Take the steps, in turn at each of the workers, which share what their stores share; `lives`: and restart."""
    world = World(kinds)
    async with run_upstream(world.marking.script) as upstream:
        for life in range(lives):
            async with AsyncExitStack() as stack:
                clients = [await stack.enter_async_context(adapter(upstream, store=store)) for store in stores]
                for number, step in enumerate(steps[life::lives]):
                    await world.step(clients[number % len(clients)], upstream, step)


def program(seed):
    """Kinds of conversations and steps, drawn once."""
    draw = Random(seed)
    kinds = [draw.choice(sorted(MAKERS)) for _ in range(4)]
    actions = ["say", "say", "say", "again", "branch", "edit", "trim"]
    return kinds, [
        (draw.randrange(4), draw.choice(actions), draw.choice(sorted(ANSWERS)), draw.choice(WORDS)) for _ in range(24)
    ]


@given(KINDS, STEPS)
def test_what_one_conversation_said_never_enters_another(kinds, steps):
    asyncio.run(run(kinds, steps, "memory"))


@pytest.mark.parametrize("seed", range(3))
async def test_nor_between_two_workers_that_share_a_file(seed, tmp_path):
    store = f"sqlite:{tmp_path / 'shared.sqlite3'}"
    await run(*program(seed), store, store)


@pytest.mark.parametrize("seed", range(3))
async def test_nor_over_a_restart(seed, tmp_path):
    await run(*program(seed), f"sqlite:{tmp_path / 'kept.sqlite3'}", lives=2)


@pytest.mark.parametrize("seed", range(3))
async def test_nor_between_replicas_that_share_a_server(seed, tmp_path):
    with key_value_server(tmp_path) as server:
        await run(*program(seed), server.url, server.url)
