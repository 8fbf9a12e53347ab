"""The description of this server as OpenAPI 3.1 (spec.openapis.org/oas/v3.1.1).

The schemas are made from the Structs that decode requests and encode answers, so they cannot say anything else. Two
things hold for every request and are said once: unknown fields are taken and told in the ledger, and `null` counts as
absent.
"""

from functools import lru_cache
from http import HTTPStatus
from typing import Any

from adapter import __version__
from adapter.server.openapi.schemas import Schemas
from adapter.server.pipeline.endpoint import FORM, JSON, Endpoint, Endpoints
from adapter.wire.base import encode
from adapter.wire.gemini.errors import ErrorBody as GoogleErrorBody
from adapter.wire.openai.errors import ErrorBody

DESCRIPTION = (
    "OpenAI's API, answered by Gemini. Fields that are not described are taken too; what becomes of each field is told "
    "in the header x-adapter-notes. null counts as absent. The paths under /v1 are also served without it."
)


BINARY = {"type": "string", "format": "binary"}
"""Bytes that are no JSON."""


@lru_cache(maxsize=1)
def document(endpoints: Endpoints) -> bytes:
    """Return the description of these endpoints as JSON."""
    schemas = Schemas()
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        if endpoint.is_described:
            paths.setdefault(endpoint.template, {})[endpoint.method.lower()] = _describe(endpoint, schemas)
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


def _describe(endpoint: Endpoint, schemas: Schemas) -> dict[str, Any]:
    content = {
        media: {"schema": BINARY if type_ is bytes else schemas.of(type_)} for media, type_ in endpoint.content.items()
    }
    error = GoogleErrorBody if endpoint.is_native else ErrorBody
    # A probe that fails says so in its own form.
    is_probe = endpoint.is_open and not endpoint.gives_bytes
    failing = content if is_probe else {JSON: {"schema": schemas.of(error)}}
    answers = {200: {"description": "The answer.", "content": content}}
    answers |= {status: {"description": HTTPStatus(status).phrase, "content": failing} for status in endpoint.fails}
    described: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "responses": {str(status): answers[status] for status in sorted(answers)},
    }
    body: dict[str, Any] = {}
    if endpoint.takes is not None:
        body[JSON] = {"schema": schemas.of(endpoint.takes)}
    if endpoint.takes_form is not None:
        body[FORM] = {"schema": schemas.of(endpoint.takes_form)}
    if body:
        described["requestBody"] = {"required": True, "content": body}
    if parameters := _parameters(endpoint):
        described["parameters"] = parameters
    if endpoint.is_open:
        described["security"] = []
    return described


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    text = {"type": "string"}
    in_path = [{"name": name, "in": "path", "required": True, "schema": text} for name in endpoint.variables]
    in_query = [{"name": name, "in": "query", "schema": schema} for name, schema in endpoint.query.items()]
    return [*in_path, *in_query]
