"""The sources of a history's thought signatures are named in a header and in the ledger."""

from tests.support.scripted import adapter, answer, chat, run_upstream

PATH = "/v1/chat/completions"
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]


async def calls_f(call):
    body = answer("")
    body["candidates"][0]["content"]["parts"] = [
        {"functionCall": {"name": "f", "args": {}, "id": "g1"}, "thoughtSignature": "U0lH"}
    ]
    await call.json(body)


async def next_headers(change):
    """The headers and the ledger of a second turn, whose call was changed by the client."""
    async with run_upstream(calls_f) as upstream, adapter(upstream) as client:
        first = await client.post(PATH, json=chat(tools=TOOLS))
        call = first.json()["choices"][0]["message"]["tool_calls"][0]
        change(call)
        messages = [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": "one"},
        ]
        second = await client.post(PATH, json=chat(messages=messages, tools=TOOLS), headers={"x-adapter-notes": "full"})
    notes = second.json()["extra_content"]["adapter"]["notes"]
    return second.headers.get("x-adapter-signatures"), [note for note in notes if "signature" in note]


def bare(call):
    del call["extra_content"]


def rename(call):
    bare(call)
    call["id"] = "toolu_9"


def edit(call):
    rename(call)
    call["function"]["arguments"] = '{"edited": true}'


async def test_a_signature_that_the_client_kept_is_told_as_the_clients():
    header, notes = await next_headers(lambda call: None)
    assert header == "client=1"
    assert notes[0]["path"] == "messages[1].tool_calls[0]"
    assert notes[0]["fate"] == "exact"


async def test_a_signature_that_the_store_found_by_the_id_is_told_so():
    header, _ = await next_headers(bare)
    assert header == "id=1"


async def test_a_signature_that_the_store_found_by_what_the_call_says_is_told_so():
    header, _ = await next_headers(rename)
    assert header == "hash=1"


async def test_a_stand_in_is_told_as_injected():
    header, notes = await next_headers(edit)
    assert header == "stand-in=1"
    assert notes[0]["fate"] == "injected"
