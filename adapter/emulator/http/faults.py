"""Failures on demand: the model `gemini-3.5-flash+fault-NAME` answers with the fault NAME.

finish reasons       every FinishReason of the API in lower case with dashes: `safety`, `recitation`, `spii`,
                     `malformed-function-call`, `unexpected-tool-call`, `missing-thought-signature`, ...: in a
                     stream after half of the answer, alone otherwise; `unknown-finish` is one nobody has heard of
answers in parts     `continuation` (two calls: the first ends with CONTINUATION and a token, the second goes on),
                     `continuation-4` (four), `continuation-stuck` (always the same token), `continuation-lost`
                     (a 503 to every call with a token)
blocked prompts      `blocked` (SAFETY), `blocked-other`, `blocked-blocklist`, `blocked-prohibited-content`,
                     `blocked-image-safety`: HTTP 200 without candidates
odd bodies           `no-candidates`, `empty-candidates`, `empty-candidate`, `empty-content`, `no-parts` (STOP with
                     nothing said), `empty-part`, `no-usage`, `late-usage` (only in the last chunk),
                     `big-signature` (1 MB), `not-json` (HTTP 200 with text), `leaked-thought` (one that comes as
                     text, behind THOUGHT:)
errors first         `400`, `429` (with RetryInfo), `429-day` (a daily quota), `429-bare`, `500`, `503`, `504`,
                     `499`, `html-502`, `html-404`, `array-error` (429 in a one-element array)
broken streams       `tail-error` (a bare JSON error after the first half), `tail-event` (the same as `data:`),
                     `no-finish` (ends without finishReason), `cut` (connection lost after half of the frames),
                     `cut-event` (lost in the middle of a frame)
network splits       `bytes` (one byte per write), `split-utf8` (inside characters), `split-crlf`,
                     `one-write` (all events at once), `comments` (comment lines between the events)
parallel calls       `calls-apart` (each call of an answer in a chunk of its own)
time                 `slow` (half a second per chunk), `stall` (30 seconds before the first byte), `hang` (60
                     seconds after the first chunk)
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from adapter.emulator.core.errors import TYPE_URL, Refusal
from adapter.emulator.http.wire_form import one_line

MARK = "+fault-"
BIG = 1_000_000

Chunks = list[dict[str, Any]]
Frames = list[bytes]


@dataclass(frozen=True)
class Fault:
    """The fault that a name asks for: refuse, change the responses, change the bytes, or wait."""

    refusal: Refusal | None = None
    page: tuple[int, str, bytes] | None = None
    """Status, content type and body of an answer that does not come from the API, such as a proxy's page."""
    wrapped: bool = False
    reshape: Callable[[Chunks], Chunks] | None = None
    frames: Callable[[Frames], Iterator[bytes]] | None = None
    calls: int = 1
    """The number of calls until the answer is complete."""
    stuck: bool = False
    lost: bool = False
    cut: bool = False
    """The connection is closed before the body is complete."""
    before: float = 0.0
    between: float = 0.0
    after_first: float = 0.0


def split_model(name: str) -> tuple[str, Fault | None]:
    """Return the model's own name and the fault behind it; an unknown fault is part of the name."""
    model, mark, fault = name.partition(MARK)
    return (model, FAULTS[fault]) if mark and fault in FAULTS else (name, None)


