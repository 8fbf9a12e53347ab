"""Our Structs against the types of the pinned SDKs: an unpin shows how the APIs moved."""

from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from google.genai import types as genai
from openai.types import (
    Batch,
    BatchError,
    BatchRequestCounts,
    BatchUsage,
    CompletionUsage,
    FileObject,
    Image,
    ImageCreateVariationParams,
    ImageEditCompletedEvent,
    ImageGenCompletedEvent,
    Upload,
    audio,
    batch_create_params,
    decision,
    decision_create_params,
    image_edit_params,
    image_generate_params,
    images_response,
    shared_params,
    upload_complete_params,
    upload_create_params,
    uploads,
)
from openai.types import chat as openai_chat
from openai.types import responses as openai_responses
from openai.types.audio.transcription_create_params import (
    TranscriptionCreateParamsNonStreaming,
    TranscriptionCreateParamsStreaming,
)
from openai.types.chat import chat_completion, chat_completion_chunk, completion_create_params
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from openai.types.responses import response_create_params, response_input_item_param, tool_param
from openai.types.responses.response_stream_event import ResponseStreamEvent

from adapter.wire.gemini import content, generate
from adapter.wire.openai import (
    batches,
    chat_answer,
    chat_request,
    decisions,
    files,
    images,
    response_events,
    responses_answer,
    responses_request,
    speech,
    transcriptions,
)

REQUEST = {
    "ChatCompletionRequest": (chat_request.ChatCompletionRequest, CompletionCreateParamsNonStreaming),
    "ChatCompletionRequest, streamed": (chat_request.ChatCompletionRequest, CompletionCreateParamsStreaming),
    "user message": (chat_request.Message, openai_chat.ChatCompletionUserMessageParam),
    "assistant message": (chat_request.Message, openai_chat.ChatCompletionAssistantMessageParam),
    "system message": (chat_request.Message, openai_chat.ChatCompletionSystemMessageParam),
    "developer message": (chat_request.Message, openai_chat.ChatCompletionDeveloperMessageParam),
    "tool message": (chat_request.Message, openai_chat.ChatCompletionToolMessageParam),
    "function message": (chat_request.Message, openai_chat.ChatCompletionFunctionMessageParam),
    "text part": (chat_request.ContentPart, openai_chat.ChatCompletionContentPartTextParam),
    "image part": (chat_request.ContentPart, openai_chat.ChatCompletionContentPartImageParam),
    "audio part": (chat_request.ContentPart, openai_chat.ChatCompletionContentPartInputAudioParam),
    "refusal part": (chat_request.ContentPart, openai_chat.ChatCompletionContentPartRefusalParam),
    "function tool": (chat_request.Tool, openai_chat.ChatCompletionFunctionToolParam),
    "custom tool": (chat_request.Tool, openai_chat.ChatCompletionCustomToolParam),
    "stream options": (chat_request.StreamOptions, openai_chat.ChatCompletionStreamOptionsParam),
    "web search options": (chat_request.WebSearchOptions, completion_create_params.WebSearchOptions),
    "audio options": (chat_request.AudioOptions, openai_chat.ChatCompletionAudioParam),
    "DecisionRequest": (decisions.DecisionRequest, decision_create_params.DecisionCreateParams),
    "predicate": (decisions.DecisionQuestion, decision_create_params.QuestionQuestionParamPredicate),
    "choice": (decisions.DecisionQuestion, decision_create_params.QuestionQuestionParamChoice),
    "score": (decisions.DecisionQuestion, decision_create_params.QuestionQuestionParamScore),
    "choice's value": (decisions.DecisionOption, decision_create_params.QuestionQuestionParamChoiceChoice),
    "score's level": (decisions.DecisionLevel, decision_create_params.QuestionQuestionParamScoreLevel),
    "SpeechRequest": (speech.SpeechRequest, audio.SpeechCreateParams),
    "TranscriptionRequest": (transcriptions.TranscriptionRequest, TranscriptionCreateParamsNonStreaming),
    "TranscriptionRequest, streamed": (transcriptions.TranscriptionRequest, TranscriptionCreateParamsStreaming),
    "TranslationRequest": (transcriptions.TranslationRequest, audio.TranslationCreateParams),
    "UploadRequest": (files.UploadRequest, upload_create_params.UploadCreateParams),
    "ExpiresAfter": (files.ExpiresAfter, upload_create_params.ExpiresAfter),
    "BatchRequest": (batches.BatchRequest, batch_create_params.BatchCreateParams),
    "CompleteUploadRequest": (files.CompleteUploadRequest, upload_complete_params.UploadCompleteParams),
    "ImageRequest": (images.ImageRequest, image_generate_params.ImageGenerateParamsNonStreaming),
    "ImageRequest, streamed": (images.ImageRequest, image_generate_params.ImageGenerateParamsStreaming),
    "ImageEditRequest": (images.ImageEditRequest, image_edit_params.ImageEditParamsNonStreaming),
    "ImageEditRequest, streamed": (images.ImageEditRequest, image_edit_params.ImageEditParamsStreaming),
    "ImageVariationRequest": (images.ImageVariationRequest, ImageCreateVariationParams),
    "ResponsesRequest": (responses_request.ResponsesRequest, response_create_params.ResponseCreateParamsNonStreaming),
    "ResponsesRequest, streamed": (
        responses_request.ResponsesRequest,
        response_create_params.ResponseCreateParamsStreaming,
    ),
    "text options": (responses_request.TextOptions, openai_responses.ResponseTextConfigParam),
    "text format": (responses_request.TextFormat, openai_responses.ResponseFormatTextJSONSchemaConfigParam),
    "reasoning": (responses_request.ReasoningOptions, shared_params.Reasoning),
    "a choice of a tool": (responses_request.ResponsesToolChoice, openai_responses.ToolChoiceMcpParam),
    "allowed tools": (responses_request.ResponsesToolChoice, openai_responses.ToolChoiceAllowedParam),
}

