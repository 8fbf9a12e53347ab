"""Builds the settings of each part of the program from the whole: no part ever sees all of them."""

from urllib.parse import urlsplit

from adapter.settings.fields import GOOGLE_URL, Settings
from adapter.store.documents.base import DocumentLimits
from adapter.translate.core.capabilities import Platform
from adapter.translate.core.context import Options
from adapter.upstream.auth.vertex import model_collection
from adapter.upstream.media import FetchSettings
from adapter.upstream.settings import UpstreamSettings
from adapter.wire.gemini.generate import SafetySetting
from adapter.wire.limits import Limits

_NO_LIMIT = 2**53
_EXTRA_LIFE_S = 366 * 86_400.0
"""The time that the records of files outlive the responses: see `file_document_limits`."""

LEAST_CONNECTIONS = 1_000
"""Connections to an upstream that are always allowed: one request may need several."""


def upstream_settings(settings: Settings) -> UpstreamSettings:
    """Build the settings of the upstream client."""
    anyfast = settings.upstream_profile == "anyfast"
    return UpstreamSettings(
        name=upstream_name(settings),
        url=settings.upstream_url,
        auth="bearer" if anyfast and settings.upstream_auth == "api-key" else settings.upstream_auth,
        caller_scheme="bearer" if anyfast else settings.upstream_caller_scheme,
        keys=settings.upstream_keys,
        models=_model_prefix(settings),
        http_client=settings.upstream_http,
        proxy=settings.upstream_proxy,
        streaming=settings.upstream_streaming,
        done_ends=settings.upstream_done_ends,
        connect=settings.connect_timeout,
        first_byte=settings.first_byte_timeout,
        between_bytes=settings.idle_timeout,
        total=settings.total_timeout,
        retries=settings.retries,
        retry_server_errors=settings.retry_server_errors,
        circuit_pause=settings.circuit_pause,
        max_connections=max(LEAST_CONNECTIONS, settings.max_concurrent),
    )


def _model_prefix(settings: Settings) -> str:
    """Return what stands before a model's name in a URL."""
    if settings.upstream_auth != "vertex" or settings.vertex_project is None:
        return "models/"
    return model_collection(settings.vertex_project, settings.vertex_location)


def upstream_name(settings: Settings) -> str:
    """Return the name of the issuer of signatures: the setting, `studio` or `vertex/...` for Google, or a relay's host.

    Google does not document whether a signature of one project or region is valid in another, and an invalid one is a
    400. So each project and region counts as an issuer of its own.
    """
    if settings.upstream_name is not None:
        return settings.upstream_name
    if settings.upstream_auth == "vertex":
        return f"vertex/{settings.vertex_project}/{settings.vertex_location}"
    return "studio" if settings.upstream_url == GOOGLE_URL else urlsplit(settings.upstream_url).netloc


def platform_of(settings: Settings) -> Platform:
    """Return the platform whose model calendar holds: the setting, or what the upstream's address implies."""
    if settings.upstream_platform != "auto":
        return settings.upstream_platform
    if settings.upstream_auth == "vertex":
        return "vertex"
    return "studio" if urlsplit(settings.upstream_url).hostname == urlsplit(GOOGLE_URL).hostname else "relay"


_CONFIG = ("temperature", "topP", "topK", "maxOutputTokens", "stopSequences", "responseMimeType", "responseSchema")


VERTEX_FIELDS = frozenset(
    {
        "contents",
        "systemInstruction",
        "safetySettings",
        "tools",
        "toolConfig.functionCallingConfig",
        "toolConfig.retrievalConfig",
        "generationConfig",
        "cachedContent",
        "labels",
        "continuationToken",
    }
)
"""The fields of Vertex AI's GenerateContentRequest (aiplatform v1beta1, discovery revision 20261106)."""


ANYFAST_FIELDS = frozenset(
    {
        "contents",
        "systemInstruction",
        "safetySettings",
        "tools.functionDeclarations",
        "toolConfig.functionCallingConfig.mode",
        "toolConfig.functionCallingConfig.allowedFunctionNames",
        *(f"generationConfig.{name}" for name in _CONFIG),
    }
)
"""The fields on the AnyFast relay's page of `POST /v1beta/models/{model}:generateContent` (2026-11)."""


def options(settings: Settings, upstream: str | None = None) -> Options:
    """Build the options of the translation."""
    anyfast = settings.upstream_profile == "anyfast"
    return Options(
        upstream=upstream or upstream_name(settings),
        platform=platform_of(settings),
        schema="openapi" if anyfast else settings.upstream_schema,
        fields=ANYFAST_FIELDS if anyfast else VERTEX_FIELDS if settings.upstream_auth == "vertex" else None,
        later_system=settings.later_system,
        trailing_assistant=settings.trailing_assistant,
        blocked_prompt=settings.blocked_prompt,
        safety_settings=tuple(
            SafetySetting(category=category, threshold=threshold)
            for category, threshold in settings.safety_settings.items()
        ),
        stateless_ids=settings.stateless_ids,
        include_thoughts=settings.include_thoughts,
        leaked_thoughts=settings.leaked_thoughts,
        thoughts_headroom=settings.thoughts_headroom,
        limits=request_limits(settings),
    )


def request_limits(settings: Settings) -> Limits:
    """Build the limits for reading bodies."""
    return Limits(**{name: getattr(settings, f"max_{name}") for name in Limits.__struct_fields__})


def document_limits(settings: Settings) -> DocumentLimits:
    """Build the limits of the document store."""
    return DocumentLimits(
        max_age=settings.responses_max_age,
        max_count=settings.responses_max_count,
        max_bytes=settings.responses_max_bytes,
    )


def file_document_limits(settings: Settings) -> DocumentLimits:
    """Build the limits of the store of files' and batches' records: it evicts nothing before it expires.

    A client has paid for what these documents name. Each file tells itself when it expires. The documents live longer,
    so a Redis that evicts first what expires first gives up responses before them.
    """
    return DocumentLimits(
        max_age=settings.responses_max_age + _EXTRA_LIFE_S,
        max_count=_NO_LIMIT,
        max_bytes=_NO_LIMIT,
        memory_bytes=_NO_LIMIT,
    )


def fetch_settings(settings: Settings) -> FetchSettings:
    """Build the settings of the media fetcher."""
    return FetchSettings(policy=settings.fetch_media, bytes=settings.fetch_max_bytes, files=settings.fetch_max_files)
