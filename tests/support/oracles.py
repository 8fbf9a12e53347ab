"""Judges that share no code with us: the types of the vendors' own packages, and the strict emulator."""

import base64
import json
from array import array
from collections.abc import Iterator
from typing import Any

import openai
import pydantic
from google.genai import types as genai
from google.genai._gaos.types.decisions.createdecisionrequest import CreateDecisionRequest
from openai.lib.streaming.chat._completions import ChatCompletionStreamState
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types import Completion as TextCompletion
from openai.types import (
    CreateEmbeddingResponse,
    Decision,
    ImageEditStreamEvent,
    ImageGenStreamEvent,
    ImagesResponse,
    ModerationCreateResponse,
)
from openai.types import audio as openai_audio
from openai.types import chat as openai_chat
from openai.types import embedding as openai_embedding
from openai.types import responses as openai_responses
from openai.types.shared import ErrorObject

from adapter.emulator import EmulatorSettings, vertex_embeddings
from adapter.emulator.core.errors import Refusal
from adapter.emulator.parsing.parser import parse
from adapter.emulator.service import decision_model, embed_batch, find_model
from adapter.emulator.validation import check_request

GEMINI_FIELDS: dict[str, Any] = {
    "contents": list[genai.Content],
    "systemInstruction": genai.Content,
    "tools": list[genai.Tool],
    "toolConfig": genai.ToolConfig,
    "safetySettings": list[genai.SafetySetting],
    "generationConfig": genai.GenerationConfig,
    "cachedContent": str,
    "serviceTier": genai.ServiceTier,
    "labels": dict[str, str],
    "store": bool,
    "continuationToken": str,
}
"""The fields of a GenerateContentRequest and google-genai's type of each; those types forbid unknown fields."""

_ADAPTERS = {name: pydantic.TypeAdapter(type_) for name, type_ in GEMINI_FIELDS.items()}

_NOT_IN_GENERATION_CONFIG: dict[str, Any] = {
    "imageConfig": genai.ImageConfig,
}
"""Fields of generationConfig that google-genai has elsewhere, or not yet, each with its type."""

EMULATOR = EmulatorSettings(verify_signatures=False)


def check_gemini_request(body: dict[str, Any]) -> None:
    """Raise for a request that google-genai's types do not know."""
    assert set(body) <= set(GEMINI_FIELDS), f"unknown fields {set(body) - set(GEMINI_FIELDS)}"
    body = {**body, "generationConfig": _without_elsewhere(body.get("generationConfig", {}))}
    for name, value in body.items():
        _ADAPTERS[name].validate_json(json.dumps(value))


def _without_elsewhere(config: dict[str, Any]) -> dict[str, Any]:
    for name, type_ in _NOT_IN_GENERATION_CONFIG.items():
        if name in config:
            pydantic.TypeAdapter(type_).validate_python(config[name])
    if "responseFormat" in config:
        # One object over REST (ai.google.dev, structured output), a list in the package.
        config = {**config, "responseFormat": [config["responseFormat"]]}
    return {name: value for name, value in config.items() if name not in _NOT_IN_GENERATION_CONFIG}


def emulator_refusal(body: dict[str, Any], model: str, *, streaming: bool = False) -> str:
    """Why the strict emulator refuses a request; nothing when it takes it."""
    try:
        row = find_model(model, "v1beta", "generateContent")
        check_request(parse(body, "GenerateContentRequest"), row, EMULATOR, streaming=streaming)
    except Refusal as refusal:
        return refusal.message
    return ""


def check_embedding_request(body: dict[str, Any], model: str, method: str, platform: str) -> None:
    """Raise for a call that the strict emulator refuses."""
    if platform == "vertex":
        vertex_embeddings.embed(method, parse(body, vertex_embeddings.MESSAGES[method]), find_model(model, "v1", "get"))
        return
    row = find_model(model, "v1beta", method)
    embed_batch(parse(body, "BatchEmbedContentsRequest"), row)


