"""/v1/batches (openai-python 3.57.0, `batch.py`), and the lines of their files."""

import msgspec

from adapter.wire.base import ABSENT, Wire
from adapter.wire.openai.files import ExpiresAfter


class BatchRequest(Wire):
    """A new batch."""

    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: msgspec.Raw = ABSENT
    output_expires_after: ExpiresAfter | None = None


class BatchError(msgspec.Struct, kw_only=True):
    """A reason why a batch failed. `line` counts from 1."""

    code: str | None = None
    line: int | None = None
    message: str | None = None
    param: str | None = None


class BatchErrors(msgspec.Struct, kw_only=True):
    """The reasons why a batch failed."""

    data: list[BatchError]
    object: str = "list"


class BatchRequestCounts(msgspec.Struct, kw_only=True):
    """Numbers of requests: all, completed, failed."""

    total: int = 0
    completed: int = 0
    failed: int = 0


class BatchInputTokensDetails(msgspec.Struct, kw_only=True):
    """Tokens that were read from a cache."""

    cached_tokens: int = 0


class BatchOutputTokensDetails(msgspec.Struct, kw_only=True):
    """Tokens of thoughts."""

    reasoning_tokens: int = 0


class BatchUsage(msgspec.Struct, kw_only=True):
    """Tokens of all answers."""

    input_tokens: int = 0
    input_tokens_details: BatchInputTokensDetails = msgspec.field(default_factory=BatchInputTokensDetails)
    output_tokens: int = 0
    output_tokens_details: BatchOutputTokensDetails = msgspec.field(default_factory=BatchOutputTokensDetails)
    total_tokens: int = 0


class Batch(msgspec.Struct, kw_only=True):
    """A batch. Times are Unix seconds."""

    id: str
    endpoint: str
    input_file_id: str
    completion_window: str
    created_at: int
    object: str = "batch"
    status: str = "validating"
    cancelled_at: int | None = None
    cancelling_at: int | None = None
    completed_at: int | None = None
    error_file_id: str | None = None
    errors: BatchErrors | None = None
    expired_at: int | None = None
    expires_at: int | None = None
    failed_at: int | None = None
    finalizing_at: int | None = None
    in_progress_at: int | None = None
    metadata: dict[str, str] | None = None
    model: str | None = None
    output_file_id: str | None = None
    request_counts: BatchRequestCounts = msgspec.field(default_factory=BatchRequestCounts)
    usage: BatchUsage | None = None


class BatchList(Wire):
    """A page of batches."""

    object: str
    data: list[msgspec.Raw]
    first_id: str | None
    last_id: str | None
    has_more: bool


class BatchLine(msgspec.Struct, kw_only=True):
    """One line of an input file; more fields are ignored, as OpenAI does."""

    custom_id: str
    method: str
    url: str
    body: msgspec.Raw


class BatchLineId(msgspec.Struct, kw_only=True):
    """The part of an unreadable line that identifies it."""

    custom_id: str | None = None


class BatchLineError(msgspec.Struct, kw_only=True):
    """An error in a line. `line` counts from 1."""

    code: str | None
    message: str
    line: int


class BatchLineResponse(msgspec.Struct, kw_only=True):
    """The answer to one request.

    Two extensions: `attempts`, how often it was asked for, if more than once; `notes`, what the request and its answer
    lost, if they lost anything, as the header `x-adapter-notes` says it for a request by itself.
    """

    status_code: int
    request_id: str
    body: msgspec.Raw
    attempts: int | msgspec.UnsetType = msgspec.UNSET
    notes: str | msgspec.UnsetType = msgspec.UNSET


class BatchOutputLine(msgspec.Struct, kw_only=True):
    """One line of an output or error file."""

    id: str
    custom_id: str | None
    response: BatchLineResponse | None
    error: BatchLineError | None
