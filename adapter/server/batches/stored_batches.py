"""Batches as clients see them, in the document store, and the files that they end with.

the document `batches`     the parent of all batches of a client, in the order in which they came
the document BATCH_ID      a `Batch`
"""

import re
from hashlib import blake2b

import msgspec

from adapter.server.state.not_stored import NotStored
from adapter.server.state.stored_files import StoredFiles, UnfinishedFile, write
from adapter.store import UNREADABLE, Document
from adapter.store.documents.base import Selection
from adapter.translate.files import NewFile
from adapter.wire.base import encode
from adapter.wire.openai.batches import Batch

BATCHES = "batches"
_BATCH_ID = re.compile(r"batch_[0-9a-f]{32}")


class OutputFile:
    """A file that a batch ends with, while it is written. Its id follows from the batch's."""

    def __init__(self, files: StoredFiles, writing: UnfinishedFile, client: str) -> None:
        self._files = files
        self._writing = writing
        self._client = client

    async def write(self, data: bytes) -> None:
        """Add bytes. Raises `NotStored`."""
        await write(self._writing.writer, data)

    async def keep(self, name: str, life: int) -> str:
        """Store the file for so many seconds; return its id. Raises `NotStored`."""
        new = NewFile(name, "batch_output", life, "application/jsonl", [])
        return (await self._files.keep(new, self._writing, self._client)).id

    async def discard(self) -> None:
        """Give up, unless it is stored."""
        await self._writing.writer.discard()


class StoredBatches:
    """Stores and finds batches; each method is about one client's, named by its id."""

    def __init__(self, files: StoredFiles) -> None:
        self._files = files
        self._documents = files.records

    async def put(self, batch: Batch, client: str) -> bool:
        """Store a batch; False where that is not possible."""
        return await self._documents.put([Document(BATCHES, b"1"), Document(batch.id, encode(batch), BATCHES)], client)

    async def batch(self, batch_id: str, client: str) -> Batch:
        """Return a batch. Raises `NotStored`."""
        keys = [batch_id] if _BATCH_ID.fullmatch(batch_id) else []
        body = (await self._documents.get(keys, client)).get(batch_id)
        try:
            if body is not None:
                return msgspec.json.decode(body, type=Batch)
        except UNREADABLE:
            pass
        raise NotStored(f"No batch found with id '{batch_id[:100]}'.", param="batch_id")

    async def page(self, client: str, after: str, limit: int) -> tuple[list[Batch], bool]:
        """List batches, the newest first, behind the one with the id `after`, and tell whether there are more."""
        bodies = await self._documents.children(BATCHES, client, Selection(after, limit + 1, newest_first=True))
        found = [msgspec.json.decode(body, type=Batch) for body in bodies]
        return found[:limit], len(found) > limit

    async def begin_output(self, batch_id: str, kind: str, client: str) -> OutputFile:
        """Begin the file of a kind that a batch ends with. Raises `NotStored`."""
        digest = blake2b(f"{batch_id} {kind}".encode(), digest_size=16).hexdigest()
        file_id = f"file-{digest}"
        # The client's quota is for what it stores itself: answers that were paid for must not be lost to it.
        writer = await self._files.create(file_id, client, has_quota=False)
        return OutputFile(self._files, UnfinishedFile(file_id, writer), client)
