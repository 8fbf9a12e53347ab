"""The endpoints for responses and conversations, a part of the one list of endpoints (`adapter/server/routes.py`)."""

from typing import Any, Union

from adapter.server.endpoints import conversations
from adapter.server.endpoints.response_tools import compact_response, count_input_tokens
from adapter.server.endpoints.responses import create_response
from adapter.server.endpoints.responses_socket import open_responses_socket
from adapter.server.endpoints.stored_responses import cancel_response, delete_response, get_response, list_input_items
from adapter.server.http.router import WEBSOCKET
from adapter.server.pipeline.endpoint import (
    ORDER,
    SENDING,
    SENDING_STORED,
    STORED,
    Endpoint,
    Endpoints,
    page_query,
)
from adapter.wire.openai import response_events
from adapter.wire.openai.responses_answer import Response
from adapter.wire.openai.responses_request import ResponsesRequest
from adapter.wire.openai.stored import (
    CompactedResponse,
    Conversation,
    ConversationRequest,
    Deleted,
    InputTokens,
    ItemList,
    ItemsRequest,
)

PAGE: dict[str, Any] = page_query(100) | ORDER

RESUMING: dict[str, Any] = {"stream": {"type": "boolean"}, "starting_after": {"type": "integer", "minimum": 0}}


def _leaves(cls: type) -> list[type]:
    """Return the subclasses of a class that have no subclasses themselves."""
    below: list[type] = cls.__subclasses__()
    return [leaf for one in below for leaf in _leaves(one)] if below else [cls]


ResponseStreamEvent: Any = Union[tuple(_leaves(response_events.Event))]  # noqa: UP007

RESPONSES: Endpoints = (
    Endpoint(
        method="POST",
        path="/v1/responses",
        handler=create_response,
        name="createResponse",
        summary="Answer items, whole, as a stream of events, or in the background.",
        takes=ResponsesRequest,
        gives=Response,
        streams=ResponseStreamEvent,
        fails=SENDING,
        asks_gemini=True,
        is_rated=True,
    ),
    # Each `response.create` that comes over it is a call of its own: key, rate and place are its own.
    Endpoint(method=WEBSOCKET, path="/v1/responses", handler=open_responses_socket, is_open=True),
    Endpoint(
        method="POST",
        path="/v1/responses/input_tokens",
        handler=count_input_tokens,
        name="countInputTokens",
        summary="Count tokens.",
        takes=ResponsesRequest,
        gives=InputTokens,
        fails=SENDING,
        asks_gemini=True,
        is_rated=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/responses/compact",
        handler=compact_response,
        name="compactResponse",
        summary="Shorten a conversation.",
        takes=ResponsesRequest,
        gives=CompactedResponse,
        fails=SENDING,
        asks_gemini=True,
        is_rated=True,
    ),
    Endpoint(
        method="GET",
        path="/v1/responses/{response_id}",
        handler=get_response,
        name="getResponse",
        summary="A stored response, or the events of one in the background.",
        gives=Response,
        streams=ResponseStreamEvent,
        query=RESUMING,
        fails=STORED,
    ),
    Endpoint(
        method="DELETE",
        path="/v1/responses/{response_id}",
        handler=delete_response,
        name="deleteResponse",
        summary="Delete a stored response.",
        gives=Deleted,
        fails=STORED,
    ),
    Endpoint(
        method="POST",
        path="/v1/responses/{response_id}/cancel",
        handler=cancel_response,
        name="cancelResponse",
        summary="Cancel a response in the background.",
        gives=Response,
        fails=STORED,
    ),
    Endpoint(
        method="GET",
        path="/v1/responses/{response_id}/input_items",
        handler=list_input_items,
        name="listInputItems",
        summary="What a response answered.",
        gives=ItemList,
        query=PAGE,
        fails=STORED,
    ),
)

CONVERSATION = "/v1/conversations/{conversation_id}"

ITEM = CONVERSATION + "/items/{item_id}"

CONVERSATIONS: Endpoints = (
    Endpoint(
        method="POST",
        path="/v1/conversations",
        handler=conversations.create_conversation,
        name="createConversation",
        summary="A new conversation.",
        takes=ConversationRequest,
        gives=Conversation,
        fails=SENDING_STORED,
    ),
    Endpoint(
        method="GET",
        path=CONVERSATION,
        handler=conversations.get_conversation,
        name="getConversation",
        summary="A conversation without its items.",
        gives=Conversation,
        fails=STORED,
    ),
    Endpoint(
        method="POST",
        path=CONVERSATION,
        handler=conversations.update_conversation,
        name="updateConversation",
        summary="Set a conversation's metadata.",
        takes=ConversationRequest,
        gives=Conversation,
        fails=SENDING_STORED,
    ),
    Endpoint(
        method="DELETE",
        path=CONVERSATION,
        handler=conversations.delete_conversation,
        name="deleteConversation",
        summary="Delete a conversation and its items.",
        gives=Deleted,
        fails=STORED,
    ),
    Endpoint(
        method="GET",
        path=CONVERSATION + "/items",
        handler=conversations.list_items,
        name="listConversationItems",
        summary="The items of a conversation.",
        gives=ItemList,
        query=PAGE,
        fails=STORED,
    ),
    Endpoint(
        method="POST",
        path=CONVERSATION + "/items",
        handler=conversations.create_items,
        name="createConversationItems",
        summary="Put items at the end of a conversation.",
        takes=ItemsRequest,
        gives=ItemList,
        fails=SENDING_STORED,
    ),
    Endpoint(
        method="GET",
        path=ITEM,
        handler=conversations.get_item,
        name="getConversationItem",
        summary="One item of a conversation.",
        gives=dict[str, Any],
        fails=STORED,
    ),
    Endpoint(
        method="DELETE",
        path=ITEM,
        handler=conversations.delete_item,
        name="deleteConversationItem",
        summary="Delete one item.",
        gives=Conversation,
        fails=STORED,
    ),
)
