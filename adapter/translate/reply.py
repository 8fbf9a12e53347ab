"""What chat and responses share on the way back: kinds of parts, calls, finish reasons, usage, citations."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import msgspec
import orjson

from adapter.translate import schema, signatures
from adapter.translate.context import Context, Stamp
from adapter.translate.errors import AnswerError
from adapter.translate.notes import Fidelity, Note
from adapter.translate.rules import absent
from adapter.translate.tools import JSON_TOOL, Declared, toolbox
from adapter.wire.base import ABSENT, decoder, encode, present
from adapter.wire.gemini.content import Blob, FunctionCall, Part
from adapter.wire.gemini.generate import (
    Candidate,
    GenerateContentResponse,
    GroundingMetadata,
    GroundingSupport,
    LogprobsResult,
    ModalityTokenCount,
    UsageMetadata,
)
from adapter.wire.openai.chat import (
    Annotation,
    ChoiceLogprobs,
    CompletionTokensDetails,
    CompletionUsage,
    ExtraContent,
    GoogleExtra,
    ImageOutput,
    ImageUrl,
    PromptTokensDetails,
    TokenLogprob,
    TopLogprob,
    UrlCitation,
)
from adapter.wire.signatures import Issued, Signature

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]

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


class Kind(Enum):
    """What a part of an answer is to the client."""

    TEXT = auto()
    THOUGHT = auto()
    CALL = auto()
    IMAGE = auto()
    AUDIO = auto()
    OPAQUE = auto()
    EMPTY = auto()


def kind_of(part: Part) -> Kind:
    """The kind of a part; parts that OpenAI's shape has no place for are opaque."""
    if part.text is not None:
        if not part.text:
            return Kind.EMPTY
        return Kind.THOUGHT if part.thought else Kind.TEXT
    if part.function_call is not None:
        return Kind.CALL
    if part.inline_data is not None and not part.thought:
        family = (part.inline_data.mime_type or "").partition("/")[0]
        return {"image": Kind.IMAGE, "audio": Kind.AUDIO}.get(family, Kind.OPAQUE)
    return Kind.OPAQUE if any(not absent(getattr(part, name)) for name in _DATA) else Kind.EMPTY


_DATA = (
    "inline_data",
    "file_data",
    "function_response",
    "executable_code",
    "code_execution_result",
    "tool_call",
    "tool_response",
    "audio_transcription",
)


class AnsweredCall(NamedTuple):
    """A call of the answer, as the client sees it, and what to remember of it."""

    id: str
    name: str
    kind: Literal["function", "custom", "legacy"]
    arguments: str
    signature: str | None
    gemini_id: str | None


def call_id(stamp: Stamp, choice: int, number: int) -> str:
    """`call_` and 24 characters of base64url; the same for a stream and for the whole."""
    digest = blake2b(f"{stamp.seed}:{choice}:{number}".encode(), digest_size=18).digest()
    return "call_" + base64.urlsafe_b64encode(digest).decode()


def is_json_answer(call: FunctionCall, context: Context) -> bool:
    """Whether the call is the answer of a model that cannot do JSON mode beside functions."""
    return call.name == JSON_TOOL and context.request.response_format is not None


def answered_call(
    part: Part, call: FunctionCall, context: Context, stamp: Stamp, place: tuple[int, int]
) -> AnsweredCall:
    """A function call under the client's names and types; `place` is (choice, number of the call in it)."""
    name = call.name or ""
    declared = toolbox(context).declared.get(name) or Declared(name, "function", ABSENT)
    id_ = call_id(stamp, *place)
    if context.options.stateless_ids and part.thought_signature:
        id_ = signatures.stateless_id(id_, part.thought_signature)
    arguments = arguments_of(call, declared, context)
    return AnsweredCall(id_, declared.name, declared.kind, arguments, part.thought_signature or None, call.id or None)


