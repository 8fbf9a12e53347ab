"""A response without its items: the repeated settings of the request, its usage, and its error."""

import msgspec

from adapter.translate.core.context import Stamp
from adapter.translate.responses.chat_view import View
from adapter.translate.responses.tools import repeat_tools
from adapter.wire.base import present
from adapter.wire.openai.chat_answer import CompletionUsage
from adapter.wire.openai.errors import Error
from adapter.wire.openai.responses_answer import (
    InputTokensDetails,
    OutputTokensDetails,
    ReasoningEcho,
    Response,
    ResponseError,
    ResponseUsage,
)
from adapter.wire.openai.responses_request import ConversationReference, TextFormat, TextOptions

_EMPTY_LIST = msgspec.Raw(b"[]")
_PARAMETERS = ("temperature", "top_p", "top_logprobs", "parallel_tool_calls", "max_tool_calls", "truncation")
"""Parameters that an answer repeats; a dropped one is repeated with its default."""

_EMPTY_OBJECT = msgspec.Raw(b"{}")


def blank(view: View, stamp: Stamp, status: str = "in_progress") -> Response:
    """Return the response before there is an answer: the request's settings, as far as the model gets them."""
    request = view.asked
    defaults = {name: None for name in _PARAMETERS if name in view.dropped}
    if defaults:
        request = msgspec.structs.replace(request, **defaults)
    conversation = request.conversation
    if isinstance(conversation, str):
        conversation = ConversationReference(id=conversation)
    text = request.text or TextOptions()
    thinking = request.reasoning
    return Response(
        id=stamp.id,
        object="response",
        created_at=stamp.created,
        completed_at=None,
        status=status,
        incomplete_details=None,
        model=stamp.model,
        previous_response_id=request.previous_response_id,
        instructions=request.instructions,
        output=[],
        error=None,
        tools=repeat_tools(request.tools) if present(request.tools) else _EMPTY_LIST,
        tool_choice="auto" if request.tool_choice is None else request.tool_choice,
        truncation=request.truncation or "disabled",
        parallel_tool_calls=request.parallel_tool_calls is not False,
        text=TextOptions(format=text.format or TextFormat(type="text"), verbosity=text.verbosity or "medium"),
        top_p=1.0 if request.top_p is None else request.top_p,
        presence_penalty=0.0,
        frequency_penalty=0.0,
        top_logprobs=request.top_logprobs or 0,
        temperature=1.0 if request.temperature is None else request.temperature,
        reasoning=ReasoningEcho(
            effort=(thinking.effort if thinking else None) or request.reasoning_effort,
            summary=(thinking.summary or thinking.generate_summary) if thinking else None,
        ),
        user=request.user,
        usage=None,
        max_output_tokens=request.max_output_tokens,
        max_tool_calls=request.max_tool_calls,
        store=request.store is not False,
        background=bool(request.background),
        service_tier="default",
        metadata=request.metadata if present(request.metadata) else _EMPTY_OBJECT,
        safety_identifier=request.safety_identifier,
        prompt_cache_key=request.prompt_cache_key,
        prompt_cache_retention=_known_retention(request.prompt_cache_retention),
        conversation=conversation,
    )


def usage_of(usage: CompletionUsage) -> ResponseUsage:
    """Return chat's usage under the names of Responses."""
    return ResponseUsage(
        input_tokens=usage.prompt_tokens,
        input_tokens_details=InputTokensDetails(
            cached_tokens=usage.prompt_tokens_details.cached_tokens,
            cache_write_tokens=usage.prompt_tokens_details.cache_write_tokens,
        ),
        output_tokens=usage.completion_tokens,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=usage.completion_tokens_details.reasoning_tokens),
        total_tokens=usage.total_tokens,
    )


def _known_retention(asked: str | None) -> str | None:
    """Return the retention that an answer may repeat: clients take no other words (openai 3.54.0, `Response`)."""
    return asked if asked in ("in_memory", "24h") else None


_ERROR_CODES = {
    "rate_limit_exceeded": "rate_limit_exceeded",
    "rate_limit_error": "rate_limit_exceeded",
    "insufficient_quota": "insufficient_quota",
    "context_length_exceeded": "context_length_exceeded",
    "invalid_request_error": "invalid_prompt",
}
"""Codes of failed responses by an error's code or type; Codex acts on the first, the third and the fourth."""


def failure_of(error: Error) -> ResponseError:
    """Return the error of a response that failed."""
    return ResponseError(
        code=_ERROR_CODES.get(error.code or "") or _ERROR_CODES.get(error.type, "server_error"),
        message=error.message,
        type=error.type,
        param=error.param,
    )


def error_of(error: ResponseError) -> Error:
    """Return the `error` event that precedes `response.failed` and says the same."""
    return Error(message=error.message, type=error.type, param=error.param, code=error.code)
