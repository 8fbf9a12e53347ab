"""Lines about requests."""

from adapter.server.observe.exchange_log import Exchange


class Lines:
    """Takes the lines of requests."""

    def __init__(self) -> None:
        self.written: list[Exchange] = []

    def write(self, exchange: Exchange) -> None:
        """Keep a line."""
        self.written.append(exchange)

    @property
    def summaries(self) -> list[tuple[str, int, str, str | None]]:
        """Path, status, outcome and error of each line but the quiet ones."""
        return [(one.path, one.status, one.outcome, one.error) for one in self.written if not one.quiet]
