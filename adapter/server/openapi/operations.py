"""Every route, as the description of this API needs it; a test compares them with the application's."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Union

from adapter.wire.openai import response_events
from adapter.wire.openai.chat_answer import ChatCompletion, ChatCompletionChunk
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.openai.models import Model, ModelList
from adapter.wire.openai.responses import Response, ResponsesRequest
from adapter.wire.openai.stored import (
    CompactedResponse,
    Conversation,
    ConversationRequest,
    Deleted,
    InputTokens,
    Item,
    ItemList,
    ItemsRequest,
)

JSON = "application/json"
EVENTS = "text/event-stream"

ASKING = (400, 401, 403, 429, 500, 502, 503, 504)
SENDING = (*ASKING, 404, 413, 415)
STORED = (400, 401, 403, 404, 500)
SENDING_STORED = (*STORED, 413, 415)

PAGE: dict[str, Any] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 100},
    "after": {"type": "string"},
    "order": {"enum": ["asc", "desc"]},
}
RESUMING: dict[str, Any] = {"stream": {"type": "boolean"}, "starting_after": {"type": "integer", "minimum": 0}}


def _leaves(cls: type) -> list[type]:
    """The classes below this one that have none below themselves."""
    below: list[type] = cls.__subclasses__()
    return [leaf for one in below for leaf in _leaves(one)] if below else [cls]


# Their number is not known here, so they cannot be spelled with `|`.
ResponseStreamEvent: Any = Union[tuple(_leaves(response_events.Event))]  # noqa: UP007


class Operation(NamedTuple):
    """One route: what it takes, what it gives by media type, and with which statuses it may fail."""

    method: str
    path: str
    name: str
    summary: str
    takes: Any = None
    gives: Any = dict[str, Any]
    streams: Any = None
    fails: tuple[int, ...] = ()
    query: Mapping[str, Any] = MappingProxyType({})
    open: bool = False

    @property
    def variables(self) -> list[str]:
        """The names in its path."""
        return re.findall(r"{(\w+)}", self.path)

    @property
    def content(self) -> dict[str, Any]:
        """What it gives, by media type."""
        return {JSON: self.gives} | ({EVENTS: self.streams} if self.streams else {})


RESPONSE = "/v1/responses/{response_id}"
CONVERSATION = "/v1/conversations/{conversation_id}"
ITEM = CONVERSATION + "/items/{item_id}"

OPERATIONS = (
    Operation(
        "post",
        "/v1/chat/completions",
        "createChatCompletion",
        "Answer a chat, whole or as a stream of chunks that ends with [DONE].",
        ChatCompletionRequest,
        ChatCompletion,
        ChatCompletionChunk,
        SENDING,
    ),
    Operation(
        "post",
        "/v1/responses",
        "createResponse",
        "Answer items, whole, as a stream of events, or in the background.",
        ResponsesRequest,
        Response,
        ResponseStreamEvent,
        SENDING,
    ),
    Operation("post", "/v1/responses/input_tokens", "countInputTokens", "Count tokens.", ResponsesRequest, InputTokens,
              None, SENDING),
    Operation("post", "/v1/responses/compact", "compactResponse", "Shorten a conversation.", ResponsesRequest,
              CompactedResponse, None, SENDING),
    Operation("get", RESPONSE, "getResponse", "A stored response, or the events of one in the background.", None,
              Response, ResponseStreamEvent, STORED, RESUMING),
    Operation("delete", RESPONSE, "deleteResponse", "Delete a stored response.", None, Deleted, None, STORED),
    Operation("post", RESPONSE + "/cancel", "cancelResponse", "Cancel a response in the background.", None, Response,
              None, STORED),
    Operation("get", RESPONSE + "/input_items", "listInputItems", "What a response answered.", None, ItemList, None,
              STORED, PAGE),
    Operation("post", "/v1/conversations", "createConversation", "A new conversation.", ConversationRequest,
              Conversation, None, SENDING_STORED),
    Operation("get", CONVERSATION, "getConversation", "A conversation without its items.", None, Conversation, None,
              STORED),
    Operation("post", CONVERSATION, "updateConversation", "Set a conversation's metadata.", ConversationRequest,
              Conversation, None, SENDING_STORED),
    Operation("delete", CONVERSATION, "deleteConversation", "Delete a conversation and its items.", None, Deleted, None,
              STORED),
    Operation("get", CONVERSATION + "/items", "listConversationItems", "The items of a conversation.", None, ItemList,
              None, STORED, PAGE),
    Operation("post", CONVERSATION + "/items", "createConversationItems", "Put items at the end of a conversation.",
              ItemsRequest, ItemList, None, SENDING_STORED),
    Operation("get", ITEM, "getConversationItem", "One item of a conversation.", None, Item, None, STORED),
    Operation("delete", ITEM, "deleteConversationItem", "Delete one item.", None, Conversation, None, STORED),
    Operation("get", "/v1/models", "listModels", "List the models.", None, ModelList, None, ASKING),
    Operation("get", "/v1/models/{model}", "retrieveModel", "Describe one model.", None, Model, None, (*ASKING, 404)),
    Operation("post", "/translate", "translate", "Show what would go to Gemini, without calling it.",
              ChatCompletionRequest, fails=SENDING),
    Operation("get", "/healthz", "health", "Whether the process lives.", open=True),
    Operation("get", "/readyz", "readiness", "Whether new requests should come here.", fails=(503,), open=True),
    Operation("get", "/openapi.json", "description", "This description.", open=True),
)  # fmt: skip
"""All but those of the page at /."""
