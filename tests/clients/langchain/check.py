"""LangChain against the adapter at the URL given: chat, streams, tools, structured output, an agent loop."""

import sys

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

URL = sys.argv[1]
MODEL = "gemini-3.5-flash"


class City(BaseModel):
    """A city."""

    name: str
    population: int


@tool
def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    calls.append(city)
    return f"sunny, call number {len(calls)}"


calls: list[str] = []
model = ChatOpenAI(model=MODEL, base_url=URL, api_key="unused", max_retries=0)


def chat() -> None:
    answer = model.invoke("hello from LangChain")
    assert "LangChain" in answer.content
    assert answer.usage_metadata["total_tokens"] > 0


def streams() -> None:
    chunks = list(model.stream("tell me about rivers"))
    joined = chunks[0]
    for chunk in chunks[1:]:
        joined += chunk
    assert "rivers" in joined.content
    assert len(chunks) > 2


def bound_tools() -> None:
    bound = model.bind_tools([get_weather])
    whole = bound.invoke("use get_weather")
    assert [call["name"] for call in whole.tool_calls] == ["get_weather"]
    joined = None
    for chunk in bound.stream("call get_weather 2 at once"):
        joined = chunk if joined is None else joined + chunk
    assert len(joined.tool_calls) == 2
    forced = model.bind_tools([get_weather], tool_choice="get_weather").invoke("anything at all")
    assert forced.tool_calls


def structured_output() -> None:
    for method in ("json_schema", "function_calling", "json_mode"):
        structured = model.with_structured_output(City if method != "json_mode" else None, method=method)
        answer = structured.invoke("a city, as JSON")
        assert isinstance(answer, dict if method == "json_mode" else City), method


def agent_loop() -> None:
    calls.clear()
    agent = create_agent(model, [get_weather])
    state = agent.invoke({"messages": [HumanMessage("call get_weather in 12 steps")]}, config={"recursion_limit": 60})
    assert len(calls) == 12, calls
    assert "call number 12" in state["messages"][-1].content


for step in (chat, streams, bound_tools, structured_output, agent_loop):
    step()
    print("LangChain:", step.__name__.replace("_", " "), "ok")
