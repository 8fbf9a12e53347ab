"""Replicas come and go: no tool loop breaks, and no cut stream looks like a finished one."""

import asyncio
import json
import random
import signal
from typing import Any

import openai
import pytest

from tests.replicas.cluster import cluster
from tests.support.guards import PATIENCE

pytestmark = [pytest.mark.replicas, pytest.mark.faults]

MODEL = "gemini-3.8-flash"
SLOW = f"{MODEL}+fault-slow"
TURNS = 50
TASK = f"Check the weather in Paris in {TURNS} steps."
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Tells the weather of a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
CUT = (openai.APIError, openai.APIConnectionError, openai.InternalServerError)


@pytest.fixture
def running(tmp_path):
    with cluster(tmp_path) as running:
        yield running


def client_of(running, retries):
    return openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key="unused", max_retries=retries, timeout=PATIENCE)


async def whole(client, messages):
    """The assistant's message, as a client that keeps only what OpenAI names."""
    answer = await client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS)
    choice = answer.choices[0]
    calls = [(call.id, call.function.name, call.function.arguments) for call in choice.message.tool_calls or ()]
    return choice.message.content, calls, choice.finish_reason


async def ask_stream(client, messages):
    """The assistant's message from a stream; raises if the stream is cut."""
    content, calls, finish = "", {}, None
    stream = await client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS, stream=True)
    async with stream:
        async for chunk in stream:
            for choice in chunk.choices:
                finish = choice.finish_reason or finish
                content += choice.delta.content or ""
                for call in choice.delta.tool_calls or ():
                    known = calls.setdefault(call.index, [call.id, call.function.name, ""])
                    known[2] += call.function.arguments or ""
    return content, [tuple(call) for call in calls.values()], finish


async def loop(client, ask, retries):
    """One conversation of many calls; how many steps it took, how its last answer ended, how often a step was cut."""
    messages: list[Any] = [{"role": "user", "content": TASK}]
    steps = cuts = 0
    while True:
        try:
            content, calls, finish = await ask(client, messages)
        except CUT:
            cuts += 1
            assert cuts <= retries, "a step failed too often"
            continue
        assert finish == ("tool_calls" if calls else "stop"), "a cut stream looks finished"
        if not calls:
            return steps, content, cuts
        steps += 1
        named = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for id, name, arguments in calls
        ]
        assert all(json.loads(call["function"]["arguments"]) for call in named)
        messages.append({"role": "assistant", "content": content or None, "tool_calls": named})
        messages += [{"role": "tool", "tool_call_id": id, "content": '{"sky": "clear"}'} for id, _, _ in calls]


async def kept_falling(running, signals, done):
    """End one replica after the other, until all is done; how many ended."""
    chance = random.Random(1)
    ended = 0
    while not done.is_set():
        await asyncio.sleep(chance.uniform(0.2, 0.6))
        replica = running.replicas[ended % len(running.replicas)]
        await asyncio.to_thread(replica.end, signals[ended % len(signals)])
        await asyncio.sleep(0.3)
        await asyncio.to_thread(replica.start)
        ended += 1
    return ended


async def loops_while_replicas_fall(running, signals, retries):
    done = asyncio.Event()
    falling = asyncio.create_task(kept_falling(running, signals, done))
    async with client_of(running, retries) as client:
        async with asyncio.TaskGroup() as group:
            asked = [whole, ask_stream, ask_stream] * 2
            tasks = [group.create_task(loop(client, ask, retries * 10)) for ask in asked]
        done.set()
    return await falling, [task.result() for task in tasks]


async def test_no_loop_breaks_while_replicas_are_killed(running):
    """A killed replica takes its requests with it; the client asks again, and the loop goes on elsewhere."""
    ended, results = await loops_while_replicas_fall(running, [signal.SIGKILL], retries=2)
    assert ended >= 3
    assert [steps for steps, _, _ in results] == [TURNS] * len(results)
    assert all(content for _, content, _ in results)
    counted = running.stats()
    assert (counted["sentinels"], counted["rejected"]) == (0, 0)
    assert counted["signatures_verified"] > TURNS * len(results)


async def test_no_request_is_lost_while_replicas_are_told_to_end(running):
    """With SIGTERM nothing at all is cut: clients that never try again see no error."""
    ended, results = await loops_while_replicas_fall(running, [signal.SIGTERM], retries=0)
    assert ended >= 2
    assert [(steps, cuts) for steps, _, cuts in results] == [(TURNS, 0)] * len(results)
    counted = running.stats()
    assert (counted["sentinels"], counted["rejected"]) == (0, 0)


async def test_a_stream_that_a_kill_cuts_ends_with_an_error_the_client_sees(running):
    async with client_of(running, 0) as client:

        async def stream():
            text, finish = "", None
            question = [{"role": "user", "content": "Count from one to twenty, in words."}]
            events = await client.chat.completions.create(model=SLOW, messages=question, stream=True)
            async for chunk in events:
                for choice in chunk.choices:
                    text += choice.delta.content or ""
                    finish = choice.finish_reason or finish
            return text, finish

        complete = await stream()
        tasks = [asyncio.create_task(stream()) for _ in range(12)]
        await asyncio.sleep(1.2)
        await asyncio.to_thread(running.replicas[0].end, signal.SIGKILL)
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    cut = [end for end in ends if isinstance(end, BaseException)]
    assert [end for end in ends if end not in cut] == [complete] * (len(ends) - len(cut))
    assert complete[1] == "stop"
    assert 1 <= len(cut) < len(ends)
    assert all(not isinstance(end, asyncio.CancelledError) for end in cut)


async def test_no_loop_breaks_while_the_store_is_away(running):
    """Signatures that cannot be read are noted, and Gemini gets its stand-in."""

    async def counts(name, least):
        while (await asyncio.to_thread(running.stats))[name] < least and not all(task.done() for task in tasks):
            await asyncio.sleep(0.02)

    async def away():
        await counts("requests", 10)
        await asyncio.to_thread(running.store.kill)
        await counts("sentinels", 1)
        await asyncio.to_thread(running.store.start)

    async with client_of(running, 0) as client, asyncio.TaskGroup() as group:
        tasks = [group.create_task(loop(client, ask, 0)) for ask in (whole, ask_stream, ask_stream)]
        group.create_task(away())
    assert [task.result()[0] for task in tasks] == [TURNS] * 3
    counted = running.stats()
    assert counted["rejected"] == 0
    assert counted["sentinels"] > 0
