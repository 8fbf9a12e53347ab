"""What a client may refer to later: its stored responses and conversations, as typed values over a store of bytes."""

import logging
import re
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from adapter.server.http.byte_budget import ByteBudget
from adapter.server.limits.admission import Held
from adapter.server.limits.work import Work
from adapter.server.state.not_stored import NotStored
from adapter.store import UNREADABLE, Document, DocumentStore
from adapter.store.documents.base import Layered, Readable
from adapter.translate.core.notes import Note, Rejected
from adapter.translate.responses.fields import input_items
from adapter.translate.responses.input_items import THOUGHTS, type_of
from adapter.wire.base import decode, encode, present
from adapter.wire.limits import LimitExceeded, Limits
from adapter.wire.openai.responses import InputItem, Response, ResponsesRequest
from adapter.wire.openai.stored import Conversation, Item, ItemHead, StoredAnswer, StoredResponse
from adapter.wire.reader import read_items

T = TypeVar("T")

log = logging.getLogger("adapter")

UNFINISHED = ("queued", "in_progress")

_OWN = re.compile(r"input\[(\d+)\]")
_RESPONSE_ID = re.compile(r"resp_[0-9a-f]{48}")
_CONVERSATION_ID = re.compile(r"conv_[0-9a-f]{48}")


class Past(NamedTuple):
    """A request with all that was said before it.

    `request` has the earlier items in front of its own, `before` in number; they came from `source`, a field of the
    request. `given` are its own items; those without an id get one of `seed` when they are stored. `history` are ids
    of the responses before. `held` is the room that the earlier items take.
    """

    request: ResponsesRequest
    before: int
    source: str
    given: list[InputItem]
    seed: str
    history: list[str]
    held: Held

    def own(self) -> list[msgspec.Raw]:
        """The request's own items, as they are stored."""
        return _encoded(input_items(msgspec.structs.replace(self.request, input=self.given), f"{self.seed}:input"))

    def path(self, path: str) -> str:
        """The client's path: an earlier item is told by the field that it came from, its own by its own index."""
        found = _OWN.match(path)
        if found is None or not self.before:
            return path
        index = int(found.group(1)) - self.before
        return f"input[{index}]{path[found.end() :]}" if index >= 0 else self.source

    def notes(self, notes: Sequence[Note]) -> list[Note]:
        """A ledger under the client's paths. That earlier thoughts stay behind is no loss of this request's."""
        if not self.before:
            return list(notes)
        moved = [note.at(self.path(note.path)) for note in notes]
        return [note for note in moved if note.path != self.source or note.reason != THOUGHTS]

    def rejected(self, error: Rejected) -> Rejected:
        """A rejection under the client's path."""
        return Rejected(self.path(error.note.path), error.note.code, error.note.reason, self.notes(error.notes))


class Histories(NamedTuple):
    """How much of what is stored one request may bring back, where that is counted, and where it is decoded."""

    room: ByteBudget
    max_bytes: int
    limits: Limits
    work: Callable[[int], Work]


