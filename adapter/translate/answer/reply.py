"""Shared by answers of chat and Responses: kinds of parts, calls, finish reasons, usage."""

import base64
import math
import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec
import orjson

from adapter.translate.answer.events import AnsweredCall, FinishReason
from adapter.translate.answer.extras import TIERS
from adapter.translate.core.arguments import read_arguments
from adapter.translate.core.context import Context, Stamp
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import HALF, Fate, Note
from adapter.translate.core.part_kinds import image_url
from adapter.translate.schema import openapi as schema_openapi
from adapter.translate.schema.whole_numbers import with_whole_numbers
from adapter.translate.signatures import keys as signatures
from adapter.translate.tools.declarations import Declared
from adapter.translate.tools.json_tool import json_tool_name, needs_json_tool
from adapter.translate.tools.toolbox import toolbox
from adapter.wire.base import ABSENT, encode, present
from adapter.wire.gemini.content import FunctionCall, Part
from adapter.wire.gemini.generate import (
    Candidate,
    GenerateContentResponse,
    LogprobsCandidate,
    LogprobsResult,
    ModalityTokenCount,
    UsageMetadata,
)
from adapter.wire.openai.chat_answer import (
    ChoiceLogprobs,
    CompletionTokensDetails,
    CompletionUsage,
    PromptTokensDetails,
    TokenLogprob,
    TopLogprob,
)
from adapter.wire.openai.chat_request import ExtraContent, GoogleExtra, ImageOutput, ImageUrl
from adapter.wire.surrogates import REPLACED

FINISH_REASONS: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "PUP_LIMITED_DISABLED": "content_filter",
}
"""Gemini's reasons that have an equivalent (google-genai 3.4.0, `FinishReason`)."""

FAILURES = {
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MALFORMED_RESPONSE",
    "MISSING_THOUGHT_SIGNATURE",
}
"""Reasons that mean the answer is broken: an error, never a `stop` (github.com/BerriAI/litellm/issues/16651)."""

UNSPECIFIED = ("", "BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED")


OPAQUE = "OpenAI has no place for it: in extra_content, and sent back to Gemini"
UNKNOWN = "unknown: passed on in extra_content"
ONE_LEGACY = "the deprecated function_call holds one call"


def unknown_notes(unknown: Mapping[str, msgspec.Raw]) -> list[Note]:
    """Return the notes on what decoding an answer found: fields that no Struct names, halves of characters."""
    return [unknown_note(path, value) for path, value in unknown.items()]


def lost_of_answer(unknown: Mapping[str, msgspec.Raw]) -> list[Note]:
    """Return notes on unknown fields and replaced characters, for answers that have no place for them."""
    lost = "Gemini's answer has a field that this one has no place for"
    return [
        unknown_note(path, value) if value is REPLACED else Note(path, Fate.DROPPED, "answer-detail-dropped", lost)
        for path, value in unknown.items()
    ]


def unknown_note(path: str, value: msgspec.Raw) -> Note:
    """Return the note on an unknown field or a replaced character."""
    if value is REPLACED:
        return Note(path, Fate.APPROXIMATED, "character-replaced", HALF)
    return Note(path, Fate.APPROXIMATED, "answer-detail-moved", UNKNOWN)


def call_id(stamp: Stamp, choice: int, number: int) -> str:
    """Return `call_` and 24 characters of base64url; the same in a stream and in a whole answer."""
    # 18 bytes are 24 characters of base64 without padding.
    digest = blake2b(f"{stamp.seed}:{choice}:{number}".encode(), digest_size=18).digest()
    return "call_" + base64.urlsafe_b64encode(digest).decode()


def unwrap_json_call(part: Part, call: FunctionCall, context: Context) -> Part | None:
    """Return the text that a call of the JSON function stands for (models without JSON mode beside functions)."""
    if not needs_json_tool(context) or call.name != json_tool_name(context):
        return None
    text = msgspec.json.format(bytes(call.args), indent=-1).decode() if present(call.args) else "{}"
    return Part(text=text, thought_signature=part.thought_signature)


