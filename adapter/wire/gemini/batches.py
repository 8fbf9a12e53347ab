"""Gemini's Batch API (discovery revision 20260325; google-genai 3.6.1, `batches.py`)."""

import msgspec

from adapter.wire.base import ABSENT
from adapter.wire.gemini.content import Gemini
from adapter.wire.gemini.errors import Status


class BatchInput(Gemini):
    """The rows of a batch, in an uploaded file."""

    file_name: str


class NewBatchJob(Gemini):
    """The fields of a job that is created."""

    display_name: str
    input_config: BatchInput


class CreateBatchJobRequest(Gemini):
    """`batchGenerateContent` and `asyncBatchEmbedContent`."""

    batch: NewBatchJob


class BatchOutput(Gemini, forbid_unknown_fields=False):
    """The file with the answers of a batch."""

    responses_file: str | None = None


class BatchStats(Gemini, forbid_unknown_fields=False):
    """Numbers of rows, as strings."""

    request_count: str | None = None
    successful_request_count: str | None = None
    failed_request_count: str | None = None


class BatchJobMetadata(Gemini, forbid_unknown_fields=False):
    """The state of a job."""

    display_name: str | None = None
    state: str | None = None
    batch_stats: BatchStats | None = None
    output: BatchOutput | None = None


class BatchJob(Gemini, forbid_unknown_fields=False):
    """A job, as an operation."""

    name: str = ""
    metadata: BatchJobMetadata | None = None
    done: bool = False
    error: Status | None = None


class BatchJobList(Gemini, forbid_unknown_fields=False):
    """A page of jobs."""

    operations: list[BatchJob] | None = None
    next_page_token: str | None = None


class BatchRow(Gemini):
    """One row of a job's input file."""

    key: str
    request: msgspec.Raw


class BatchResult(Gemini, forbid_unknown_fields=False):
    """One row of a job's output; the error of a row may be named `status` (LiteLLM 1.110.2)."""

    key: str = ""
    response: msgspec.Raw = ABSENT
    error: Status | None = None
    status: msgspec.Raw = ABSENT


class BatchResultKey(Gemini, forbid_unknown_fields=False):
    """The key of the row that a result belongs to."""

    key: str = ""
