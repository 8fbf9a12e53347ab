"""Stored responses and conversations as they are read, as typed values over a store of bytes."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from adapter.server.http.byte_budget import ByteBudget
from adapter.server.limits.admission import HeldBytes
from adapter.server.limits.work import Work
from adapter.server.prefixes.prefix_memory import PrefixMemory
from adapter.server.state.not_stored import NotStored, item_not_stored
from adapter.server.state.past import Past, conversation_of, note_on_new_id
from adapter.server.state.records import (
    CONVERSATION_ID,
    RESPONSE_ID,
    StoredItems,
    id_of,
    items_of,
    key_of_item,
    key_of_items,
    own_items,
    owner_in_entry,
    owner_in_id,
    read_entry,
    read_pieces,
    read_response,
    read_stored,
    split_items,
    split_record,
)
from adapter.store import UNREADABLE
from adapter.store.documents.base import Readable, Selection
from adapter.translate.core.notes import Rejected
from adapter.translate.prefix import ITEMS, LEAST, ItemText, Prefix
from adapter.translate.responses.earlier_items import NO_ITEMS, EarlierItems
from adapter.translate.responses.input_items import type_of
from adapter.translate.responses.stored_items import may_have, with_free_ids, without_repeats
from adapter.wire.beginnings import partly_decode
from adapter.wire.json_counts import values_at_most
from adapter.wire.limits import LimitExceeded, Limits
from adapter.wire.openai.responses_request import InputItem, ResponsesRequest
from adapter.wire.openai.stored import Conversation, StoredResponse

UNFINISHED = ("queued", "in_progress")


class Histories(NamedTuple):
    """The limit of stored bytes that one request may load, their budget, and the executor that decodes them.

    What `prefixes` remembers of them is not decoded again.
    """

    budget: ByteBudget
    max_bytes: int
    limits: Limits
    work: Callable[[int], Work]
    prefixes: PrefixMemory


class Recall:
    """Reads stored objects; each method reads those of one client, named by its id."""

    def __init__(self, documents: Readable, histories: Histories) -> None:
        self._documents = documents
        self._histories = histories

    async def past(self, request: ResponsesRequest, client: str, text: ItemText | None = None) -> Past:
        """Return a request with what it refers to in front of its own items; `text` is that of its own.

        Raises `NotStored`, `Rejected`, `Overloaded`; `LimitExceeded` for too many items.
        """
        if request.previous_response_id is not None and request.conversation is not None:
            raise Rejected(
                "conversation", "setting-contradicted", "a response continues a response or a conversation, not both"
            )
        history: list[str] = []
        texts: list[bytes] = []
        source, held = "", HeldBytes(self._histories.budget)
        if request.previous_response_id is not None:
            source = "previous_response_id"
            history, texts = await self._chain(request.previous_response_id, client, held)
        elif (conversation := conversation_of(request)) is not None:
            source = "conversation"
            await self.conversation(conversation, client, param="conversation")
            self._hold(await self._documents.size_of_children(conversation, client), held, source)
            texts = await self._documents.children(conversation, client)
        given = await self._own_items(request, client, held, NO_ITEMS if text is None else text.earlier)
        if isinstance(request.input, str) and not any(texts):
            return Past(request, 0, source, given, history, held)
        if source:
            return await self._prepend_stored(texts, Past(request, 0, source, given, history, held), client)
        if given and given is not request.input:
            text, request = None, msgspec.structs.replace(request, input=given)
        return Past(request, 0, source, given, history, held, text=text)

    async def _prepend_stored(self, texts: list[bytes], past: Past, client: str) -> Past:
        """Put stored items before a request's own. Raises `LimitExceeded`, `Rejected`, `NotStored`."""
        histories, source, given = self._histories, past.source, past.given
        memory, stored = histories.prefixes, b",".join(filter(None, texts))
        is_long = memory.is_on and len(stored) >= LEAST
        prefix = memory.find(client, stored, 0, ITEMS) if is_long else None
        work = histories.work(len(stored) - (0 if prefix is None else len(prefix.beginning.text)))
        try:
            text, items = await work.run(_read_stored, stored, prefix)
        except UNREADABLE:
            stored = b",".join(_readable(texts, past.history))
            text, items = await work.run(_read_stored, stored, None)
        if len(items) + len(given) > (most := histories.limits.items):
            raise LimitExceeded.of("items", most, "items", "request", source)
        indexes, notes = without_repeats(items, given, text.earlier)
        new = [given[index] for index in indexes]
        if source == "conversation":
            recent = items if may_have(text.earlier, new) else items[text.earlier.count :]
            new, taken = with_free_ids(new, (item.id for item in recent))
            notes += [note_on_new_id(f"input[{indexes[place]}].id") for place in taken]
        request = msgspec.structs.replace(past.request, input=_join_items(text, items, new))
        return past._replace(
            request=request,
            before=len(items),
            given=new,
            indexes=indexes,
            found=notes,
            text=text if is_long else None,
        )

    def _hold(self, size: int, held: HeldBytes, source: str) -> None:
        """Reserve bytes for items that are about to be loaded. Raises `NotStored` for too many, `Overloaded`."""
        most = self._histories.max_bytes
        if held.size + size > most:
            text = f"The history has more than {most} bytes (the setting max_history): compact it, or leave out images."
            raise NotStored(text, status=400, param=source, code="history_too_large")
        held.reserve(size)

    async def _chain(self, previous: str, client: str, held: HeldBytes) -> tuple[list[str], list[bytes]]:
        """Return the ids of the responses before this one, and the texts of their items."""
        source = "previous_response_id"
        last = (await self._stored_items([previous], client, held, source)).get(previous)
        ids = [*last.head.history, previous] if last else [previous]
        before = await self._stored_items(ids[:-1], client, held, source)
        records = {**before, **({previous: last} if last else {})}
        if missing := [id_ for id_ in ids if id_ not in records]:
            raise _previous_not_found(missing[0])
        if records[previous].head.status in UNFINISHED:
            text = f"Previous response with id '{previous}' is not finished."
            raise NotStored(text, status=400, param="previous_response_id")
        return ids, [records[id_].text for id_ in ids]

    async def _stored_items(
        self, ids: Sequence[str], client: str, held: HeldBytes, source: str
    ) -> dict[str, StoredItems]:
        """Read the items of responses, given their ids; missing and damaged items are left out."""
        keys = {key_of_items(id_): id_ for id_ in ids if RESPONSE_ID.fullmatch(id_)}
        if not keys:
            return {}
        self._hold(await self._documents.size(keys, client), held, source)
        bodies = await self._documents.get(keys, client)
        items = {keys[key]: read_stored(keys[key], body) for key, body in bodies.items()}
        older = [id_ for id_ in keys.values() if id_ not in items]
        if older:
            self._hold(await self._documents.size(older, client), held, source)
            items |= {id_: split_record(one) for id_, one in (await self._records(older, client)).items()}
        return {id_: one for id_, one in items.items() if one is not None}

    async def _records(self, ids: Sequence[str], client: str) -> dict[str, StoredResponse]:
        valid_ids = [id_ for id_ in ids if RESPONSE_ID.fullmatch(id_)]
        bodies = await self._documents.get([*valid_ids, *map(key_of_items, valid_ids)], client) if valid_ids else {}
        work = self._histories.work(sum(map(len, bodies.values())))
        records = {id_: await work.run(read_response, id_, bodies) for id_ in valid_ids if id_ in bodies}
        return {id_: record for id_, record in records.items() if record is not None}

    async def _own_items(
        self, request: ResponsesRequest, client: str, held: HeldBytes, earlier: EarlierItems
    ) -> Sequence[InputItem]:
        """Return the request's own items, what they refer to in place of references. Raises `NotStored`.

        There are no references among the earlier ones.
        """
        if isinstance(request.input, str):
            return [InputItem(type="message", role="user", content=request.input)]
        given: Sequence[InputItem] = request.input or []
        if not any(type_of(item) == "item_reference" and item.id for item in given[earlier.count :]):
            return given
        return await self.resolve_references(given, client, held, "input")

    async def resolve_references(
        self, given: Sequence[InputItem], client: str, held: HeldBytes, field: str = "items"
    ) -> list[InputItem]:
        """Replace references by the items to which they refer. Raises `NotStored` for missing ones."""
        places = [index for index, item in enumerate(given) if type_of(item) == "item_reference" and item.id]
        if not places:
            return list(given)
        items = list(given)
        stored = await self._items({str(given[index].id) for index in places}, client, held)
        for index in places:
            id_ = str(given[index].id)
            if id_ not in stored:
                raise item_not_stored(id_, f"{field}[{index}].id")
            items[index] = stored[id_]
        return items

    async def _items(self, ids: Collection[str], client: str, held: HeldBytes) -> Mapping[str, InputItem]:
        """Return stored items; the id of an item, or an entry for that id, says where the item is stored."""
        owners = {id_: owner for id_ in ids if (owner := owner_in_id(id_)) is not None}
        others = {key_of_item(id_): id_ for id_ in ids if id_ not in owners}
        entries = await self._documents.get(others, client) if others else {}
        owners |= {others[key]: owner_in_entry(others[key], entry) for key, entry in entries.items()}
        responses = sorted({owner for owner in owners.values() if RESPONSE_ID.fullmatch(owner)})
        keys = sorted(f"{owner}/{id_}" for id_, owner in owners.items() if CONVERSATION_ID.fullmatch(owner))
        parts = [*responses, *map(key_of_items, responses), *keys]
        self._hold(await self._documents.size(parts, client), held, "input")
        records = await self._records(responses, client)
        items = [item for record in records.values() for item in items_of(record) if id_of(item) in ids]
        items += map(msgspec.Raw, (await self._documents.get(keys, client)).values())
        return {str(item.id): item for item in read_pieces(items)[1] if item.id}

    async def find(self, response_id: str, client: str) -> StoredResponse | None:
        """Return a stored response, if there is one."""
        return (await self._records([response_id], client)).get(response_id)

    async def response(self, response_id: str, client: str) -> StoredResponse:
        """Return a stored response. Raises `NotStored`."""
        record = await self.find(response_id, client)
        if record is None:
            raise NotStored(f"Response with id '{response_id}' not found.")
        return record

    async def inputs(self, record: StoredResponse, client: str) -> list[msgspec.Raw]:
        """Return the input items of a response: those of earlier responses, and its own. Raises `NotStored`."""
        ids = [*record.history, *map(key_of_items, record.history)]
        self._hold(await self._documents.size(ids, client), HeldBytes(self._histories.budget), "response_id")
        records = await self._records(record.history, client)
        earlier = [item for id_ in record.history if id_ in records for item in items_of(records[id_])]
        return [*earlier, *own_items(record)]

    async def conversation(self, conversation_id: str, client: str, param: str | None = None) -> Conversation:
        """Return a conversation. Raises `NotStored`."""
        keys = [conversation_id] if CONVERSATION_ID.fullmatch(conversation_id) else []
        body = (await self._documents.get(keys, client)).get(conversation_id)
        result = None if body is None else read_entry(conversation_id, body, Conversation)
        if result is None:
            raise NotStored(f"Conversation with id '{conversation_id}' not found.", param=param)
        return result

    async def conversation_items(self, conversation_id: str, client: str, selection: Selection) -> list[msgspec.Raw]:
        """Read items of a conversation; `selection.after` is the id of an item."""
        if selection.after:
            selection = selection._replace(after=f"{conversation_id}/{selection.after}")
        bodies = await self._documents.children(conversation_id, client, selection)
        return list(map(msgspec.Raw, bodies))

    async def conversation_item(self, conversation_id: str, item_id: str, client: str) -> bytes:
        """Return one item of a conversation. Raises `NotStored`."""
        await self.conversation(conversation_id, client)
        key = f"{conversation_id}/{item_id}"
        body = (await self._documents.get([key], client)).get(key)
        if body is None:
            raise NotStored(f"Item with id '{item_id}' not found.")
        return body