MAX_CHOICES = 128
"""The most choices that clients take (openai-node 7.57, `MAX_STREAM_CHOICES`)."""


def by_index(candidates: list[Candidate]) -> list[tuple[int, Candidate]]:
    """Return candidates by index, lowest first. Vertex AI leaves out an index of 0, older models all of them.

    Raises `AnswerError` for an index that cannot be one.
    """
    if len(candidates) == 1 and not candidates[0].index:
        return [(0, candidates[0])]
    used = {one.index for one in candidates}
    free = (index for index in range(len(candidates)) if index not in used)
    pairs = [(next(free) if one.index is None else one.index, one) for one in candidates]
    pairs.sort(key=lambda pair: pair[0])
    indexes = [index for index, _ in pairs]
    if indexes and (indexes[0] < 0 or indexes[-1] >= MAX_CHOICES or len(set(indexes)) < len(indexes)):
        raise AnswerError(502, "malformed_response", f"Gemini numbered its candidates {indexes}.")
    return pairs


def run_by_gemini(parts: Iterable[Part], context: Context) -> set[str]:
    """Return the names of functions that Gemini itself called and answered (MCP servers); the client must not."""
    answered: set[str] = set()
    for part in parts:
        if part.function_response is not None:
            answered.add(part.function_response.name or "")
    return answered - set(toolbox(context).declared) if answered else answered


def answered_call(
    part: Part, call: FunctionCall, context: Context, stamp: Stamp, place: tuple[int, int]
) -> AnsweredCall:
    """Return a function call under the client's names and types; `place` is (choice, number of the call in it)."""
    name = call.name or ""
    declared = toolbox(context).declared.get(name) or Declared(name, "function", ABSENT)
    id_ = call_id(stamp, *place)
    if context.options.stateless_ids and part.thought_signature:
        id_ = signatures.stateless_id(id_, part.thought_signature)
    arguments = arguments_of(call, declared, context)
    return AnsweredCall(id_, declared.name, declared.kind, arguments, part.thought_signature or None, call.id or None)


def arguments_of(call: FunctionCall, declared: Declared, context: Context) -> str:
    """Return arguments as OpenAI's string of JSON; a custom tool's as its plain input."""
    if not present(call.args):
        return "" if declared.kind == "custom" else "{}"
    if declared.kind == "custom":
        return _input_of(load_arguments(call.args))
    if context.options.schema == "openapi" and present(declared.parameters):
        restored = encode(schema_openapi.restore(load_arguments(call.args), declared.parameters)).decode()
        return with_whole_numbers(restored, declared.parameters)
    text = msgspec.json.format(bytes(call.args), indent=-1).decode()
    if present(declared.parameters):
        text = with_whole_numbers(text, declared.parameters)
    return text if text.startswith("{") else read_arguments(text).text


def load_arguments(args: msgspec.Raw) -> Any:
    """Return the value of a call's arguments. Raises `AnswerError` for JSON that no decoder takes, such as 1e999."""
    try:
        return orjson.loads(bytes(args))
    except orjson.JSONDecodeError:
        message = "Gemini called a function with arguments that cannot be read."
        raise AnswerError(502, "malformed_function_call", message) from None


def _input_of(args: Any) -> str:
    """Return a custom tool's input: the one argument that it was declared with, or whatever arguments there are."""
    value = args["input"] if isinstance(args, dict) and set(args) == {"input"} else args
    return value if isinstance(value, str) else encode(value).decode()


def call_extra(call: AnsweredCall) -> dict[str, dict[str, Any]] | None:
    """Return the signature at the place where Google's own OpenAI endpoint puts it."""
    return {"google": {"thought_signature": call.signature}} if call.signature else None


def finish_reason(reason: str | None, has_calls: bool, legacy: bool) -> tuple[FinishReason, str | None]:
    """Return OpenAI's finish reason, and why it is only an approximation, if it is one.

    Only STOP becomes `tool_calls`: arguments cut by MAX_TOKENS must not be executed
    (github.com/NousResearch/hermes-agent/pull/43478).
    """
    mapped = FINISH_REASONS.get(reason or "")
    if mapped in ("stop", None) and has_calls:
        mapped = "function_call" if legacy else "tool_calls"
        return mapped, None if reason == "STOP" else f"Gemini's reason was {reason}"
    if mapped is None:
        return "stop", f"Gemini's reason was {reason}"
    return mapped, None if reason in ("STOP", "MAX_TOKENS") else f"Gemini's reason was {reason}"


