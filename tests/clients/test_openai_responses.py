"""The openai package's Responses and Conversations, unchanged, against a live adapter with its emulator."""

import json
import time
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.support.live import adapter

pytestmark = pytest.mark.clients

MODEL = "gemini-3.5-flash"
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Tells the weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


class City(BaseModel):
    name: str
    population: int
    landmarks: list[str]


def calls_of(response):
    return [item for item in response.output if item.type == "function_call"]


def result(call, text):
    return {"type": "function_call_output", "call_id": call.call_id, "output": text}


def test_a_response(client):
    response = client.responses.create(model=MODEL, input="hello", instructions="Be brief.")
    assert "hello" in response.output_text
    assert response.status == "completed"
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert response.error is None


def test_a_stream_tells_the_same_as_a_whole_answer(client):
    whole = client.responses.create(model=MODEL, input="tell me about rivers")
    events = list(client.responses.create(model=MODEL, input="tell me about rivers", stream=True))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == whole.output_text == events[-1].response.output_text
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_the_stream_helper_accumulates_text_and_calls(client):
    with client.responses.stream(model=MODEL, input="use get_weather", tools=[WEATHER]) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_response()
    assert "response.function_call_arguments.delta" in kinds
    assert [call.name for call in calls_of(final)] == ["get_weather"]
    assert "city" in json.loads(calls_of(final)[0].arguments)


def test_structured_output_parses(client):
    response = client.responses.parse(model=MODEL, input="a city", text_format=City)
    assert isinstance(response.output_parsed, City)
    with client.responses.stream(model=MODEL, input="a city", text_format=City) as stream:
        stream.until_done()
        assert isinstance(stream.get_final_response().output_parsed, City)


def test_a_response_is_retrieved_listed_and_deleted(client):
    made = client.responses.create(model=MODEL, input="hello", metadata={"a": "b"})
    assert client.responses.retrieve(made.id) == made
    assert made.metadata == {"a": "b"}
    items = list(client.responses.input_items.list(made.id))
    assert [(item.type, item.content[0].text) for item in items] == [("message", "hello")]
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_a_chain_of_fifty_turns_keeps_every_signature(client):
    text = "call get_weather in 50 steps"
    response = client.responses.create(model=MODEL, input=text, tools=[WEATHER])
    made = 0
    while calls := calls_of(response):
        made += len(calls)
        results = [result(call, f"sunny, number {made}") for call in calls]
        raw = client.responses.with_raw_response.create(
            model=MODEL, input=results, tools=[WEATHER], previous_response_id=response.id
        )
        assert "signature-stand-in" not in raw.headers["x-adapter-notes"]
        response = raw.parse()
    assert made == 50
    assert "number 50" in response.output_text
    assert len(list(client.responses.input_items.list(response.id, limit=7, order="asc"))) > 100


@pytest.mark.parametrize("fields", [{}, {"store": False}, {"store": False, "include": ["reasoning.encrypted_content"]}])
def test_a_loop_that_sends_everything_again_keeps_every_signature(client, fields):
    items = [{"role": "user", "content": "call get_weather in 8 steps"}]
    for number in range(9):
        raw = client.responses.with_raw_response.create(model=MODEL, input=items, tools=[WEATHER], **fields)
        assert "signature-stand-in" not in raw.headers["x-adapter-notes"]
        response = raw.parse()
        items += [item.model_dump(exclude_none=True) for item in response.output]
        items += [result(call, f"result {number}") for call in calls_of(response)]
    assert "result 7" in response.output_text


