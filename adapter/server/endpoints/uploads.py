"""/v1/uploads: a file that comes in parts."""

from adapter.server.endpoints.files import IncomingFile, check_ledger, ledger_headers
from adapter.server.http.forms import read_form
from adapter.server.pipeline.call import Call
from adapter.translate import files
from adapter.wire.openai.files import CompleteUploadRequest, UploadRequest


async def create_upload(call: Call) -> None:
    """Begin an upload."""
    service = call.service
    request, unknown = await call.read(UploadRequest)
    new = files.of_upload(request, unknown, service.file_settings.file_max_bytes, service.files.max_life)
    check_ledger(call, new.notes)
    upload = await service.files.begin_upload(new, request.bytes, call.client.id)
    await call.send(upload, ledger_headers(new.notes))


async def add_upload_part(call: Call) -> None:
    """Store a part of an upload, which comes in a form."""
    service, client = call.service, call.client
    service.access.check_origin(call.scope)
    record = await service.files.pending_upload(call.parameters["upload_id"], client.id)
    incoming = IncomingFile(service.files.begin_part, client.id, "data", files.MAX_PART)
    try:
        await read_form(call.scope, call.receive, files.MAX_PART, incoming.open)
        writing, _part = incoming.take_file()
        await call.send(await service.files.keep_part(record, writing, client.id))
    finally:
        await incoming.discard()


async def complete_upload(call: Call) -> None:
    """Put the parts of an upload together: the order of their ids is that of the file."""
    service, client = call.service, call.client
    request, _unknown = await call.read(CompleteUploadRequest)
    record = await service.files.pending_upload(call.parameters["upload_id"], client.id)
    await call.send(await service.files.complete_upload(record, request.part_ids, request.md5, client.id))


async def cancel_upload(call: Call) -> None:
    """Give an upload up."""
    service, client = call.service, call.client
    record = await service.files.pending_upload(call.parameters["upload_id"], client.id)
    await call.send(await service.files.cancel_upload(record, client.id))
