"""Stored responses and conversations, and the answers that show them (openai-python 3.54.0)."""

import msgspec

from adapter.wire.base import ABSENT, Wire
from adapter.wire.openai.responses_answer import ResponseUsage
from adapter.wire.openai.responses_request import InputItem


class StoredResponse(Wire):
    """The stored record of a response: itself, its own input, and the ids of earlier responses, oldest first."""

    response: msgspec.Raw
    input: list[msgspec.Raw]
    history: list[str]


class ItemsHead(Wire):
    """The head of a response's stored items: its status, the number of the request's own items, and its history."""

    status: str
    own: int
    history: list[str]


class StoredAnswer(msgspec.Struct, kw_only=True):
    """The part of a stored response that the server itself reads."""

    id: str
    status: str
    background: bool = False
    store: bool = True
    output: list[msgspec.Raw] = []


class ItemHead(msgspec.Struct):
    """The part of a stored item that the server itself reads."""

    id: str = ""


class ItemList(Wire):
    """A page of items."""

    object: str
    data: list[msgspec.Raw]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Deleted(Wire):
    """The answer to a deletion; `object` is response or conversation.deleted."""

    id: str
    object: str
    deleted: bool


class InputTokens(Wire):
    """The number of a request's tokens."""

    object: str
    input_tokens: int


class CompactedResponse(Wire):
    """A shorter conversation: all user messages, then one compaction item."""

    id: str
    object: str
    created_at: int
    output: list[InputItem]
    usage: ResponseUsage


class Conversation(Wire):
    """A stored conversation, without its items."""

    id: str
    object: str
    created_at: int
    metadata: msgspec.Raw


class ConversationRequest(Wire):
    """A new conversation, or a change of its metadata."""

    items: list[InputItem] | None = None
    metadata: msgspec.Raw = ABSENT


class ItemsRequest(Wire):
    """Items for a conversation."""

    items: list[InputItem]