def test_references_stand_for_stored_items_as_the_ai_sdk_sends_them(client):
    first = client.responses.create(model=MODEL, input="use get_weather", tools=[WEATHER])
    call = calls_of(first)[0]
    others = [{"type": "item_reference", "id": item.id} for item in first.output if item.type != "function_call"]
    items = [
        {"role": "user", "content": "use get_weather"},
        *others,
        {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
        result(call, "sunny"),
    ]
    raw = client.responses.with_raw_response.create(model=MODEL, input=items, tools=[WEATHER])
    assert "signature-stand-in" not in raw.headers["x-adapter-notes"]
    assert "sunny" in raw.parse().output_text


def test_a_response_in_the_background_is_polled(client):
    response = client.responses.create(model=MODEL, input="hello", background=True)
    assert response.status == "queued"
    while response.status in ("queued", "in_progress"):
        time.sleep(0.05)
        response = client.responses.retrieve(response.id)
    assert "hello" in response.output_text
    assert client.responses.cancel(response.id) == response


def test_a_stream_in_the_background_is_taken_up_again(client):
    stream = client.responses.create(model=MODEL, input="tell me about rivers", background=True, stream=True)
    seen = [next(stream) for _ in range(4)]
    stream.close()
    rest = list(client.responses.retrieve(seen[0].response.id, stream=True, starting_after=3))
    assert [event.sequence_number for event in rest] == list(range(4, 4 + len(rest)))
    assert rest[-1].type == "response.completed"
    assert "rivers" in rest[-1].response.output_text


def test_conversations_with_their_items(client):
    conversation = client.conversations.create(items=[{"role": "user", "content": "zero"}], metadata={"a": "b"})
    first = client.responses.create(model=MODEL, input="hello", conversation=conversation.id)
    client.responses.create(model=MODEL, input="tell me about rivers", conversation=conversation.id, stream=False)
    items = list(client.conversations.items.list(conversation.id, order="asc", limit=2))
    texts = [item.content[0].text for item in items if item.type == "message"]
    assert first.conversation.id == conversation.id
    assert [texts[0], texts[1], texts[3]] == ["zero", "hello", "tell me about rivers"]
    added = client.conversations.items.create(conversation.id, items=[{"role": "user", "content": "last"}])
    one = client.conversations.items.retrieve(added.data[0].id, conversation_id=conversation.id)
    assert one == added.data[0]
    client.conversations.items.delete(one.id, conversation_id=conversation.id)
    assert client.conversations.update(conversation.id, metadata={"c": "d"}).metadata == {"c": "d"}
    assert client.conversations.retrieve(conversation.id).metadata == {"c": "d"}
    assert client.conversations.delete(conversation.id).deleted is True
    with pytest.raises(openai.NotFoundError):
        client.conversations.items.list(conversation.id)


def test_tokens_are_counted(client):
    short = client.responses.input_tokens.count(model=MODEL, input="hello").input_tokens
    long = client.responses.input_tokens.count(model=MODEL, input="hello", instructions="Be very brief.").input_tokens
    assert 0 < short < long


def test_a_compacted_conversation_goes_on(client):
    first = client.responses.create(model=MODEL, input="tell me about rivers")
    compacted = client.responses.compact(model=MODEL, previous_response_id=first.id)
    assert [item.type for item in compacted.output] == ["message", "compaction"]
    # The SDK types every message of an output as the assistant's; these are the user's.
    items = [item.model_dump(exclude_none=True, warnings=False) for item in compacted.output]
    response = client.responses.create(model=MODEL, input=[*items, {"role": "user", "content": "and lakes"}])
    assert "lakes" in response.output_text


def test_a_missing_response_is_a_clear_error(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="hello", previous_response_id="resp_0")
    assert caught.value.code == "previous_response_not_found"


def test_everything_outlives_a_restart(tmp_path):
    previous = None
    for number in range(3):
        with adapter(tmp_path) as live, openai.OpenAI(base_url=f"{live.url}/v1", api_key="unused") as client:
            given = "call get_weather in 2 steps" if previous is None else [result(calls_of(previous)[0], f"r{number}")]
            raw = client.responses.with_raw_response.create(
                model=MODEL, input=given, tools=[WEATHER], previous_response_id=previous.id if previous else None
            )
            assert "signature-stand-in" not in raw.headers["x-adapter-notes"]
            previous = raw.parse()
    assert "r2" in previous.output_text


@pytest.mark.filterwarnings("ignore:connect.* must be used as a context manager:DeprecationWarning")
def test_a_websocket_serves_a_tool_loop(client):
    given = [{"role": "user", "content": "call get_weather in 4 steps"}]
    previous = None
    with client.responses.connect() as connection:
        for number in range(5):
            chained = {"previous_response_id": previous.id} if previous else {}
            connection.response.create(model=MODEL, input=given, tools=[WEATHER], store=False, **chained)
            previous = next(event for event in connection if event.type == "response.completed").response
            given = [result(call, f"sunny, number {number}") for call in calls_of(previous)]
    text = "".join(part.text for item in previous.output if item.type == "message" for part in item.content)
    assert "number 3" in text


def test_any_worker_knows_what_the_others_run(tmp_path):
    with adapter(tmp_path, "--workers", "3") as live:
        made = []
        for number in range(6):
            with openai.OpenAI(base_url=f"{live.url}/v1", api_key="unused") as client:
                made.append(client.responses.create(model=MODEL, input=f"number {number}", background=True))
        for number, one in enumerate(made):
            with openai.OpenAI(base_url=f"{live.url}/v1", api_key="unused") as client:
                events = list(client.responses.retrieve(one.id, stream=True))
                assert f"number {number}" in events[-1].response.output_text
                assert client.responses.retrieve(one.id) == events[-1].response
                assert client.responses.cancel(one.id) == events[-1].response


def test_a_stream_that_fails_raises_the_error_that_its_last_event_has(client):
    """Programs that look at neither status nor error of the last event would take half an answer for a whole one."""
    stream = client.responses.create(model=f"{MODEL}+fault-cut", input="90 words", stream=True)
    with pytest.raises(openai.APIError, match="broke inside its answer") as raised:
        list(stream)
    assert raised.value.code == "server_error"
