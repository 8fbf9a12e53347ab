"""Stored responses, conversations and their items as the document store has them.

| document | key | body | deleted with |
|---|---|---|---|
| response | `resp_...` | `StoredResponse` | - |
| conversation | `conv_...` | `Conversation` | - |
| item of a conversation | `conv_.../ITEM` | the item | its conversation |
| entry: where an item of this id is | `item:ITEM` | id of its response or conversation, a digest of it | that one |
| parent of a conversation's entries | `entries:conv_...` | `1` | its conversation |

Items of a response are inside it. An item whose id was made here holds the id of its owner, and needs no entry.
"""

import logging
import re
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from adapter.server.state.not_stored import NotStored
from adapter.store import UNREADABLE, Document
from adapter.wire.base import decode, encode
from adapter.wire.openai.responses_request import InputItem
from adapter.wire.openai.stored import Item, ItemHead, StoredAnswer, StoredResponse
from adapter.wire.reader import read_items

T = TypeVar("T")


log = logging.getLogger("adapter")


RESPONSE_ID = re.compile(r"resp_[0-9a-f]{48}")

CONVERSATION_ID = re.compile(r"conv_[0-9a-f]{48}")

ANSWERED_ID = re.compile(r"[a-z]+_[0-9a-f]{48}")
"""An id that an answer gave to one of its items. These are random, so no client has them for other items."""

_INPUT_ID = re.compile(r"[a-z]+_([0-9a-f]{48})(v?)[0-9a-f]{4,}")
"""An id that was made for an item of a request: it holds the id of its response, or of its conversation (`v`)."""

SEVERAL = "several"
"""Stands for the digest in the entry of an id that several items have."""


def answer_of(record: StoredResponse) -> StoredAnswer:
    """Decode the fields of a stored response that the server itself needs."""
    return msgspec.json.decode(record.response, type=StoredAnswer)


def read_response(response_id: str, body: bytes) -> StoredResponse | None:
    """Decode a stored response; None for a damaged one, which counts as missing."""
    record = read_entry(response_id, body, StoredResponse)
    return record if record is not None and read_entry(response_id, record.response, StoredAnswer) is not None else None


def read_entry(key: str, body: bytes | msgspec.Raw, type_: type[T]) -> T | None:
    """Decode what the store has under a key; None for a damaged body, which is logged and counts as missing."""
    try:
        found: T = decode(bytes(body), type_)[0]
    except UNREADABLE as error:
        log.warning("the stored entry %s cannot be read, and counts as missing: %s", key, error)
        return None
    return found


def id_of(item: msgspec.Raw) -> str:
    """Return the id of a stored item."""
    return msgspec.json.decode(item, type=ItemHead).id


def items_of(record: StoredResponse) -> list[msgspec.Raw]:
    """Return the items that a response was asked with, and those that it answered."""
    return [*record.input, *answer_of(record).output]


def read_stored_items(items: Sequence[msgspec.Raw]) -> list[InputItem]:
    """Decode stored items. Damaged ones and those without an id are left out."""
    try:
        read = read_items(items, InputItem, "input")[0]
    except UNREADABLE:
        readable = [item for item in items if read_entry("of an item", item, InputItem) is not None]
        read = read_items(readable, InputItem, "input")[0]
    return [item for item in read if item.id]


def encode_items(items: Sequence[Item]) -> list[msgspec.Raw]:
    """Return the items as they are stored."""
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
    """Return the id of what an item belongs to, by its entry. Raises `NotStored` where several items have its id."""
    owner, *digest = entry.decode().split()
    if digest == [SEVERAL]:
        text = f"Several stored items have the id '{item_id}': send the item itself."
        raise NotStored(text, status=400, param="input", code="ambiguous_item")
    return owner


def owner_in_id(item_id: str) -> str | None:
    """Return the id of what an item belongs to, where the item's id holds it; else None."""
    found = _INPUT_ID.fullmatch(item_id)
    return found and f"{'conv' if found[2] == 'v' else 'resp'}_{found[1]}"
