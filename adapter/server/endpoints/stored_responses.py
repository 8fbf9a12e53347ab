"""GET, DELETE and cancel of /v1/responses/{id}, and its input items."""

from collections.abc import Sequence

import msgspec
from starlette.datastructures import QueryParams

from adapter.server.endpoints.responses import follow
from adapter.server.http.asgi import while_connected
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.errors import Malformed
from adapter.server.pipeline.event_stream import EventStream
from adapter.server.state.records import answer_of, id_of
from adapter.store.documents.base import limit_bytes
from adapter.translate.core.notes import Rejected
from adapter.wire.openai.stored import Deleted, ItemList

MAX_PAGE = 100

PAGE_BYTES = 8 * 1024 * 1024
"""Bytes of a page; a larger item is a page of its own."""


class Page:
    """A client's choice of a list's page: `limit` items after the one with id `after`. Raises `Malformed`."""

    def __init__(self, query: QueryParams) -> None:
        self.limit = whole_number(query.get("limit", "20"), "limit", 1, MAX_PAGE)
        self.after = query.get("after", "")
        order = query.get("order", "desc")
        if order not in ("asc", "desc"):
            raise Malformed("order must be asc or desc", "order", "invalid_value")
        self.newest_first = order == "desc"

    def of(self, items: Sequence[msgspec.Raw]) -> ItemList:
        """Return the page of all items, which are in order."""
        ordered = list(reversed(items)) if self.newest_first else list(items)
        if self.after:
            ids = list(map(id_of, ordered))
            ordered = ordered[ids.index(self.after) + 1 :] if self.after in ids else []
        page = limit_bytes(map(bytes, ordered[: self.limit]), PAGE_BYTES)
        return item_list(list(map(msgspec.Raw, page)), has_more=len(ordered) > len(page))


def whole_number(text: str, name: str, least: int, most: int) -> int:
    """Return a number of the query. Raises `Malformed`."""
    # Python refuses to read a number of thousands of digits.
    short = len(text) <= len(str(most)) and text.isascii() and text.isdecimal()
    if not (short and least <= int(text) <= most):
        raise Malformed(f"{name} must be a whole number from {least} to {most}", name, "invalid_value")
    return int(text)


def item_list(items: list[msgspec.Raw], *, has_more: bool = False) -> ItemList:
    """Return items as a list object."""
    first, last = (id_of(items[0]), id_of(items[-1])) if items else (None, None)
    return ItemList(object="list", data=items, first_id=first, last_id=last, has_more=has_more)


async def get_response(call: Call) -> None:
    """Answer with a stored response; with `stream=true` its events after `starting_after`, if in the background."""
    response_id = call.parameters["response_id"]
    record = await call.jobs.find(response_id, call.client.id)
    if call.query.get("stream", "").lower() not in ("true", "1"):
        await call.send_stored(bytes(record.response))
        return
    if not answer_of(record).background:
        raise Rejected("stream", "setting-contradicted", "only a background response can be streamed again")
    after = call.query.get("starting_after")
    position = 0 if after is None else whole_number(after, "starting_after", 0, 2**31) + 1
    call.exchange.status = 200
    stream = EventStream(call.send_message, call.service.streams)
    with while_connected(call.scope, call.receive):
        await follow(call, call.jobs.follow(response_id, call.client.id, position), stream)


async def delete_response(call: Call) -> None:
    """Delete a stored response; one that runs is cancelled first."""
    state, jobs, client = call.service.state, call.jobs, call.client
    response_id = call.parameters["response_id"]
    if answer_of(await jobs.find(response_id, client.id)).background:
        await jobs.cancel(response_id, client.id)
    await state.delete(response_id, client.id)
    await call.send(Deleted(id=response_id, object="response", deleted=True))


async def cancel_response(call: Call) -> None:
    """Cancel a response in the background."""
    record = await call.jobs.cancel(call.parameters["response_id"], call.client.id)
    await call.send(bytes(record.response))


async def list_input_items(call: Call) -> None:
    """Answer with the items that a response answered, those of the responses before it included."""
    state, client = call.service.state, call.client
    page = Page(call.query)
    record = await state.response(call.parameters["response_id"], client.id)
    await call.send(page.of(await state.inputs(record, client.id)))
