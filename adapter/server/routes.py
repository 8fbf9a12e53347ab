"""The one list of endpoints.

The router, /openapi.json, the log, figures, spans, the page, 404 and 405, CORS, rates, admission and the limit of a
body read an endpoint's row here; `Endpoint` says what the fields mean. Of two rows that fit a path and a method the
first serves it.
"""

from typing import Any

from adapter.server.endpoints import inspector, native, native_resources
from adapter.server.endpoints.chat import create_chat_completion
from adapter.server.endpoints.completions import create_completion
from adapter.server.endpoints.decisions import create_decision
from adapter.server.endpoints.embeddings import create_embeddings
from adapter.server.endpoints.health import health, ready
from adapter.server.endpoints.metrics import metrics
from adapter.server.endpoints.models import get_model, list_models
from adapter.server.endpoints.moderations import create_moderation
from adapter.server.endpoints.openapi import with_description
from adapter.server.endpoints.translate import translate
from adapter.server.file_routes import FILES
from adapter.server.media_routes import MEDIA
from adapter.server.not_served import NOT_SERVED
from adapter.server.observe.exchange_log import is_page_enabled
from adapter.server.pipeline.endpoint import (
    ASKING,
    SENDING,
    Endpoint,
    Endpoints,
    unserved_endpoint,
)
from adapter.server.response_routes import CONVERSATIONS, RESPONSES
from adapter.settings import Settings
from adapter.wire.openai.chat_answer import ChatCompletion, ChatCompletionChunk
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.openai.completions import Completion, CompletionRequest
from adapter.wire.openai.decisions import Decision, DecisionRequest
from adapter.wire.openai.embeddings import EmbeddingList, EmbeddingRequest
from adapter.wire.openai.models import Model, ModelList
from adapter.wire.openai.moderations import Moderation, ModerationRequest

CHAT: Endpoints = (
    Endpoint(
        method="POST",
        path="/v1/chat/completions",
        handler=create_chat_completion,
        name="createChatCompletion",
        summary="Answer a chat, whole or as a stream of chunks that ends with [DONE].",
        takes=ChatCompletionRequest,
        gives=ChatCompletion,
        streams=ChatCompletionChunk,
        fails=SENDING,
        asks_gemini=True,
        is_rated=True,
    ),
    Endpoint(
        method="POST",
        path="/translate",
        handler=translate,
        name="translate",
        summary="Show what would go to Gemini, without calling it.",
        takes=ChatCompletionRequest,
        fails=SENDING,
        is_rated=True,
    ),
)

FURTHER: Endpoints = (
    Endpoint(
        method="POST",
        path="/v1/moderations",
        handler=create_moderation,
        name="createModeration",
        summary="Judge texts and images by OpenAI's categories of harm.",
        takes=ModerationRequest,
        gives=Moderation,
        fails=SENDING,
        asks_gemini=True,
        is_rated=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/decisions",
        handler=create_decision,
        name="createDecision",
        summary="Answer questions about an input: whether, which, how much; with probabilities.",
        takes=DecisionRequest,
        gives=Decision,
        fails=SENDING,
        asks_gemini=True,
        is_rated=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/completions",
        handler=create_completion,
        name="createCompletion",
        summary="Continue texts, whole or as a stream that ends with [DONE].",
        takes=CompletionRequest,
        gives=Completion,
        streams=Completion,
        fails=SENDING,
        asks_gemini=True,
        is_rated=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/embeddings",
        handler=create_embeddings,
        name="createEmbedding",
        summary="Embed texts as vectors.",
        takes=EmbeddingRequest,
        gives=EmbeddingList,
        fails=SENDING,
        asks_gemini=True,
        is_rated=True,
    ),
)
"""Endpoints that OpenAI's clients use beside chat."""

