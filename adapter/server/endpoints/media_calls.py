"""Plans, calls with files, and event streams: shared by the endpoints of images and audio."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Protocol, TypeVar

import msgspec

from adapter.server.endpoints import model_calls
from adapter.server.http.asgi import ClientGone, until
from adapter.server.http.response_writer import UPSTREAM_HEADER
from adapter.server.media.form import insert_uploads
from adapter.server.pipeline import ledger_headers
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.event_stream import EventStream
from adapter.server.pipeline.fallback import FallbackPlans, Planned, Renewed, Route, with_notes
from adapter.server.pipeline.planner import in_line
from adapter.server.pipeline.service import patience_of
from adapter.server.state.gemini_files import UPLOADED_AGAIN
from adapter.settings import find_served_model
from adapter.translate.answer.parallel_choices import total
from adapter.translate.answer.reply import lost_of_answer
from adapter.translate.content.content_parts import FILE_ID, is_remote
from adapter.translate.core.capabilities import ServedModel
from adapter.translate.core.context import Media, Options
from adapter.translate.core.notes import Note, Rejected
from adapter.translate.native.pass_through import names_of, names_of_uris
from adapter.upstream.client import Caller
from adapter.upstream.errors import UpstreamError
from adapter.wire.base import encode
from adapter.wire.gemini.generate import GenerateContentRequest, GenerateContentResponse, UsageMetadata
from adapter.wire.sse import COMMENT, DONE, event


class MediaPlan(Planned, Protocol):
    """A plan of calls of generateContent; equal bodies are one object."""

    @property
    def bodies(self) -> list[GenerateContentRequest]:
        """The body of each call."""
        ...


P = TypeVar("P", bound=MediaPlan)


async def files_of(call: Call, named: Iterable[str], path: str) -> dict[str, Media]:
    """Return files by name: those of the form, without data, and the `named` ones that are stored here or fetched.

    `path` is the path of the field that names them. Raises `Rejected`, `NotStored`, `FetchError`, `UpstreamError`.
    """
    names = list(dict.fromkeys(named))
    files = {} if call.form is None else call.form.media()
    files |= await call.service.planner.fetch(filter(is_remote, names))
    if ids := [name for name in names if name.startswith(FILE_ID)]:
        try:
            files |= await call.service.gemini_files.media(ids, call.client)
        except Rejected as error:
            raise Rejected(path, error.note.code, error.note.reason) from None
    return files


async def make_plans(
    call: Call,
    model: str,
    endpoint: str,
    make: Callable[[ServedModel, Options, Mapping[str, Media]], P],
    files: Mapping[str, Media] = {},
    path: str = "",
) -> FallbackPlans[P]:
    """Make the plans of a request and record the first. Raises `ModelDenied`, `NotStored`, `Rejected`, `StrictLoss`.

    `make` translates the request for one model. The field at `path` names the files. Files at Gemini belong to the
    first place: if the request names some, there is no fallback to other places. Files that are stored here can go to
    all: other places get their data in line. If Gemini has lost its copy of one, it is uploaded again.
    """
    planner = call.service.planner
    served = model_calls.find_model(call, model, endpoint)
    first_place = planner.places[0]

    def maker(at_hand: Mapping[str, Media], *added: Note) -> Callable[[Route], P]:
        def make_at(route: Route) -> P:
            place = route.place
            if place is first_place and route.model == served.name:
                plan = make(served, place.options, at_hand)
            else:
                here = find_served_model(route.model, planner.catalogue(place), endpoint)
                plan = make(here, place.options, at_hand if place is first_place else in_line(at_hand))
            return with_notes(plan, [*added, *plan.notes]) if added else plan

        return make_at

    make_at = maker(files)
    first = await call.work.run(make_at, Route(first_place, served.name))
    names, pin = await _names_in(call, first)
    copies = names_of_uris(one.uri for one in files.values()) if names else set()
    routes = planner.routes(served.name, is_first_only=bool(names - copies))

    async def renew(error: UpstreamError) -> Renewed[P] | None:
        renewed = await call.service.gemini_files.renew(files, error, call.client)
        if renewed is None:
            return None
        remade = maker({**files, **renewed}, UPLOADED_AGAIN.at(path))
        again = await call.work.run(remade, routes[0])
        return Renewed(again, remade, (await _names_in(call, again))[1])

    plans = FallbackPlans(first, routes, make_at, call.work, pin, renew)
    losses = call.service.losses
    record(call, plans)
    plans.check(ledger_headers.strictness(call.fields, losses), losses.notes)
    return plans


async def _names_in(call: Call, plan: MediaPlan) -> tuple[set[str], str]:
    """Return the names of Gemini's objects in a plan, and the pin of the key that made them. Raises `NotStored`."""
    names = {name for body in plan.bodies for name in names_of(body)}
    return names, await model_calls.find_pin(call, names)


def record(call: Call, plans: FallbackPlans[P]) -> None:
    """Record the current plan for the request log and the page."""
    plan, exchange = plans.plan, call.exchange
    exchange.model, exchange.notes = plan.model, plan.notes
    bodies = plan.bodies
    exchange.upstream_request = bodies[0] if all(body is bodies[0] for body in bodies) else bodies