def check_finish(candidate: Candidate, produced: bool) -> None:
    """Raise `AnswerError` for an answer that is broken, or that is empty and ended for an unknown reason."""
    reason = candidate.finish_reason or ""
    unknown = bool(reason) and reason not in FINISH_REASONS
    if reason in FAILURES or (unknown and not produced):
        message = candidate.finish_message or f"Gemini ended its answer with {reason}."
        raise AnswerError(502, reason.lower(), message)


def empty_answer() -> AnswerError:
    """Return the error for a candidate with neither content nor an end: another attempt may succeed."""
    return AnswerError(502, "empty_answer", "Gemini answered with nothing in it.", retry=True)


def block_reason(response: GenerateContentResponse) -> str | None:
    """Return why the prompt was blocked: a block reason and no candidates (HTTP 200)."""
    feedback = response.prompt_feedback
    if feedback is None or (feedback.block_reason or "") in UNSPECIFIED or response.candidates:
        return None
    return feedback.block_reason


def block_message(response: GenerateContentResponse) -> str | None:
    """Return Gemini's words about a block, if any."""
    return response.prompt_feedback.block_reason_message if response.prompt_feedback is not None else None


def check_block(response: GenerateContentResponse) -> None:
    """Raise `AnswerError` for a blocked prompt."""
    if (reason := block_reason(response)) is not None:
        raise policy_error(reason, block_message(response))


def refusal_text(reason: str, message: str | None) -> str:
    """Return the text of a refusal."""
    return message or f"Gemini blocked the request: {reason}."


def missing_choices(got: int, wanted: int | None) -> list[Note]:
    """Return the note on an answer that has fewer choices than were asked for."""
    if got >= (wanted or 1):
        return []
    return [Note("candidates", Fate.DROPPED, "choices-missing", f"{got} of {wanted} choices came")]


def policy_error(reason: str, message: str | None) -> AnswerError:
    """Return the error for a blocked prompt, for operators who want an error."""
    return AnswerError(400, "content_policy_violation", refusal_text(reason, message))


_COLLECTION = re.compile(r"(?:publishers/[^/]+/)?models/")
_VERSION = re.compile(r"(?:-preview)?(?:-\d[\d-]*)?\Z")


def another_model(version: str | None, model: str) -> list[Note]:
    """Return the note on an answer by another model: a shut-down model's successor, or a relay's choice.

    A version of the model is no other one, an alias that ends in -latest promises none, and a tuned model has a name of
    its own.
    """
    if not version or version == model:
        return []
    wanted, answered = _name_of(model), _name_of(version)
    if (
        answered == wanted
        or "/" in wanted
        or wanted.endswith("-latest")
        or _VERSION.sub("", answered) == _VERSION.sub("", wanted)
    ):
        return []
    return [Note("modelVersion", Fate.APPROXIMATED, "model-substituted", f"{answered} answered for {wanted}")]


def _name_of(model: str) -> str:
    """Return a model's own name, without the collection that it is in and its settings."""
    return _COLLECTION.sub("", model, count=1).partition("+")[0]


def tokens_of_modality(details: list[ModalityTokenCount], modality: str) -> int:
    """Return how many tokens of a count by modality are of one."""
    return sum(item.token_count or 0 for item in details if item.modality == modality)


def unknown_usage(metadata: UsageMetadata | None) -> list[Note]:
    """Return the note on an answer without token counts: clients add these up."""
    if metadata is not None:
        return []
    return [Note("usageMetadata", Fate.INJECTED, "usage-unknown", "Gemini told no tokens: counted as zero")]


