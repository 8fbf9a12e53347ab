"""Google's own client, unchanged, against the emulator: this is how we know that it is Gemini-shaped."""

import asyncio
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from tests.emulator.asking import MODEL

MODELS = ["gemini-4-argon", "gemini-3.8-flash", MODEL, "gemini-3-flash-preview", "gemini-2.5-flash", "gemini-2.0-flash"]
VERSIONS = ["v1", "v1beta"]


def get_weather(city: str) -> dict[str, str]:
    """Tells the weather of a city."""
    return {"report": f"sunny in {city}"}


def add(first: int, second: int) -> int:
    """Adds numbers."""
    return first + second


@pytest.fixture(params=VERSIONS)
def client(live: str, request: pytest.FixtureRequest) -> genai.Client:
    options = types.HttpOptions(base_url=live, api_version=request.param)
    return genai.Client(api_key="any", http_options=options)


@pytest.mark.parametrize("model", MODELS)
def test_it_chats(client: genai.Client, model: str) -> None:
    chat = client.chats.create(model=model, config={"system_instruction": "Be kind."})
    assert "hello" in str(chat.send_message("hello").text)
    answer = chat.send_message("and again")
    assert "turn 2" in str(answer.text)
    assert "Be kind." in str(answer.text)
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.model_version == model
    usage = answer.usage_metadata
    assert usage.total_token_count == (
        usage.prompt_token_count + usage.candidates_token_count + (usage.thoughts_token_count or 0)
    )


@pytest.mark.parametrize("model", MODELS)
def test_it_streams(client: genai.Client, model: str) -> None:
    chat = client.chats.create(model=model)
    for text in ("hello", "and again"):
        pieces = [chunk.text for chunk in chat.send_message_stream(text) if chunk.text]
        assert len(pieces) > 2
        assert text in "".join(pieces)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("asked", ["the weather in Paris", "weather in 3 steps", "weather, 3 at once"])
def test_it_runs_a_tool_loop(client: genai.Client, model: str, asked: str) -> None:
    chat = client.chats.create(model=model, config={"tools": [get_weather, add]})
    answer = chat.send_message(asked)
    calls = [part for content in chat.get_history() for part in content.parts if part.function_call]
    assert len(calls) == (3 if "3" in asked else 1)
    assert str(answer.text).count("get_weather returned") == len(calls)
    assert "thanks" in str(chat.send_message("thanks").text)


def test_it_runs_a_tool_loop_by_hand_in_a_stream(client: genai.Client) -> None:
    config = types.GenerateContentConfig(
        tools=[get_weather], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
    )
    contents: list[Any] = [types.UserContent("weather in Oslo")]
    parts = [
        part
        for chunk in client.models.generate_content_stream(model=MODEL, contents=contents, config=config)
        for part in chunk.candidates[0].content.parts
    ]
    called = [part.function_call for part in parts if part.function_call]
    assert [one.args for one in called] == [{"city": "Oslo"}]
    results = [
        types.Part(
            function_response=types.FunctionResponse(id=one.id, name=one.name, response=get_weather(**(one.args or {})))
        )
        for one in called
    ]
    contents += [types.Content(role="model", parts=parts), types.Content(role="user", parts=results)]
    answer = client.models.generate_content(model=MODEL, contents=contents, config=config)
    assert answer.text == "get_weather returned sunny in Oslo."


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
async def test_it_works_asynchronously(live: str) -> None:
    client = genai.Client(api_key="any", http_options=types.HttpOptions(base_url=live))
    answers = await asyncio.gather(
        *(client.aio.models.generate_content(model=MODEL, contents=f"number {n}") for n in range(5))
    )
    assert all(f"number {n}" in str(answer.text) for n, answer in enumerate(answers))
    stream = await client.aio.models.generate_content_stream(model=MODEL, contents="hello")
    assert "hello" in "".join([chunk.text or "" async for chunk in stream])
    await client.aio.aclose()


def test_it_gets_structured_answers(client: genai.Client) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    config: Any = {"response_mime_type": "application/json", "response_json_schema": schema}
    answer = client.models.generate_content(model=MODEL, contents="number 42", config=config)
    assert answer.parsed == {"n": 42}
    older: Any = {
        "response_mime_type": "application/json",
        "response_schema": types.Schema(type=types.Type.STRING, enum=["a", "b"]),
    }
    assert client.models.generate_content(model=MODEL, contents="b", config=older).text == '"b"'


def test_it_sees_thoughts(client: genai.Client) -> None:
    config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
    answer = client.models.generate_content(model=MODEL, contents="hello", config=config)
    assert [bool(part.thought) for part in answer.candidates[0].content.parts] == [True, False]
    assert "Considering" not in str(answer.text)


def test_it_gets_pictures_and_sounds(client: genai.Client) -> None:
    drawn = client.models.generate_content(model="gemini-3-pro-image", contents="a cat")
    assert drawn.candidates[0].content.parts[-1].inline_data.data.startswith(b"\x89PNG")
    config = types.GenerateContentConfig(response_modalities=["AUDIO"])
    spoken = client.models.generate_content(model="gemini-3.8-flash-tts", contents="hello", config=config)
    assert spoken.candidates[0].content.parts[0].inline_data.data.startswith(b"RIFF")


def test_it_lists_models(client: genai.Client) -> None:
    names = {model.name for model in client.models.list(config={"page_size": 10})}
    assert {f"models/{name}" for name in MODELS} <= names
    assert client.models.get(model=MODEL).thinking


def test_it_counts_tokens_and_embeds(client: genai.Client) -> None:
    assert client.models.count_tokens(model=MODEL, contents="four byte").total_tokens == 3
    config = types.EmbedContentConfig(output_dimensionality=16)
    answer = client.models.embed_content(model="gemini-embedding-001", contents=["a", "b"], config=config)
    assert [len(entry.values or ()) for entry in answer.embeddings] == [16, 16]


def test_it_understands_errors(client: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as missing:
        client.models.generate_content(model="gemini-9", contents="hello")
    assert (missing.value.code, missing.value.status) == (404, "NOT_FOUND")
    with pytest.raises(errors.ServerError) as busy:
        client.models.generate_content(model=f"{MODEL}+fault-503", contents="hello")
    assert busy.value.status == "UNAVAILABLE"
    with pytest.raises(errors.APIError) as late:
        list(client.models.generate_content_stream(model=f"{MODEL}+fault-tail-error", contents="hello"))
    assert late.value.code == 499