def headers_of(call: Call, plans: FallbackPlans[P]) -> dict[str, str]:
    """Return the headers with the notes, and after a fallback with the upstream that answered."""
    headers = model_calls.headers_for(call)
    return {**headers, UPSTREAM_HEADER: plans.place.label} if plans.is_fallback else headers


def with_uploads(call: Call, body: GenerateContentRequest) -> Sequence[bytes]:
    """Return the JSON of a body with the data of the form's files; nothing where there is no form."""
    return () if call.form is None else insert_uploads(encode(body), call.form.contents)


async def ask(call: Call, plans: FallbackPlans[P]) -> list[GenerateContentResponse]:
    """Make all calls of a plan and return their answers; if one fails, the others end and the next plan is tried.

    Raises `UpstreamError`.
    """
    until = call.service.answering.time_limit(patience_of(call.fields))
    while True:
        try:
            answers = await model_calls.ask_all(call, partial(_ask_one, call, plans, until), plans.plan.bodies)
            break
        except UpstreamError as error:
            await plans.after(error, until)
            record(call, plans)
    call.exchange.usage = total([answer.usage_metadata for answer in answers])
    return answers


async def _ask_one(
    call: Call, plans: FallbackPlans[P], until: float, body: GenerateContentRequest
) -> GenerateContentResponse:
    upstream, caller = plans.place.upstream, Caller(call.client.key, plans.pin)
    reply = await upstream.generate(plans.plan.model, body, caller, until, with_uploads(call, body))
    if reply.unknown:
        add_notes(call, lost_of_answer(reply.unknown))
    return reply.response


def add_notes(call: Call, notes: Iterable[Note]) -> None:
    """Record notes on the answer, each once."""
    earlier = call.exchange.reply_notes
    call.exchange.reply_notes = [*earlier, *(note for note in dict.fromkeys(notes) if note not in earlier)]


async def each_answer(call: Call, plans: FallbackPlans[P]) -> AsyncGenerator[GenerateContentResponse]:
    """Make all calls of a plan in parallel; yield their answers as they arrive.

    After the first answer there is no fallback to another plan. Closing the generator ends all calls. Raises
    `UpstreamError`.
    """
    until, has_begun = call.service.answering.time_limit(patience_of(call.fields)), False
    used: list[UsageMetadata | None] = []
    while True:
        turns = asyncio.Semaphore(model_calls.AT_ONCE)

        async def ask_in_turn(body: GenerateContentRequest, turns: asyncio.Semaphore) -> GenerateContentResponse:
            async with turns:
                return await _ask_one(call, plans, until, body)

        tasks = [asyncio.create_task(ask_in_turn(body, turns)) for body in plans.plan.bodies]
        try:
            for answered in asyncio.as_completed(tasks):
                answer = await answered
                has_begun = True
                used.append(answer.usage_metadata)
                call.exchange.usage = total(used)
                yield answer
            return
        except UpstreamError as error:
            if has_begun:
                raise
            failure = error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await plans.after(failure, until)
        record(call, plans)


async def open_events(call: Call, plans: FallbackPlans[P]) -> AsyncGenerator[GenerateContentResponse | None]:
    """Open the streams of a plan's calls one after the other; yield the events, and None at the end of each call.

    After the first event there is no fallback to another plan. Raises `UpstreamError`.
    """
    until, has_begun = call.service.answering.time_limit(patience_of(call.fields)), False
    while True:
        plan, upstream = plans.plan, plans.place.upstream
        try:
            for body in plan.bodies:
                caller = Caller(call.client.key, plans.pin)
                events = await upstream.stream(plan.model, body, caller, until, with_uploads(call, body))
                async with aclosing(events):
                    while (reply := await events.next()) is not None:
                        has_begun = True
                        call.exchange.record_reply(reply.response)
                        if reply.unknown:
                            add_notes(call, lost_of_answer(reply.unknown))
                        yield reply.response
                yield None
            return
        except UpstreamError as error:
            if has_begun:
                raise
            await plans.after(error, until)
            record(call, plans)


@asynccontextmanager
async def event_stream(call: Call, plans: FallbackPlans[P]) -> AsyncIterator[EventStream]:
    """Run a body that writes events, with commit timer and heartbeats; then write [DONE].

    An error before the first byte is raised; a later one becomes an error event.
    """
    exchange, service = call.exchange, call.service
    exchange.status, exchange.answer, exchange.stream = 200, [], True
    stream = EventStream(call.send_message, service.streams, service.recorder.exchanges.tap(exchange))
    if plans.is_certain:
        stream.headers = headers_of(call, plans)
    with until(stream.keep_alive(lambda: COMMENT)):
        try:
            with service.shutdown.limit():
                yield stream
            await stream.write(DONE)
        except ClientGone:
            raise
        except Exception as error:
            if not stream.has_begun:
                raise
            await stream.write(event(service.failures.record(error, exchange, call.client).body))
    await stream.end()


async def send_events(
    call: Call, plans: FallbackPlans[P], stream: EventStream, events: Sequence[msgspec.Struct]
) -> None:
    """Write events; the first one is sent with the headers of the notes."""
    stream.headers = headers_of(call, plans)
    for media_event in events:
        await stream.write(event(media_event))
