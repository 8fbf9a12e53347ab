"""The things that a client may refer to later: stored responses, chains of them, conversations and single items."""

import asyncio
from typing import Any

import pytest

from adapter.store import Document
from adapter.store.documents.base import MemoryDocuments
from tests.support.scripted import adapter, answer, run_upstream
from tests.support.stateful import PATH, ask, contents, read_events, text_of_response

CONVERSATIONS = "/v1/conversations"
CALL = {"functionCall": {"name": "f", "args": {}, "id": "g1"}, "thoughtSignature": "U0lH"}
IMAGE, EMPTY = {"type": "input_image"}, "data:image/png;base64,"
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}


async def counts(call):
    reply = answer(f"answer {call.number}")
    await (call.stream(reply) if ":stream" in call.request.path else call.json(reply))


async def make(client, text="hi", **fields):
    """A response."""
    response = await client.post(PATH, json=ask(text, **fields))
    assert response.status_code == 200, response.text
    return read_events(response.text)[-1]["response"] if fields.get("stream") else response.json()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_response_is_read_again_and_deleted(stream):
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        made = await make(client, metadata={"a": "b"}, stream=stream)
        read = await client.get(f"{PATH}/{made['id']}")
        deleted = await client.delete(f"{PATH}/{made['id']}")
        gone = [await client.get(f"{PATH}/{made['id']}"), await client.delete(f"{PATH}/{made['id']}")]
    assert read.json() == made
    assert made["store"] is True
    assert deleted.json() == {"id": made["id"], "object": "response", "deleted": True}
    assert [response.status_code for response in gone] == [404, 404]
    assert made["id"] in gone[0].json()["error"]["message"]


async def test_what_is_not_to_be_stored_is_not():
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        made = await make(client, store=False)
        read = await client.get(f"{PATH}/{made['id']}")
    assert made["store"] is False
    assert read.status_code == 404


async def test_a_response_survives_a_restart(tmp_path):
    store = f"sqlite:{tmp_path / 'state.sqlite3'}"
    async with run_upstream(counts) as upstream:
        async with adapter(upstream, store=store) as client:
            made = await make(client)
        async with adapter(upstream, store=store) as client:
            assert (await client.get(f"{PATH}/{made['id']}")).json() == made
            await make(client, "more", previous_response_id=made["id"])
    assert contents(upstream.seen[1]) == [("user", ["hi"]), ("model", ["answer 1"]), ("user", ["more"])]


async def test_another_key_sees_nothing():
    async with run_upstream(counts) as upstream, adapter(upstream, client_keys=("one", "two")) as client:
        client.headers["authorization"] = "Bearer one"
        made = await make(client)
        conversation = (await client.post(CONVERSATIONS, json={})).json()
        client.headers["authorization"] = "Bearer two"
        answers = [
            await client.get(f"{PATH}/{made['id']}"),
            await client.get(f"{PATH}/{made['id']}/input_items"),
            await client.post(f"{PATH}/{made['id']}/cancel"),
            await client.delete(f"{PATH}/{made['id']}"),
            await client.get(f"{CONVERSATIONS}/{conversation['id']}"),
            await client.delete(f"{CONVERSATIONS}/{conversation['id']}"),
        ]
        refused = await client.post(PATH, json=ask(previous_response_id=made["id"]))
    assert [response.status_code for response in answers] == [404] * len(answers)
    assert refused.status_code == 400


async def test_a_chain_brings_all_that_was_said_but_not_its_instructions():
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        one = await make(client, "first", instructions="be brief")
        two = await make(client, "second", previous_response_id=one["id"])
        three = await make(client, [{"role": "user", "content": "third"}], previous_response_id=two["id"])
    assert three["previous_response_id"] == two["id"]
    assert contents(upstream.seen[2]) == [
        ("user", ["first"]),
        ("model", ["answer 1"]),
        ("user", ["second"]),
        ("model", ["answer 2"]),
        ("user", ["third"]),
    ]
    assert "systemInstruction" in upstream.seen[0].body
    assert "systemInstruction" not in upstream.seen[1].body


