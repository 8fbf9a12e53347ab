"""/v1/conversations and their items."""

import msgspec

from adapter.server.endpoints.stored_responses import PAGE_BYTES, Page, item_list
from adapter.server.pipeline.call import Call
from adapter.server.state.records import id_of
from adapter.store.documents.base import Selection
from adapter.translate.core.notes import Rejected
from adapter.translate.responses.fields import check_tags
from adapter.translate.responses.stored_items import check_items
from adapter.wire.base import present
from adapter.wire.openai.responses_request import InputItem
from adapter.wire.openai.stored import ConversationRequest, Deleted, ItemsRequest

MAX_ITEMS = 20
"""The most items in one request (openai-python 3.54.0, `conversation_create_params.py`)."""


async def _read_request(call: Call) -> ConversationRequest:
    call.body = call.body or b"{}"
    request, _unknown = await call.read(ConversationRequest)
    if present(request.metadata):
        check_tags(request.metadata)
    return request


async def _check_items(items: list[InputItem], call: Call) -> list[InputItem]:
    """Check that later responses can read these items. Raises `Rejected`: one bad item would end the conversation."""
    if len(items) > MAX_ITEMS:
        raise Rejected("items", "limit-exceeded", f"at most {MAX_ITEMS} items can be added at a time")
    await call.work.run(check_items, items)
    return items


async def create_conversation(call: Call) -> None:
    """Create a conversation with its first items."""
    state, client = call.service.state, call.client
    request = await _read_request(call)
    items = await _check_items(request.items or [], call)
    await call.send(await state.create_conversation(request.metadata, items, client.id))


async def get_conversation(call: Call) -> None:
    """Answer with a conversation, without its items."""
    state, client = call.service.state, call.client
    await call.send(await state.conversation(call.parameters["conversation_id"], client.id))


async def update_conversation(call: Call) -> None:
    """Set a conversation's metadata."""
    state, client = call.service.state, call.client
    request = await _read_request(call)
    conversation = await state.conversation(call.parameters["conversation_id"], client.id)
    conversation.metadata = request.metadata if present(request.metadata) else msgspec.Raw(b"{}")
    await state.update_conversation(conversation, client.id)
    await call.send(conversation)


async def delete_conversation(call: Call) -> None:
    """Delete a conversation and its items."""
    state, client = call.service.state, call.client
    conversation_id = call.parameters["conversation_id"]
    await state.delete_conversation(conversation_id, client.id)
    await call.send(Deleted(id=conversation_id, object="conversation.deleted", deleted=True))


async def list_items(call: Call) -> None:
    """Answer with the items of a conversation, newest first unless asked otherwise."""
    state, client = call.service.state, call.client
    page = Page(call.query)
    conversation = await state.conversation(call.parameters["conversation_id"], client.id)
    wanted = Selection(page.after, page.limit, page.newest_first, PAGE_BYTES)
    items = await state.conversation_items(conversation.id, client.id, wanted)
    has_more = False
    if items:
        next_one = wanted._replace(after=id_of(items[-1]), limit=1)
        has_more = bool(await state.conversation_items(conversation.id, client.id, next_one))
    await call.send(item_list(items, has_more=has_more))


async def create_items(call: Call) -> None:
    """Put items at the end of a conversation."""
    state, client = call.service.state, call.client
    request, _unknown = await call.read(ItemsRequest)
    checked = await _check_items(request.items, call)
    items = await state.add_items(call.parameters["conversation_id"], checked, client.id)
    await call.send(item_list(items))


async def get_item(call: Call) -> None:
    """Answer with one item of a conversation."""
    state, client = call.service.state, call.client
    path = call.parameters
    await call.send_stored(await state.conversation_item(path["conversation_id"], path["item_id"], client.id))


async def delete_item(call: Call) -> None:
    """Delete one item; answer with the conversation, which no longer has it."""
    state, client = call.service.state, call.client
    path = call.parameters
    conversation = await state.conversation(path["conversation_id"], client.id)
    await state.delete_item(conversation.id, path["item_id"], client.id)
    await call.send(conversation)
