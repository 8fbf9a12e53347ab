"""/v1/batches: a batch's fields, the lines of its files, rows for Gemini, states of its jobs.

A request of a line becomes one or more rows for Gemini: several where it asks for choices, prompts or inputs that
Gemini answers one by one. Rows are numbered within their job; their numbers are their keys.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from adapter.translate.core.notes import Note, Rejected, unknown_notes
from adapter.translate.files import seconds_of
from adapter.translate.responses.fields import check_tags
from adapter.wire.base import BYTE_ORDER_MARK, encode, present
from adapter.wire.gemini.batches import BatchResult, BatchResultKey, BatchRow
from adapter.wire.gemini.errors import NAMES, Status
from adapter.wire.json_counts import check_depth
from adapter.wire.limits import TooDeep
from adapter.wire.openai.batches import (
    BatchInputTokensDetails,
    BatchLine,
    BatchLineError,
    BatchLineId,
    BatchLineResponse,
    BatchOutputLine,
    BatchOutputTokensDetails,
    BatchRequest,
    BatchUsage,
)
from adapter.wire.surrogates import repair

ENDPOINTS = ("/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/completions")
"""The endpoints whose requests a batch may hold."""

WINDOW = 24 * 3600
"""Seconds of the one completion window that OpenAI has."""

MAX_LINES = 50_000
MAX_BYTES = 200 * 1024 * 1024
"""The limits of a batch (platform.openai.com, Batch API, 2026)."""

_OVER = frozenset(f"BATCH_STATE_{state}" for state in ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"))


class NewBatch(NamedTuple):
    """A batch that is to run. `output_life`: seconds for which its output is kept."""

    metadata: dict[str, str] | None
    output_life: int
    notes: list[Note]


def new_batch(request: BatchRequest, unknown: Iterable[str], max_life: int) -> NewBatch:
    """Read the fields of a batch. Raises `Rejected`."""
    if request.endpoint not in ENDPOINTS:
        raise Rejected("endpoint", "unknown-value", f"batches are served for {', '.join(ENDPOINTS)}")
    if request.completion_window != "24h":
        raise Rejected("completion_window", "unknown-value", "must be 24h")
    metadata: dict[str, str] | None = None
    if present(request.metadata):
        check_tags(request.metadata)
        metadata = msgspec.json.decode(request.metadata, type=dict[str, str])
    notes = unknown_notes(dict.fromkeys(unknown, msgspec.Raw(b"null")))
    life = seconds_of(request.output_expires_after, "output_expires_after", max_life, notes)
    return NewBatch(metadata, life, notes)


class BadLine(Exception):
    """A line that is no request of this batch."""

    def __init__(self, code: str, message: str, custom_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.custom_id = custom_id


def repair_line(line: bytes) -> bytes:
    """Replace halves of characters (lone surrogates), which no decoder takes, and drop a byte order mark."""
    return repair(line.removeprefix(BYTE_ORDER_MARK))[0]


def read_line(line: bytes, endpoint: str) -> BatchLine:
    """Read a line of an input file. Raises `BadLine`."""
    line = repair_line(line)
    try:
        # How deep a decoder can go is another matter at each place from which it is called.
        check_depth(line)
        read = msgspec.json.decode(line, type=BatchLine)
    except (msgspec.ValidationError, TooDeep) as error:
        raise BadLine("invalid_request", f"The line is not a request: {error}", _id_of(line)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadLine("invalid_json_line", f"The line is not JSON: {error}") from None
    if read.method.upper() != "POST":
        raise BadLine("invalid_method", "The method must be POST.", read.custom_id)
    if read.url.rstrip("/") != endpoint:
        raise BadLine("invalid_url", f"The batch is for {endpoint}, not for {read.url[:100]}.", read.custom_id)
    return read


def _id_of(line: bytes) -> str | None:
    try:
        return msgspec.json.decode(line, type=BatchLineId).custom_id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def native_row(number: int, request: bytes) -> bytes:
    """Write a row for Gemini, with its line end."""
    return encode(BatchRow(key=str(number), request=msgspec.Raw(request))) + b"\n"


class RowResult(NamedTuple):
    """Gemini's result of one row: an answer as JSON, or an error."""

    answer: bytes
    error: Status | None


def number_of(line: bytes) -> int | None:
    """Return the number of the row that a result is of; None if it cannot be read."""
    try:
        key = msgspec.json.decode(line, type=BatchResultKey).key
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return int(key) if key.isascii() and key.isdecimal() and len(key) < 12 else None


def read_result(line: bytes) -> RowResult:
    """Read a result. Without an answer it is an error, whatever else it says."""
    try:
        result = msgspec.json.decode(line, type=BatchResult)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return RowResult(b"", Status(code=13, message="Gemini's answer cannot be read.", status="INTERNAL"))
    if result.error is None and present(result.status):
        result.error = _status(result.status)
    if result.error is not None:
        return RowResult(b"", result.error)
    if not present(result.response):
        return RowResult(b"", Status(code=13, message="Gemini gave no answer to this row.", status="INTERNAL"))
    return RowResult(bytes(result.response), None)