class Recall:
    """What is stored, to be read; each method is about one client's, named by its id."""

    def __init__(self, documents: Readable, histories: Histories) -> None:
        self._documents = documents
        self._histories = histories

    async def past(self, request: ResponsesRequest, client: str, seed: str) -> Past:
        """What the request refers to, put in front of its own items.

        Raises `NotStored`, `Rejected`, `Overloaded`; `LimitExceeded` for too many items.
        """
        if request.previous_response_id is not None and request.conversation is not None:
            raise Rejected(
                "conversation", "setting-contradicted", "a response follows another one or a conversation, not both"
            )
        history: list[str] = []
        items: list[msgspec.Raw] = []
        source = ""
        held = Held(self._histories.room)
        if request.previous_response_id is not None:
            source = "previous_response_id"
            history, items = await self._chain(request.previous_response_id, client, held)
        elif (conversation := conversation_of(request)) is not None:
            source = "conversation"
            await self.conversation(conversation, client, param="conversation")
            self._hold(await self._documents.size_of_children(conversation, client), held, source)
            items = list(map(msgspec.Raw, await self._documents.children(conversation, client)))
        given = await self._resolved(request, client, held)
        if len(items) + len(given) > (most := self._histories.limits.items):
            raise LimitExceeded.of("items", most, "items", "request", source or "input")
        if items or isinstance(request.input, list):
            typed = await self._histories.work(held.size).run(_typed, items)
            request = msgspec.structs.replace(request, input=[*typed, *given])
        return Past(request, len(items), source, given, seed, history, held)

    def _hold(self, size: int, held: Held, source: str) -> None:
        """Take room for what is about to be loaded. Raises `NotStored` for too much, `Overloaded`."""
        most = self._histories.max_bytes
        if held.size + size > most:
            text = f"The history has more than {most} bytes (the setting max_history): compact it, or leave out images."
            raise NotStored(text, status=400, param=source, code="history_too_large")
        held.take(size)

    async def _chain(self, previous: str, client: str, held: Held) -> tuple[list[str], list[msgspec.Raw]]:
        """The ids of all responses up to this one, and their items."""
        source = "previous_response_id"
        self._hold(await self._documents.size([previous], client), held, source)
        last = await self.find(previous, client)
        ids = [*last.history, previous] if last else [previous]
        self._hold(await self._documents.size(ids[:-1], client), held, source)
        records = {**(await self._records(ids[:-1], client)), **({previous: last} if last else {})}
        if missing := [id_ for id_ in ids if id_ not in records]:
            code = "previous_response_not_found"
            text = f"Previous response with id '{missing[0]}' not found."
            raise NotStored(text, status=400, param="previous_response_id", code=code)
        if answer_of(records[previous]).status in UNFINISHED:
            text = f"Previous response with id '{previous}' is not finished."
            raise NotStored(text, status=400, param="previous_response_id")
        return ids, [item for id_ in ids for item in _all_items(records[id_])]

    async def _records(self, ids: Sequence[str], client: str) -> dict[str, StoredResponse]:
        known = [id_ for id_ in ids if _RESPONSE_ID.fullmatch(id_)]
        bodies = await self._documents.get(known, client) if known else {}
        work = self._histories.work(sum(map(len, bodies.values())))
        records = {id_: await work.run(_record, id_, body) for id_, body in bodies.items()}
        return {id_: record for id_, record in records.items() if record is not None}

    async def _resolved(self, request: ResponsesRequest, client: str, held: Held) -> list[InputItem]:
        """The request's own items, references replaced by what they refer to where that is stored."""
        given = request.input
        if isinstance(given, str):
            return [InputItem(type="message", role="user", content=given)]
        ids = [item.id for item in given or () if type_of(item) == "item_reference" and item.id]
        found = await self._items(set(ids), client, held) if ids else {}
        return [found.get(item.id or "", item) for item in given or ()]

    async def _items(self, ids: Collection[str], client: str, held: Held) -> Mapping[str, InputItem]:
        places = await self._documents.get([_place(id_) for id_ in ids], client)
        responses = sorted({place.decode() for place in places.values()})
        self._hold(await self._documents.size(responses, client), held, "input")
        records = await self._records(responses, client)
        items = [item for record in records.values() for item in answer_of(record).output if id_of(item) in ids]
        return {str(item.id): item for item in _typed(items)}

    async def find(self, response_id: str, client: str) -> StoredResponse | None:
        """A stored response, if there is one."""
        return (await self._records([response_id], client)).get(response_id)

    async def response(self, response_id: str, client: str) -> StoredResponse:
        """A stored response. Raises `NotStored`."""
        found = await self.find(response_id, client)
        if found is None:
            raise NotStored(f"Response with id '{response_id}' not found.")
        return found

    async def inputs(self, record: StoredResponse, client: str) -> list[msgspec.Raw]:
        """All that a response answered: the items of the responses before it, and its own. Raises `NotStored`."""
        self._hold(await self._documents.size(record.history, client), Held(self._histories.room), "response_id")
        records = await self._records(record.history, client)
        earlier = [item for id_ in record.history if id_ in records for item in _all_items(records[id_])]
        return [*earlier, *record.input]

    async def conversation(self, conversation_id: str, client: str, param: str | None = None) -> Conversation:
        """A conversation. Raises `NotStored`."""
        known = [conversation_id] if _CONVERSATION_ID.fullmatch(conversation_id) else []
        body = (await self._documents.get(known, client)).get(conversation_id)
        found = None if body is None else _readable(conversation_id, body, Conversation)
        if found is None:
            raise NotStored(f"Conversation with id '{conversation_id}' not found.", param=param)
        return found

    async def conversation_items(self, conversation_id: str, client: str, **page: Any) -> list[msgspec.Raw]:
        """Items of a conversation; `page` as `DocumentStore.children` takes it."""
        if page.get("after"):
            page["after"] = f"{conversation_id}/{page['after']}"
        bodies = await self._documents.children(conversation_id, client, **page)
        return list(map(msgspec.Raw, bodies))

    async def conversation_item(self, conversation_id: str, item_id: str, client: str) -> bytes:
        """One item of a conversation. Raises `NotStored`."""
        await self.conversation(conversation_id, client)
        key = f"{conversation_id}/{item_id}"
        body = (await self._documents.get([key], client)).get(key)
        if body is None:
            raise NotStored(f"Item with id '{item_id}' not found.")
        return body


