"""Our Structs against the types of the pinned SDKs: an unpin shows how the APIs moved."""

from typing import get_type_hints

import msgspec
import pytest
from google.genai import types as genai
from openai.types import CompletionUsage
from openai.types import chat as openai_chat
from openai.types.chat import chat_completion, chat_completion_chunk, completion_create_params
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)

from adapter.wire.gemini import content, generate
from adapter.wire.openai import chat

REQUEST = {
    "ChatCompletionRequest": (chat.ChatCompletionRequest, CompletionCreateParamsNonStreaming),
    "ChatCompletionRequest, streamed": (chat.ChatCompletionRequest, CompletionCreateParamsStreaming),
    "user message": (chat.Message, openai_chat.ChatCompletionUserMessageParam),
    "assistant message": (chat.Message, openai_chat.ChatCompletionAssistantMessageParam),
    "system message": (chat.Message, openai_chat.ChatCompletionSystemMessageParam),
    "developer message": (chat.Message, openai_chat.ChatCompletionDeveloperMessageParam),
    "tool message": (chat.Message, openai_chat.ChatCompletionToolMessageParam),
    "function message": (chat.Message, openai_chat.ChatCompletionFunctionMessageParam),
    "text part": (chat.ContentPart, openai_chat.ChatCompletionContentPartTextParam),
    "image part": (chat.ContentPart, openai_chat.ChatCompletionContentPartImageParam),
    "audio part": (chat.ContentPart, openai_chat.ChatCompletionContentPartInputAudioParam),
    "refusal part": (chat.ContentPart, openai_chat.ChatCompletionContentPartRefusalParam),
    "function tool": (chat.Tool, openai_chat.ChatCompletionFunctionToolParam),
    "custom tool": (chat.Tool, openai_chat.ChatCompletionCustomToolParam),
    "stream options": (chat.StreamOptions, openai_chat.ChatCompletionStreamOptionsParam),
    "web search options": (chat.WebSearchOptions, completion_create_params.WebSearchOptions),
    "audio options": (chat.AudioOptions, openai_chat.ChatCompletionAudioParam),
}


@pytest.mark.parametrize(("ours", "theirs"), REQUEST.values(), ids=REQUEST)
def test_requests_name_every_field_of_the_openai_package(ours, theirs):
    known = {field.encode_name for field in msgspec.structs.fields(ours)}
    assert set(get_type_hints(theirs)) - known == set()


ANSWERS = {
    "ChatCompletion": (chat.ChatCompletion, openai_chat.ChatCompletion),
    "Choice": (chat.Choice, chat_completion.Choice),
    "ChatCompletionMessage": (chat.AnswerMessage, openai_chat.ChatCompletionMessage),
    "ChatCompletionChunk": (chat.ChatCompletionChunk, openai_chat.ChatCompletionChunk),
    "ChoiceDelta": (chat.Delta, chat_completion_chunk.ChoiceDelta),
    "CompletionUsage": (chat.CompletionUsage, CompletionUsage),
}

NOT_GIVEN = {
    "ChatCompletion": {"metadata", "moderation"},
    "ChatCompletionChunk": {"moderation", "obfuscation", "system_fingerprint"},
}
"""Fields of answers that have no source in Gemini."""

OURS = {"extra_content", "reasoning_content", "images"}
"""Fields of answers that OpenAI does not have: Google's own, and other vendors' places for thoughts and images."""

STREAMED = {"ChoiceDelta": {"annotations"}}
"""Fields that OpenAI sends in streams too, but that the package types only for whole answers."""


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_have_the_fields_of_the_openai_package(name):
    ours, theirs = ANSWERS[name]
    fields = {field.encode_name for field in msgspec.structs.fields(ours)}
    ours_alone = OURS | STREAMED.get(name, set())
    assert fields - ours_alone | NOT_GIVEN.get(name, set()) == set(theirs.model_fields)


GEMINI = {
    "Part": (content.Part, genai.Part),
    "Content": (content.Content, genai.Content),
    "FunctionCall": (content.FunctionCall, genai.FunctionCall),
    "FunctionResponse": (content.FunctionResponse, genai.FunctionResponse),
    "Blob": (content.Blob, genai.Blob),
    "FileData": (content.FileData, genai.FileData),
    "GenerationConfig": (generate.GenerationConfig, genai.GenerationConfig),
    "ThinkingConfig": (generate.ThinkingConfig, genai.ThinkingConfig),
    "SpeechConfig": (generate.SpeechConfig, genai.SpeechConfig),
    "FunctionDeclaration": (generate.FunctionDeclaration, genai.FunctionDeclaration),
    "FunctionCallingConfig": (generate.FunctionCallingConfig, genai.FunctionCallingConfig),
    "ToolConfig": (generate.ToolConfig, genai.ToolConfig),
    "SafetySetting": (generate.SafetySetting, genai.SafetySetting),
    "Candidate": (generate.Candidate, genai.Candidate),
    "LogprobsResult": (generate.LogprobsResult, genai.LogprobsResult),
}

GEMINI_ONLY = {
    "GenerationConfig": {"imageConfig"},
    "Candidate": {"groundingAttributions"},
}
"""Fields that google-genai has elsewhere, or that only the discovery document names (revision 20260325)."""


@pytest.mark.parametrize("name", GEMINI)
def test_gemini_structs_have_the_fields_of_google_genai(name):
    ours, theirs = GEMINI[name]
    fields = {field.encode_name for field in msgspec.structs.fields(ours)}
    named = {field.alias or field_name for field_name, field in theirs.model_fields.items()}
    assert fields - GEMINI_ONLY.get(name, set()) == named


def test_every_request_field_may_be_null():
    """Clients send explicit nulls for nearly every parameter (LlamaIndex)."""
    required = {"model", "messages"}
    for field in msgspec.structs.fields(chat.ChatCompletionRequest):
        if field.name not in required:
            value = msgspec.json.decode(
                b'{"model":"m","messages":[],"%s":null}' % field.encode_name.encode(), type=chat.ChatCompletionRequest
            )
            assert getattr(value, field.name) is None or bytes(getattr(value, field.name)) == b"null"