REQUEST |= {
    f"evidence: {theirs.__name__}": (decisions.DecisionItem, theirs)
    for theirs in get_args(decision_create_params.InputUnionMember1)
}
REQUEST |= {
    f"item: {theirs.__name__}": (responses_request.InputItem, theirs)
    for theirs in get_args(response_input_item_param.ResponseInputItemParam)
}
REQUEST |= {
    f"tool: {theirs.__name__}": (responses_request.ResponsesTool, theirs) for theirs in get_args(tool_param.ToolParam)
}
REQUEST |= {
    f"part: {theirs.__name__}": (chat_request.ContentPart, theirs)
    for theirs in (
        openai_responses.ResponseInputTextParam,
        openai_responses.ResponseInputImageParam,
        openai_responses.ResponseInputFileParam,
        openai_responses.ResponseOutputTextParam,
        openai_responses.ResponseOutputRefusalParam,
    )
}


@pytest.mark.parametrize(("ours", "theirs"), REQUEST.values(), ids=REQUEST)
def test_requests_name_every_field_of_the_openai_package(ours, theirs):
    known = {field.encode_name for field in msgspec.structs.fields(ours)}
    assert set(get_type_hints(theirs)) - known == set()


ANSWERS: dict[str, tuple[Any, Any]] = {
    "Decision": (decisions.Decision, decision.Decision),
    "PredicateAnswer": (decisions.PredicateAnswer, decision.AnswerAnswerResourcePredicate),
    "ChoiceAnswer": (decisions.ChoiceAnswer, decision.AnswerAnswerResourceChoice),
    "ScoreAnswer": (decisions.ScoreAnswer, decision.AnswerAnswerResourceScore),
    "DecisionUsage": (decisions.DecisionUsage, decision.Usage),
    "Batch": (batches.Batch, Batch),
    "BatchError": (batches.BatchError, BatchError),
    "BatchRequestCounts": (batches.BatchRequestCounts, BatchRequestCounts),
    "BatchUsage": (batches.BatchUsage, BatchUsage),
    "FileObject": (files.FileObject, FileObject),
    "Upload": (files.Upload, Upload),
    "UploadPart": (files.UploadPart, uploads.UploadPart),
    "ChatCompletion": (chat_answer.ChatCompletion, openai_chat.ChatCompletion),
    "Choice": (chat_answer.Choice, chat_completion.Choice),
    "ChatCompletionMessage": (chat_answer.AnswerMessage, openai_chat.ChatCompletionMessage),
    "ChatCompletionChunk": (chat_answer.ChatCompletionChunk, openai_chat.ChatCompletionChunk),
    "ChoiceDelta": (chat_answer.Delta, chat_completion_chunk.ChoiceDelta),
    "CompletionUsage": (chat_answer.CompletionUsage, CompletionUsage),
    "ImagesResponse": (images.ImagesResponse, images_response.ImagesResponse),
    "GeneratedImage": (images.GeneratedImage, Image),
    "ImageUsage": (images.ImageUsage, images_response.Usage),
    "ImageTokens": (images.ImageTokens, images_response.UsageOutputTokensDetails),
    "ImageGenerationCompleted": (images.ImageGenerationCompleted, ImageGenCompletedEvent),
    "ImageEditCompleted": (images.ImageEditCompleted, ImageEditCompletedEvent),
}

