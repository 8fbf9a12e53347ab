"""GET /openapi.json: what this server takes and gives, as OpenAPI 3.1 (spec.openapis.org/oas/v3.1.1).

The schemas are made from the Structs that decode requests and encode answers, so they cannot say anything else. Two
things hold for every request and are said once: unknown fields are taken and told in the ledger, and `null` counts as
absent.
"""

from functools import cache
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from adapter import __version__
from adapter.server.openapi.operations import JSON, OPERATIONS, Operation
from adapter.server.openapi.schemas import Schemas
from adapter.wire.base import encode
from adapter.wire.openai.errors import ErrorBody

DESCRIPTION = (
    "OpenAI's API, answered by Gemini. Fields that are not described are taken too; what becomes of each field is told "
    "in the header x-adapter-notes. null counts as absent. The paths under /v1 are also served without it."
)


async def openapi(_request: Request) -> Response:
    """The description; it holds nothing that is anybody's."""
    return Response(document(), media_type=JSON)


@cache
def document() -> bytes:
    """The description as JSON."""
    schemas = Schemas()
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _described(operation, schemas)
    return encode(
        {
            "openapi": "3.1.1",
            "info": {"title": "gemini-openai-adapter", "version": __version__, "description": DESCRIPTION},
            "servers": [{"url": "/"}],
            "paths": paths,
            "components": {
                "schemas": schemas.components,
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer"},
                    "key": {"type": "apiKey", "in": "header", "name": "api-key"},
                },
            },
            # The empty one: where the operator set no client keys, none is asked for.
            "security": [{"bearer": []}, {"key": []}, {}],
        }
    )


def _described(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    content = {media: {"schema": schemas.of(type_)} for media, type_ in operation.content.items()}
    failing = content if operation.open else {JSON: {"schema": schemas.of(ErrorBody)}}
    answers = {200: {"description": "The answer.", "content": content}}
    answers |= {status: {"description": HTTPStatus(status).phrase, "content": failing} for status in operation.fails}
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": {str(status): answers[status] for status in sorted(answers)},
    }
    if operation.takes is not None:
        body = {JSON: {"schema": schemas.of(operation.takes)}}
        described["requestBody"] = {"required": True, "content": body}
    if parameters := _parameters(operation):
        described["parameters"] = parameters
    if operation.open:
        described["security"] = []
    return described


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    text = {"type": "string"}
    in_path = [{"name": name, "in": "path", "required": True, "schema": text} for name in operation.variables]
    in_query = [{"name": name, "in": "query", "schema": schema} for name, schema in operation.query.items()]
    return [*in_path, *in_query]
