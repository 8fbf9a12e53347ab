"""Stored responses, conversations and their items as the document store has them.

| document | key | body | deleted with |
|---|---|---|---|
| response | `resp_...` | `Response` without its output | - |
| its items | `items:resp_...` | `ItemsHead`, a line break, the items with commas between them | its response |
| conversation | `conv_...` | `Conversation` | - |
| item of a conversation | `conv_.../ITEM` | the item | its conversation |
| entry: where an item of this id is | `item:ITEM` | id of its response or conversation, a digest of it | that one |
| parent of a conversation's entries | `entries:conv_...` | `1` | its conversation |

The items of a response are what its request said itself, as it came, and what was answered. They are read in front of
each response that follows, so they stand alone, as bytes that need not be read where they are known. Responses of
earlier versions have all in one document (`StoredResponse`), which is still read. An item whose id was made here holds
the id of its owner, and needs no entry.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from adapter.server.state.not_stored import NotStored
from adapter.store import UNREADABLE, Document
from adapter.translate.responses.fields import as_stored
from adapter.wire.base import decode, encode
from adapter.wire.openai.responses_answer import Response
from adapter.wire.openai.responses_request import InputItem
from adapter.wire.openai.stored import ItemHead, ItemsHead, StoredAnswer, StoredResponse
from adapter.wire.reader import read_items

T = TypeVar("T")


log = logging.getLogger("adapter")


RESPONSE_ID = re.compile(r"resp_[0-9a-f]{48}")

CONVERSATION_ID = re.compile(r"conv_[0-9a-f]{48}")

_INPUT_ID = re.compile(r"[a-z]+_([0-9a-f]{48})(v?)[0-9a-f]{4,}")
"""An id that was made for an item of a request: it holds the id of its response, or of its conversation (`v`)."""

SEVERAL = "several"
"""The value in place of the digest in an entry whose id several items have."""


class StoredItems(NamedTuple):
    """The stored items of a response, as text."""

    head: ItemsHead
    text: bytes

    def pieces(self) -> list[msgspec.Raw]:
        """Split the text into items, the request's own first."""
        return split_items(self.text)


def split_items(text: bytes) -> list[msgspec.Raw]:
    """Split items with commas between them."""
    return msgspec.json.decode(b"[%b]" % text, type=list[msgspec.Raw])


def key_of_items(response_id: str) -> str:
    """Return the key of a response's items."""
    return f"items:{response_id}"


def response_documents(response: Response, own: bytes, count: int, history: list[str]) -> list[Document]:
    """Return the documents of a response; `own` is the text of its request's own items."""
    texts = [*([own] if own else ()), *map(encode, response.output)]
    head = encode(ItemsHead(status=response.status, own=count, history=history))
    return [
        Document(response.id, encode(msgspec.structs.replace(response, output=[]))),
        Document(key_of_items(response.id), head + b"\n" + b",".join(texts), response.id),
    ]


def read_stored(response_id: str, body: bytes) -> StoredItems | None:
    """Decode the head of a response's items; None for a damaged document, which counts as missing."""
    head, _, text = body.partition(b"\n")
    found = read_entry(response_id, head, ItemsHead)
    return None if found is None else StoredItems(found, text)


def join_record(response_id: str, body: bytes, items: bytes) -> StoredResponse | None:
    """Put a response and its items together; None for damaged ones, which count as missing."""
    stored = read_stored(response_id, items)
    head = read_entry(response_id, body, dict[str, msgspec.Raw])
    pieces = None if stored is None else read_entry(response_id, b"[%b]" % stored.text, list[msgspec.Raw])
    if stored is None or head is None or pieces is None:
        return None
    own = stored.head.own
    response = msgspec.Raw(encode({**head, "output": pieces[own:]}))
    if read_entry(response_id, response, StoredAnswer) is None:
        return None
    return StoredResponse(response=response, input=pieces[:own], history=stored.head.history)


def split_record(record: StoredResponse) -> StoredItems:
    """Return the items of a response that is stored in a single document (earlier versions)."""
    answer = answer_of(record)
    head = ItemsHead(status=answer.status, own=len(record.input), history=record.history)
    return StoredItems(head, b",".join(map(bytes, [*record.input, *answer.output])))