def finishing(reason: str, message: str = "", *, keep: bool = False) -> Callable[[Chunks], Chunks]:
    """Return the fault that ends half of an answer with a reason, without content unless `keep`."""

    def reshape(chunks: Chunks) -> Chunks:
        first_half = [without_finish(chunk) for chunk in chunks[: len(chunks) // 2]]
        last = chunks[-1]
        candidate: dict[str, Any] = {"content": last["candidates"][0]["content"]} if keep else {}
        candidate |= {"finishReason": reason, "index": 0} | ({"finishMessage": message} if message else {})
        return [*first_half, last | {"candidates": [candidate]}]

    return reshape


def without_finish(chunk: dict[str, Any]) -> dict[str, Any]:
    """Return the chunk as if more were to come."""
    candidates = [
        {name: value for name, value in candidate.items() if not name.startswith("finish")}
        for candidate in chunk["candidates"]
    ]
    return chunk | {"candidates": candidates}


def block_prompt(reason: str) -> Callable[[Chunks], Chunks]:
    """Return one response for a blocked prompt: no candidates, the prompt's tokens only."""

    def reshape(chunks: Chunks) -> Chunks:
        usage = chunks[-1]["usageMetadata"]
        prompt = usage.get("promptTokenCount", 0)
        counted = {"promptTokenCount": prompt, "totalTokenCount": prompt}
        other_fields = {
            name: value for name, value in chunks[-1].items() if name not in ("candidates", "usageMetadata")
        }
        return [{"promptFeedback": {"blockReason": reason}, "usageMetadata": counted} | other_fields]

    return reshape


def with_candidates(*candidates: dict[str, Any]) -> Callable[[Chunks], Chunks]:
    """Return one response with these candidates alone."""
    return lambda chunks: [chunks[-1] | {"candidates": list(candidates)}]


def drop_field(name: str) -> Callable[[Chunks], Chunks]:
    """Remove a top-level field everywhere."""
    return lambda chunks: [{key: value for key, value in chunk.items() if key != name} for chunk in chunks]


def late_usage(chunks: Chunks) -> Chunks:
    """Leave usage only in the last chunk."""
    return [*drop_field("usageMetadata")(chunks[:-1]), chunks[-1]]


def big_signature(chunks: Chunks) -> Chunks:
    """Put a signature of a megabyte on the last part."""
    parts = chunks[-1]["candidates"][0]["content"].get("parts", [{}])
    parts[-1]["thoughtSignature"] = "A" * BIG
    return chunks


def leaked_thought(chunks: Chunks) -> Chunks:
    """Put a thought before the first text, as a plain text."""
    parts = [part for chunk in chunks for part in chunk["candidates"][0]["content"].get("parts", [])]
    for part in parts:
        if part.get("text") and not part.get("thought"):
            part["text"] = f"THOUGHT: What would be good to say?\n\n{part['text']}"
            break
    return chunks


def calls_apart(chunks: Chunks) -> Chunks:
    """Put parallel calls into consecutive chunks."""
    apart = []
    for chunk in chunks:
        candidate = chunk["candidates"][0]
        calls = candidate["content"].get("parts", [])
        groups = [[part] for part in calls] if len(calls) > 1 and "finishReason" not in candidate else [calls]
        contents = [{"parts": group, "role": "model"} if group else {"role": "model"} for group in groups]
        apart += [chunk | {"candidates": [candidate | {"content": content}]} for content in contents]
    return apart


def no_finish(chunks: Chunks) -> Chunks:
    """Leave out the end."""
    return [without_finish(chunk) for chunk in chunks[: max(1, len(chunks) - 1)]]


def half(frames: Frames) -> Frames:
    """Return the first half, at least one."""
    return frames[: max(1, len(frames) // 2)]


def tail_error(frames: Frames) -> Iterator[bytes]:
    """Yield the error object as it is, without `data:`."""
    yield from half(frames)
    yield one_line(Refusal(499, "The operation was cancelled.").body())


def tail_event(frames: Frames) -> Iterator[bytes]:
    """Yield the error as an event."""
    yield from half(frames)
    yield b"data: " + one_line(overload_refusal().body()) + b"\r\n\r\n"


def cut_event(frames: Frames) -> Iterator[bytes]:
    """Yield half of the frames, and half of the next one."""
    first_half = half(frames)
    yield from first_half
    cut = frames[min(len(first_half), len(frames) - 1)]
    yield cut[: len(cut) // 2]


def each_byte(frames: Frames) -> Iterator[bytes]:
    """Yield one byte per write."""
    yield from (bytes([byte]) for byte in b"".join(frames))


def split_utf8(frames: Frames) -> Iterator[bytes]:
    """Yield pieces that end inside every character of more than one byte."""
    start = 0
    body = b"".join(frames)
    for index, byte in enumerate(body):
        if byte >= 0xC0:
            yield body[start : index + 1]
            start = index + 1
    yield body[start:]


def split_crlf(frames: Frames) -> Iterator[bytes]:
    """Yield pieces that end inside every line end."""
    pieces = b"".join(frames).split(b"\r\n")
    for piece in pieces[:-1]:
        yield from (piece + b"\r", b"\n")
    if pieces[-1]:
        yield pieces[-1]


def one_write(frames: Frames) -> Iterator[bytes]:
    """Yield everything at once."""
    yield b"".join(frames)


def comments(frames: Frames) -> Iterator[bytes]:
    """Yield a comment before each event."""
    for frame in frames:
        yield b": still here\r\n\r\n" + frame


def quota(delay: str, quota_id: str) -> Refusal:
    """Return the error for too many requests, as publicly reported for gemini-cli and others in 2026."""
    metric = "generativelanguage.googleapis.com/generate_content_paid_tier_input_token_count"
    text = (
        "You exceeded your current quota, please check your plan and billing details. For more information on this "
        "error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. To monitor your current usage, head to: "
        f"https://ai.dev/rate-limit. \n* Quota exceeded for metric: {metric}, limit: 10000\n"
        f"Please retry in {delay}."
    )
    violation = {"quotaMetric": metric, "quotaId": quota_id, "quotaValue": "10000"}
    links = [
        {
            "description": "Learn more about Gemini API quotas",
            "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
        }
    ]
    return Refusal(
        429,
        text,
        [
            {"@type": f"{TYPE_URL}Help", "links": links},
            {"@type": f"{TYPE_URL}QuotaFailure", "violations": [violation]},
            {"@type": f"{TYPE_URL}RetryInfo", "retryDelay": delay},
        ],
    )


def overload_refusal() -> Refusal:
    """Return the error of an overloaded model, in its words of 2026."""
    return Refusal(
        503,
        "This model is currently experiencing high demand. Spikes in demand are usually temporary. "
        "Please try again later.",
    )


def internal() -> Refusal:
    """Answer an unexplained internal error."""
    return Refusal(
        500,
        "An internal error has occurred. Please retry or report in "
        "https://developers.generativeai.google/guide/troubleshooting",
    )


def html(code: int, title: str) -> tuple[int, str, bytes]:
    """Return a page of Google's front end."""
    text = (
        "<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n"
        f"  <title>Error {code} ({title})!!1</title>\n"
        f"  <p><b>{code}.</b> <ins>That’s an error.</ins>\n"
    )
    return code, "text/html; charset=UTF-8", text.encode()


FINISH_REASONS = (
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_OTHER",
    "NO_IMAGE",
    "IMAGE_RECITATION",
    "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
    "ESCALATION",
    "PUP_LIMITED_DISABLED",
    "CONTINUATION",
    "MODEL_ARMOR",
    "FINISH_REASON_UNSPECIFIED",
)
"""Gemini's finish reasons but STOP. Each is a fault: an answer of `MODEL+fault-max-tokens` ends with MAX_TOKENS."""

FINISH_MESSAGES = {
    "MALFORMED_FUNCTION_CALL": "Malformed function call: print(default_api.get_weather(city=",
    "UNEXPECTED_TOOL_CALL": "Unexpected tool call: Model tried to call an undeclared function: list_files",
}

FAULTS: dict[str, Fault] = {
    **{
        reason.lower().replace("_", "-"): Fault(reshape=finishing(reason, FINISH_MESSAGES.get(reason, "")))
        for reason in FINISH_REASONS
    },
    "continuation": Fault(calls=2),
    "continuation-4": Fault(calls=4),
    "continuation-stuck": Fault(calls=2, stuck=True),
    "continuation-lost": Fault(calls=2, lost=True),
    "unknown-finish": Fault(reshape=finishing("REASON_OF_THE_FUTURE", keep=True)),
    "blocked": Fault(reshape=block_prompt("SAFETY")),
    **{
        f"blocked-{reason.lower().replace('_', '-')}": Fault(reshape=block_prompt(reason))
        for reason in ("OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY")
    },
    "no-candidates": Fault(reshape=drop_field("candidates")),
    "empty-candidates": Fault(reshape=with_candidates()),
    "empty-candidate": Fault(reshape=with_candidates({})),
    "empty-content": Fault(reshape=with_candidates({"content": {}, "finishReason": "STOP", "index": 0})),
    "no-parts": Fault(reshape=with_candidates({"content": {"role": "model"}, "finishReason": "STOP", "index": 0})),
    "empty-part": Fault(
        reshape=with_candidates({"content": {"parts": [{}], "role": "model"}, "finishReason": "STOP", "index": 0})
    ),
    "no-usage": Fault(reshape=drop_field("usageMetadata")),
    "late-usage": Fault(reshape=late_usage),
    "big-signature": Fault(reshape=big_signature),
    "leaked-thought": Fault(reshape=leaked_thought),
    "calls-apart": Fault(reshape=calls_apart),
    "not-json": Fault(page=(200, "application/json; charset=UTF-8", b"This is not JSON.")),
    "400": Fault(refusal=Refusal(400, "Request contains an invalid argument.")),
    "429": Fault(refusal=quota("2s", "GenerateContentPaidTierInputTokensPerModelPerMinute")),
    "429-day": Fault(refusal=quota("40.025771073s", "GenerateRequestsPerDayPerProjectPerModel-FreeTier")),
    "429-bare": Fault(refusal=Refusal(429, "Resource has been exhausted (e.g. check quota).")),
    "499": Fault(refusal=Refusal(499, "The operation was cancelled.")),
    "500": Fault(refusal=internal()),
    "503": Fault(refusal=overload_refusal()),
    "504": Fault(refusal=Refusal(504, "Deadline expired before operation could complete.")),
    "html-502": Fault(page=html(502, "Server Error")),
    "html-404": Fault(page=html(404, "Not Found")),
    "array-error": Fault(refusal=quota("2s", "GenerateContentPaidTierInputTokensPerModelPerMinute"), wrapped=True),
    "no-finish": Fault(reshape=no_finish),
    "tail-error": Fault(frames=tail_error),
    "tail-event": Fault(frames=tail_event),
    "cut": Fault(frames=lambda frames: iter(half(frames)), cut=True),
    "cut-event": Fault(frames=cut_event, cut=True),
    "bytes": Fault(frames=each_byte),
    "split-utf8": Fault(frames=split_utf8),
    "split-crlf": Fault(frames=split_crlf),
    "one-write": Fault(frames=one_write),
    "comments": Fault(frames=comments),
    "slow": Fault(between=0.5),
    "stall": Fault(before=30.0),
    "hang": Fault(after_first=60.0),
}
