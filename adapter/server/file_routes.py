"""The endpoints for files, uploads and batches, a part of the one list of endpoints (`adapter/server/routes.py`)."""

from typing import Any

from adapter.server.endpoints import batches, files, uploads
from adapter.server.pipeline.endpoint import ORDER, SENDING_STORED, STORED, Endpoint, Endpoints, page_query
from adapter.wire.openai.batches import Batch, BatchList, BatchRequest
from adapter.wire.openai.files import (
    CompleteUploadRequest,
    FileForm,
    FileList,
    FileObject,
    Upload,
    UploadPart,
    UploadPartForm,
    UploadRequest,
)
from adapter.wire.openai.stored import Deleted

ON_DISK = (*STORED, 503)
SENDING_TO_DISK = (*SENDING_STORED, 429, 503)
"""Statuses with which an endpoint fails that needs the directory of files, and one that writes there what is sent."""

FILE_PAGE: dict[str, Any] = page_query(files.MAX_PAGE) | ORDER | {"purpose": {"type": "string"}}
FILE = "/v1/files/{file_id}"
UPLOAD = "/v1/uploads/{upload_id}"

FILES: Endpoints = (
    Endpoint(
        method="POST",
        path="/v1/files",
        handler=files.create_file,
        name="createFile",
        summary="Store a file.",
        takes_form=FileForm,
        gives=FileObject,
        fails=SENDING_TO_DISK,
        is_rated=True,
    ),
    Endpoint(
        method="GET",
        path="/v1/files",
        handler=files.list_files,
        name="listFiles",
        summary="List the files.",
        gives=FileList,
        query=FILE_PAGE,
        fails=STORED,
    ),
    Endpoint(
        method="GET",
        path=FILE,
        handler=files.get_file,
        name="retrieveFile",
        summary="What is known of a file.",
        gives=FileObject,
        fails=STORED,
    ),
    Endpoint(
        method="DELETE",
        path=FILE,
        handler=files.delete_file,
        name="deleteFile",
        summary="Delete a file.",
        gives=Deleted,
        fails=ON_DISK,
    ),
    Endpoint(
        method="GET",
        path=FILE + "/content",
        handler=files.get_file_content,
        name="downloadFile",
        summary="The content of a file.",
        gives_bytes=True,
        fails=ON_DISK,
    ),
    Endpoint(
        method="POST",
        path="/v1/uploads",
        handler=uploads.create_upload,
        name="createUpload",
        summary="Begin a file that comes in parts.",
        takes=UploadRequest,
        gives=Upload,
        fails=SENDING_TO_DISK,
        is_rated=True,
    ),
    Endpoint(
        method="POST",
        path=UPLOAD + "/parts",
        handler=uploads.add_upload_part,
        name="addUploadPart",
        summary="Store a part.",
        takes_form=UploadPartForm,
        gives=UploadPart,
        fails=SENDING_TO_DISK,
        is_rated=True,
    ),
    Endpoint(
        method="POST",
        path=UPLOAD + "/complete",
        handler=uploads.complete_upload,
        name="completeUpload",
        summary="Put the parts together.",
        takes=CompleteUploadRequest,
        gives=Upload,
        fails=SENDING_TO_DISK,
    ),
    Endpoint(
        method="POST",
        path=UPLOAD + "/cancel",
        handler=uploads.cancel_upload,
        name="cancelUpload",
        summary="Give an upload up.",
        gives=Upload,
        fails=ON_DISK,
    ),
    Endpoint(
        method="POST",
        path="/v1/batches",
        handler=batches.create_batch,
        name="createBatch",
        summary="Answer the requests of a file.",
        takes=BatchRequest,
        gives=Batch,
        fails=SENDING_TO_DISK,
        is_rated=True,
    ),
    Endpoint(
        method="GET",
        path="/v1/batches",
        handler=batches.list_batches,
        name="listBatches",
        summary="List the batches.",
        gives=BatchList,
        query=page_query(batches.MAX_PAGE),
        fails=ON_DISK,
    ),
    Endpoint(
        method="GET",
        path="/v1/batches/{batch_id}",
        handler=batches.get_batch,
        name="retrieveBatch",
        summary="A batch as it is now.",
        gives=Batch,
        fails=ON_DISK,
    ),
    Endpoint(
        method="POST",
        path="/v1/batches/{batch_id}/cancel",
        handler=batches.cancel_batch,
        name="cancelBatch",
        summary="Cancel a batch.",
        gives=Batch,
        fails=(*STORED, 409, 503),
    ),
)
"""Files that requests name by their ids, uploads that become files, and batches of requests."""