MODELS: Endpoints = (
    Endpoint(
        method="GET",
        path="/v1/models",
        handler=list_models,
        name="listModels",
        summary="List the models.",
        gives=ModelList,
        fails=ASKING,
        asks_gemini=True,
        is_rated=True,
    ),
    Endpoint(
        method="GET",
        path="/v1/models/{model:path}",
        handler=get_model,
        name="retrieveModel",
        summary="Describe one model.",
        gives=Model,
        fails=(*ASKING, 404),
        asks_gemini=True,
        is_rated=True,
    ),
)


def _has_metrics(settings: Settings) -> bool:
    return settings.metrics


OPERATING: Endpoints = (
    Endpoint(
        method="GET",
        path="/healthz",
        handler=health,
        name="health",
        summary="Whether the process lives.",
        is_open=True,
        is_quiet=True,
    ),
    Endpoint(
        method="GET",
        path="/readyz",
        handler=ready,
        name="readiness",
        summary="Whether new requests should come here.",
        fails=(503,),
        is_open=True,
        is_quiet=True,
    ),
    Endpoint(method="GET", path="/metrics", handler=metrics, is_quiet=True, is_served=_has_metrics),
)


# It asks for its key itself, since browsers ask for a password.
INSPECTOR: Endpoints = tuple(
    Endpoint(method="GET", path=path, handler=handler, is_open=True, is_quiet=True, is_served=is_page_enabled)
    for path, handler in (
        ("/", inspector.page),
        ("/inspector/about", inspector.about),
        ("/inspector/exchanges", inspector.exchanges),
        ("/inspector/changes", inspector.changes),
        ("/inspector/capabilities", inspector.capabilities),
        ("/inspector/codes", inspector.codes),
        ("/inspector/exchanges/{exchange_id}", inspector.exchange),
        ("/inspector/{file}", inspector.page_file),
        ("/inspector/{folder}/{file}", inspector.page_file),
    )
) + tuple(
    Endpoint(method="POST", path=path, handler=handler, takes=dict[str, Any], is_open=True, is_served=is_page_enabled)
    for path, handler in (
        ("/inspector/translate", inspector.translate_pasted),
        ("/inspector/compare", inspector.compare),
        ("/inspector/run", inspector.run),
    )
)

NATIVE: Endpoints = (
    unserved_endpoint(
        "/v1beta/openai/{rest:path}", "Google's OpenAI endpoint is not served here: base_url ends in /v1."
    ),
    # google-genai 3 uses /v1 unless it is told otherwise.
    *(
        Endpoint(
            method="POST",
            path=f"/{version}/models/{{target:path}}",
            handler=native.call_model,
            name="callGeminiModel" if version == "v1beta" else "",
            summary="A method of Gemini's own API: generateContent, streamGenerateContent, countTokens, embedContent.",
            takes=dict[str, Any],
            fails=SENDING,
            asks_gemini=True,
            is_rated=True,
            is_native=True,
        )
        for version in ("v1beta", "v1")
    ),
    *(
        Endpoint(
            method=method,
            path="/v1beta/{rest:path}",
            handler=native_resources.pass_on,
            takes=dict[str, Any] if method in ("POST", "PATCH") else None,
            is_rated=True,
            is_native=True,
        )
        for method in ("GET", "POST", "PATCH", "DELETE")
    ),
    *(
        Endpoint(
            method="POST",
            path=f"/upload/{version}/{{rest:path}}",
            # It asks for the key itself: none comes with the bytes, and its body is no JSON.
            handler=native_resources.upload,
            is_open=True,
            is_native=True,
        )
        for version in ("v1beta", "v1")
    ),
)
"""Gemini's own API, for programs that are written against it."""

ENDPOINTS = with_description(
    (
        *CHAT,
        *RESPONSES,
        *CONVERSATIONS,
        *FURTHER,
        *MEDIA,
        *FILES,
        *MODELS,
        *OPERATING,
        *INSPECTOR,
        *NATIVE,
        *NOT_SERVED,
    ),
)
