"""One response: from the request to what Gemini is asked, and from its answer to what is sent and stored."""

import secrets
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from adapter.server.limits.access import Client
from adapter.server.limits.work import LONG_HISTORY, Work
from adapter.server.observe.exchange_log import Exchange
from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.fallback import Plans
from adapter.server.pipeline.planner import NEEDS
from adapter.server.pipeline.service import Service
from adapter.server.state.gemini_files import FileNeeds
from adapter.server.state.past import Past, Places
from adapter.server.state.recall import Recall
from adapter.server.state.stored_objects import State
from adapter.translate.answer.continuation import CONTINUED
from adapter.translate.core.context import Stamp
from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.translate.plan import Plan
from adapter.translate.prefix import ItemText, read_view
from adapter.translate.responses.fields import ResponseStream, View, from_gemini
from adapter.upstream.client import Reply
from adapter.upstream.media import FetchError
from adapter.wire.openai.response_events import Event
from adapter.wire.openai.responses_answer import Response
from adapter.wire.openai.responses_request import ResponsesRequest
from adapter.wire.signatures import Issued
from adapter.wire.sse import COMMENT, DONE, named_event

_STAYS = Note(
    "conversation", Fate.APPROXIMATED, "conversation-not-kept", "nothing is stored, so it is read and does not grow"
)


_Notes = list[Note]


class Turn(NamedTuple):
    """A request that has been read: its past, its plans, and its answer's id and receiver.

    `state` is where the response is stored; None: nowhere. `work` does the computing.
    """

    view: View
    past: Past
    plans: Plans
    stamp: Stamp
    client: Client
    state: State | None
    work: Work

    @property
    def client_path(self) -> Callable[[str], str]:
        """The way from the chat request's paths to the client's.

        The log of exchanges keeps it long after the request, so it must not hold `past`: its bytes would stay reserved.
        """
        view, before, source, indexes = self.view, self.past.before, self.past.source, self.past.indexes
        return lambda chats: Places(before, source, indexes).path(view.path(chats))


class Memory(NamedTuple):
    """The store of responses, and the store for unstored ones; None: they are forgotten."""

    known: Recall
    unstored: State | None = None


async def turn_of(
    service: Service,
    request: ResponsesRequest,
    unknown: Mapping[str, msgspec.Raw],
    client: Client,
    *,
    work: Work,
    memory: Memory | None = None,
    needs: FileNeeds = NEEDS,
    text: ItemText | None = None,
) -> Turn:
    """Read and plan a request; `text` is its body with the items. Raises `Rejected`, `NotStored`."""
    seed = secrets.token_hex(8)
    memory = memory or Memory(service.state)
    past = await memory.known.past(request, client.id, text)
    # A short body may continue a long stored history, of which only what is not remembered must be computed.
    if past.held.size > LONG_HISTORY and past.new_bytes > LONG_HISTORY:
        work = service.work_for(past.new_bytes)
    try:
        view, reading = await work.run(read_view, past.request, unknown, past.text)
    except Rejected as error:
        raise past.with_client_path(error) from None
    stays = request.store is False and request.conversation is not None

    def ledger_of(own: _Notes) -> _Notes:
        return [*past.notes(view.ledger(own)), *([_STAYS] if stays else ())]

    try:
        plans = await service.planner.plan(
            view.request, {}, client, work, carried=view.carried, ledger_of=ledger_of, needs=needs, reading=reading
        )
    except Rejected as error:
        raise past.with_client_path(view.with_client_path(error)) from None
    except FetchError as error:
        raise Rejected("input", "malformed-value", str(error)) from None
    stamp = Stamp(seed=seed, id=f"resp_{secrets.token_hex(24)}", created=int(time.time()), model=plans.plan.model)
    state = memory.unstored if request.store is False else service.state
    return Turn(view.with_dropped(plans.plan.notes), past, plans, stamp, client, state, work)


class Recipient(NamedTuple):
    """The receiver of an answer: the header fields that it sent, and its record."""

    fields: Mapping[bytes, bytes]
    exchange: Exchange