async def test_a_chain_keeps_the_signature_of_a_call():
    async def script(call):
        await call.json(answer(CALL) if call.number == 1 else answer("done"))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        one = await make(client, tools=[TOOL])
        call = next(item for item in one["output"] if item["type"] == "function_call")
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "42"}
        await make(client, [result], tools=[TOOL], previous_response_id=one["id"])
    model = upstream.seen[1].body["contents"][1]
    assert model["parts"] == [CALL]


async def test_a_chain_may_branch():
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        one = await make(client, "first")
        await make(client, "left", previous_response_id=one["id"])
        await make(client, "right", previous_response_id=one["id"])
    assert contents(upstream.seen[2]) == [("user", ["first"]), ("model", ["answer 1"]), ("user", ["right"])]


async def test_a_missing_link_is_named():
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        unknown = await client.post(PATH, json=ask(previous_response_id="resp_unknown"))
        one = await make(client, "first")
        two = await make(client, "second", previous_response_id=one["id"])
        await client.delete(f"{PATH}/{one['id']}")
        broken = await client.post(PATH, json=ask(previous_response_id=two["id"]))
    for response, missing in ((unknown, "resp_unknown"), (broken, one["id"])):
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (400, "previous_response_not_found")
        assert error["param"] == "previous_response_id"
        assert missing in error["message"]


async def test_paths_of_errors_and_notes_are_the_clients_own():
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        one = await make(client, "first")
        items: list[Any] = [{"role": "user", "content": "ok"}, {"role": "narrator", "content": "x"}]
        refused = await client.post(PATH, json=ask(items, previous_response_id=one["id"]))
        items[1] = {"type": "mcp_list_tools", "id": "m", "server_label": "s", "tools": []}
        strict = {"x-adapter-strict": "all"}
        lossy = await client.post(PATH, json=ask(items, previous_response_id=one["id"]), headers=strict)
    assert refused.json()["error"]["param"] == "input[1].role"
    assert lossy.json()["error"]["param"].startswith("input[1]")


async def test_strict_mode_lets_a_chain_leave_its_own_thoughts_behind():
    async def script(call):
        await call.json(answer({"text": "hm", "thought": True}, "ok"))

    async with run_upstream(script) as upstream, adapter(upstream, strict="all") as client:
        one = await make(client, "first", reasoning={"summary": "auto"})
        two = await make(client, "second", previous_response_id=one["id"])
    assert [item["type"] for item in one["output"]] == ["reasoning", "message"]
    assert text_of_response(two) == "ok"


async def test_a_conversation_is_only_read_where_nothing_is_to_be_stored():
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        start = {"items": [{"role": "user", "content": "zero"}]}
        conversation = (await client.post(CONVERSATIONS, json=start)).json()
        response = await client.post(PATH, json=ask("first", conversation=conversation["id"], store=False))
        listed = (await client.get(f"{CONVERSATIONS}/{conversation['id']}/items")).json()
    assert "conversation-not-kept" in response.headers["x-adapter-notes"]
    assert contents(upstream.seen[0]) == [("user", ["zero"]), ("user", ["first"])]
    assert len(listed["data"]) == 1


async def test_ids_of_another_kind_are_simply_unknown():
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        made = await make(client)
        item = made["output"][0]["id"]
        conversation = (await client.post(CONVERSATIONS, json={"items": [{"role": "user", "content": "x"}]})).json()
        member = (await client.get(f"{CONVERSATIONS}/{conversation['id']}/items")).json()["data"][0]["id"]
        answers = [
            await client.get(f"{PATH}/{conversation['id']}"),
            await client.get(f"{PATH}/item:{item}"),
            await client.get(f"{CONVERSATIONS}/{made['id']}"),
            await client.get(f"{CONVERSATIONS}/{made['id']}/items/x"),
            await client.post(PATH, json=ask(conversation=f"{conversation['id']}/{member}")),
        ]
        refused = await client.post(PATH, json=ask(previous_response_id=conversation["id"]))
    assert [response.status_code for response in answers] == [404] * len(answers)
    assert refused.status_code == 400