def arguments_of(call: FunctionCall, declared: Declared, context: Context) -> str:
    """Arguments as OpenAI's string of JSON; a custom tool's as its plain input."""
    if not present(call.args):
        return "" if declared.kind == "custom" else "{}"
    if declared.kind == "custom":
        value = orjson.loads(bytes(call.args)).get("input", "")
        return value if isinstance(value, str) else orjson.dumps(value).decode()
    if context.options.schema == "openapi" and present(declared.parameters):
        return orjson.dumps(schema.restore(orjson.loads(bytes(call.args)), declared.parameters)).decode()
    return msgspec.json.format(bytes(call.args), indent=-1).decode()


def finish_reason(reason: str | None, has_calls: bool, legacy: bool) -> tuple[FinishReason, str | None]:
    """OpenAI's finish reason, and why it is only an approximation, if it is one.

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
    """Raise `AnswerError` for an answer that is broken, or that ended for no known reason with nothing in it."""
    reason = candidate.finish_reason or ""
    unknown = bool(reason) and reason not in FINISH_REASONS
    if reason in FAILURES or (unknown and not produced):
        message = candidate.finish_message or f"Gemini ended its answer with {reason}."
        raise AnswerError(502, reason.lower(), message)


def blocked(response: GenerateContentResponse) -> str | None:
    """Why the prompt was blocked: a block reason and no candidates (HTTP 200)."""
    feedback = response.prompt_feedback
    if feedback is None or (feedback.block_reason or "") in UNSPECIFIED or response.candidates:
        return None
    return feedback.block_reason


def refusal_text(reason: str, message: str | None) -> str:
    """A refusal in words."""
    return message or f"Gemini blocked the request: {reason}."


def policy_error(reason: str, message: str | None) -> AnswerError:
    """A blocked prompt as an error, where the operator wants one."""
    return AnswerError(400, "content_policy_violation", refusal_text(reason, message))


def _by_modality(details: list[ModalityTokenCount] | None, modality: str) -> int | None:
    return sum(item.token_count or 0 for item in details if item.modality == modality) if details else None


def usage(metadata: UsageMetadata | None) -> CompletionUsage | None:
    """Tokens that add up: thoughts count as completion, tool use as prompt."""
    if metadata is None:
        return None
    thoughts = metadata.thoughts_token_count or 0
    prompt = (metadata.prompt_token_count or 0) + (metadata.tool_use_prompt_token_count or 0)
    completion = (metadata.candidates_token_count or 0) + thoughts
    asked, given = metadata.prompt_tokens_details, metadata.candidates_tokens_details
    return CompletionUsage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        prompt_tokens_details=PromptTokensDetails(
            cached_tokens=metadata.cached_content_token_count or 0,
            audio_tokens=_by_modality(asked, "AUDIO") or 0,
            cache_write_tokens=0,
            text_tokens=_by_modality(asked, "TEXT"),
            image_tokens=_by_modality(asked, "IMAGE"),
        ),
        completion_tokens_details=CompletionTokensDetails(
            reasoning_tokens=thoughts,
            audio_tokens=_by_modality(given, "AUDIO") or 0,
            accepted_prediction_tokens=0,
            rejected_prediction_tokens=0,
            text_tokens=_by_modality(given, "TEXT"),
        ),
    )


def usage_extra(metadata: UsageMetadata | None) -> UsageMetadata | None:
    """The metadata itself, where OpenAI's usage has no place for all of it."""
    if metadata is None:
        return None
    details = [*(metadata.prompt_tokens_details or ()), *(metadata.candidates_tokens_details or ())]
    other = any(item.modality not in ("TEXT", "AUDIO", "IMAGE") for item in details)
    image_out = any(item.modality == "IMAGE" for item in metadata.candidates_tokens_details or ())
    unmapped = ("tool_use_prompt_token_count", "cache_tokens_details", "tool_use_prompt_tokens_details", "traffic_type")
    return metadata if other or image_out or any(getattr(metadata, name) for name in unmapped) else None


_TIERS = {"standard": "default", "flex": "flex", "priority": "priority"}


def service_tier(metadata: UsageMetadata | None) -> str | None:
    """The tier that served the request."""
    return _TIERS.get((metadata.service_tier or "").lower()) if metadata else None


