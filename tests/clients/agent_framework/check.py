"""Microsoft's agent-framework against the adapter at the URL given: tool loops, streams, structured output, failures.

Each on the Responses API and on chat completions.
"""

import asyncio
import sys
from typing import Any

from agent_framework import Agent
from agent_framework.exceptions import ChatClientException
from agent_framework.openai import OpenAIChatClient, OpenAIChatCompletionClient
from pydantic import BaseModel

MODEL = "gemini-3.5-flash"
KINDS: tuple[type[Any], ...] = (OpenAIChatClient, OpenAIChatCompletionClient)

calls: list[str] = []


def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    calls.append(city)
    return f"sunny, call number {len(calls)}"


class City(BaseModel):
    name: str
    population: int


def agent(kind: type[Any], model: str = MODEL, **settings: Any) -> Any:
    """An agent of the adapter's."""
    return Agent(client=kind(model=model, base_url=sys.argv[1], api_key="unused"), **settings)


async def tool_loop(kind: type[Any]) -> None:
    calls.clear()
    said = await agent(kind, tools=[get_weather]).run("call get_weather in 4 steps")
    assert len(calls) == 4, calls
    assert "call number 4" in said.text


async def streamed_tool_loop(kind: type[Any]) -> None:
    calls.clear()
    updates = agent(kind, tools=[get_weather]).run("call get_weather in 3 steps", stream=True)
    texts = [update.text async for update in updates]
    assert len(calls) == 3, calls
    assert "call number 3" in "".join(texts)


async def parallel_calls(kind: type[Any]) -> None:
    calls.clear()
    await agent(kind, tools=[get_weather]).run("call get_weather 3 at once")
    assert len(calls) == 3, calls


async def sessions(kind: type[Any]) -> None:
    """A second turn sees the first one: by the id of its response, or as messages."""
    weatherman = agent(kind, tools=[get_weather])
    session = weatherman.create_session()
    calls.clear()
    await weatherman.run("call get_weather in 2 steps", session=session)
    said = await weatherman.run("tell me about rivers", session=session)
    assert len(calls) == 2, calls
    assert "rivers" in said.text


async def structured_output(kind: type[Any]) -> None:
    said = await agent(kind).run("a city", options={"response_format": City})
    assert isinstance(said.value, City), said.text


async def stream_that_fails(kind: type[Any]) -> None:
    """Half an answer is no answer."""
    texts: list[str] = []
    failure = ""
    try:
        async for update in agent(kind, f"{MODEL}+fault-cut").run("90 words", stream=True):
            texts.append(update.text or "")
    except ChatClientException as error:
        failure = str(error)
    assert "broke inside its answer" in failure, f"half an answer was told as a whole one: {texts}"
    assert "".join(texts)


async def main() -> None:
    for check in (tool_loop, streamed_tool_loop, parallel_calls, sessions, structured_output, stream_that_fails):
        for kind in KINDS:
            await check(kind)
            print("ok", check.__name__, kind.__name__)


asyncio.run(main())
