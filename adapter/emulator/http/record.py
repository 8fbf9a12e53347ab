"""The emulator's record of its requests, for tests to look at."""

from collections import Counter, deque
from typing import Any

from adapter.emulator.core.signatures import SignatureReport

MAX_REQUESTS = 100
MAX_BODY_BYTES = 1_000_000


class Record:
    """Counters, and the last requests with their bodies."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.requests: deque[dict[str, Any]] = deque(maxlen=MAX_REQUESTS)

    def request(self, method: str, model: str, query: dict[str, str], body: Any, size: int) -> None:
        """Record a request that named a model and could be read."""
        self.counts["requests"] += 1
        shown = body if size <= MAX_BODY_BYTES else f"{size} bytes"
        self.requests.append({"method": method, "model": model, "query": query, "body": shown})

    def count_signatures(self, report: SignatureReport) -> None:
        """Count the signatures of a request that passed."""
        self.counts["signatures_verified"] += report.verified
        self.counts["sentinels"] += report.sentinels

    def stats(self) -> dict[str, int]:
        """Return all counters, those at zero too."""
        names = ("requests", "rejected", "signatures_verified", "sentinels", "open_streams", "chunks")
        return {name: self.counts[name] for name in names}