def logprobs(result: LogprobsResult | None) -> ChoiceLogprobs | None:
    """Log probabilities, with the UTF-8 bytes that OpenAI adds."""
    if result is None or not result.chosen_candidates:
        return None
    tops = result.top_candidates or []
    content = [
        TokenLogprob(
            token=chosen.token or "",
            logprob=chosen.log_probability or 0.0,
            bytes=list((chosen.token or "").encode()),
            top_logprobs=[
                TopLogprob(
                    token=top.token or "", logprob=top.log_probability or 0.0, bytes=list((top.token or "").encode())
                )
                for top in (tops[index].candidates or () if index < len(tops) else ())
            ],
        )
        for index, chosen in enumerate(result.chosen_candidates)
    ]
    return ChoiceLogprobs(content=content, refusal=None)


class Citations(NamedTuple):
    """Citations as OpenAI has them, and notes on those that could not be placed."""

    annotations: list[Annotation]
    notes: list[Note]


def citations(raw: msgspec.Raw, texts: Sequence[str]) -> Citations:
    """Grounding supports as url_citations; `texts` are the answer's parts, "" for those that are not visible text.

    Gemini counts UTF-8 bytes inside one part, OpenAI characters of the whole text
    (github.com/google-gemini/gemini-cli/issues/29039).
    """
    found = Citations([], [])
    if not present(raw):
        return found
    metadata: GroundingMetadata = decoder(GroundingMetadata).decode(raw)
    sources = [chunk.web or chunk.maps or chunk.retrieved_context for chunk in metadata.grounding_chunks or ()]
    for number, support in enumerate(metadata.grounding_supports or ()):
        span = _span(support, texts)
        if span is None:
            path = f"groundingMetadata.groundingSupports[{number}]"
            found.notes.append(Note(path, Fidelity.DROPPED, "its segment is not in the answer's text"))
            continue
        for index in support.grounding_chunk_indices or ():
            source = sources[index] if 0 <= index < len(sources) else None
            if source is not None:
                citation = UrlCitation(
                    start_index=span[0], end_index=span[1], url=source.uri or "", title=source.title or ""
                )
                found.annotations.append(Annotation(type="url_citation", url_citation=citation))
    return found


def _span(support: GroundingSupport, texts: Sequence[str]) -> tuple[int, int] | None:
    """Where a segment stands in the joined text, in characters."""
    segment = support.segment
    if segment is None:
        return None
    whole = "".join(texts)
    if 0 <= segment.part_index < len(texts):
        offset = sum(map(len, texts[: segment.part_index]))
        data = texts[segment.part_index].encode()
        start = len(data[: segment.start_index].decode(errors="ignore"))
        end = len(data[: segment.end_index].decode(errors="ignore"))
        if not segment.text or texts[segment.part_index][start:end] == segment.text:
            return offset + start, offset + end
    at = whole.find(segment.text) if segment.text else -1
    return (at, at + len(segment.text)) if at >= 0 else None


_CANDIDATE_EXTRAS = (
    "safety_ratings",
    "citation_metadata",
    "grounding_metadata",
    "grounding_attributions",
    "url_context_metadata",
    "avg_logprobs",
    "token_count",
    "continuation_token",
)


def candidate_extras(candidate: Candidate) -> dict[str, Any]:
    """What a candidate says beyond its content, by Gemini's names in snake case."""
    extras = {name: compact(value) for name in _CANDIDATE_EXTRAS if not absent(value := getattr(candidate, name))}
    if candidate.finish_reason not in (None, "STOP", "MAX_TOKENS"):
        extras["finish_reason"] = candidate.finish_reason
    if candidate.finish_message is not None:
        extras["finish_message"] = candidate.finish_message
    return extras


