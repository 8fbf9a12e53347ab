"""Not asking an upstream that fails: one circuit for each of its models.

A circuit opens when half of the calls of the last ten seconds failed, of twenty at least. Then calls end at once with
`CircuitOpen`, and after a pause one call may try: an answer closes the circuit, a failure makes the pause twice as
long. A 429 is no failure: who refuses for a while works. Nor is what this side caused itself: a client's time limit
that ran out, a full pool of connections, an answer that is too large.
"""

from collections.abc import Callable

from adapter.upstream.errors import CircuitOpen, UpstreamBusy, UpstreamError, UpstreamTimeout, UpstreamUnavailable

WINDOW = 10
"""Seconds that are looked back."""

LEAST_CALLS = 20
MAX_PAUSE = 60.0
MAX_CIRCUITS = 1_000
"""Clients choose the names of models."""


def failed(error: UpstreamError) -> bool | None:
    """Whether an error says that the upstream does not work; None if it says nothing about that."""
    if isinstance(error, UpstreamBusy) or (isinstance(error, UpstreamTimeout) and error.phase == "total"):
        return None
    if isinstance(error, UpstreamTimeout | UpstreamUnavailable):
        return True
    return None if error.code else error.status >= 500 and error.status != 501


class Circuit:
    """The calls of one model. Times are seconds of any clock that only goes forward."""

    def __init__(self, pause: float) -> None:
        self._first_pause = self._pause = pause
        self._asks_again: float | None = None
        self._seconds = [-WINDOW] * WINDOW
        self._calls = [0] * WINDOW
        self._failures = [0] * WINDOW

    def enter(self, now: float) -> float | None:
        """Seconds to wait if nothing may be sent now, else None.

        Who may send while the circuit is open is its probe. A probe that never reports is followed by the next one
        after another pause.
        """
        if self._asks_again is None:
            return None
        if now < self._asks_again:
            return self._asks_again - now
        self._asks_again = now + self._pause
        return None

    @property
    def open(self) -> bool:
        """Whether who sends now is a probe."""
        return self._asks_again is not None

    def leave(self, now: float, failure: bool | None, *, probe: bool) -> None:
        """What became of a call. An open circuit learns from its probes alone."""
        if self._asks_again is None:
            if failure is not None:
                self._count(now, failure)
        elif probe:
            self._judge(now, failure)

    def _judge(self, now: float, failure: bool | None) -> None:
        if failure:
            self._pause = min(MAX_PAUSE, self._pause * 2)
            self._asks_again = now + self._pause
        elif failure is None:
            self._asks_again = now
        else:
            self._pause, self._asks_again = self._first_pause, None
            self._seconds = [-WINDOW] * WINDOW

    def _count(self, now: float, failure: bool) -> None:
        second = int(now)
        slot = second % WINDOW
        if self._seconds[slot] != second:
            self._seconds[slot], self._calls[slot], self._failures[slot] = second, 0, 0
        self._calls[slot] += 1
        if failure:
            self._failures[slot] += 1
            self._open_if_due(now)

    def _open_if_due(self, now: float) -> None:
        recent = [slot for slot, second in enumerate(self._seconds) if second > now - WINDOW]
        calls = sum(self._calls[slot] for slot in recent)
        if calls >= LEAST_CALLS and 2 * sum(self._failures[slot] for slot in recent) >= calls:
            self._asks_again = now + self._pause


class Breaker:
    """The circuits of one upstream. `tell` is told how many more of them are open, or fewer."""

    def __init__(
        self, upstream: str, pause: float, clock: Callable[[], float], tell: Callable[[int], None] | None = None
    ) -> None:
        self._upstream = upstream
        self._pause = pause
        self._clock = clock
        self._tell = tell
        self._circuits: dict[str, Circuit] = {}

    def enter(self, model: str) -> bool:
        """Whether this call is a probe. Raises `CircuitOpen`."""
        circuit = self._circuits.get(model)
        if circuit is None or not circuit.open:
            return False
        wait = circuit.enter(self._clock())
        if wait is not None:
            raise CircuitOpen(self._upstream, model, wait)
        return True

    def leave(self, model: str, failure: bool | None, *, probe: bool) -> None:
        """What became of a call that entered; None: nothing that says whether the upstream works."""
        circuit = self._circuits.get(model)
        if circuit is None:
            if failure is None:
                return
            if len(self._circuits) >= MAX_CIRCUITS:
                self._forget()
            circuit = self._circuits[model] = Circuit(self._pause)
        before = circuit.open
        circuit.leave(self._clock(), failure, probe=probe)
        if self._tell is not None and circuit.open != before:
            self._tell(1 if circuit.open else -1)

    def _forget(self) -> None:
        """Drop what is closed; all of it if nothing is, since to learn again costs little."""
        self._circuits = {model: circuit for model, circuit in self._circuits.items() if circuit.open}
        if len(self._circuits) >= MAX_CIRCUITS:
            if self._tell is not None:
                self._tell(-len(self._circuits))
            self._circuits.clear()