def answer_of(record: StoredResponse) -> StoredAnswer:
    """Decode the fields of a stored response that the server itself needs."""
    return msgspec.json.decode(record.response, type=StoredAnswer)


def read_response(response_id: str, bodies: Mapping[str, bytes]) -> StoredResponse | None:
    """Decode a response, which may be stored in two documents; None for a damaged one, which counts as missing."""
    body, items = bodies[response_id], bodies.get(key_of_items(response_id))
    if items is not None:
        return join_record(response_id, body, items)
    record = read_entry(response_id, body, StoredResponse)
    return record if record is not None and read_entry(response_id, record.response, StoredAnswer) is not None else None


def read_entry(key: str, body: bytes | msgspec.Raw, type_: type[T]) -> T | None:
    """Decode what the store has under a key; None for a damaged body, which is logged and counts as missing."""
    try:
        entry: T = decode(bytes(body), type_)[0]
    except UNREADABLE as error:
        log.warning("the stored entry %s cannot be read, and counts as missing: %s", key, error)
        return None
    return entry


def id_of(item: msgspec.Raw) -> str:
    """Return the id of a stored item."""
    return msgspec.json.decode(item, type=ItemHead).id


def own_items(record: StoredResponse) -> list[msgspec.Raw]:
    """Return the items of a response's request, as they are listed."""
    items = read_items(record.input, InputItem, "input")[0]
    return encode_items(as_stored(items, answer_of(record).id.partition("_")[2]))


def items_of(record: StoredResponse) -> list[msgspec.Raw]:
    """Return the input items and the output items of a response, as they are listed."""
    return [*own_items(record), *answer_of(record).output]


def read_pieces(pieces: Sequence[msgspec.Raw]) -> tuple[list[msgspec.Raw], list[InputItem]]:
    """Decode stored items; return those that can be read, as they are stored and decoded."""
    try:
        items = read_items(pieces, InputItem, "input")[0]
    except UNREADABLE:
        pieces = [item for item in pieces if read_entry("of an item", item, InputItem) is not None]
        items = read_items(pieces, InputItem, "input")[0]
    if _NO_ITEM in items:
        pieces = [piece for piece, item in zip(pieces, items, strict=True) if item != _NO_ITEM]
        items = [item for item in items if item != _NO_ITEM]
    return list(pieces), items


_NO_ITEM = InputItem()
"""Stands for a damaged item, of which no field can be read."""


def encode_items(items: Sequence[InputItem]) -> list[msgspec.Raw]:
    """Return the items as they are stored and listed."""
    return [msgspec.Raw(encode(item)) for item in items]


def conversation_document(conversation_id: str, item: msgspec.Raw) -> Document:
    """Return the document of an item of a conversation."""
    return Document(f"{conversation_id}/{id_of(item)}", bytes(item), conversation_id)


def key_of_item(item_id: str) -> str:
    """Return the key of the entry that says to which response or conversation an item belongs."""
    return f"item:{item_id}"


def entry_document(item_id: str, owner: str, digest: str) -> Document:
    """Return the entry of an item. It is deleted with the response or conversation that the item belongs to."""
    parent = key_of_entries(owner) if CONVERSATION_ID.fullmatch(owner) else owner
    return Document(key_of_item(item_id), f"{owner} {digest}".encode(), parent)


def key_of_entries(conversation_id: str) -> str:
    """Return the key of the document that a conversation's entries are children of.

    They are not the conversation's own children, because those are listed as its items.
    """
    return f"entries:{conversation_id}"


def owner_in_entry(item_id: str, entry: bytes) -> str:
    """Return the id of an item's owner, from its entry. Raises `NotStored` if several items have the item's id."""
    owner, *digest = entry.decode().split()
    if digest == [SEVERAL]:
        text = f"Several stored items have the id '{item_id}': send the item itself."
        raise NotStored(text, status=400, param="input", code="ambiguous_item")
    return owner


def owner_in_id(item_id: str) -> str | None:
    """Return the id of the response or conversation of an item, if the item's id contains it; else None."""
    found = _INPUT_ID.fullmatch(item_id)
    return found and f"{'conv' if found[2] == 'v' else 'resp'}_{found[1]}"
