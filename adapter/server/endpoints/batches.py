"""/v1/batches: many requests from a file, answered into files."""

import msgspec

from adapter.server.batches.manager import RunningBatches
from adapter.server.endpoints.files import check_ledger, ledger_headers
from adapter.server.endpoints.stored_responses import whole_number
from adapter.server.pipeline.call import Call
from adapter.translate import batches
from adapter.wire.base import encode
from adapter.wire.openai.batches import BatchList, BatchRequest

MAX_PAGE = 100


def _batches(call: Call) -> RunningBatches:
    found = call.service.batches
    assert isinstance(found, RunningBatches), "they are opened with the server"
    return found


async def create_batch(call: Call) -> None:
    """Begin a batch."""
    request, unknown = await call.read(BatchRequest)
    new = batches.new_batch(request, unknown, call.service.files.max_life)
    check_ledger(call, new.notes)
    await call.send(await _batches(call).create(request, new, call.client), ledger_headers(new.notes))


async def list_batches(call: Call) -> None:
    """List a client's batches, the newest first."""
    query = call.query
    limit = whole_number(query.get("limit", "20"), "limit", 1, MAX_PAGE)
    batches, has_more = await _batches(call).stored.page(call.client.id, query.get("after", ""), limit)
    data = [msgspec.Raw(encode(await _batches(call).get(one.id, call.client))) for one in batches]
    ends = (batches[0].id, batches[-1].id) if batches else (None, None)
    await call.send(BatchList(object="list", data=data, first_id=ends[0], last_id=ends[1], has_more=has_more))


async def get_batch(call: Call) -> None:
    """Return a batch as it is now."""
    await call.send(await _batches(call).get(call.parameters["batch_id"], call.client))


async def cancel_batch(call: Call) -> None:
    """Cancel a batch. What is answered by then is in its files."""
    await call.send(await _batches(call).cancel(call.parameters["batch_id"], call.client))
