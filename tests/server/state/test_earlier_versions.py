"""Responses as they were stored until 2026-11-30: one document each, with input and output in it."""

import json

from adapter.store import Document
from adapter.store.documents.base import MemoryDocuments
from tests.support.scripted import adapter, answer, run_upstream
from tests.support.stateful import PATH, ask, contents

FIRST = "resp_d0f9f729897b9815a493db2e6861968882c758b4e6e41b32"
SECOND = "resp_e7eeecca4fc52a82cf4605797e07644177d5fe7961c19845"
ANSWERED = "msg_01ac5a40aa47d936aa282642a00f84bd8d9e36f191666b5b"


def record(response_id, previous, item_id, text, given):
    """The body of a document, as commit 41c8bb2 wrote it; fields that are the same in every response are left out."""
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    said = {"type": "message", "id": item_id, "role": "assistant", "status": "completed", "content": content}
    response = {
        "id": response_id,
        "object": "response",
        "created_at": 1796063408,
        "completed_at": 1796063408,
        "status": "completed",
        "model": "gemini-3.5-flash",
        "previous_response_id": previous or None,
        "output": [said],
        "tools": [],
        "tool_choice": "auto",
        "store": True,
        "metadata": {},
    }
    history = [previous] if previous else []
    return json.dumps({"response": response, "input": [given], "history": history}, separators=(",", ":")).encode()


def message(item_id, text):
    content = [{"type": "input_text", "text": text}]
    return {"id": item_id, "role": "user", "content": content, "type": "message", "status": "completed"}


STORED = [
    Document(FIRST, record(FIRST, "", ANSWERED, "answer 1", message(f"msg_{FIRST[5:]}0000", "hi"))),
    Document(SECOND, record(SECOND, FIRST, f"msg_{'4' * 48}", "answer 2", message("mine_1", "more"))),
    Document(f"item:{ANSWERED}", FIRST.encode(), FIRST),
    Document("item:mine_1", f"{SECOND} 48134b6975b0d70804c157f2da53e76c".encode(), SECOND),
]


async def test_responses_in_one_document_are_read_and_followed(monkeypatch):
    stores = []

    def make(*arguments, **options):
        stores.append(MemoryDocuments(*arguments, **options))
        return stores[-1]

    async def script(call):
        await call.json(answer("answer 3"))

    monkeypatch.setattr("adapter.store.factory.MemoryDocuments", make)
    async with run_upstream(script) as upstream, adapter(upstream) as client:
        await stores[0].put(STORED, "")
        read = (await client.get(f"{PATH}/{SECOND}")).json()
        items = (await client.get(f"{PATH}/{SECOND}/input_items")).json()["data"]
        third = await client.post(PATH, json=ask("again", previous_response_id=SECOND))
        references = [{"type": "item_reference", "id": one} for one in (ANSWERED, "mine_1")]
        fourth = await client.post(PATH, json={"model": "gemini-3.5-flash", "input": [*references, message("", "so")]})
        fifth = await client.post(PATH, json=ask("last", previous_response_id=third.json()["id"]))
        deleted = await client.delete(f"{PATH}/{FIRST}")
    assert (read["id"], read["output"][0]["content"][0]["text"]) == (SECOND, "answer 2")
    assert [one["id"] for one in items] == ["mine_1", ANSWERED, f"msg_{FIRST[5:]}0000"]
    assert [one.status_code for one in (third, fourth, fifth, deleted)] == [200] * 4, fourth.text
    said = [("user", ["hi"]), ("model", ["answer 1"]), ("user", ["more"]), ("model", ["answer 2"]), ("user", ["again"])]
    assert contents(upstream.seen[0]) == said
    assert contents(upstream.seen[1]) == [
        ("user", [" "]),
        ("model", ["answer 1"]),
        ("user", ["more"]),
        ("user", ["so"]),
    ]
    assert contents(upstream.seen[2]) == [*said, ("model", ["answer 3"]), ("user", ["last"])]
