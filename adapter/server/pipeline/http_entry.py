"""The entry for HTTP requests: checks key, rate, body and slot, then calls the endpoint; exceptions become errors."""

import asyncio
import time

from starlette.exceptions import HTTPException

from adapter.server.http.asgi import ClientGone, read_body, while_connected
from adapter.server.media.form import is_form, read_upload
from adapter.server.observe.route_name import loggable_path
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.endpoint import Endpoint
from adapter.server.pipeline.errors import NotServed, add_path, google_error
from adapter.server.pipeline.service import patience_of
from adapter.upstream.errors import UpstreamTimeout

LATER = 1.0
"""Seconds that a client gets, beyond its own time limit, to leave by itself."""


async def serve(endpoint: Endpoint, call: Call, max_body: int) -> None:
    """Answer one request, whose body has at most `max_body` bytes."""
    try:
        await _serve(endpoint, call, max_body)
    except ClientGone:
        call.exchange.status = 499
    except Exception as error:  # noqa: BLE001 - the border: everything becomes an OpenAI error, bugs are logged whole
        if isinstance(error, (HTTPException, NotServed)):
            error = add_path(error, call.scope["method"], loggable_path(call.scope))
        failure = call.record_failure(error)
        try:
            await _outlast_client(call, error)
        except ClientGone:
            call.exchange.status = 499
            return
        body = google_error(failure, error) if endpoint.is_native else failure.body
        await call.send(body, failure.headers, failure.status)


async def _outlast_client(call: Call, error: Exception) -> None:
    """Let the client's own time limit come first: its program expects that error, and not ours a moment before.

    Raises `ClientGone`.
    """
    seconds = patience_of(call.fields)
    if seconds is None or not (isinstance(error, UpstreamTimeout) and error.phase == "total"):
        return
    left = seconds + LATER - (time.perf_counter() - call.exchange.begun)
    # Otherwise the time limit that ran out was not the client's but the server's.
    if 0 < left <= 2 * LATER:
        with while_connected(call.scope, call.receive):
            await asyncio.sleep(left)


async def _serve(endpoint: Endpoint, call: Call, max_body: int) -> None:
    service = call.service
    # Key and rate first: whoever is refused for these is refused before a byte of the body is read.
    if not endpoint.is_open:
        call.client = service.access.client(call.scope, takes_key_in_url=endpoint.is_native)
    if endpoint.asks_gemini:
        call.exchange.client = call.client.id
    if endpoint.is_rated and service.has_rates:
        await service.count(call.client)
    if endpoint.sends_files and (endpoint.takes is None or is_form(call.scope)):
        await _serve_form(endpoint, call, max_body)
        return
    if endpoint.takes is None:
        await _answer(endpoint, call)
        return
    # A larger limit of an endpoint's own is meant for its forms, whose files never become JSON values.
    call.body = await read_body(call.scope, call.receive, min(max_body, service.max_body), service.body_budget)
    try:
        await _answer(endpoint, call)
    finally:
        service.body_budget.release(len(call.body))


async def _serve_form(endpoint: Endpoint, call: Call, max_body: int) -> None:
    """Answer a request whose files go to Gemini; other endpoints read their forms themselves."""
    service = call.service
    # Browsers send forms to other sites without asking, but not JSON (no CORS preflight for multipart/form-data).
    service.access.check_origin(call.scope)
    form = await read_upload(call.scope, call.receive, max_body, service.body_budget)
    try:
        call.form, call.body = form, form.body(endpoint.takes_form)
        await _answer(endpoint, call)
    finally:
        form.release()


async def _answer(endpoint: Endpoint, call: Call) -> None:
    if not endpoint.asks_gemini:
        await endpoint.handler(call)
        return
    call.exchange.is_form = call.form is not None
    call.exchange.request = call.body if call.form is None else call.form.describe()
    call.service.recorder.exchanges.begin(call.exchange)
    admission = call.service.admission
    # Around the wait for a slot, too: a client that leaves must not stay in the queue.
    with while_connected(call.scope, call.receive):
        await admission.acquire()
        try:
            await endpoint.handler(call)
        finally:
            admission.release()
