"""Circuit breakers whose clock a test moves: how long calls take on a busy machine decides nothing."""

from collections.abc import Callable

import pytest

from adapter.upstream.policy.circuit_breaker import CircuitBreaker


def still_circuits(patch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Stop the clock of all circuit breakers that are made from now on; return what moves it on by some seconds."""
    now = 1_000.0

    class Still(CircuitBreaker):
        def __init__(
            self, name: str, pause: float, _clock: Callable[[], float], report: Callable[[int], None] | None = None
        ) -> None:
            super().__init__(name, pause, lambda: now, report)

    def move(seconds: float) -> None:
        nonlocal now
        now += seconds

    patch.setattr("adapter.upstream.client.CircuitBreaker", Still)
    return move