def response_extras(response: GenerateContentResponse, unknown: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
    """What an answer says beyond its candidates."""
    extras: dict[str, Any] = {}
    for name in ("response_id", "model_status", "create_time"):
        if not absent(value := getattr(response, name)):
            extras[name] = compact(value)
    if response.prompt_feedback is not None:
        extras["prompt_feedback"] = response.prompt_feedback
    if (whole := usage_extra(response.usage_metadata)) is not None:
        extras["usage_metadata"] = whole
    if unknown:
        extras["unknown"] = {path: compact(value) for path, value in unknown.items()}
    return extras


def compact(value: Any) -> Any:
    """Free-form JSON on one line: as it stands it may hold line ends, which would break an event stream."""
    return msgspec.Raw(msgspec.json.format(bytes(value), indent=-1)) if isinstance(value, msgspec.Raw) else value


def google(extras: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
    """`extra_content`, or nothing."""
    return {"google": extras} if extras else None


def call_extra(call: AnsweredCall) -> dict[str, dict[str, Any]] | None:
    """The signature where Google's own OpenAI endpoint puts it."""
    return {"google": {"thought_signature": call.signature}} if call.signature else None


_ORDER = {Kind.TEXT: 0, Kind.IMAGE: 1, Kind.CALL: 2}


def image_output(part: Part, number: int) -> ImageOutput:
    """An image as a data URL, with its signature."""
    blob = part.inline_data or Blob()
    signature = ExtraContent(google=GoogleExtra(thought_signature=part.thought_signature))
    return ImageOutput(
        type="image_url",
        image_url=ImageUrl(url=f"data:{blob.mime_type};base64,{blob.data}"),
        index=number,
        extra_content=signature if part.thought_signature else None,
    )


def needs_carrier(parts: Iterable[Part]) -> bool:
    """Whether OpenAI's shape loses something of these parts.

    It keeps texts, then images, then calls, and one signature: of the last text where there are no calls.
    """
    highest = 0
    signed = False
    for part in parts:
        kind = kind_of(part)
        if part.thought or kind == Kind.EMPTY:
            continue
        if kind not in _ORDER or _ORDER[kind] < highest or (signed and kind in (Kind.TEXT, Kind.CALL)):
            return True
        highest = _ORDER[kind]
        signed = signed or _is_signed_text(part)
    return False


def carrier(parts: list[Part]) -> msgspec.Raw:
    """An answer's own parts, without its thoughts."""
    return msgspec.Raw(encode([part for part in parts if not part.thought or part.thought_signature]))


def issue(
    parts: list[Part], calls: list[AnsweredCall], text: str, context: Context
) -> tuple[list[Issued], msgspec.Raw | None, str | None]:
    """What to store for one answer; also its carrier and its text's signature, for the answer itself."""
    before = signatures.before(context.request, len(context.request.messages))
    origin = context.options.upstream
    kept = carrier(parts) if needs_carrier(parts) else None
    signed = next((part.thought_signature for part in reversed(parts) if _is_signed_text(part)), None)
    issued: list[Issued] = []
    for number, call in enumerate(calls):
        whole = kept if kept is not None and number == 0 else ABSENT
        record = Signature(value=call.signature or "", id=call.gemini_id or "", origin=origin, parts=whole)
        if call.signature or call.gemini_id or present(whole):
            key = signatures.call_hash(call.name, call.arguments, text, before)
            issued += [Issued(signatures.call_key(call.id), record), Issued(key, record)]
    if not calls and (signed or kept is not None):
        record = Signature(value=signed or "", origin=origin, parts=kept if kept is not None else ABSENT)
        issued.append(Issued(signatures.text_hash(text, before), record))
    issued += [image for part in parts if (image := _issued_image(part, origin)) is not None]
    return issued, kept, signed


def issue_by_id(call: AnsweredCall, context: Context) -> list[Issued]:
    """What to store before a streamed call is sent; what else belongs to it follows at the end."""
    if not (call.signature or call.gemini_id):
        return []
    record = Signature(value=call.signature or "", id=call.gemini_id or "", origin=context.options.upstream)
    return [Issued(signatures.call_key(call.id), record)]


def _is_signed_text(part: Part) -> bool:
    return part.text is not None and bool(part.thought_signature) and not part.thought


def _issued_image(part: Part, origin: str) -> Issued | None:
    blob = part.inline_data
    if not isinstance(blob, Blob) or not part.thought_signature or not (blob.mime_type or "").startswith("image/"):
        return None
    return Issued(signatures.image_hash(blob.data or ""), Signature(value=part.thought_signature, origin=origin))