NOT_GIVEN = {
    "PredicateAnswer": {"type"},
    "ChoiceAnswer": {"type"},
    "ScoreAnswer": {"type"},
    "ImagesResponse": {"safety_identifier", "svg_usage"},
    "ImageGenerationCompleted": {"type", "safety_identifier"},
    "ImageEditCompleted": {"type", "safety_identifier"},
    "ChatCompletion": {"metadata", "moderation"},
    "ChatCompletionChunk": {"moderation", "obfuscation", "system_fingerprint"},
}
"""Fields of answers that have no source in Gemini, or that are the tag of a Struct."""

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


RESPONSES: dict[str, tuple[Any, Any]] = {
    "Response": (responses_answer.Response, openai_responses.Response),
    "ResponseUsage": (responses_answer.ResponseUsage, openai_responses.ResponseUsage),
    "ResponseError": (responses_answer.ResponseError, openai_responses.ResponseError),
}

NOT_ANSWERED = {
    "Response": {
        "access_programs", "image", "input_transformations", "moderation", "prompt", "prompt_cache_diagnostics",
        "prompt_cache_options", "tool_usage",
    },
    "ResponseError": {"misalignment"},
}  # fmt: skip
"""Fields of responses that have no source in Gemini."""

OF_THE_SPECIFICATION = {"store", "presence_penalty", "frequency_penalty"}
"""Fields that the Open Responses specification (2026-01) requires and the package does not type."""


@pytest.mark.parametrize("name", RESPONSES)
def test_responses_have_the_fields_of_the_openai_package(name):
    ours, theirs = RESPONSES[name]
    fields = {field.encode_name for field in msgspec.structs.fields(ours)}
    assert fields - OURS - OF_THE_SPECIFICATION | NOT_ANSWERED.get(name, set()) == set(theirs.model_fields)


def test_every_event_is_one_of_the_openai_package():
    known = {get_args(event.model_fields["type"].annotation)[0] for event in _members(ResponseStreamEvent)}
    ours = {name for event in _leaves(response_events.Event) if (name := event.__struct_config__.tag)}
    assert ours <= known


def _members(union):
    return [one for member in get_args(union) for one in (get_args(member) or [member]) if isinstance(one, type)]


def _leaves(struct):
    below = struct.__subclasses__()
    return [leaf for one in below for leaf in _leaves(one)] if below else [struct]


GEMINI: dict[str, tuple[Any, Any]] = {
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
    for field in msgspec.structs.fields(chat_request.ChatCompletionRequest):
        if field.name not in required:
            value = msgspec.json.decode(
                b'{"model":"m","messages":[],"%s":null}' % field.encode_name.encode(),
                type=chat_request.ChatCompletionRequest,
            )
            assert getattr(value, field.name) is None or bytes(getattr(value, field.name)) == b"null"


def test_every_field_of_a_request_for_a_response_may_be_null():
    """Clients send explicit nulls for nearly every parameter (LlamaIndex)."""
    for field in msgspec.structs.fields(responses_request.ResponsesRequest):
        if field.name != "model":
            body = b'{"model":"m","%s":null}' % field.encode_name.encode()
            value = getattr(msgspec.json.decode(body, type=responses_request.ResponsesRequest), field.name)
            assert value is None or bytes(value) == b"null"
