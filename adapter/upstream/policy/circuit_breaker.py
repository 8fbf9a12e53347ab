"""Circuit breaker: stops calls to an upstream that keeps failing. Each model has a circuit of its own.

States of a `Circuit`:

    closed      calls go through, successes and failures are counted
    open        calls end at once with `CircuitOpen`
    half-open   the pause is over: one call, the probe, goes through, all others end with `CircuitOpen`

Transitions:

    from        event                                                     to
    closed      of at least 20 calls in 10 s, half or more failed         open, for `settings.circuit_pause` seconds
    open        the pause is over and a call comes (`before_call`)        half-open
    half-open   the probe succeeded                                       closed, counters at zero
    half-open   the probe failed                                          open, for twice the pause, at most 60 s
    half-open   the probe says nothing about the upstream (see below)     half-open, for the next call
    half-open   no report of the probe within another pause               half-open, for the next call

`Upstream` calls `before_call` and `after_call` around each attempt. A 429 is not a failure: an upstream that limits
rates works. Neither is what this side caused: a client's deadline, a full connection pool, an answer above our limit.
"""

from collections.abc import Callable

from adapter.upstream.errors import CircuitOpen, UpstreamBusy, UpstreamError, UpstreamTimeout, UpstreamUnavailable

WINDOW = 10
"""Seconds of the past that count; one slot for each."""

LEAST_CALLS = 20
"""The fewest calls within the window that can open a circuit: half of two or three failing says nothing."""

MAX_PAUSE = 60.0
"""The longest time in seconds between two probes; it doubles with each one that fails."""

MAX_CIRCUITS = 1_000
"""Clients choose the names of models, so the number of circuits needs a limit."""


def is_outage(error: UpstreamError) -> bool | None:
    """Return whether an error shows that the upstream does not work; None if it shows nothing about that."""
    if isinstance(error, UpstreamBusy) or (isinstance(error, UpstreamTimeout) and error.phase == "total"):
        return None
    if isinstance(error, UpstreamTimeout | UpstreamUnavailable):
        return True
    return None if error.code else error.status >= 500 and error.status != 501


class Circuit:
    """The circuit of one model. Times are seconds of any clock that only goes forward.

    `probe_at` is when the next probe may go; None: the circuit is closed.
    """

    def __init__(self, pause: float) -> None:
        self.probe_at: float | None = None
        self._first_pause = self._pause = pause
        self._seconds = [-WINDOW] * WINDOW
        self._calls = [0] * WINDOW
        self._failures = [0] * WINDOW

    def before_call(self, now: float) -> float | None:
        """Return None if a call may be sent, else the seconds until the next probe.

        A call that may be sent while the circuit is not closed is its probe.
        """
        if self.probe_at is None:
            return None
        if now < self.probe_at:
            return self.probe_at - now
        # This call is the probe. If it never reports, because its task was killed, the next one follows a pause later.
        self.probe_at = now + self._pause
        return None

    @property
    def is_open(self) -> bool:
        """Return whether the circuit is open or half-open."""
        return self.probe_at is not None

    def after_call(self, now: float, failure: bool | None, *, probe: bool) -> None:
        """Record how a call ended. While the circuit is open only the probe counts: others began before it opened."""
        if self.probe_at is not None:
            if probe:
                self._record_probe(now, failure)
        elif failure is not None:
            # A ring of one slot for each second; a slot that still holds an older second is reused.
            second = int(now)
            slot = second % WINDOW
            if self._seconds[slot] != second:
                self._seconds[slot], self._calls[slot], self._failures[slot] = second, 0, 0
            self._calls[slot] += 1
            if failure:
                self._failures[slot] += 1
                self._open_if_failing(now)

    def _record_probe(self, now: float, failure: bool | None) -> None:
        if failure:
            self._pause = min(MAX_PAUSE, self._pause * 2)
            self.probe_at = now + self._pause
        elif failure is None:
            self.probe_at = now
        else:
            self._pause, self.probe_at = self._first_pause, None
            self._seconds = [-WINDOW] * WINDOW

    def _open_if_failing(self, now: float) -> None:
        recent = [slot for slot, second in enumerate(self._seconds) if second > now - WINDOW]
        calls = sum(self._calls[slot] for slot in recent)
        if calls >= LEAST_CALLS and 2 * sum(self._failures[slot] for slot in recent) >= calls:
            self.probe_at = now + self._pause


class CircuitBreaker:
    """The circuits of one upstream. `report` is called with the change in the number of open ones (+1, -1)."""

    def __init__(
        self, upstream: str, pause: float, clock: Callable[[], float], report: Callable[[int], None] | None = None
    ) -> None:
        self._upstream = upstream
        self._pause = pause
        self._clock = clock
        self._report = report
        self._circuits: dict[str, Circuit] = {}

    def before_call(self, model: str) -> bool:
        """Ask whether a call may be sent; True if it is a probe. Raises `CircuitOpen`."""
        circuit = self._circuits.get(model)
        if circuit is None or circuit.probe_at is None:
            return False
        wait = circuit.before_call(self._clock())
        if wait is not None:
            raise CircuitOpen(self._upstream, model, wait)
        return True

    def after_call(self, model: str, failure: bool | None, *, probe: bool) -> None:
        """Record how a call ended: `failure` is None if it shows nothing about the upstream (see `is_outage`)."""
        circuit = self._circuits.get(model)
        if circuit is None:
            if failure is None:
                return
            if len(self._circuits) >= MAX_CIRCUITS:
                self._make_space()
            circuit = self._circuits[model] = Circuit(self._pause)
        was_closed = circuit.probe_at is None
        circuit.after_call(self._clock(), failure, probe=probe)
        if self._report is not None and (circuit.probe_at is None) != was_closed:
            self._report(1 if was_closed else -1)

    def _make_space(self) -> None:
        """Drop closed circuits; all of them if none is closed, since learning again costs little."""
        self._circuits = {model: circuit for model, circuit in self._circuits.items() if circuit.is_open}
        if len(self._circuits) >= MAX_CIRCUITS:
            if self._report is not None:
                self._report(-len(self._circuits))
            self._circuits.clear()
