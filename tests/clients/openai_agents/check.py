"""The OpenAI Agents SDK on its default settings (Responses) against the adapter at the URL given.

Agents with tools and handoffs, streams, structured output, and every way in which it keeps a conversation.
"""

import asyncio
import os
import sys

# Before the SDK is imported: where to call, and no traces to OpenAI.
os.environ |= {"OPENAI_BASE_URL": sys.argv[1], "OPENAI_API_KEY": "unused", "OPENAI_AGENTS_DISABLE_TRACING": "1"}

from agents import (
    Agent,
    CodeInterpreterTool,
    HandoffOutputItem,
    OpenAIConversationsSession,
    OpenAIResponsesCompactionSession,
    RunConfig,
    Runner,
    SQLiteSession,
    ToolCallItem,
    WebSearchTool,
    function_tool,
)
from openai import AsyncOpenAI
from pydantic import BaseModel

MODEL = "gemini-3.5-flash"

calls: list[str] = []


@function_tool
def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    calls.append(city)
    return f"sunny, call number {len(calls)}"


class City(BaseModel):
    name: str
    population: int


weatherman = Agent(name="Weatherman", instructions="You know the weather.", tools=[get_weather], model=MODEL)


async def tool_loop() -> None:
    calls.clear()
    result = await Runner.run(weatherman, "call get_weather in 8 steps", max_turns=12)
    assert len(calls) == 8, calls
    assert "call number 8" in result.final_output


async def streamed_tool_loop() -> None:
    calls.clear()
    result = Runner.run_streamed(weatherman, "call get_weather in 4 steps", max_turns=12)
    kinds = {event.type async for event in result.stream_events()}
    assert kinds >= {"raw_response_event", "run_item_stream_event", "agent_updated_stream_event"}
    assert len(calls) == 4, calls
    assert "call number 4" in result.final_output


async def parallel_calls() -> None:
    calls.clear()
    result = await Runner.run(weatherman, "call get_weather 3 at once")
    assert len(calls) == 3, calls
    assert sum(isinstance(item, ToolCallItem) for item in result.new_items) == 3


async def handoffs() -> None:
    """From one agent to the next, each with tools of its own; the last one answers."""
    calls.clear()
    triage = Agent(name="Triage", instructions="Hand over.", handoffs=[weatherman], model=MODEL)
    result = await Runner.run(triage, "first transfer_to_weatherman")
    assert result.last_agent.name == "Weatherman"
    assert sum(isinstance(item, HandoffOutputItem) for item in result.new_items) == 1
    result = await Runner.run(weatherman, [*result.to_input_list(), {"role": "user", "content": "use get_weather"}])
    assert "call number 1" in result.final_output
    streamed = Runner.run_streamed(triage, "first transfer_to_weatherman")
    async for _event in streamed.stream_events():
        pass
    assert streamed.last_agent.name == "Weatherman"


async def agents_as_tools() -> None:
    calls.clear()
    tool = weatherman.as_tool(tool_name="ask_weatherman", tool_description="Asks the weatherman.")
    boss = Agent(name="Boss", instructions="Ask others.", tools=[tool], model=MODEL)
    result = await Runner.run(boss, "use ask_weatherman with the input 'use get_weather'")
    assert any(isinstance(item, ToolCallItem) for item in result.new_items)
    assert result.final_output


async def structured_output() -> None:
    agent = Agent(name="Geographer", instructions="Cities.", output_type=City, model=MODEL)
    result = await Runner.run(agent, "a city")
    assert isinstance(result.final_output, City)


async def hosted_tools() -> None:
    tools = [WebSearchTool(), CodeInterpreterTool({"type": "code_interpreter", "container": {"type": "auto"}})]
    for tool in tools:
        agent = Agent(name="Hosted", tools=[tool], model=MODEL)
        assert (await Runner.run(agent, "tell me about rivers")).final_output


async def chained_responses() -> None:
    """State at the server: only what is new is sent."""
    calls.clear()
    first = await Runner.run(weatherman, "call get_weather in 3 steps", auto_previous_response_id=True)
    assert len(calls) == 3, calls
    second = await Runner.run(weatherman, "tell me about rivers", previous_response_id=first.last_response_id)
    assert "rivers" in second.final_output
    client = AsyncOpenAI()
    texts = [item.type async for item in client.responses.input_items.list(second.last_response_id)]
    assert texts.count("function_call_output") == 3


async def sessions() -> None:
    calls.clear()
    conversation = OpenAIConversationsSession()
    for session in (SQLiteSession("local"), conversation):
        before = len(calls)
        await Runner.run(weatherman, "call get_weather in 2 steps", session=session)
        assert len(calls) == before + 2, calls
        result = await Runner.run(weatherman, "tell me about rivers", session=session)
        assert "rivers" in result.final_output
        items = await session.get_items()
        assert sum(item.get("type") == "function_call_output" for item in items) == 2
    popped = await conversation.pop_item()
    assert popped is not None
    await conversation.clear_session()


async def compacted_sessions() -> None:
    session = OpenAIResponsesCompactionSession(
        session_id="c", underlying_session=SQLiteSession("compacted"), should_trigger_compaction=lambda _: True
    )
    await Runner.run(weatherman, "tell me about rivers", session=session)
    assert any(item.get("type") == "compaction" for item in await session.get_items())
    result = await Runner.run(weatherman, "tell me about lakes", session=session)
    assert "lakes" in result.final_output


async def default_model() -> None:
    """The SDK's own default model is one of OpenAI's; the adapter's model map answers for it."""
    agent = Agent(name="Plain")
    result = await Runner.run(agent, "hello agents", run_config=RunConfig(workflow_name="check"))
    assert "hello agents" in result.final_output


async def main() -> None:
    for check in (
        tool_loop,
        streamed_tool_loop,
        parallel_calls,
        handoffs,
        agents_as_tools,
        structured_output,
        hosted_tools,
        chained_responses,
        sessions,
        compacted_sessions,
        default_model,
    ):
        await check()
        print("ok", check.__name__)


asyncio.run(main())