async def whole(service: Service, turn: Turn, reply: Reply, exchange: Exchange) -> Response:
    """Return the response for a whole answer of Gemini's, stored. Raises `AnswerError`."""
    response, ledger, issued = from_gemini(
        reply.response,
        turn.plans.plan.context,
        msgspec.structs.replace(turn.stamp, model=turn.plans.plan.model),
        reply.unknown,
        turn.view.with_dropped(turn.plans.plan.notes),
        clock=time.time,
    )
    exchange.reply_notes = [CONTINUED, *ledger] if reply.is_continued else ledger
    if issued:
        await service.store.put(issued, turn.client.id)
    await keep(turn, response, exchange.reply_notes)
    return response


async def keep(turn: Turn, response: Response, ledger: list[Note]) -> None:
    """Store a response; where that fails, the response and the ledger say so."""
    if turn.state is None:
        return
    if not await turn.state.keep(response, turn.past, turn.client.id, turn.work):
        response.store = False
        reason = "the response is too large for the store, or cannot be written"
        ledger.append(Note("store", Fate.DROPPED, "response-not-stored", reason))


class ResponseEventWriter:
    """Writes a response as a stream of events, see `event_stream.Writer`.

    `frame` is how an event is sent; `last` is what is sent behind the last one. `has_error_event` is off where an error
    event ends the answer itself.
    """

    def __init__(
        self,
        service: Service,
        turn: Turn,
        recipient: Recipient,
        frame: Callable[[Event], bytes] = named_event,
        last: tuple[bytes, ...] = (DONE,),
        *,
        has_error_event: bool = True,
    ) -> None:
        self.machine = ResponseStream(turn.stamp, turn.view, clock=time.time)
        self.take_issued = self.machine.take_issued
        self.ended = False
        self.exchange = recipient.exchange
        self._service = service
        self._turn = turn
        self._recipient = recipient
        self._frame = frame
        self._last = last
        self._has_error_event = has_error_event

    def begin(self, plan: Plan) -> None:
        """Take the plan whose answer comes, and its notes."""
        self.machine.begin(plan.context, plan.model)
        self.exchange.reply_notes = self.machine.notes
        self.exchange.record_first_event()

    @property
    def is_finished(self) -> bool:
        """Return whether the response has ended: an error after that changes nothing."""
        return self.machine.is_finished

    def start(self) -> list[bytes]:
        """Return the first frames, before Gemini has said anything."""
        return list(map(self._frame, self.machine.start()))

    def feed(self, reply: Reply) -> list[bytes]:
        """Make the events of the Responses API for one event of Gemini."""
        self.exchange.usage = reply.response.usage_metadata or self.exchange.usage
        if reply.is_continued:
            self.machine.note_continuation()
        return list(map(self._frame, self.machine.feed(reply.response, reply.unknown)))

    async def keep(self, issued: list[Issued]) -> None:
        """Store the signatures that the next request needs."""
        await self._service.store.put(issued, self._turn.client.id)

    async def close(self) -> list[bytes]:
        """Make the last events, once the response is stored."""
        return await self._end(self.machine.close())

    async def fail(self, error: Exception) -> list[bytes]:
        """Make the last events of a response that failed, and store it so."""
        failure = self._service.failures.record(error, self.exchange, self._turn.client)
        return await self._end(self.machine.fail(failure.body, has_error_event=self._has_error_event))

    async def cancel(self) -> list[bytes]:
        """Return the last frames of a response that the client took back."""
        return await self._end(self.machine.cancel())

    async def _end(self, events: list[Event]) -> list[bytes]:
        """Store the response and tell of it; its last event has a copy of it."""
        self.ended = True
        await keep(self._turn, self.machine.response, self.machine.notes)
        last = getattr(events[-1], "response", None)
        if isinstance(last, Response):
            last.store = self.machine.response.store
            if notes.wants_all(self._recipient.fields):
                last.extra_content = notes.with_ledger(last.extra_content, self.exchange.ledger)
        return [*map(self._frame, events), *self._last]

    def heartbeat(self) -> bytes:
        """Send nothing: no event says nothing, and clients stop at one that they do not know."""
        return COMMENT
