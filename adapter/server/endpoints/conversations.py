"""/v1/conversations and their items."""

from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from adapter.server.endpoints.stored_responses import PAGE_BYTES, Page, answer, caller, listed
from adapter.server.pipeline.service import Service
from adapter.server.state.stored_objects import id_of
from adapter.translate.core.notes import Rejected
from adapter.translate.responses.fields import check_tags
from adapter.wire.base import present
from adapter.wire.openai.responses import InputItem
from adapter.wire.openai.stored import ConversationRequest, Deleted, ItemsRequest

T = TypeVar("T")

MAX_ITEMS = 20
"""Items in one request (openai-python 3.54.0, `conversation_create_params.py`)."""


async def _read(request: Request, type_: type[T], empty: bytes = b"") -> T:
    service: Service = request.app.state.service
    body = await service.body(request.scope, request.receive) or empty
    return (await service.read(body, type_, service.work(body)))[0]


async def _wanted(request: Request) -> ConversationRequest:
    wanted = await _read(request, ConversationRequest, b"{}")
    if present(wanted.metadata):
        check_tags(wanted.metadata)
    return wanted


def _checked(items: list[InputItem]) -> list[InputItem]:
    if len(items) > MAX_ITEMS:
        raise Rejected("items", "limit-exceeded", f"at most {MAX_ITEMS} items can be added at a time")
    return items


async def create_conversation(request: Request) -> Response:
    """A new conversation, with its first items."""
    state, _, client = caller(request)
    wanted = await _wanted(request)
    return answer(await state.create_conversation(wanted.metadata, _checked(wanted.items or []), client.id))


async def get_conversation(request: Request) -> Response:
    """A conversation without its items."""
    state, _, client = caller(request)
    return answer(await state.conversation(request.path_params["conversation_id"], client.id))


async def update_conversation(request: Request) -> Response:
    """Set a conversation's metadata."""
    state, _, client = caller(request)
    wanted = await _wanted(request)
    conversation = await state.conversation(request.path_params["conversation_id"], client.id)
    conversation.metadata = wanted.metadata if present(wanted.metadata) else msgspec.Raw(b"{}")
    await state.update_conversation(conversation, client.id)
    return answer(conversation)


async def delete_conversation(request: Request) -> Response:
    """Delete a conversation and its items."""
    state, _, client = caller(request)
    conversation_id = request.path_params["conversation_id"]
    await state.delete_conversation(conversation_id, client.id)
    return answer(Deleted(id=conversation_id, object="conversation.deleted", deleted=True))


async def list_items(request: Request) -> Response:
    """The items of a conversation, newest first unless asked otherwise."""
    state, _, client = caller(request)
    page = Page(request)
    conversation = await state.conversation(request.path_params["conversation_id"], client.id)
    wanted = {"after": page.after, "newest_first": page.newest_first}
    items = await state.conversation_items(conversation.id, client.id, limit=page.limit, max_bytes=PAGE_BYTES, **wanted)
    wanted["after"] = id_of(items[-1]) if items else page.after
    more = await state.conversation_items(conversation.id, client.id, limit=1, **wanted) if items else []
    return answer(listed(items, has_more=bool(more)))


async def create_items(request: Request) -> Response:
    """Put items at the end of a conversation."""
    state, _, client = caller(request)
    wanted = await _read(request, ItemsRequest)
    items = await state.add_items(request.path_params["conversation_id"], _checked(wanted.items), client.id)
    return answer(listed(items))


async def get_item(request: Request) -> Response:
    """One item of a conversation."""
    state, _, client = caller(request)
    path = request.path_params
    return answer(await state.conversation_item(path["conversation_id"], path["item_id"], client.id))


async def delete_item(request: Request) -> Response:
    """Delete one item; the conversation without it."""
    state, _, client = caller(request)
    path = request.path_params
    conversation = await state.conversation(path["conversation_id"], client.id)
    await state.delete_item(conversation.id, path["item_id"], client.id)
    return answer(conversation)