def check_embeddings(answer: dict[str, Any]) -> None:
    """Raise for an answer that the openai package's types do not take; base64 is what the package itself decodes."""
    for one in answer["data"]:
        if isinstance(one["embedding"], str):
            one = {**one, "embedding": floats_of(one["embedding"])}
        openai_embedding.Embedding.model_validate_json(json.dumps(one), strict=True)
    bare = {**answer, "data": []}
    CreateEmbeddingResponse.model_validate_json(json.dumps(bare), strict=True)


def check_decision_request(body: dict[str, Any]) -> None:
    """Raise for questions that google-genai's types or the strict emulator refuse."""
    read_decision_request(json.dumps(body).encode())


def read_decision_request(text: bytes) -> dict[str, Any]:
    """Read a request that both packages take."""
    CreateDecisionRequest.model_validate_json(text)
    body: dict[str, Any] = json.loads(text)
    find_model(decision_model(body), "v1beta", "createDecision")
    return body


def check_decision(answer: dict[str, Any]) -> None:
    """Raise for an answer that the openai package's types do not take."""
    Decision.model_validate_json(json.dumps(answer), strict=True)
    usage = answer["usage"]
    assert usage["input_tokens"] + usage["output_tokens"] == usage["total_tokens"]


def check_moderation(answer: dict[str, Any]) -> None:
    """Raise for verdicts that the openai package's types do not take, or that contradict themselves."""
    ModerationCreateResponse.model_validate_json(json.dumps(answer), strict=True)
    for one in answer["results"]:
        assert one["flagged"] is any(one["categories"].values())
        assert set(one["categories"]) == set(one["category_scores"]) == set(one["category_applied_input_types"])


def check_images(answer: dict[str, Any]) -> None:
    """Raise for images that the openai package's types do not take."""
    ImagesResponse.model_validate_json(json.dumps(answer), strict=True)
    usage = answer.get("usage")
    if usage is not None:
        assert usage["input_tokens"] + usage["output_tokens"] == usage["total_tokens"]
        for kind in ("input", "output"):
            assert sum(usage[f"{kind}_tokens_details"].values()) == usage[f"{kind}_tokens"]


_IMAGE_EVENT: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(ImageGenStreamEvent | ImageEditStreamEvent)


def check_image_event(event: dict[str, Any]) -> None:
    """Raise for an event that the openai package's types do not take."""
    assert _IMAGE_EVENT.validate_json(json.dumps(event), strict=True).type == event["type"]


_TRANSCRIPTIONS: dict[str, Any] = {
    "json": openai_audio.Transcription,
    "verbose_json": openai_audio.TranscriptionVerbose,
    "diarized_json": openai_audio.TranscriptionDiarized,
}
_TRANSCRIPT_EVENT: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(openai_audio.TranscriptionStreamEvent)


def check_transcription(answer: dict[str, Any]) -> None:
    """Raise for a transcription that the openai package's types do not take; texts have none."""
    if "content" in answer:
        return
    known, kind = dict(answer), "json"
    if "language" in answer:
        # The package types the usage of whisper-1 alone, in seconds.
        known.pop("usage", None)
        kind = "verbose_json"
    elif "task" in answer:
        kind = "diarized_json"
    _TRANSCRIPTIONS[kind].model_validate_json(json.dumps(known), strict=True)


def check_transcript_event(event: dict[str, Any]) -> None:
    """Raise for an event that the openai package's types do not take."""
    assert _TRANSCRIPT_EVENT.validate_json(json.dumps(event), strict=True).type == event["type"]


def check_text_completion(answer: dict[str, Any]) -> None:
    """Raise for an answer that the openai package's types do not take."""
    TextCompletion.model_validate_json(json.dumps(answer), strict=True)
    usage = answer["usage"]
    assert usage["prompt_tokens"] + usage["completion_tokens"] == usage["total_tokens"]


def floats_of(text: str) -> list[float]:
    """Return the numbers of a base64 text, as openai-python reads them (resources/embeddings.py)."""
    return array("f", base64.b64decode(text)).tolist()


def check_completion(answer: dict[str, Any]) -> None:
    """Raise for an answer that the openai package's types do not take, strictly."""
    openai_chat.ChatCompletion.model_validate_json(json.dumps(answer), strict=True)
    details = answer["usage"]
    if details is not None:
        assert details["prompt_tokens"] + details["completion_tokens"] == details["total_tokens"]


