"""`extra_content.google`: the fields that only Gemini's answers have, under Gemini's names in snake_case."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from adapter.translate.core.notes import Fate, Note
from adapter.translate.core.rules import Fields, absent, camel
from adapter.wire.base import decoder, encode
from adapter.wire.gemini.generate import Candidate, GenerateContentResponse, ModalityTokenCount, UsageMetadata
from adapter.wire.surrogates import REPLACED

S = TypeVar("S", bound=msgspec.Struct)

OF_CANDIDATES = (
    "safety_ratings",
    "citation_metadata",
    "grounding_metadata",
    "grounding_attributions",
    "url_context_metadata",
    "avg_logprobs",
    "token_count",
    "continuation_token",
)
UNFINISHED = "CONTINUATION"
"""The finish reason of an answer that another call can continue."""

OF_RESPONSES = ("response_id", "model_status", "create_time", "prompt_feedback")

_OF_CANDIDATES = Fields(Candidate, OF_CANDIDATES)
_OF_RESPONSES = Fields(GenerateContentResponse, OF_RESPONSES)

GATHERED_OF_CANDIDATES = Fields(Candidate, (*OF_CANDIDATES, "finish_reason", "finish_message"))
GATHERED_OF_RESPONSES = Fields(GenerateContentResponse, (*OF_RESPONSES, "model_version"))
"""The fields that are merged over all events of a stream."""

RUNNING = {"usage_metadata", "avg_logprobs", "token_count", "continuation_token"}
"""Fields that every event of a stream repeats: the last value counts."""

LISTS = {"citationSources", "citations"}
"""Lists inside free-form fields to which every event of a stream adds elements."""

TIERS = {"standard": "default", "flex": "flex", "priority": "priority"}
"""Service tiers under OpenAI's names."""

_COUNTED_MODALITIES = {"TEXT", "AUDIO"}
_COUNTED_PROMPT_MODALITIES = {*_COUNTED_MODALITIES, "IMAGE"}
"""Modalities that OpenAI's usage counts separately, in answers and in prompts."""

_UNMAPPED = attrgetter(
    "tool_use_prompt_token_count", "cache_tokens_details", "tool_use_prompt_tokens_details", "traffic_type"
)
_NONE_UNMAPPED = _UNMAPPED(UsageMetadata())
"""These fields of a usage without them, to be compared at once."""


def from_candidate(candidate: Candidate) -> dict[str, Any]:
    """Return a candidate's fields beyond its content."""
    extras = {name: compact(value) for name, value in _OF_CANDIDATES.list_sent(candidate)}
    if candidate.finish_reason != UNFINISHED:
        extras.pop("continuation_token", None)
    if candidate.finish_reason not in (None, "STOP", "MAX_TOKENS"):
        extras["finish_reason"] = candidate.finish_reason
    if candidate.finish_message is not None:
        extras["finish_message"] = candidate.finish_message
    result = candidate.logprobs_result
    if result is not None and result.log_probability_sum is not None:
        extras["log_probability_sum"] = result.log_probability_sum
    return extras


def needless_token(candidate: Candidate) -> list[Note]:
    """Return a note on a continuation token in a complete answer; some streams send tokens before their end."""
    if candidate.continuation_token is None or candidate.finish_reason == UNFINISHED:
        return []
    return [Note("continuationToken", Fate.DROPPED, "continuation-token-dropped", "the answer is complete without it")]


def from_response(
    response: GenerateContentResponse, unknown: Mapping[str, msgspec.Raw], model: str | None
) -> dict[str, Any]:
    """Return the fields of an answer other than its candidates and `model`."""
    extras: dict[str, Any] = {}
    if response.response_id is not None:
        extras["response_id"] = response.response_id
    usual = GenerateContentResponse(
        candidates=response.candidates,
        usage_metadata=response.usage_metadata,
        model_version=response.model_version,
        response_id=response.response_id,
    )
    if response != usual:
        extras.update({name: compact(value) for name, value in _OF_RESPONSES.list_sent(response)})
    if says_more(response.usage_metadata):
        extras["usage_metadata"] = response.usage_metadata
    if unknown and (passed_on := {path: compact(value) for path, value in unknown.items() if value is not REPLACED}):
        extras["unknown"] = passed_on
    if response.model_version not in (None, model):
        extras["model_version"] = response.model_version
    return extras