def usage(metadata: UsageMetadata) -> CompletionUsage:
    """Return token counts that add up: thoughts count as completion, tool use as prompt.

    A prompt with media by URL may have no count of its own: it is what is left of the total. Relays have been seen to
    send negative counts.
    """
    thoughts = max(0, metadata.thoughts_token_count or 0)
    completion = max(0, metadata.candidates_token_count or 0) + thoughts
    prompt = max(0, metadata.prompt_token_count or 0) + max(0, metadata.tool_use_prompt_token_count or 0)
    if metadata.prompt_token_count is None and metadata.total_token_count is not None:
        prompt = max(prompt, metadata.total_token_count - completion)
    prompt_details = PromptTokensDetails(
        cached_tokens=max(0, metadata.cached_content_token_count or 0), audio_tokens=0, cache_write_tokens=0
    )
    if details := metadata.prompt_tokens_details:
        prompt_details.audio_tokens, prompt_details.text_tokens = (
            tokens_of_modality(details, "AUDIO"),
            tokens_of_modality(details, "TEXT"),
        )
        prompt_details.image_tokens = tokens_of_modality(details, "IMAGE")
    completion_details = CompletionTokensDetails(
        reasoning_tokens=thoughts, audio_tokens=0, accepted_prediction_tokens=0, rejected_prediction_tokens=0
    )
    if details := metadata.candidates_tokens_details:
        completion_details.audio_tokens, completion_details.text_tokens = (
            tokens_of_modality(details, "AUDIO"),
            tokens_of_modality(details, "TEXT"),
        )
    return CompletionUsage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        prompt_tokens_details=prompt_details,
        completion_tokens_details=completion_details,
    )


def service_tier(served_by: str) -> str | None:
    """Return the tier that served the request, under OpenAI's name."""
    return TIERS.get(served_by.lower())


def logprobs(result: LogprobsResult) -> ChoiceLogprobs | None:
    """Log probabilities, with the UTF-8 bytes that OpenAI adds."""
    if not result.chosen_candidates:
        return None
    tops = result.top_candidates or []
    content = [
        _token(chosen, (tops[index].candidates if index < len(tops) else None) or [])
        for index, chosen in enumerate(result.chosen_candidates)
    ]
    return ChoiceLogprobs(content=content, refusal=None)


LOWEST = -9_999.0
"""OpenAI's log probability of a token that was not among the likely ones (API reference, chat completions)."""


def _finite(logprob: float | None) -> float:
    """Replace NaN and infinities, which protobuf's JSON writes as texts and OpenAI's JSON does not have."""
    value = logprob or 0.0
    return value if math.isfinite(value) else LOWEST


def _token(chosen: LogprobsCandidate, tops: list[LogprobsCandidate]) -> TokenLogprob:
    token, logprob = chosen.token or "", _finite(chosen.log_probability)
    alternatives = [
        TopLogprob(token=top.token or "", logprob=_finite(top.log_probability), bytes=list((top.token or "").encode()))
        for top in tops
    ]
    return TokenLogprob(token=token, logprob=logprob, bytes=list(token.encode()), top_logprobs=alternatives)


def lost_logprobs(result: LogprobsResult) -> list[Note]:
    """Return notes on the log probabilities that are lost."""
    tops = [one for top in result.top_candidates or () for one in top.candidates or ()]
    chosen = result.chosen_candidates or []
    lists = {"chosenCandidates": chosen, "topCandidates[].candidates": tops}
    endless = [
        Note(f"logprobsResult.{name}[].logProbability", Fate.APPROXIMATED, "logprob-not-finite", f"told as {LOWEST}")
        for name, tokens in lists.items()
        if not all(math.isfinite(token.log_probability or 0.0) for token in tokens)
    ]
    return endless + [
        Note(f"logprobsResult.{name}[].tokenId", Fate.DROPPED, "token-id-dropped", "OpenAI names tokens by their text")
        for name, tokens in lists.items()
        if any(token.token_id is not None for token in tokens)
    ]


def image_output(part: Part, number: int) -> ImageOutput:
    """Return an image as a data URL, with its signature."""
    signature = ExtraContent(google=GoogleExtra(thought_signature=part.thought_signature))
    return ImageOutput(
        type="image_url",
        image_url=ImageUrl(url=image_url(part)),
        index=number,
        extra_content=signature if part.thought_signature else None,
    )
