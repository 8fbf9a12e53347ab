"""agno against the adapter at the URL given: tool loops, streams, structured output, and a stream that fails.

Each on chat completions and on the Responses API.
"""

import os
import sys

# Before the package is imported: no reports to its makers.
os.environ |= {"AGNO_TELEMETRY": "false", "OPENAI_API_KEY": "unused"}

from agno.agent import Agent
from agno.models.base import Model
from agno.models.openai import OpenAIChat, OpenAIResponses
from pydantic import BaseModel

MODEL = "gemini-3.5-flash"
KINDS: tuple[type[Model], ...] = (OpenAIChat, OpenAIResponses)

calls: list[str] = []


def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    calls.append(city)
    return f"sunny, call number {len(calls)}"


class City(BaseModel):
    name: str
    population: int


def agent(kind: type[Model], model: str = MODEL, **settings: object) -> Agent:
    """An agent of the adapter's; its SDK asks once."""
    return Agent(
        model=kind(id=model, base_url=sys.argv[1], max_retries=0),  # type: ignore[call-arg]
        telemetry=False,
        **settings,  # type: ignore[arg-type]
    )


def tool_loop(kind: type[Model]) -> None:
    calls.clear()
    said = agent(kind, tools=[get_weather]).run("call get_weather in 4 steps")
    assert len(calls) == 4, calls
    assert "call number 4" in str(said.content)


def streamed_tool_loop(kind: type[Model]) -> None:
    calls.clear()
    events = list(agent(kind, tools=[get_weather]).run("call get_weather in 3 steps", stream=True, stream_events=True))
    assert len(calls) == 3, calls
    assert [event.event for event in events].count("ToolCallCompleted") == 3
    assert "call number 3" in str(events[-1].content)


def parallel_calls(kind: type[Model]) -> None:
    calls.clear()
    agent(kind, tools=[get_weather]).run("call get_weather 3 at once")
    assert len(calls) == 3, calls


def structured_output(kind: type[Model]) -> None:
    said = agent(kind, output_schema=City).run("a city")
    assert isinstance(said.content, City), said.content


def stream_that_fails(kind: type[Model]) -> None:
    """Half an answer is no answer: the run ends with an error, not with RunCompleted."""
    broken = agent(kind, f"{MODEL}+fault-cut")
    events = [event.event for event in broken.run("90 words", stream=True, stream_events=True)]
    assert events[-1] == "RunError", events
    assert "RunCompleted" not in events
    assert "RunContent" in events


for check in (tool_loop, streamed_tool_loop, parallel_calls, structured_output, stream_that_fails):
    for one in KINDS:
        check(one)
        print("ok", check.__name__, one.__name__)