class State(Recall):
    """What is stored, to be read and changed."""

    def __init__(self, documents: DocumentStore, histories: Histories) -> None:
        super().__init__(documents, histories)
        self.documents = documents

    def beside(self, local: DocumentStore) -> "tuple[Recall, State]":
        """What is here and in another store, to be read as one; and that store alone."""
        return Recall(Layered(local, self.documents), self._histories), State(local, self._histories)

    async def keep(self, response: Response, past: Past, client: str, work: Work) -> bool:
        """Store a response, and add it to its conversation once it has come to an end; whether that was possible."""
        return await self.documents.put(await work.run(_documents_of, response, past), client)

    async def delete(self, response_id: str, client: str) -> None:
        """Delete a response. Raises `NotStored`."""
        if not await self.documents.delete(response_id, client):
            raise NotStored(f"Response with id '{response_id}' not found.")

    async def create_conversation(self, metadata: msgspec.Raw, items: Sequence[InputItem], client: str) -> Conversation:
        """A new conversation. Raises `NotStored` where it cannot be kept."""
        made = Conversation(
            id=f"conv_{secrets.token_hex(24)}",
            object="conversation",
            created_at=int(time.time()),
            metadata=metadata if present(metadata) else msgspec.Raw(b"{}"),
        )
        documents = [Document(made.id, encode(made))]
        documents += [_conversation_item(made.id, item) for item in _stored_items(items)]
        await self._must_keep(documents, client)
        return made

    async def update_conversation(self, conversation: Conversation, client: str) -> None:
        """Store its metadata. Raises `NotStored` where it cannot be kept."""
        await self._must_keep([Document(conversation.id, encode(conversation))], client)

    async def delete_conversation(self, conversation_id: str, client: str) -> None:
        """Delete a conversation with its items. Raises `NotStored`."""
        await self.conversation(conversation_id, client)
        await self.documents.delete(conversation_id, client)

    async def add_items(self, conversation_id: str, items: Sequence[InputItem], client: str) -> list[msgspec.Raw]:
        """Put items at the end of a conversation. Raises `NotStored`."""
        await self.conversation(conversation_id, client)
        stored = _stored_items(items)
        await self._must_keep([_conversation_item(conversation_id, item) for item in stored], client)
        return stored

    async def delete_item(self, conversation_id: str, item_id: str, client: str) -> None:
        """Delete an item of a conversation. Raises `NotStored`."""
        if not await self.documents.delete(f"{conversation_id}/{item_id}", client):
            raise NotStored(f"Item with id '{item_id}' not found.")

    async def _must_keep(self, documents: Sequence[Document], client: str) -> None:
        if not await self.documents.put(documents, client):
            raise NotStored("The store cannot keep this.", status=503, code="not_stored")


def conversation_of(request: ResponsesRequest) -> str | None:
    """The id of the conversation that a response belongs to."""
    given = request.conversation
    return given if given is None or isinstance(given, str) else given.id


def answer_of(record: StoredResponse) -> StoredAnswer:
    """What the server reads of a stored response."""
    return msgspec.json.decode(record.response, type=StoredAnswer)


def _documents_of(response: Response, past: Past) -> list[Document]:
    """What is stored of a response."""
    record = StoredResponse(response=msgspec.Raw(encode(response)), input=past.own(), history=past.history)
    documents = [Document(response.id, encode(record))]
    documents += [Document(_place(item.id), response.id.encode(), response.id) for item in response.output]
    conversation = conversation_of(past.request)
    if conversation is not None and response.status in ("completed", "incomplete"):
        said = [*record.input, *answer_of(record).output]
        documents += [_conversation_item(conversation, item) for item in said]
    return documents


def _record(response_id: str, body: bytes) -> StoredResponse | None:
    """A stored response; None for a damaged one, which counts as missing."""
    record = _readable(response_id, body, StoredResponse)
    return record if record is not None and _readable(response_id, record.response, StoredAnswer) is not None else None


def _readable(key: str, body: bytes | msgspec.Raw, type_: type[T]) -> T | None:
    """An entry of the store; None, with a word in the log, for one that was damaged: it must not stop what needs it."""
    try:
        found: T = decode(bytes(body), type_)[0]
    except UNREADABLE as error:
        log.warning("the stored entry %s cannot be read, and counts as missing: %s", key, error)
        return None
    return found


def id_of(item: msgspec.Raw) -> str:
    """The id of an item."""
    return msgspec.json.decode(item, type=ItemHead).id


def _all_items(record: StoredResponse) -> list[msgspec.Raw]:
    return [*record.input, *answer_of(record).output]


def _typed(items: Sequence[msgspec.Raw]) -> list[InputItem]:
    """Stored items; damaged ones are left out."""
    try:
        return read_items(items, InputItem, "input")[0]
    except UNREADABLE:
        readable = [item for item in items if _readable("of an item", item, InputItem) is not None]
        return read_items(readable, InputItem, "input")[0]


def _encoded(items: Sequence[Item]) -> list[msgspec.Raw]:
    return [msgspec.Raw(encode(item)) for item in items]


def _stored_items(items: Sequence[InputItem]) -> list[msgspec.Raw]:
    return _encoded(input_items(ResponsesRequest(model="", input=list(items)), secrets.token_hex(8)))


def _conversation_item(conversation_id: str, item: msgspec.Raw) -> Document:
    return Document(f"{conversation_id}/{id_of(item)}", bytes(item), conversation_id)


def _place(item_id: str) -> str:
    """The key under which it is kept to which response an item belongs."""
    return f"item:{item_id}"