async def test_a_reference_stands_for_a_stored_item():
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        one = await make(client, "first")
        items = [
            {"role": "user", "content": "first"},
            {"type": "item_reference", "id": one["output"][0]["id"]},
            {"role": "user", "content": "second"},
        ]
        two = await make(client, items)
        listed = (await client.get(f"{PATH}/{two['id']}/input_items?order=asc")).json()["data"]
        items[1] = {"id": one["output"][0]["id"]}
        await make(client, items)
    expected = [("user", ["first"]), ("model", ["answer 1"]), ("user", ["second"])]
    assert contents(upstream.seen[1]) == expected
    assert contents(upstream.seen[2]) == expected
    assert [item["type"] for item in listed] == ["message"] * 3


async def test_a_reference_to_nothing_is_refused_as_openai_does():
    """OpenAI: 404 Item with id 'rs_...' not found (https://github.com/can1357/oh-my-pi/issues/41, 2026-02)."""
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        items = [{"role": "user", "content": "hi"}, {"type": "item_reference", "id": "rs_gone"}]
        unstored = await make(client, store=False)
        for id_ in ("rs_gone", unstored["output"][0]["id"], f"msg_{'0' * 52}", f"msg_{'0' * 48}v{'0' * 12}"):
            items[1]["id"] = id_
            response = await client.post(PATH, json=ask(items))
            error = response.json()["error"]
            assert (response.status_code, error["param"]) == (404, "input[1].id")
            assert id_ in error["message"]
    assert len(upstream.seen) == 1


async def test_a_reference_stands_for_an_item_of_an_input():
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        one = await make(
            client, [{"role": "user", "content": "first"}, {"role": "user", "content": "x", "id": "msg_1"}]
        )
        inputs = (await client.get(f"{PATH}/{one['id']}/input_items?order=asc")).json()["data"]
        made = (await client.post(CONVERSATIONS, json={"items": [{"role": "user", "content": "zero"}]})).json()
        url = f"{CONVERSATIONS}/{made['id']}/items"
        [zero] = (await client.get(url)).json()["data"]
        [own] = (await client.post(url, json={"items": [{"role": "user", "content": "y", "id": "msg_2"}]})).json()[
            "data"
        ]
        ids = [inputs[0]["id"], "msg_1", zero["id"], own["id"]]
        await make(client, [{"type": "item_reference", "id": id_} for id_ in ids])
        await client.delete(f"{PATH}/{one['id']}")
        await client.delete(f"{CONVERSATIONS}/{made['id']}")
        gone = [await client.post(PATH, json=ask([{"type": "item_reference", "id": id_}])) for id_ in ids]
    assert own["id"] == "msg_2"
    assert contents(upstream.seen[1]) == [("user", [text]) for text in ("first", "x", "zero", "y")]
    assert [response.status_code for response in gone] == [404] * 4


async def test_a_reference_to_one_of_several_items_is_an_error():
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        reference = [{"type": "item_reference", "id": "msg_1"}]
        one, same, other = ({"role": "user", "content": text, "id": "msg_1"} for text in ("Ann", "Ann", "Eve"))
        await make(client, [one])
        await make(client, [same])
        await make(client, reference)
        await make(client, [other])
        refused = await client.post(PATH, json=ask(reference))
        await make(client, [other])
        again = await client.post(PATH, json=ask(reference))
    assert contents(upstream.seen[2]) == [("user", ["Ann"])]
    for response in (refused, again):
        assert (response.status_code, response.json()["error"]["code"]) == (400, "ambiguous_item")


async def test_items_are_copied_into_a_conversation_by_reference():
    """Other servers do the same (https://github.com/sgl-project/sglang/pull/11369)."""
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        one = await make(client, "first")
        made = (await client.post(CONVERSATIONS, json={})).json()
        url = f"{CONVERSATIONS}/{made['id']}/items"
        items = [{"type": "item_reference", "id": one["output"][0]["id"]}, {"id": "rs_gone"}]
        refused = await client.post(url, json={"items": items})
        [copied] = (await client.post(url, json={"items": items[:1]})).json()["data"]
    assert (refused.status_code, refused.json()["error"]["param"]) == (404, "items[1].id")
    assert copied == one["output"][0]