def _status(raw: msgspec.Raw) -> Status:
    try:
        return msgspec.json.decode(raw, type=Status)
    except msgspec.MsgspecError:
        return Status(code=13, message=bytes(raw).decode("utf-8", "replace")[:500], status="INTERNAL")


def is_over(state: str | None) -> bool:
    """Return whether a job has ended."""
    return state in _OVER


class LineId(NamedTuple):
    """The ids of a line of the output or error file. `number` is its line in the input, from 1."""

    row_id: str
    custom_id: str | None
    request_id: str
    number: int


class RowAnswer(NamedTuple):
    """The answer to one request of a batch as JSON, and a line with the losses of both; "" if there are none."""

    body: bytes
    notes: str


def output_line(line: LineId, answer: RowAnswer, attempts: int = 1) -> bytes:
    """Write a line of the output file. `attempts`: how often Gemini was asked; it is told where that is not once."""
    response = BatchLineResponse(status_code=200, request_id=line.request_id, body=msgspec.Raw(answer.body))
    if attempts > 1:
        response.attempts = attempts
    if answer.notes:
        response.notes = answer.notes
    return encode(BatchOutputLine(id=line.row_id, custom_id=line.custom_id, response=response, error=None)) + b"\n"


def error_line(line: LineId, code: str | None, message: str, status: int = 0, body: bytes = b"") -> bytes:
    """Write a line of the error file; with a status it has the answer that the request would have got by itself."""
    response = None
    if status:
        response = BatchLineResponse(status_code=status, request_id=line.request_id, body=msgspec.Raw(body))
    error = BatchLineError(code=code, message=message, line=line.number)
    return encode(BatchOutputLine(id=line.row_id, custom_id=line.custom_id, response=response, error=error)) + b"\n"


class _Details(msgspec.Struct):
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class _Usage(msgspec.Struct):
    """The usage of an answer, by the names of either API."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class _Answer(msgspec.Struct):
    usage: _Usage | None = None


def add_usage(total: BatchUsage, body: bytes) -> BatchUsage:
    """Return the usage of a batch with that of one more answer."""
    usage = msgspec.json.decode(body, type=_Answer).usage
    if usage is None:
        return total
    input_tokens, output_tokens = (
        usage.prompt_tokens or usage.input_tokens,
        usage.completion_tokens or usage.output_tokens,
    )
    read = usage.prompt_tokens_details or usage.input_tokens_details or _Details()
    thought = usage.completion_tokens_details or usage.output_tokens_details or _Details()
    cached, reasoning = total.input_tokens_details.cached_tokens, total.output_tokens_details.reasoning_tokens
    return BatchUsage(
        input_tokens=total.input_tokens + input_tokens,
        input_tokens_details=BatchInputTokensDetails(cached_tokens=cached + read.cached_tokens),
        output_tokens=total.output_tokens + output_tokens,
        output_tokens_details=BatchOutputTokensDetails(reasoning_tokens=reasoning + thought.reasoning_tokens),
        total_tokens=total.total_tokens + (usage.total_tokens or input_tokens + output_tokens),
    )


def join_embeddings(answers: Iterable[bytes]) -> bytes:
    """Join the answers to inputs that were rows of their own into one of `batchEmbedContents`."""
    read = [msgspec.json.decode(answer, type=dict[str, msgspec.Raw]) for answer in answers]
    joined: dict[str, Any] = {"embeddings": [one.get("embedding", msgspec.Raw(b"{}")) for one in read]}
    usages = [one["usageMetadata"] for one in read if "usageMetadata" in one]
    if usages and len(usages) == len(read):
        counts = [msgspec.json.decode(usage, type=_Counted).prompt_token_count for usage in usages]
        joined["usageMetadata"] = {"promptTokenCount": sum(counts)}
    return encode(joined)


class _Counted(msgspec.Struct, rename="camel"):
    prompt_token_count: int = 0


_RPC_CODES = {
    1: 499, 2: 500, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400, 12: 501, 13: 500, 14: 503,
    15: 500, 16: 401,
}  # fmt: skip
"""HTTP status by the number of a google.rpc.Code (cloud.google.com/apis/design/errors)."""


def row_error(error: Status) -> tuple[int, Status]:
    """Return a row's error with its HTTP status and its name; its code is a status already, or a google.rpc.Code."""
    code = error.code or 13
    status = code if 400 <= code < 600 else _RPC_CODES.get(code, 500)
    name = error.status or NAMES.get(status)
    return status, Status(code=status, message=error.message, status=name, details=error.details)
