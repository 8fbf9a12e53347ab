"""Gemini's own paths, /v1beta/...: requests and answers pass as bytes, and are read beside passing.

A model's name is looked up in the model map as everywhere, and the signatures of calls that this server has kept are
added (`translate.native`). Errors are Google's. Both forms of a stream are made of the same events. Where a call
fails before anything was passed on, the next upstream with the same model is asked; never another model.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from urllib.parse import parse_qsl, urlencode

import msgspec
from starlette.exceptions import HTTPException

from adapter.server.http.asgi import ClientGone, to_printable_values
from adapter.server.http.response_writer import UPSTREAM_HEADER, writer_for
from adapter.server.limits.access import ModelDenied
from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.errors import google_error, to_malformed
from adapter.server.pipeline.fallback import FallbackPlans, Place, Route
from adapter.server.pipeline.model_lists import path_of_model
from adapter.server.pipeline.service import DECODING_ERRORS, deadline_of, patience_of
from adapter.settings import find_served_model
from adapter.translate.core.capabilities import alias_notes
from adapter.translate.core.notes import Note, Rejected
from adapter.translate.native import history as native_history
from adapter.translate.native import pass_through
from adapter.translate.native.history import AnswerParts, NativeHistory
from adapter.upstream.client import Caller, Forwarded, Upstream
from adapter.upstream.errors import UpstreamError, UpstreamProtocolError, from_event
from adapter.upstream.sse import EventDecoder
from adapter.upstream.transport.base import Response, join_pieces
from adapter.wire.base import decode, encode
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.signatures import Signature

_KEY = frozenset({"key", "api_key", "access_token"})
"""Parameters of a URL that hold the client's key, which is this server's and never goes on."""

_METHOD = re.compile(r"[A-Za-z]+")
_METHODS_OF_ONE_MODEL = frozenset(
    {"generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"}
)
"""Methods whose bodies name no model but at places that `translate.native.pass_through` reads."""

_GENERATIONS = ("generateContent", "streamGenerateContent")
_JSON = "application/json; charset=UTF-8"
_EVENTS = "text/event-stream"


class NativePlan(msgspec.Struct, frozen=True):
    """A call to a model at one place, and the notes on it."""

    forwarded: Forwarded
    notes: list[Note]

    @property
    def model(self) -> str:
        """The model that is asked."""
        return self.forwarded.model


async def call_model(call: Call) -> None:
    """Call a method of a model: `models/NAME:METHOD`."""
    name, _, method = call.parameters["target"].rpartition(":")
    if not name or not _METHOD.fullmatch(method):
        raise HTTPException(404)
    if call.client.is_limited:
        _check_limits(call, method)
    exchange = call.exchange
    exchange.model_asked, exchange.stream = name, method == "streamGenerateContent"
    call.client.check(name)
    plans = await _plans(call, name, method)
    _record(call, plans.plan)
    plans.check(notes.strictness(call.fields, call.service.losses), call.service.losses.notes)
    pin = await find_pin(call)
    makes_names = method not in _METHODS_OF_ONE_MODEL
    pin = pin or (plans.place.upstream.choose_key(call.client.id) if makes_names else "")
    body, head = await _ask(call, plans, pin)
    if body is None:
        return
    if method in _GENERATIONS:
        await _read_along(call, body, plans.place, AnswerParts())
    if makes_names:
        await call.service.owners.record(pass_through.names_made(body), call.client.id, pin)
    await call.send(body, _headers(call, plans, head))


async def _ask(call: Call, plans: FallbackPlans[NativePlan], pin: str) -> tuple[bytes | None, Mapping[str, str]]:
    """Ask the places in turn until one answers; return its whole answer, or None where a stream has been passed on."""
    until = call.service.answering.time_limit(patience_of(call.fields))
    while True:
        forwarded = plans.plan.forwarded
        try:
            if not call.exchange.stream:
                return await read_whole(call, forwarded, pin, plans.place.upstream)
            await _stream(call, plans, pin)
            return None, {}
        except UpstreamError as error:
            await plans.after(error, until)
            _record(call, plans.plan)


def _record(call: Call, plan: NativePlan) -> None:
    """Record the plan by which the call is answered."""
    exchange = call.exchange
    exchange.model, exchange.notes = plan.model, plan.notes
    exchange.upstream_request = msgspec.Raw(plan.forwarded.body or b"null")


async def find_pin(call: Call, names: Collection[str] = ()) -> str:
    """Return the upstream's key that made the names in the URL (`names`) and the body; "" if any key will do.

    Raises `NotStored` for names that another client's request made, where clients have keys of this server's.
    """
    service = call.service
    if not (service.access.is_shared or service.upstream.has_several_keys):
        return ""
    try:
        all_names = {*names, *pass_through.names_in(call.body)}
    except DECODING_ERRORS as error:
        raise to_malformed(error) from None
    return await service.owners.find_pin(all_names, call.client.id, strictly=service.access.is_shared)


def _check_limits(call: Call, method: str) -> None:
    """Refuse a limited client a method whose body names models where they are not read, and a model in its body.

    Raises `ModelDenied`, and `Malformed` for a body in which other models could stand unread.
    """
    if method not in _METHODS_OF_ONE_MODEL:
        raise ModelDenied(f"A client that is limited to some models may not use {method}.")
    try:
        names = pass_through.models_in(call.body)
    except DECODING_ERRORS as error:
        raise to_malformed(error) from None
    for name in names:
        call.client.check(name)


def query_of(call: Call) -> dict[str, str]:
    """Return the parameters of the URL, without the client's key."""
    pairs = parse_qsl(call.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return {name: value for name, value in pairs if name.lower() not in _KEY}


def with_query(path: str, query: Mapping[str, str]) -> str:
    """Return the path with the parameters of a URL."""
    return f"{path}?{urlencode(query)}" if query else path


async def _plans(call: Call, name: str, method: str) -> FallbackPlans[NativePlan]:
    """Return the plans of a call: the same model at each upstream. Raises `Rejected`."""
    service = call.service
    places = service.planner.places
    missing = pass_through.unsigned_calls(call.body) if method in _GENERATIONS else []
    by_ids, by_words = await _records(call, missing) if missing else ({}, {})
    served = find_served_model(name, service.catalogue)

    def make(route: Route) -> NativePlan:
        place = route.place
        here = served if place is places[0] else find_served_model(name, service.planner.catalogue(place))
        if here.model != served.model or not _takes_body(place, places[0], method):
            raise Rejected("model", "wrong-endpoint", "another model would answer there, or in another form")
        forwarded = _to_model(call, here.model, method, place.upstream)
        changed, added = pass_through.with_signatures(call.body, missing, by_ids, by_words, place.options.upstream)
        return NativePlan(
            msgspec.structs.replace(forwarded, body=changed) if added else forwarded, [*alias_notes(name, here), *added]
        )

    goes_on = len(places) > 1 and method in _METHODS_OF_ONE_MODEL and not _names_anything(call.body)
    routes = [Route(place, name) for place in (places if goes_on else places[:1])]
    # Bytes are passed on, so nothing is computed that would keep others waiting.
    return FallbackPlans(make(routes[0]), routes, make, service.work_for(0))


async def _records(
    call: Call, missing: Sequence[pass_through.UnsignedCall]
) -> tuple[dict[int, Signature], dict[int, Signature]]:
    """Return the stored records of calls: by id, and of the others by the history before them."""
    store, client = call.service.store, call.client.id
    keys = [one.key for one in missing if one.id]
    by_ids = pass_through.find_by_ids(missing, await store.get(keys, client) if keys else {})
    left = [one for one in missing if one.offset not in by_ids]
    history = await _history(call) if left else None
    if history is None:
        return by_ids, {}
    records = await store.get_by_words(native_history.keys_of(history, left), client)
    return by_ids, native_history.records_of(history, left, records)


async def _history(call: Call) -> NativeHistory | None:
    """Return the request's history; None if it cannot be read: Gemini itself refuses that."""
    try:
        return await call.service.work(call.body).run(NativeHistory, call.body)
    except native_history.UNREADABLE:
        return None


def _takes_body(place: Place, first: Place, method: str) -> bool:
    """Return whether a place takes the first one's body: Vertex AI has embeddings in another form."""
    return "mbed" not in method or (place.options.platform == "vertex") == (first.options.platform == "vertex")


def _names_anything(body: bytes) -> bool:
    """Return whether a body names something that Gemini made (at one upstream alone), or cannot be read."""
    try:
        return bool(pass_through.names_in(body))
    except DECODING_ERRORS:
        return True


def _to_model(call: Call, model: str, method: str, upstream: Upstream) -> Forwarded:
    """Return the call as it goes to a model of an upstream's. Raises `Rejected`."""
    path = f"{path_of_model(model, upstream.settings.models)}:{method}"
    query = query_of(call)
    streams = call.exchange.stream and upstream.settings.streaming
    if call.exchange.stream:
        query["alt"] = "sse"
    if call.exchange.stream and not streams:
        path, query = path.replace(":streamG", ":g"), {}
    return Forwarded(
        verb="POST",
        path=with_query(path, query),
        body=call.body,
        method=method,
        model=model,
        streams=streams,
    )


def _headers(call: Call, plans: FallbackPlans[NativePlan], answered: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a model's answer, with its upstream if that is not the usual one."""
    headers = headers_of(call, answered)
    return {**headers, UPSTREAM_HEADER: plans.place.label} if plans.is_fallback else headers


def headers_of(call: Call, answered: Mapping[str, str]) -> dict[str, str]:
    """Return the headers for the client, made from Gemini's."""
    type_ = answered.get("content-type") or _JSON
    return {**notes.headers(call.exchange.model, call.exchange.notes), "content-type": type_}


@asynccontextmanager
async def _open(call: Call, forwarded: Forwarded, pin: str, upstream: Upstream) -> AsyncIterator[Response]:
    """Open an upstream's answer, and close it at the end."""
    with call.service.shutdown.limit():
        response = await upstream.forward(forwarded, Caller(call.client.key, pin), deadline_of(call.fields))
    try:
        yield response
    finally:
        await response.aclose()


async def read_whole(
    call: Call, forwarded: Forwarded, pin: str = "", upstream: Upstream | None = None
) -> tuple[bytes, Mapping[str, str]]:
    """Read the whole answer of an upstream, the first one by default; return it and its headers."""
    upstream = upstream or call.service.upstream
    async with _open(call, forwarded, pin, upstream) as response:
        return await _read_body(call, response, upstream.settings.max_answer_bytes), response.headers


async def _read_body(call: Call, response: Response, limit: int) -> bytes:
    """Read the whole body of an answer. Raises `UpstreamProtocolError` for one of more than `limit` bytes."""
    return await join_pieces(partial(_next, call, response), limit)


async def _next(call: Call, response: Response) -> bytes:
    with call.service.shutdown.limit():
        return await response.read()


async def _read_along(call: Call, payload: bytes, place: Place, parts: AnswerParts) -> None:
    """Read an answer or an event beside passing it: its usage, and the signatures that a next turn may miss.

    What is not of Gemini's shape passes all the same; an error in a stream is one.
    """
    try:
        response, _ = decode(payload, GenerateContentResponse)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    call.exchange.record_reply(response)
    records = pass_through.records_of_answer(response, place.options.upstream)
    if (whole := parts.take(response)) and (history := await _history(call)) is not None and not history.keeps_ids:
        records += history.issue(whole, place.options.upstream)
    if records:
        await call.service.store.put(records, call.client.id)


Frame = Callable[[bytes, bool], bytes]
"""One event of a stream for the client: its JSON, and whether it is the first."""


def _as_event(payload: bytes, _first: bool) -> bytes:
    return b"data: " + payload + b"\r\n\r\n"


def _as_item(payload: bytes, first: bool) -> bytes:
    return (b"[" if first else b",\r\n") + payload


async def _stream(call: Call, plans: FallbackPlans[NativePlan], pin: str) -> None:
    """Pass a stream on, event by event; the answer begins with the first one, so that an early error is a plain one.

    Raises `UpstreamError` as long as nothing was passed on.
    """
    forwarded, place = plans.plan.forwarded, plans.place
    in_events = ("alt", "sse") in parse_qsl(call.scope["query_string"].decode("latin-1"))
    frame: Frame = _as_event if in_events else _as_item
    headers = to_printable_values(_headers(call, plans, {"content-type": _EVENTS} if in_events else {}))
    writer, settings = writer_for(call.send_message), call.service.streams
    tap = call.service.recorder.exchanges.tap(call.exchange)
    first, parts = True, AnswerParts()

    async def write(data: bytes) -> None:
        if tap is not None:
            tap.record(data)
        try:
            async with asyncio.timeout(settings.write_timeout):
                await writer.send_piece(data, headers)
        except TimeoutError:
            raise ClientGone from None

    async with (
        _open(call, forwarded, pin, place.upstream) as response,
        aclosing(_payloads(call, response, plans)) as payloads,
    ):
        try:
            async for payload in payloads:
                if _is_error(payload):
                    raise from_event(payload)
                await _read_along(call, payload, place, parts)
                call.exchange.status = 200
                await write(frame(payload, first))
                first = False
        except UpstreamError as error:
            if first:
                raise
            failure = call.record_failure(error)
            await write(frame(encode(google_error(failure, error)), False))
        if first:
            raise UpstreamProtocolError("Gemini ended its stream without any event.")
        if not in_events:
            await write(b"]")
    await writer.finish()


def _is_error(payload: bytes) -> bool:
    return payload.lstrip()[:8].replace(b" ", b"") in (b'{"error"', b'{\n"error')


async def _payloads(call: Call, response: Response, plans: FallbackPlans[NativePlan]) -> AsyncGenerator[bytes]:
    """Yield the events of an answer as JSON; a whole answer is one event."""
    settings = plans.place.upstream.settings
    if not plans.plan.forwarded.streams:
        yield await _read_body(call, response, settings.max_answer_bytes)
        return
    decoder = EventDecoder(settings.max_event_bytes)
    while piece := await _next(call, response):
        for payload in decoder.feed(piece):
            yield payload
    for payload in decoder.close():
        yield payload