def _without_custom(chunk: dict[str, Any]) -> dict[str, Any]:
    """Remove calls of custom tools, which openai-node streams and the Python package's chunks do not know."""
    choices = []
    for choice in chunk["choices"]:
        calls = [call for call in choice["delta"].get("tool_calls") or () if call.get("type") != "custom"]
        choices.append({**choice, "delta": {**choice["delta"], "tool_calls": calls or None}})
    return {**chunk, "choices": choices}


def check_chunks(chunks: list[dict[str, Any]]) -> Any:
    """The answer that the openai package accumulates from chunks. Raises for chunks that its types do not take."""
    state: Any = ChatCompletionStreamState()
    for chunk in chunks:
        known = json.dumps(_without_custom(chunk))
        state.handle_chunk(openai_chat.ChatCompletionChunk.model_validate_json(known, strict=True))
        for choice in chunk["choices"]:
            payloads = [key for key, value in choice["delta"].items() if value is not None and key != "role"]
            assert len(payloads) <= 1, f"more than one kind of payload in a delta: {payloads}"
    return state.current_completion_snapshot


OURS = {"extra_content", "store", "presence_penalty", "frequency_penalty"}
"""Members of a response that the package's type does not name: ours, and those of the Open Responses specification."""

UNTYPED = {
    "custom_tool_call": {"status"},
    "response.output_text.delta": {"logprobs"},
    "response.output_text.done": {"logprobs"},
    "response.function_call_arguments.done": {"name"},
}
"""Members of items and events that OpenAI sends and the package does not type: by type of the item or event."""

REPEATED = {"tools"}
"""Members that repeat what the client sent."""

_EVENT: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(openai_responses.ResponseStreamEvent)


def check_response(response: dict[str, Any]) -> None:
    """Raise for a response that the openai package's types do not take, or that has members they do not know."""
    known = {name: value for name, value in response.items() if name not in OURS}
    parsed = openai_responses.Response.model_validate_json(json.dumps(known), strict=True)
    assert not (unknown := list(_unknown_members(parsed, "response"))), unknown
    usage = response["usage"]
    if usage is not None:
        assert usage["input_tokens"] + usage["output_tokens"] == usage["total_tokens"]


def check_events(events: list[dict[str, Any]]) -> None:
    """Raise for events that the openai package does not take.

    Its types must know all members, and its accumulator must get the response that the last event holds.
    """
    state: Any = ResponseStreamState(input_tools=openai.omit, text_format=openai.omit)
    for event in events:
        whole = event.get("response")
        if whole is not None:
            check_response(whole)
            event = {**event, "response": {key: value for key, value in whole.items() if key not in OURS}}
        if event["type"] == "error":
            # The package's type has its members beside `type`; OpenAI sends them in `error`, where clients read them.
            assert set(event) == {"type", "sequence_number", "error"}
            ErrorObject.model_validate_json(json.dumps(event["error"]), strict=True)
            continue
        parsed = _EVENT.validate_json(json.dumps(event), strict=True)
        assert parsed.type == event["type"]
        assert not (unknown := list(_unknown_members(parsed, event["type"]))), unknown
        state.handle_event(parsed)
    if events[-1]["type"] == "response.completed":
        whole = state._completed_response
        assert [item.id for item in whole.output] == [item.id for item in parsed.response.output]
        assert whole.output_text == parsed.response.output_text


def _unknown_members(value: Any, path: str) -> Iterator[str]:
    """Yield the members that a package's model took without knowing them."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _unknown_members(item, f"{path}[{number}]")
    elif isinstance(value, pydantic.BaseModel):
        type_ = getattr(value, "type", "")
        extra = set(value.model_extra or ()) - UNTYPED.get(type_, set())
        yield from (f"{path}.{name}" for name in sorted(extra))
        for name in type(value).model_fields:
            if name not in UNTYPED.get(type_, set()) | REPEATED:
                yield from _unknown_members(getattr(value, name), f"{path}.{name}")