async def test_an_item_never_takes_the_place_of_another_in_a_conversation():
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        first = [{"role": "user", "content": text, "id": "msg_1"} for text in ("one", "two")]
        made = (await client.post(CONVERSATIONS, json={"items": first})).json()
        url = f"{CONVERSATIONS}/{made['id']}/items"
        added = (await client.post(url, json={"items": [{**first[0], "content": "three"}]})).json()["data"]
        for text in ("four", "five"):
            item = {"role": "user", "content": text, "id": "msg_1"}
            answered = await client.post(PATH, json=ask([item], conversation=made["id"]))
            assert "item-id-taken" in answered.headers["x-adapter-notes"]
        listed = (await client.get(url, params={"order": "asc"})).json()["data"]
        read = (await client.get(f"{url}/msg_1")).json()
    texts = [item["content"][0]["text"] for item in listed]
    assert texts == ["one", "two", "three", "four", "answer 1", "five", "answer 2"]
    assert len({item["id"] for item in [*listed, *added]}) == 7
    assert read["content"][0]["text"] == "one"
    assert [text for _, [text] in contents(upstream.seen[1])] == [*texts[:5], "five"]


async def test_items_of_one_id_that_come_at_the_same_time_are_all_kept():
    """Two responses begin while the conversation has no such item yet."""
    both = asyncio.Event()
    asked: list[str] = []

    async def script(call):
        asked.append(call.request.path)
        if len(asked) == 2:
            both.set()
        await both.wait()
        await call.json(answer("ok"))

    def item(text):
        return {"role": "user", "content": text, "id": "msg_1"}

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        made = (await client.post(CONVERSATIONS, json={})).json()
        url = f"{CONVERSATIONS}/{made['id']}/items"
        answers = await asyncio.gather(
            *(client.post(PATH, json=ask([item(text)], conversation=made["id"])) for text in ("one", "two"))
        )
        await asyncio.gather(*(client.post(url, json={"items": [item(text)]}) for text in ("three", "four")))
        listed = (await client.get(url)).json()["data"]
    assert [one.status_code for one in answers] == [200, 200]
    texts = [one["content"][0]["text"] for one in listed]
    assert sorted(texts) == ["four", "ok", "ok", "one", "three", "two"]
    assert len({one["id"] for one in listed}) == 6


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "message", "content": "hi"}, "items[1].role"),
        ({"content": "hi"}, "items[1].role"),
        ({"id": "msg_1", "content": [{"type": "input_text", "text": "hi"}]}, "items[1].role"),
        ({"role": "narrator", "content": "hi"}, "items[1].role"),
        ({}, "items[1].type"),
        ({"type": "item_reference"}, "items[1].id"),
        ({"call_id": "call_1", "output": "1"}, "items[1].type"),
        ({"type": "function_call", "call_id": "c", "arguments": "{}"}, "items[1].name"),
        ({"role": "user", "content": [IMAGE]}, "items[1].content[0].image_url"),
        ({"role": "user", "content": [{**IMAGE, "image_url": EMPTY}]}, "items[1].content[0].image_url"),
        ({"type": "additional_tools", "tools": [{"type": "function"}]}, "items[1].tools[0].name"),
    ],
)
async def test_an_item_that_no_response_could_read_is_refused_when_it_is_made(item, param):
    items = [{"role": "user", "content": "hello"}, item]
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        refused = [await client.post(CONVERSATIONS, json={"items": items})]
        made = (await client.post(CONVERSATIONS, json={})).json()
        refused.append(await client.post(f"{CONVERSATIONS}/{made['id']}/items", json={"items": items}))
        asked = await client.post(PATH, json=ask(items, conversation=made["id"]))
        await make(client, "and now", conversation=made["id"])
    assert [(one.status_code, one.json()["error"]["param"]) for one in refused] == [(400, param)] * 2
    assert (asked.status_code, asked.json()["error"]["param"]) == (400, param.replace("items", "input"))
    assert contents(upstream.seen[0]) == [("user", ["and now"])]