def _previous_not_found(id_: str) -> NotStored:
    text = f"Previous response with id '{id_}' not found."
    return NotStored(text, status=400, param="previous_response_id", code="previous_response_not_found")


def _readable(texts: Sequence[bytes], history: Sequence[str]) -> list[bytes]:
    """Leave out damaged items; raise `NotStored` for those of a response of the history: it counts as missing."""
    readable = []
    for number, text in enumerate(texts):
        if read_entry("of an item", b"[%b]" % text, list[msgspec.Raw]) is not None:
            readable.append(text)
        elif history:
            raise _previous_not_found(history[number])
    return readable


def _read_stored(stored: bytes, prefix: Prefix | None) -> tuple[ItemText, Sequence[InputItem]]:
    """Decode stored items; those at the start that a remembered prefix has are not decoded again."""
    beginning = b"" if prefix is None else prefix.beginning.text
    pieces = split_items(stored[len(beginning) :].lstrip().removeprefix(b",") if beginning else stored)
    readable, items = read_pieces(pieces)
    if len(readable) < len(pieces):
        stored = b",".join([beginning, *map(bytes, readable)][not beginning :])
    values = values_at_most(stored) if prefix is None else 0
    text = ItemText(stored, prefix=prefix, pieces=readable, values=values, has_tools=False)
    return text, _join_items(text, [], items)


def _join_items(text: ItemText, items: Sequence[InputItem], more: list[InputItem]) -> Sequence[InputItem]:
    """Return stored items followed by more; the stored ones are decoded only when they are read."""
    if text.prefix is None:
        return [*items, *more]
    return partly_decode(text.prefix.beginning, [*items[text.earlier.count :], *more], InputItem)
