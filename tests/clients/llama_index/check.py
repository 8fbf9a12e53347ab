"""LlamaIndex's OpenAILike against the adapter at the URL given: chat, streams, an agent that calls functions."""

import asyncio
import sys

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike

URL = sys.argv[1]
MODEL = "gemini-3.5-flash"

calls: list[str] = []
model = OpenAILike(
    model=MODEL,
    api_base=URL,
    api_key="unused",
    is_chat_model=True,
    is_function_calling_model=True,
    context_window=1_048_576,
)


def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    calls.append(city)
    return f"sunny, call number {len(calls)}"


def chat() -> None:
    answer = model.chat([ChatMessage(role="user", content="hello from LlamaIndex")])
    assert "LlamaIndex" in answer.message.content


def completion() -> None:
    assert "rivers" in model.complete("tell me about rivers").text


def completion_by_default() -> None:
    """`OpenAILike` asks /v1/completions unless it is told otherwise."""
    bare = OpenAILike(model="gpt-3.5-turbo-instruct", api_base=URL, api_key="unused", max_tokens=200)
    assert "rivers" in bare.complete("tell me about rivers").text
    pieces = [one.delta for one in bare.stream_complete("tell me about hills")]
    assert "hills" in "".join(pieces)
    assert len(pieces) > 1
    assert "lakes" in asyncio.run(bare.acomplete("tell me about lakes")).text


def streams() -> None:
    pieces = list(model.stream_chat([ChatMessage(role="user", content="tell me about rivers")]))
    assert "rivers" in pieces[-1].message.content
    assert len(pieces) > 2


def function_calling() -> None:
    tool = FunctionTool.from_defaults(get_weather)
    answer = model.chat_with_tools([tool], user_msg="use get_weather")
    assert [call.tool_name for call in model.get_tool_calls_from_response(answer)] == ["get_weather"]


def agent_loop() -> None:
    calls.clear()

    async def run() -> str:
        agent = FunctionAgent(tools=[get_weather], llm=model)
        return str(await agent.run("call get_weather in 8 steps"))

    text = asyncio.run(run())
    assert len(calls) == 8, calls
    assert "call number 8" in text


for step in (chat, completion, completion_by_default, streams, function_calling, agent_loop):
    step()
    print("LlamaIndex:", step.__name__.replace("_", " "), "ok")
