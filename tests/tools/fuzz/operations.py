"""Every operation of /openapi.json, and chains of them, by schemathesis: what comes back is as described there."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from adapter.server.openapi.document import document
from adapter.server.routes import ENDPOINTS
from tests.support.in_process import InProcess, check_answer
from tests.tools.fuzz import changing, seeds

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
"""Not whether valid data are taken and invalid ones refused: no schema says all that makes a request impossible, and
null counts as absent."""

REFERENCE = "#/components/schemas/"
ASKED = "asked."
"""Begins the names of schemas of requests, which say more here than those of answers."""


@cache
def describe() -> Any:
    """The description; in requests the values that the seeds have under a name stand beside what its type says."""
    told = json.loads(document(ENDPOINTS))
    schemas = told["components"]["schemas"]
    asked = _rename(schemas)
    for one in asked.values():
        _enrich(one.get("properties", {}))
    schemas |= {ASKED + name: one for name, one in asked.items()}
    for operation in (one for path in told["paths"].values() for one in path.values() if "requestBody" in one):
        operation["requestBody"] = _rename(operation["requestBody"])
    return schemathesis.openapi.from_dict(told)


def _rename(schema: Any) -> Any:
    return json.loads(json.dumps(schema).replace(REFERENCE, REFERENCE + ASKED))


def _enrich(properties: dict[str, Any]) -> None:
    for name, inner in properties.items():
        # A reference in a value would be followed like one in a schema.
        if seen := [one for one in seeds.seen_in_requests().get(name, ()) if '"$ref"' not in json.dumps(one)]:
            properties[name] = {"anyOf": [{"enum": seen}, inner]}


def asking(app: InProcess, label: str) -> tuple[st.SearchStrategy[Any], Callable[[Any], None]]:
    """Requests for one operation, and how each is made; where there is something to do wrong, some do it."""
    (operation,) = (one for one in (result.ok() for result in describe().get_all_operations()) if one.label == label)
    assert not operation.has_skipped_required_body, "its schema cannot be read"
    positive, negative = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
    strategy = operation.as_strategy(positive)
    if operation.body or operation.query:
        strategy |= operation.as_strategy(negative)
    return strategy, lambda case: validate(case, ask_operation(app, case))


def validate(case: Any, response: Response) -> None:
    """Raise unless an answer is one that is described."""
    case.validate_response(response, checks=CHECKS)


def ask_operation(app: InProcess, case: Any) -> Response:
    """The answer to one request. Raises as `InProcess.ask` does, and as `check_answer`."""
    request = requests.Request(**case.as_transport_kwargs(base_url="http://localhost")).prepare()
    url = urlsplit(str(request.url))
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in request.headers.items()]
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else body
    assert isinstance(body, bytes)
    answer = app.ask(unquote(url.path), body, headers, case.method, url.query.encode())
    if case.operation.path in changing.PATHS:
        check_answer(case.operation.path, answer)
    told = {name.decode(): [value.decode("latin-1")] for name, value in answer.headers.items()}
    return Response(answer.status, told, answer.body, request, answer.seconds, verify=True)


def chains(app: InProcess, counted: Callable[[], None]) -> Any:
    """A machine of states that goes from one operation to the next with what it got: ids, names of models."""

    class Chain(describe().as_state_machine()):  # type: ignore[misc]
        def call(self, case: Any, **_: Any) -> Response:
            counted()
            return ask_operation(app, case)

        def validate_response(self, response: Response, case: Any, *_: Any, **__: Any) -> None:
            validate(case, response)

    return Chain
