"""Where a request goes when the first place fails: the same model at other upstreams, then other models.

Only where the operator names some. What goes elsewhere is translated again, since models, schemas and the issuers of
signatures differ. Nothing goes elsewhere once an event of an answer has come, nor what another place would refuse as
well.
"""

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

from adapter.server.limits.access import Client
from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.errors import StrictLoss
from adapter.settings import Settings, next_models
from adapter.translate.core.context import Options
from adapter.translate.core.errors import to_openai
from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.translate.core.strictness import Strictness
from adapter.upstream.client import Reply
from adapter.upstream.errors import InvalidModelName, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from adapter.upstream.policy.retry import MARGIN

log = logging.getLogger("adapter")

T = TypeVar("T")


class Translated(Protocol):
    """A request as it goes to one model of one upstream."""

    @property
    def model(self) -> str:
        """The model's own name."""
        ...

    @property
    def name(self) -> str:
        """The name that was asked for, which another model may answer for once its own has ended."""
        ...

    @property
    def notes(self) -> list[Note]:
        """Its ledger."""
        ...

    def with_notes(self, ledger: list[Note]) -> Self:
        """The same with another ledger, and with no other way to go."""
        ...


P = TypeVar("P", bound=Translated)
P_contra = TypeVar("P_contra", bound=Translated, contravariant=True)


class Place(Protocol[P_contra]):
    """One upstream, as a service that asks it. `label` is its name."""

    label: str
    options: Options

    async def generate(self, prepared: P_contra, client: Client, deadline: float | None) -> Reply:
        """The whole answer. Raises `UpstreamError`."""
        ...

    def events(self, prepared: P_contra, client: Client, deadline: float | None) -> AsyncGenerator[Reply]:
        """The answer event by event. Raises `UpstreamError`."""
        ...


class Route(NamedTuple, Generic[P]):
    """One model at one upstream."""

    place: Place[P]
    model: str


class Failed(NamedTuple):
    """How a route ended. `again`: whether others are worth asking; `gone`: its upstream cannot be reached at all."""

    error: UpstreamError
    again: bool
    gone: bool

    @property
    def why(self) -> str:
        """In a word."""
        return self.error.code or str(self.error.status)


class Detours(Generic[P]):
    """The places that there are, the first one first; made once for each process."""

    def __init__(self, settings: Settings, places: Sequence[Place[P]]) -> None:
        self._settings = settings
        self._places = places

    def of(self, first: P, translate: Callable[[str, Options], P]) -> "Detour[P] | None":
        """The ways that a request for this model has; None if there is but one.

        `translate` makes the request for another model or upstream, and raises `Rejected`.
        """
        models = [first.name, *next_models(first.name, self._settings)]
        routes = [Route(place, model) for model in models for place in self._places]
        return Detour(self._settings, routes, translate) if len(routes) > 1 else None