async def test_what_only_some_models_take_is_stored_in_a_conversation():
    file = {"type": "input_file", "file_id": "file-abc"}
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        made = await client.post(CONVERSATIONS, json={"items": [{"role": "user", "content": [file]}]})
    assert made.status_code == 200


async def script_of_calls(call):
    number = call.number
    parts = [{"functionCall": {"name": "f", "args": {"n": number}, "id": f"g{number}"}, "thoughtSignature": "U0lH"}]
    await call.json(answer(*(parts if number < 3 else ["done"])))


def calls_in(response):
    return [item for item in response["output"] if item["type"] == "function_call"]


@pytest.mark.parametrize("where", ["previous_response_id", "conversation"])
async def test_results_that_the_history_has_already_are_not_sent_twice(where):
    """semantic-kernel's OpenAIResponsesAgent sends the message and all results so far in each round."""
    asked = {"role": "user", "content": "go"}
    async with run_upstream(script_of_calls) as upstream, adapter(upstream) as client:
        follow = {where: (await client.post(CONVERSATIONS, json={})).json()["id"]} if where == "conversation" else {}
        results = []
        for _round in range(3):
            response = await client.post(PATH, json=ask([asked, *results], tools=[TOOL], **follow))
            told_ = response.json()
            results += [
                {"type": "function_call_output", "call_id": call["call_id"], "output": f"result {call['call_id']}"}
                for call in calls_in(told_)
            ]
            if where == "previous_response_id":
                follow = {where: told_["id"]}
        listed = (await client.get(f"{PATH}/{told_['id']}/input_items?order=asc")).json()["data"]
    assert response.headers["x-adapter-notes"].count("item-repeated") == 1
    kinds = [[next(iter(part)) for part in turn["parts"]] for turn in upstream.seen[2].body["contents"]]
    assert kinds == [["text"], ["functionCall"], ["functionResponse"], ["functionCall"], ["functionResponse"]]
    if where == "previous_response_id":
        assert [item["type"] for item in listed] == ["message", *["function_call", "function_call_output"] * 2]


async def test_another_result_of_an_answered_call_is_an_error():
    async with run_upstream(script_of_calls) as upstream, adapter(upstream) as client:
        one = await make(client, "go", tools=[TOOL])
        [call] = calls_in(one)
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "1"}
        two = await make(client, [result], tools=[TOOL], previous_response_id=one["id"])
        other = ask([{**result, "output": "2"}], tools=[TOOL], previous_response_id=two["id"])
        refused = (await client.post(PATH, json=other)).json()["error"]
    assert (refused["param"], len(upstream.seen)) == ("input[0].output", 2)


async def test_what_a_chain_brings_may_be_referred_to_once_more():
    """The AI SDK sends references beside previous_response_id (https://github.com/vercel/ai/pull/15492)."""
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        one = await make(client, "first")
        reference = {"type": "item_reference", "id": one["output"][0]["id"]}
        bad = {"role": "narrator", "content": "x"}
        items = [reference, {"role": "user", "content": "second"}]
        await make(client, items, previous_response_id=one["id"])
        refused = await client.post(PATH, json=ask([*items, bad], previous_response_id=one["id"]))
    assert contents(upstream.seen[1]) == [("user", ["first"]), ("model", ["answer 1"]), ("user", ["second"])]
    assert refused.json()["error"]["param"] == "input[2].role"


