"""Stored responses and conversations, as typed values over a store of bytes."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import NamedTuple
from weakref import WeakValueDictionary

import msgspec

from adapter.server.limits.admission import HeldBytes
from adapter.server.limits.work import Work
from adapter.server.state.not_stored import NotStored
from adapter.server.state.past import Past, conversation_of
from adapter.server.state.recall import Histories, Recall
from adapter.server.state.records import (
    SEVERAL,
    conversation_document,
    encode_items,
    entry_document,
    id_of,
    key_of_entries,
    key_of_item,
    response_documents,
)
from adapter.store import Changed, Document, DocumentStore
from adapter.store.documents.base import NOTHING_EXPECTED, Expected, Layered
from adapter.translate.responses.earlier_items import named_items
from adapter.translate.responses.fields import input_items
from adapter.translate.responses.stored_items import with_free_ids
from adapter.wire.base import encode, present
from adapter.wire.openai.responses_answer import Response
from adapter.wire.openai.responses_request import InputItem, ResponsesRequest
from adapter.wire.openai.stored import Conversation

MAX_TRIES = 16
"""The most attempts of a write whose input other writers change meanwhile."""


class _New(NamedTuple):
    """Documents to write, the read state of documents that they depend on, and new items as they are stored."""

    documents: list[Document]
    expected: Expected
    items: list[msgspec.Raw] = []  # noqa: RUF012 - never changed


class State(Recall):
    """Reads and changes stored objects. `max_age`: seconds after which it forgets, if earlier than the store."""

    def __init__(self, documents: DocumentStore, histories: Histories, max_age: float | None = None) -> None:
        super().__init__(documents, histories)
        self.documents = documents
        self._max_age = max_age
        self._writing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def with_max_age(self, max_age: float) -> "State":
        """Return a store like this one whose documents expire so many seconds after they were last written."""
        return State(self.documents, self._histories, max_age)

    async def put(self, documents: Sequence[Document], client: str, expected: Expected = NOTHING_EXPECTED) -> bool:
        """Write documents, see `DocumentStore.put`."""
        return await self.documents.put(documents, client, self._max_age, expected)

    async def _put_unchanged(self, prepare: Callable[[], Awaitable[_New]], client: str) -> _New | None:
        """Write prepared documents; if what they depend on has changed meanwhile, prepare them again.

        Return what was written; None where that was not possible.
        """
        for _ in range(MAX_TRIES):
            new = await prepare()
            try:
                return new if await self.put(new.documents, client, new.expected) else None
            except Changed:
                # Another writer was faster.
                continue
        return None

    def with_layer(self, local: DocumentStore) -> "tuple[Recall, State]":
        """Return a store that reads `local` first and then this one, and a store of `local` alone."""
        return Recall(Layered(local, self.documents), self._histories), State(local, self._histories)

    async def keep(self, response: Response, past: Past, client: str, work: Work) -> bool:
        """Store a response, and add it to its conversation once it has ended. Return whether that succeeded."""
        conversation = conversation_of(past.request)
        lock = nullcontext() if conversation is None else self._lock_of(conversation)
        async with lock:
            if conversation is None and not past.named_items():
                return await self.put(await work.run(_documents_of, response, past, None), client)
            prepare = partial(self._new_response, response, past, client, work)
            return await self._put_unchanged(prepare, client) is not None

    async def _new_response(self, response: Response, past: Past, client: str, work: Work) -> _New:
        """Prepare a response for writing, together with its conversation's items and the entries for these."""
        conversation = conversation_of(past.request)
        expected: dict[str, bytes | None] = {}
        if conversation is not None and any(item.id for item in past.given):
            past, expected = await self._with_free_ids(response, past, conversation, client)
        documents = await work.run(_documents_of, response, past, conversation)
        if named := past.named_items():
            entries, read = await self._entries(named, response.id, client)
            documents, expected = [*documents, *entries], {**expected, **read}
        return _New(documents, expected)

    def _lock_of(self, conversation_id: str) -> asyncio.Lock:
        """Return a lock around reading a conversation's ids and adding items: writers of this process take turns."""
        return self._writing.setdefault(conversation_id, asyncio.Lock())

    async def _with_free_ids(
        self, response: Response, past: Past, conversation: str, client: str
    ) -> tuple[Past, dict[str, bytes | None]]:
        """Remove ids that other writers have used in the conversation meanwhile; also return what was read of it."""
        own = {f"{conversation}/{id_of(item)}": bytes(item) for item in past.own_items(response.id)}
        stored = await self.documents.get(list(own), client)
        taken = [key.partition("/")[2] for key, body in stored.items() if body != own[key]]
        free = past._replace(given=with_free_ids(past.given, taken)[0]) if taken else past
        return free, {key: stored.get(key) for key in own}

    async def _entries(
        self, named: Sequence[tuple[str, str]], owner: str, client: str
    ) -> tuple[list[Document], dict[str, bytes | None]]:
        """Return entries by which items with ids of the client's own are found, and what was read of these.

        Beside each id is a digest of its item. Such an id may be that of several items: then its entry says so, and a
        reference to it is an error.
        """
        before = await self.documents.get([key_of_item(id_) for id_, _ in named], client)
        entries: list[Document] = []
        for id_, digest in dict(named).items():
            entry = before.get(key_of_item(id_))
            if entry is None:
                entries.append(entry_document(id_, owner, digest))
            elif digest.encode() not in entry.split():
                first = entry.split()[0].decode()
                entries.append(entry_document(id_, first, SEVERAL))
        return entries, {entry.key: before.get(entry.key) for entry in entries}

    async def delete(self, response_id: str, client: str) -> None:
        """Delete a response. Raises `NotStored`."""
        if not await self.documents.delete(response_id, client):
            raise NotStored(f"Response with id '{response_id}' not found.")

    async def create_conversation(self, metadata: msgspec.Raw, items: Sequence[InputItem], client: str) -> Conversation:
        """Create a conversation. Raises `NotStored` if it cannot be stored."""
        conversation = Conversation(
            id=f"conv_{secrets.token_hex(24)}",
            object="conversation",
            created_at=int(time.time()),
            metadata=metadata if present(metadata) else msgspec.Raw(b"{}"),
        )

        async def prepare() -> _New:
            new = await self._new_items(conversation.id, items, {}, client)
            return new._replace(documents=[Document(conversation.id, encode(conversation)), *new.documents])

        if await self._put_unchanged(prepare, client) is None:
            raise _not_kept()
        return conversation

    async def update_conversation(self, conversation: Conversation, client: str) -> None:
        """Store the metadata of a conversation. Raises `NotStored` if it cannot be stored."""
        if not await self.put([Document(conversation.id, encode(conversation))], client):
            raise _not_kept()

    async def delete_conversation(self, conversation_id: str, client: str) -> None:
        """Delete a conversation with its items. Raises `NotStored`."""
        await self.conversation(conversation_id, client)
        await self.documents.delete(conversation_id, client)
        await self.documents.delete(key_of_entries(conversation_id), client)

    async def add_items(self, conversation_id: str, items: Sequence[InputItem], client: str) -> list[msgspec.Raw]:
        """Put items at the end of a conversation. Raises `NotStored`."""
        await self.conversation(conversation_id, client)
        keys = [f"{conversation_id}/{item.id}" for item in items if item.id]

        async def prepare() -> _New:
            stored = await self.documents.get(keys, client) if keys else {}
            return await self._new_items(conversation_id, items, {key: stored.get(key) for key in keys}, client)

        async with self._lock_of(conversation_id):
            new = await self._put_unchanged(prepare, client)
        if new is None:
            raise _not_kept()
        return new.items

    async def _new_items(
        self, conversation_id: str, items: Sequence[InputItem], read: dict[str, bytes | None], client: str
    ) -> _New:
        """Prepare new items of a conversation; `read` is what it has under their ids. Raises `NotStored`."""
        held = HeldBytes(self._histories.budget)
        taken = [key.partition("/")[2] for key, body in read.items() if body is not None]
        free, _taken = with_free_ids(await self.resolve_references(items, client, held), taken)
        owner = f"{conversation_id.partition('_')[2]}v{secrets.token_hex(4)}"
        stored = encode_items(input_items(ResponsesRequest(model="", input=free), owner))
        documents = [conversation_document(conversation_id, item) for item in stored]
        if named := named_items(free):
            entries, current = await self._entries(named, conversation_id, client)
            if entries:
                documents += [Document(key_of_entries(conversation_id), b"1"), *entries]
                read = {**read, **current}
        return _New(documents, read, stored)

    async def delete_item(self, conversation_id: str, item_id: str, client: str) -> None:
        """Delete an item of a conversation. Raises `NotStored`."""
        if not await self.documents.delete(f"{conversation_id}/{item_id}", client):
            raise NotStored(f"Item with id '{item_id}' not found.")


def _not_kept() -> NotStored:
    return NotStored("The store cannot keep this.", status=503, code="not_stored")


def _documents_of(response: Response, past: Past, conversation: str | None) -> list[Document]:
    """Return the documents that are stored for a response."""
    documents = response_documents(response, past.own_text(), len(past.given), past.history)
    documents += [Document(key_of_item(item.id), response.id.encode(), response.id) for item in response.output]
    if conversation is not None and past.request.store is not False and response.status in ("completed", "incomplete"):
        items = [*past.own_items(response.id), *[msgspec.Raw(encode(item)) for item in response.output]]
        documents += [conversation_document(conversation, item) for item in items]
    return documents
