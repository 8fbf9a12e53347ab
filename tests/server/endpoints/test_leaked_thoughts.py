"""Thoughts that an upstream sends as text: as they are, or, where the operator wants it, as thoughts."""

import json

import pytest

from adapter.emulator import EmulatorSettings
from conformance.joining import join
from tests.support.scripted import adapter, chat, events, run_emulator

PATH = "/v1/chat/completions"
MODEL = "gemini-3.5-flash"
LEAK = "THOUGHT: What would be good to say?\n\n"


async def messages(client, model):
    """The message of a whole answer and that of a stream."""
    whole = await client.post(PATH, json=chat("Tell me a tale.", model=model))
    streamed = await client.post(PATH, json=chat("Tell me a tale.", model=model, stream=True))
    joined = join([json.loads(event) for event in events(streamed.text)[:-1]])
    return [whole.json()["choices"][0]["message"], joined["choices"][0]["message"]]


@pytest.mark.parametrize("wanted", [True, False])
async def test_a_leaked_thought_is_told_as_the_operator_wants(wanted):
    async with run_emulator(EmulatorSettings()) as gemini, adapter(gemini, leaked_thoughts=wanted) as client:
        (clean, _), leaking = await messages(client, MODEL), await messages(client, f"{MODEL}+fault-leaked-thought")
    for message in leaking:
        if wanted:
            assert message["reasoning_content"] == "What would be good to say?"
            assert message["content"] == clean["content"]
        else:
            assert "reasoning_content" not in message
            assert message["content"] == LEAK + clean["content"]
