"""Jobs of Gemini's Batch API (discovery revision 20260325; google-genai 3.6.1, `batches.py`).

Gemini names a job, so whoever does not know whether one was begun finds it by its display name, which is chosen here.
"""

from collections.abc import AsyncIterator

from adapter.upstream.client import Caller, Forwarded, Upstream
from adapter.upstream.errors import UpstreamError
from adapter.upstream.model_path import model_path
from adapter.wire.base import encode
from adapter.wire.gemini.batches import BatchInput, BatchJob, BatchJobList, CreateBatchJobRequest, NewBatchJob

# A relay whose next page is always the same one must not be followed for ever.
MAX_PAGES = 100
PAGE = 100
"""The jobs of one page."""


class BatchJobs:
    """The jobs of one upstream. Every method raises `UpstreamError`."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def create(self, model: str, method: str, display_name: str, file_name: str, caller: Caller) -> BatchJob:
        """Begin a job for the rows of an uploaded file."""
        job = NewBatchJob(display_name=display_name, input_config=BatchInput(file_name=file_name))
        path = f"{model_path(model, self._upstream.settings.models)}:{method}"
        body = encode(CreateBatchJobRequest(batch=job))
        call = Forwarded(verb="POST", path=path, body=body, method=method, model=model)
        return await self._upstream.ask(call, BatchJob, caller)

    async def find(self, display_name: str, caller: Caller) -> BatchJob | None:
        """Find a job by its display name among all of this key's."""
        token = ""
        for _ in range(MAX_PAGES):
            query = f"batches?pageSize={PAGE}" + (f"&pageToken={token}" if token else "")
            call = Forwarded(verb="GET", path=query, body=None, method="listBatches")
            page = await self._upstream.ask(call, BatchJobList, caller)
            for job in page.operations or ():
                if job.metadata is not None and job.metadata.display_name == display_name:
                    return job
            if not page.next_page_token:
                return None
            token = page.next_page_token
        return None

    async def get(self, name: str, caller: Caller) -> BatchJob:
        """Return a job as it is now."""
        call = Forwarded(verb="GET", path=name, body=None, method="getBatch")
        return await self._upstream.ask(call, BatchJob, caller)

    async def cancel(self, name: str, caller: Caller) -> None:
        """Cancel a job; one that has ended stays as it is."""
        call = Forwarded(verb="POST", path=f"{name}:cancel", body=b"{}", method="cancelBatch")
        try:
            await (await self._upstream.forward(call, caller)).aclose()
        except UpstreamError as error:
            # It has ended meanwhile: what it ended with is told by `get`.
            if error.status not in (400, 404, 409):
                raise

    async def download(self, file_name: str, caller: Caller) -> AsyncIterator[bytes]:
        """Read a file that a job has made, piece by piece."""
        call = Forwarded(verb="GET", path=f"{file_name}:download?alt=media", body=None, method="downloadFile")
        response = await self._upstream.forward(call, caller)
        try:
            while piece := await response.read():
                yield piece
        finally:
            await response.aclose()