def says_more(usage: UsageMetadata | None) -> bool:
    """Return whether Gemini's usage has counts for which OpenAI's has no fields."""
    if usage is None:
        return False
    if usage.prompt_tokens_details and _has_others(usage.prompt_tokens_details, _COUNTED_PROMPT_MODALITIES):
        return True
    if usage.candidates_tokens_details and _has_others(usage.candidates_tokens_details, _COUNTED_MODALITIES):
        return True
    if usage.service_tier is not None and usage.service_tier.lower() not in TIERS:
        return True
    if _UNMAPPED(usage) != _NONE_UNMAPPED:
        return True
    # The total is the sum of the counts (Generative Language API, UsageMetadata), and another one is told.
    prompt, total = usage.prompt_token_count, usage.total_token_count
    answer = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    return prompt is not None and total is not None and total != prompt + answer


def _has_others(details: list[ModalityTokenCount], modalities: set[str]) -> bool:
    return any(item.modality not in modalities for item in details)


def gather(whole: S, event: S, fields: Fields, below: str) -> list[Note]:
    """Merge an event's fields into those of the stream so far; return notes on values that were replaced."""
    notes: list[Note] = []
    for name, value in fields.list_sent(event):
        before = getattr(whole, name)
        if isinstance(before, msgspec.Raw) and isinstance(value, msgspec.Raw) and not absent(before):
            value, given_way = _join(before, value)
        else:
            given_way = not absent(before) and before != value
        if given_way and name not in RUNNING:
            reason = "told several times: the last one counts"
            notes.append(Note(f"{below}{camel(name)}", Fate.APPROXIMATED, "stream-value-replaced", reason))
        setattr(whole, name, value)
    return notes


def _join(before: msgspec.Raw, value: msgspec.Raw) -> tuple[msgspec.Raw, bool]:
    """Merge two values of a free-form field: objects by member, citations by element, else the later value wins."""
    if before == value:
        return value, False
    try:
        old, new = (msgspec.json.decode(raw) for raw in (before, value))
    except (msgspec.DecodeError, RecursionError):
        # A number that no float holds, or too many levels: nothing that can be looked into.
        return value, True
    if not isinstance(old, dict) or not isinstance(new, dict):
        return value, old != new
    given_way = False
    for key, item in new.items():
        if key in LISTS and isinstance(item, list) and isinstance(old.get(key), list):
            old[key] = old[key] + item
        else:
            given_way |= key in old and not _includes(old[key], item)
            old[key] = item
    return msgspec.Raw(encode(old)), given_way


def _includes(before: Any, later: Any) -> bool:
    """Return whether a later value includes the earlier one: it is equal, or a list that continues it."""
    both_lists = isinstance(before, list) and isinstance(later, list)
    return bool(before == (later[: len(before)] if both_lists else later))


def members(raw: msgspec.Raw) -> dict[str, msgspec.Raw]:
    """Return the members of a free-form object."""
    found: dict[str, msgspec.Raw] = decoder(dict[str, msgspec.Raw]).decode(raw)
    return found


def compact(value: Any) -> Any:
    """Write free-form JSON on one line: a line end would break an event stream."""
    if isinstance(value, msgspec.Struct):
        return compact(msgspec.Raw(encode(value)))
    return msgspec.Raw(msgspec.json.format(bytes(value), indent=-1)) if isinstance(value, msgspec.Raw) else value


def google(extras: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
    """Return `extra_content` with Google's part, or None if that is empty."""
    return {"google": extras} if extras else None