async def test_input_items_are_paged_in_either_order():
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        one = await make(client, "first")
        two = await make(client, [{"role": "user", "content": "second"}], previous_response_id=one["id"])
        url = f"{PATH}/{two['id']}/input_items"
        whole = (await client.get(url)).json()
        rising = (await client.get(url, params={"order": "asc"})).json()
        pages = []
        after = {}
        while not pages or pages[-1]["has_more"]:
            pages.append((await client.get(url, params={"limit": 1, "order": "asc", **after})).json())
            after = {"after": pages[-1]["last_id"]}
        wrong = [await client.get(url, params=query) for query in ({"limit": 0}, {"limit": "x"}, {"order": "up"})]
    texts = [item["content"][0]["text"] for item in rising["data"]]
    assert texts == ["first", "answer 1", "second"]
    assert rising["data"][1] == one["output"][0]
    assert whole["data"] == rising["data"][::-1]
    assert (whole["object"], whole["has_more"]) == ("list", False)
    assert (whole["first_id"], whole["last_id"]) == (whole["data"][0]["id"], whole["data"][-1]["id"])
    assert [page["data"][0] for page in pages] == rising["data"]
    assert len({item["id"] for item in rising["data"]}) == 3
    assert [response.status_code for response in wrong] == [400] * 3


async def test_a_conversation_grows_by_each_response():
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        start = {"items": [{"role": "user", "content": "zero"}], "metadata": {"a": "b"}}
        conversation = (await client.post(CONVERSATIONS, json=start)).json()
        one = await make(client, "first", conversation=conversation["id"])
        await make(client, "second", conversation={"id": conversation["id"]}, stream=True)
        listed = (await client.get(f"{CONVERSATIONS}/{conversation['id']}/items?order=asc")).json()
    assert conversation["object"] == "conversation"
    assert conversation["metadata"] == {"a": "b"}
    assert one["conversation"] == {"id": conversation["id"]}
    assert contents(upstream.seen[1]) == [
        ("user", ["zero"]),
        ("user", ["first"]),
        ("model", ["answer 1"]),
        ("user", ["second"]),
    ]
    texts = [item["content"][0]["text"] for item in listed["data"]]
    assert texts == ["zero", "first", "answer 1", "second", "answer 2"]


async def test_a_failed_response_adds_nothing_to_its_conversation():
    async def script(call):
        await call.stream(answer("Hel", finish=None))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        conversation = (await client.post(CONVERSATIONS, json={})).json()
        await make(client, conversation=conversation["id"], stream=True)
        listed = (await client.get(f"{CONVERSATIONS}/{conversation['id']}/items")).json()
    assert listed == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


async def test_a_conversation_is_changed_and_deleted():
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        made = (await client.post(CONVERSATIONS, json={"metadata": {"a": "b"}})).json()
        url = f"{CONVERSATIONS}/{made['id']}"
        changed = (await client.post(url, json={"metadata": {"c": "d"}})).json()
        read = (await client.get(url)).json()
        deleted = (await client.delete(url)).json()
        gone = [await client.get(url), await client.get(f"{url}/items"), await client.delete(url)]
        refused = await client.post(PATH, json=ask(conversation=made["id"]))
    assert changed == read == {**made, "metadata": {"c": "d"}}
    assert deleted == {"id": made["id"], "object": "conversation.deleted", "deleted": True}
    assert [response.status_code for response in gone] == [404] * 3
    assert (refused.status_code, refused.json()["error"]["param"]) == (404, "conversation")


async def test_items_of_a_conversation_are_added_read_and_deleted():
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        made = (await client.post(CONVERSATIONS, json={})).json()
        url = f"{CONVERSATIONS}/{made['id']}/items"
        items = [{"role": "user", "content": f"number {number}"} for number in range(3)]
        added = (await client.post(url, json={"items": items})).json()
        ids = [item["id"] for item in added["data"]]
        one = (await client.get(f"{url}/{ids[1]}")).json()
        left = (await client.delete(f"{url}/{ids[1]}")).json()
        page = (await client.get(url, params={"limit": 1})).json()
        rest = (await client.get(url, params={"limit": 1, "after": page["last_id"]})).json()
        gone = [await client.get(f"{url}/{ids[1]}"), await client.delete(f"{url}/{ids[1]}")]
        many = await client.post(url, json={"items": items * 7})
    assert one == added["data"][1]
    assert one["content"] == [{"type": "input_text", "text": "number 1"}]
    assert left == made
    assert ([item["id"] for item in page["data"]], page["has_more"]) == ([ids[2]], True)
    assert ([item["id"] for item in rest["data"]], rest["has_more"]) == ([ids[0]], False)
    assert [response.status_code for response in gone] == [404, 404]
    assert (many.status_code, many.json()["error"]["param"]) == (400, "items")


