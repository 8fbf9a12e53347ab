"""GET, DELETE and cancel of /v1/responses/{id}, and its input items."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from adapter.server.endpoints.responses import follow
from adapter.server.http.asgi import ClientGone, while_connected
from adapter.server.limits.access import Client
from adapter.server.pipeline.errors import Malformed
from adapter.server.pipeline.event_stream import EventStream
from adapter.server.pipeline.service import Service
from adapter.server.state.background import Jobs
from adapter.server.state.stored_objects import State, answer_of, id_of
from adapter.store.documents.base import first_bytes
from adapter.translate.core.notes import Rejected
from adapter.wire.base import encode
from adapter.wire.openai.stored import Deleted, ItemList

MAX_PAGE = 100

PAGE_BYTES = 8 * 1024 * 1024
"""Bytes of a page; a larger item is a page of its own."""


class Page:
    """How a client wants a list: `limit` items from behind the one with id `after`. Raises `Malformed`."""

    def __init__(self, request: Request) -> None:
        query = request.query_params
        self.limit = whole_number(query.get("limit", "20"), "limit", 1, MAX_PAGE)
        self.after = query.get("after", "")
        order = query.get("order", "desc")
        if order not in ("asc", "desc"):
            raise Malformed("order is asc or desc", "order", "invalid_value")
        self.newest_first = order == "desc"

    def of(self, items: Sequence[msgspec.Raw]) -> ItemList:
        """The page among all items, which are in order."""
        ordered = list(reversed(items)) if self.newest_first else list(items)
        if self.after:
            ids = list(map(id_of, ordered))
            ordered = ordered[ids.index(self.after) + 1 :] if self.after in ids else []
        page = first_bytes(map(bytes, ordered[: self.limit]), PAGE_BYTES)
        return listed(list(map(msgspec.Raw, page)), has_more=len(ordered) > len(page))


def whole_number(text: str, name: str, least: int, most: int) -> int:
    """A number of the query. Raises `Malformed`."""
    # Python refuses to read a number of thousands of digits.
    short = len(text) <= len(str(most)) and text.isascii() and text.isdecimal()
    if not (short and least <= int(text) <= most):
        raise Malformed(f"{name} is a whole number from {least} to {most}", name, "invalid_value")
    return int(text)


def listed(items: list[msgspec.Raw], *, has_more: bool = False) -> ItemList:
    """Items as a list."""
    first, last = (id_of(items[0]), id_of(items[-1])) if items else (None, None)
    return ItemList(object="list", data=items, first_id=first, last_id=last, has_more=has_more)


def caller(request: Request) -> tuple[State, Jobs, Client]:
    """What an endpoint about stored things needs. Raises `AccessDenied`."""
    service: Service = request.app.state.service
    return service.state, request.app.state.jobs, service.access.client(request.scope)


def answer(value: object) -> Response:
    """An answer in JSON."""
    return Response(value if isinstance(value, bytes) else encode(value), media_type="application/json")


async def get_response(request: Request) -> Response:
    """A stored response; with `stream=true` the events of one in the background, from behind `starting_after`."""
    _, jobs, client = caller(request)
    response_id = request.path_params["response_id"]
    record = await jobs.find(response_id, client.id)
    if request.query_params.get("stream", "").lower() not in ("true", "1"):
        return answer(bytes(record.response))
    if not answer_of(record).background:
        raise Rejected("stream", "setting-contradicted", "only a response in the background can be streamed again")
    after = request.query_params.get("starting_after")
    position = 0 if after is None else whole_number(after, "starting_after", 0, 2**31) + 1
    return Resumed(request.app.state.service, lambda: jobs.follow(response_id, client.id, position))


class Resumed(Response):
    """The events of a response that runs, or ran, in the background."""

    def __init__(self, service: Service, batches: Callable[[], AsyncGenerator[list[bytes]]]) -> None:
        super().__init__()
        self._service = service
        self._batches = batches

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See `Response`."""
        stream = EventStream(send, {}, self._service.settings)
        with suppress(ClientGone), while_connected(scope, receive):
            await follow(self._service, self._batches(), stream)


async def delete_response(request: Request) -> Response:
    """Delete a stored response; one that runs is cancelled first."""
    state, jobs, client = caller(request)
    response_id = request.path_params["response_id"]
    if answer_of(await jobs.find(response_id, client.id)).background:
        await jobs.cancel(response_id, client.id)
    await state.delete(response_id, client.id)
    return answer(Deleted(id=response_id, object="response", deleted=True))


async def cancel_response(request: Request) -> Response:
    """Cancel a response in the background."""
    _, jobs, client = caller(request)
    record = await jobs.cancel(request.path_params["response_id"], client.id)
    return answer(bytes(record.response))


async def list_input_items(request: Request) -> Response:
    """What a response answered, the items of the responses before it included."""
    state, _, client = caller(request)
    page = Page(request)
    record = await state.response(request.path_params["response_id"], client.id)
    return answer(page.of(await state.inputs(record, client.id)))
