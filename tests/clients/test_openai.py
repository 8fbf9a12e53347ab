"""The openai package, unchanged, against a live adapter with its emulator."""

import asyncio
import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.support.live import adapter

pytestmark = pytest.mark.clients

MODEL = "gemini-3.5-flash"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


class City(BaseModel):
    name: str
    population: int
    landmarks: list[str]


def ask(text):
    return [{"role": "user", "content": text}]


def test_a_chat(client):
    answer = client.chat.completions.create(model=MODEL, messages=ask("hello"))
    choice = answer.choices[0]
    assert choice.finish_reason == "stop"
    assert "hello" in choice.message.content
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


async def test_many_chats_at_once(live):
    async with openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="unused") as client:
        calls = [client.chat.completions.create(model=MODEL, messages=ask(f"number {i}")) for i in range(20)]
        answers = await asyncio.gather(*calls)
    assert all(f"number {i}" in answer.choices[0].message.content for i, answer in enumerate(answers))
    assert len({answer.id for answer in answers}) == 20


def test_a_stream_gives_the_same_text_as_a_whole_answer(client):
    whole = client.chat.completions.create(model=MODEL, messages=ask("tell me about rivers"))
    chunks = list(client.chat.completions.create(model=MODEL, messages=ask("tell me about rivers"), stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "stop"
    assert all(chunk.usage is None for chunk in chunks)


def test_usage_in_a_stream_comes_last_and_only_when_asked(client):
    stream = client.chat.completions.create(
        model=MODEL, messages=ask("hello"), stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = list(stream)
    assert last.choices == []
    assert last.usage.total_tokens > 0
    assert all(chunk.usage is None for chunk in chunks)


def test_the_stream_helper_accumulates_text_and_calls(client):
    with client.chat.completions.stream(model=MODEL, messages=ask("use get_weather"), tools=[WEATHER]) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert "chunk" in kinds
    assert final.choices[0].finish_reason == "tool_calls"
    assert final.choices[0].message.tool_calls[0].function.name == "get_weather"


def test_structured_output_parses(client):
    answer = client.chat.completions.parse(model=MODEL, messages=ask("a city"), response_format=City)
    assert isinstance(answer.choices[0].message.parsed, City)


def test_structured_output_beside_tools_parses_on_a_model_that_takes_only_one_of_them(client):
    answer = client.chat.completions.parse(
        model="gemini-2.5-flash-lite",
        messages=ask("a city"),
        response_format=City,
        tools=[{**WEATHER, "function": {**WEATHER["function"], "strict": True}}],
    )
    message = answer.choices[0].message
    assert message.tool_calls or isinstance(message.parsed, City)


def test_json_mode(client):
    answer = client.chat.completions.create(
        model=MODEL, messages=ask("some JSON"), response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(answer.choices[0].message.content), dict)


def test_an_image_reaches_the_model(client):
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]
    answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": content}])
    assert "image/png" in answer.choices[0].message.content


def test_several_choices_from_a_model_that_gives_one_at_a_time(client):
    answer = client.chat.completions.create(model=MODEL, messages=ask("hello"), n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    with client.chat.completions.stream(model=MODEL, messages=ask("hello"), n=2) as stream:
        final = stream.get_final_completion()
    assert [choice.finish_reason for choice in final.choices] == ["stop", "stop"]


def bare(message):
    """An assistant message as most clients send it back: the calls' ids, names and arguments, and nothing else."""
    calls = [
        {"id": call.id, "type": "function", "function": call.function.model_dump(include={"name", "arguments"})}
        for call in message.tool_calls
    ]
    return {"role": "assistant", "content": message.content, "tool_calls": calls}


def loop(client, model, text, turns):
    """A tool loop that keeps only what every client keeps; returns the last answer and how many calls were made."""
    messages = ask(text)
    made = 0
    for _ in range(turns):
        choice = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER]).choices[0]
        if choice.finish_reason != "tool_calls":
            return choice.message.content, made
        messages.append(bare(choice.message))
        for call in choice.message.tool_calls:
            made += 1
            assert "city" in json.loads(call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": f"sunny, number {made}"})
    raise AssertionError(f"still calling after {turns} turns")


@pytest.mark.parametrize("model", [MODEL, "gemini-2.5-flash-lite", "gemini-3.8-flash", "gpt-6-astra"])
def test_a_tool_loop_of_fifty_turns_never_breaks(client, model):
    text, made = loop(client, model, "call get_weather in 50 steps", 52)
    assert made == 50
    assert "number 50" in text


def test_parallel_calls_are_answered_in_any_order(client):
    messages = ask("call get_weather 3 at once")
    choice = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER]).choices[0]
    ids = [call.id for call in choice.message.tool_calls]
    assert len(set(ids)) == 3
    messages.append(bare(choice.message))
    messages += [{"role": "tool", "tool_call_id": id_, "content": f"result of {id_}"} for id_ in reversed(ids)]
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER]).choices[0].message.content
    assert all(f"result of {id_}" in answer for id_ in ids)


def test_signatures_outlive_a_restart(tmp_path):
    messages = ask("call get_weather in 2 steps")
    for number in range(3):
        with adapter(tmp_path) as live, openai.OpenAI(base_url=f"{live.url}/v1", api_key="unused") as client:
            raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=messages, tools=[WEATHER])
            choice = raw.parse().choices[0]
            assert "signature-stand-in" not in raw.headers["x-adapter-notes"]
            if number < 2:
                messages.append(bare(choice.message))
                call = choice.message.tool_calls[0]
                messages.append({"role": "tool", "tool_call_id": call.id, "content": f"result {number}"})
    assert "result 1" in choice.message.content


def test_models_are_listed_and_found_with_and_without_their_prefix(client):
    ids = [model.id for model in client.models.list()]
    assert "gemini-3.8-flash" in ids
    assert client.models.retrieve("gemini-3.8-flash").id == "gemini-3.8-flash"
    assert client.models.retrieve("models/gemini-3.8-flash").id == "gemini-3.8-flash"


def test_an_unknown_model_is_a_clear_error(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gemini-0-nothing", messages=ask("hello"))
    assert caught.value.code == "model_not_found"
    assert "gemini-0-nothing" in caught.value.message


def test_a_bad_request_names_its_field(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=[{"role": "narrator", "content": "x"}])
    assert caught.value.param == "messages[0].role"


def test_vectors_come_as_numbers_from_the_packages_default_of_base64(client):
    found = client.embeddings.create(model="text-embedding-3-small", input=["a cat", "a stone"])
    assert [one.index for one in found.data] == [0, 1]
    assert all(isinstance(number, float) for number in found.data[0].embedding)
    assert len(found.data[0].embedding) == 1_536


async def test_vectors_come_without_waiting_too(live):
    async with openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="unused", max_retries=0) as made:
        found = await made.embeddings.create(model="gemini-embedding-2", input="a cat", dimensions=64)
    assert len(found.data[0].embedding) == 64


def test_a_text_completion_whole_and_streamed(client):
    whole = client.completions.create(model=MODEL, prompt='say "one two"', max_tokens=50)
    pieces = client.completions.create(model=MODEL, prompt='say "one two"', max_tokens=50, stream=True)
    assert whole.choices[0].text == "".join(piece.choices[0].text for piece in pieces if piece.choices)
    assert "one two" in whole.choices[0].text
