"""Fallback after a failure: the same model at other upstreams, then other models.

It happens only if the operator names other upstreams or models. The request is then translated again, since models,
schemas and the issuers of signatures differ. There is no fallback once an event of an answer has come, nor after an
error that another place would give as well.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from adapter.server.limits.work import Work
from adapter.server.pipeline import ledger_headers
from adapter.server.pipeline.errors import StrictLoss
from adapter.translate.core.context import Options
from adapter.translate.core.errors import to_openai
from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.translate.core.strictness import Policy, Strictness
from adapter.translate.plan import Plan
from adapter.upstream.client import Upstream
from adapter.upstream.errors import InvalidModelName, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from adapter.upstream.policy.retry import MARGIN

log = logging.getLogger("adapter")


class Place(NamedTuple):
    """One upstream, its name, and the options of translations for it."""

    upstream: Upstream
    label: str
    options: Options


class Route(NamedTuple):
    """One model at one upstream."""

    place: Place
    model: str


class Failed(NamedTuple):
    """The failure of a route.

    `is_worth_another`: whether others are worth asking; `is_unreachable`: its upstream cannot be reached at all.
    """

    error: UpstreamError
    is_worth_another: bool
    is_unreachable: bool

    @property
    def reason(self) -> str:
        """The cause, in a word or two, for logs and notes."""
        return self.error.code or str(self.error.status)


class Planned(Protocol):
    """A plan for a place: a Struct with the model to ask and the notes on the request."""

    @property
    def model(self) -> str:
        """The model."""
        ...

    @property
    def notes(self) -> list[Note]:
        """The notes."""
        ...


P = TypeVar("P", bound=Planned)


class Renewed(NamedTuple, Generic[P]):
    """A plan whose files were uploaded again, the planner of further routes with them, and their key."""

    plan: P
    make: Callable[[Route], P]
    pin: str


Renew = Callable[[UpstreamError], Awaitable[Renewed[P] | None]]
"""Uploads again the files that Gemini has lost; returns None if the error has another cause."""


class FallbackPlans(Generic[P]):
    """The plan by which a request is answered, and the next one `after` a failure.

    The first plan is made at once, a later one only when the one before it has failed, by `make`, from the same decoded
    request, media and signatures; `work` does the computing. A route is passed over if its upstream cannot be reached,
    or if its translation is rejected or loses more than the client allows. The first failure is the one that clients
    are told: the others speak of other requests.

    `plan` is for `place`, with the key that `pin` names ("" for any): what it names was made with that key, which is
    one of the first place's. `is_certain`: there is only one route, so it is known which plan will be answered.
    `is_fallback`: another plan than the first is answered.

    | event                                   | then                                                        |
    |-----------------------------------------|-------------------------------------------------------------|
    | an answer                               | `plan` is the one that answered                             |
    | at first, Gemini has lost a stored file | `plan` is that of the same route, with it uploaded again    |
    | a failure that another may repair       | `plan` is that of the next route                            |
    | any other failure, or no time left      | the first failure is raised                                 |
    """

    __slots__ = (
        "_at",
        "_first_failure",
        "_level",
        "_make",
        "_pin",
        "_policy",
        "_renew",
        "_routes",
        "_unreachable",
        "_work",
        "is_certain",
        "is_fallback",
        "pin",
        "place",
        "plan",
    )

    def __init__(
        self,
        plan: P,
        routes: Sequence[Route],
        make: Callable[[Route], P],
        work: Work,
        pin: str = "",
        renew: Renew[P] | None = None,
    ) -> None:
        self.plan = plan
        self.place = routes[0].place
        self.pin = self._pin = pin
        self.is_certain = len(routes) == 1
        self.is_fallback = False
        self._renew = renew
        self._work = work
        self._routes = routes
        self._make = make
        self._level = Strictness.OFF
        self._policy: Policy = {}
        self._at = 0
        self._first_failure: Failed | None = None
        self._unreachable: tuple[Place, ...] = ()

    def check(self, level: Strictness, policy: Policy) -> None:
        """Hold the plan, and all that follow, to what may be lost. Raises `StrictLoss`."""
        self._level, self._policy = level, policy
        if policy or level is not Strictness.OFF:
            ledger_headers.check(self.plan.notes, level, policy)

    async def after(self, error: UpstreamError, until: float) -> None:
        """Go on to the next plan. Raises the first failure if there is no other plan, or no time for it."""
        # Once: a file that is missing again right after its upload has another cause.
        renew, self._renew = self._renew, None
        if renew is not None and now() <= until - MARGIN and (renewed := await renew(error)) is not None:
            ledger_headers.check(renewed.plan.notes, self._level, self._policy)
            self.plan, self._make, self._pin = renewed
            # No longer certain, although there may be one route: a head that is still to go out must be written for
            # this plan.
            self.pin, self.is_certain, self.is_fallback = self._pin, False, True
            return
        failed = _failure_of(error)
        first = self._first_failure = self._first_failure or failed
        if failed.is_unreachable:
            self._unreachable += (self.place,)
        # The first failure decides: the others answer requests that the client did not make.
        if first.is_worth_another and now() <= until - MARGIN:
            for at in range(self._at + 1, len(self._routes)):
                if (plan := await self._work.run(self._plan_of, self._routes[at], first)) is not None:
                    self._at, self.plan, self.place, self.is_fallback = at, plan, self._routes[at].place, True
                    self.pin = self._pin if self.place is self._routes[0].place else ""
                    log.warning("fallback (%s): trying %s at upstream %s", first.reason, plan.model, self.place.label)
                    return
        raise first.error

    def _plan_of(self, route: Route, first: Failed) -> P | None:
        """Return the plan of a route; None if its model cannot do what is asked, or would lose too much of it."""
        if route.place in self._unreachable:
            return None
        try:
            plan = self._make(route)
            ledger = self._ledger(plan, route, first.reason)
            ledger_headers.check(ledger, self._level, self._policy)
        except (Rejected, StrictLoss):
            return None
        return with_notes(plan, ledger)

    def _ledger(self, plan: P, route: Route, reason: str) -> list[Note]:
        """Return the plan's notes, after those on the fallback."""
        notes, changed = plan.notes, []
        if route.place is not self._routes[0].place:
            why = f"fell back to {route.place.label} after {reason}"
            changed.append(Note("upstream", Fate.APPROXIMATED, "upstream-fallback", why))
        if route.model != self._routes[0].model:
            why = f"fell back to {plan.model} after {reason}"
            changed.append(Note("model", Fate.APPROXIMATED, "model-fallback", why))
            # One note on the model is enough: that it is another one matters more than what its name stands for.
            notes = [note for note in notes if note.path != "model"]
        return changed + notes


class Plans(FallbackPlans[Plan]):
    """The plans of a chat."""

    __slots__ = ()


def with_notes(plan: P, ledger: list[Note]) -> P:
    """Return a plan with another ledger."""
    struct: Any = plan
    made: P = msgspec.structs.replace(struct, notes=ledger)
    return made


def _failure_of(error: UpstreamError) -> Failed:
    connecting = isinstance(error, UpstreamTimeout) and error.phase == "connect"
    is_unreachable = connecting or (isinstance(error, UpstreamUnavailable) and error.again)
    return Failed(error, _is_worth_another(error), is_unreachable)


def _is_worth_another(error: UpstreamError) -> bool:
    """Return whether another place may succeed: this one is overloaded, has failed, or lacks the model."""
    if error.status == 404 and not isinstance(error, InvalidModelName):
        return to_openai(404, error.error, own_key=False).body.error.code == "model_not_found"
    return error.status == 429 or error.status >= 500


now = time.monotonic
"""The event loop's clock, in seconds: to ask the loop for it is a call of the system (Python 3.11)."""
