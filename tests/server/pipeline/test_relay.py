"""A relay that takes Bearer keys on Gemini's paths: its ten models work, with every field of its page."""

import json

import pytest

from adapter.emulator import EmulatorSettings
from adapter.settings import ANYFAST_FIELDS
from tests.support.scripted import adapter, chat, events, run_emulator

PATH = "/v1/chat/completions"

TEXT_MODELS = [
    "gemini-3.1-pro-preview",
    "gemini-3.1-flash-lite-preview",
    "gemini-3-pro-preview",
    "gemini-3-flash-preview",
    "gemini-2.5-pro",
    "gemini-2.5-flash",
    "gemini-2.5-flash-lite",
    "gemini-2.0-flash",
]
IMAGE_MODELS = ["gemini-3.1-flash-image-preview", "gemini-3-pro-image-preview"]

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "level": {"type": "integer", "enum": [1, 2]}},
            "required": ["city", "level"],
        },
    },
}
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@pytest.fixture
async def client():
    as_relay = {"upstream_profile": "anyfast", "upstream_auth": "bearer"}
    async with run_emulator(EmulatorSettings(relay=True)) as relay, adapter(relay, **as_relay) as made:
        made.relay = relay  # type: ignore[attr-defined] # rides on the client
        yield made


def paths(body, prefix=""):
    """The dotted paths of a body that the page of the relay may list or not."""
    for key, value in body.items():
        at = f"{prefix}{key}"
        if at in ANYFAST_FIELDS or not isinstance(value, (dict, list)):
            yield at
        else:
            for inner in value if isinstance(value, list) else [value]:
                yield from paths(inner, f"{at}.")


@pytest.mark.parametrize("model", TEXT_MODELS)
async def test_a_model_of_the_relay_chats_streams_calls_and_answers_in_json(client, model):
    everything = {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "max_tokens": 500,
        "stop": ["END"],
        "seed": 7,
        "reasoning_effort": "low",
        "safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    }
    system = {"role": "system", "content": "Be brief."}
    request = chat("hello", model=model, **everything)
    request["messages"].insert(0, system)
    whole = await client.post(PATH, json=request)
    assert whole.status_code == 200, whole.text
    streamed = await client.post(PATH, json={**request, "stream": True})
    assert events(streamed.text)[-1] == "[DONE]"

    forced = {"type": "function", "function": {"name": "get_weather"}}
    call = await client.post(PATH, json=chat("go", model=model, tools=[TOOL], tool_choice=forced))
    message = call.json()["choices"][0]["message"]
    arguments = json.loads(message["tool_calls"][0]["function"]["arguments"])
    assert arguments["level"] in (1, 2)

    format_ = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
    structured = await client.post(PATH, json=chat("go", model=model, response_format=format_))
    assert isinstance(json.loads(structured.json()["choices"][0]["message"]["content"])["name"], str)

    for body in await client.relay.requests():
        assert {path for path in paths(body.get("body", body)) if path not in ANYFAST_FIELDS} == set()


@pytest.mark.parametrize("model", IMAGE_MODELS)
@pytest.mark.parametrize("stream", [False, True])
async def test_an_image_model_of_the_relay_returns_its_image(client, model, stream):
    answer = await client.post(PATH, json=chat("draw a cat", model=model, stream=stream))
    assert answer.status_code == 200, answer.text
    if stream:
        deltas = [json.loads(event)["choices"][0]["delta"] for event in events(answer.text)[:-1]]
        images = [image for delta in deltas for image in delta.get("images", [])]
    else:
        images = answer.json()["choices"][0]["message"]["images"]
    assert images[0]["image_url"]["url"].startswith("data:image/png;base64,")