async def test_a_response_that_cannot_be_stored_says_so(monkeypatch):
    async def put(_self, _documents, _client, _max_age, _expected):
        return False

    monkeypatch.setattr("adapter.store.documents.base.MemoryDocuments.put", put)
    async with run_upstream(counts) as upstream, adapter(upstream) as client:
        whole = await client.post(PATH, json=ask())
        streamed = await make(client, stream=True)
        conversation = await client.post(CONVERSATIONS, json={})
    assert whole.json()["store"] is False
    assert "response-not-stored" in whole.headers["x-adapter-notes"]
    assert streamed["store"] is False
    assert (conversation.status_code, conversation.json()["error"]["code"]) == (503, "not_stored")


async def test_stored_responses_are_bounded_in_number(tmp_path):
    async with run_upstream(counts) as upstream, adapter(upstream, responses_max_count=2) as client:
        made = [await make(client) for _ in range(3)]
        found = [(await client.get(f"{PATH}/{one['id']}")).status_code for one in made]
    assert found == [404, 200, 200]
    assert text_of_response(made[2]) == "answer 3"


@pytest.mark.parametrize("stream", [False, True])
async def test_numbers_beyond_a_doubles_range_are_stored_as_they_came(stream):
    part = '{"type": "input_text", "text": "hi", "prompt_cache_breakpoint": {"ttl": 1e999}}'
    flag = "true" if stream else "false"
    body = f'{{"model": "m", "input": [{{"role": "user", "content": [{part}]}}], "stream": {flag}}}'

    async def script(call):
        await (call.stream if stream else call.json)(answer("yo"))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        got = await client.post(PATH, content=body, headers={"content-type": "application/json"})
        assert got.status_code == 200, got.text
        made = read_events(got.text)[-1]["response"] if stream else got.json()
        items = await client.get(f"{PATH}/{made['id']}/input_items")
        follows = f'{body[:-1]}, "previous_response_id": "{made["id"]}"}}'
        again = await client.post(PATH, content=follows, headers={"content-type": "application/json"})
    assert (made["store"], made["status"], again.status_code) == (True, "completed", 200)
    assert '{"ttl":1e999}' in items.text.replace(" ", "")


DAMAGED = [b"", b"{", b"\xff\xfe", b'{"response": 5}', b"[" * 5_000, b'"text"']


@pytest.mark.parametrize("body", DAMAGED, ids=lambda body: repr(body[:8]))
async def test_a_damaged_row_counts_as_missing_and_stops_no_turn(body, caplog, monkeypatch):
    stores = []

    def make(*arguments, **options):
        stores.append(MemoryDocuments(*arguments, **options))
        return stores[-1]

    monkeypatch.setattr("adapter.store.factory.MemoryDocuments", make)

    async def script(call):
        await call.json(answer(f"answer {call.number}"))

    async with run_upstream(script) as upstream, adapter(upstream) as client:
        first = (await client.post(PATH, json=ask())).json()
        made = (await client.post("/v1/conversations", json={})).json()
        in_it = (await client.post(PATH, json=ask(conversation=made["id"]))).json()
        item = in_it["output"][0]["id"]
        await stores[0].put([Document(first["id"], body), Document(f"items:{first['id']}", body, first["id"])], "")
        gone = await client.get(f"{PATH}/{first['id']}")
        behind = await client.post(PATH, json=ask(previous_response_id=first["id"]))
        await stores[0].put([Document(f"{made['id']}/{item}", body, made["id"])], "")
        going_on = await client.post(PATH, json=ask("more", conversation=made["id"]))
    assert gone.status_code == 404
    assert (behind.status_code, behind.json()["error"]["code"]) == (400, "previous_response_not_found")
    assert going_on.status_code == 200, going_on.text
    assert any("cannot be read" in record.message for record in caplog.records)
