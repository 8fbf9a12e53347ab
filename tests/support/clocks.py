"""A clock for tests of what depends on the time."""


class Clock:
    """Seconds that pass only when a test sets `now`."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
