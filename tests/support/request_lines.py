"""Lines about requests."""


class Lines:
    """Takes the lines of requests."""

    def __init__(self):
        self.written = []

    def write(self, exchange):
        self.written.append(exchange)

    @property
    def told(self):
        return [(one.path, one.status, one.outcome, one.error) for one in self.written if not one.quiet]