class Detour(Generic[P]):
    """The ways of one request. `taken` is what got an answer where that was not the first.

    `view` turns the ledger of a translation into the client's.
    """

    def __init__(self, settings: Settings, routes: list[Route[P]], translate: Callable[[str, Options], P]) -> None:
        self.taken: P | None = None
        self.strict = Strictness.OFF
        self.view: Callable[[Sequence[Note]], list[Note]] = list
        self._settings = settings
        self._routes = routes
        self._translate = translate
        self._told: list[Callable[[P, str], None]] = []
        self._at = 0

    def when_taken(self, tell: Callable[[P, str], None]) -> None:
        """Tell of the request that got an answer, and of its upstream's name, before the answer itself is told."""
        self._told.append(tell)

    async def generate(self, first: P, client: Client, deadline: float | None) -> Reply:
        """The whole answer, see `Service.generate`."""

        async def ask(place: Place[P], prepared: P, until: float) -> Reply:
            return await place.generate(prepared, client, until)

        return await self._answered(first, deadline, ask)

    async def events(self, first: P, client: Client, deadline: float | None) -> AsyncGenerator[Reply]:
        """The answer event by event, see `Service.events`. The first event decides."""

        async def ask(place: Place[P], prepared: P, until: float) -> tuple[Reply, AsyncGenerator[Reply]]:
            replies = place.events(prepared, client, until)
            return await anext(replies), replies

        reply, replies = await self._answered(first, deadline, ask)
        async with aclosing(replies):
            yield reply
            async for reply in replies:
                yield reply

    async def _answered(self, first: P, deadline: float | None, ask: Callable[[Place[P], P, float], Awaitable[T]]) -> T:
        """What the first place says that answers. Raises the first error of all: the others speak of other requests."""
        until = time_limit(deadline, self._settings)
        failed: Failed | None = None
        dead: list[Place[P]] = []
        for number, route in enumerate(self._routes[self._at :], self._at):
            prepared = None if route.place in dead else self._prepared(number, first, failed)
            if prepared is None:
                continue
            try:
                answer = await ask(route.place, prepared, until)
            except UpstreamError as error:
                ended = _failed(error)
                failed = failed or ended
                if not failed.again or _now() > until - MARGIN:
                    break
                if ended.gone:
                    dead.append(route.place)
            else:
                self._take(number, prepared, route.place.label)
                return answer
        assert failed is not None, "the first place is always asked"
        raise failed.error

    def _prepared(self, number: int, first: P, failed: Failed | None) -> P | None:
        """What goes to this place; None if its model cannot do what is asked, or strict mode forbids it."""
        if failed is None:
            current = self.taken or first
            return current.with_notes(current.notes)
        route = self._routes[number]
        try:
            made = self._translate(route.model, route.place.options)
            ledger = self._ledger(made, route, failed)
            notes.check(ledger, self.strict, self._settings.notes)
        except (Rejected, StrictLoss):
            return None
        return made.with_notes(ledger)

    def _ledger(self, made: P, route: Route[P], failed: Failed) -> list[Note]:
        """The ledger, with what the client did not ask for in front."""
        ledger, changed = self.view(made.notes), []
        if route.place is not self._routes[0].place:
            changed = [
                Note(
                    "upstream",
                    Fate.APPROXIMATED,
                    "upstream-fallback",
                    f"fell back to {route.place.label} after {failed.why}",
                )
            ]
        if route.model != self._routes[0].model:
            changed.append(
                Note("model", Fate.APPROXIMATED, "model-fallback", f"fell back to {made.model} after {failed.why}")
            )
            ledger = [note for note in ledger if note.path != "model"]
        return changed + ledger

    def _take(self, number: int, prepared: P, label: str) -> None:
        """Stay with this place, also when the request is sent once more."""
        if number == self._at:
            return
        self._at, self.taken = number, prepared
        log.warning("%s of %s answers for %s", prepared.model, label, self._routes[0].model)
        for tell in self._told:
            tell(prepared, label)


def _failed(error: UpstreamError) -> Failed:
    connecting = isinstance(error, UpstreamTimeout) and error.phase == "connect"
    gone = connecting or (type(error) is UpstreamUnavailable and error.again)
    return Failed(error, _worth_another(error), gone)


def _worth_another(error: UpstreamError) -> bool:
    """Whether another place may do better: refused for a while, failed, or a model that is not there."""
    if error.status == 404 and not isinstance(error, InvalidModelName):
        return to_openai(404, error.error, own_key=False).body.error.code == "model_not_found"
    return error.status == 429 or error.status >= 500


def time_limit(deadline: float | None, settings: Settings) -> float:
    """By when an answer must be there, whichever calls it takes: they share the time that one has."""
    own = _now() + settings.total_timeout
    return own if deadline is None else min(own, deadline)


def _now() -> float:
    # The event loop's clock: to ask the loop for it is a call of the system (Python 3.11).
    return time.monotonic()
