"""When a call may be sent again: only while nothing of its answer has gone to the client.

A generation has no side effect but its cost, so what must not happen is paying twice: a call is repeated only where
Gemini cannot have worked on it, or says itself to come back (googleapis, generativeai_grpc_service_config.json: only
UNAVAILABLE; google.rpc.RetryInfo: never sooner than it says).
"""

import random
import re
from collections.abc import Callable

from adapter.upstream.errors import UpstreamError, UpstreamProtocolError, UpstreamTimeout, UpstreamUnavailable

LONGEST_WAIT = 30.0
"""Seconds worth waiting inside a request; a longer one is the client's to decide."""

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")
_IN_WORDS = re.compile(r"retry in (\d{1,9}(?:\.\d{1,9})?)s")


def told_wait(error: UpstreamError) -> float | None:
    """How many seconds Gemini asks to wait: RetryInfo, else the header, else the text of the message."""
    for detail in error.error.details or ():
        if detail.retry_delay and (found := _DURATION.fullmatch(detail.retry_delay)):
            return float(found.group(1))
    if error.retry_after is not None:
        return error.retry_after
    found = _IN_WORDS.search(error.error.message or "")
    return float(found.group(1)) if found else None


class RetryPolicy:
    """Decides whether, and after how many seconds, a failed call is sent again.

    At most `attempts` in all. Retries waiting at one time are at most 3, or a fifth of the calls under way.
    """

    def __init__(
        self, attempts: int, server_errors: bool, jitter: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._attempts = attempts
        self._server_errors = server_errors
        self._jitter = jitter
        self.calls = 0
        self.waiting = 0

    def wait(self, error: UpstreamError, attempt: int, remaining: float, other_key: bool) -> float | None:
        """Seconds until the next attempt; None: the error stands. `attempt` counts from 1."""
        if attempt >= self._attempts or self.waiting >= max(3, self.calls // 5):
            return None
        if self._at_once(error, other_key):
            return 0.0
        if not self._later(error):
            return None
        told = told_wait(error)
        backoff = self._jitter(0, min(8.0, 0.5 * 2**attempt))
        wait = max(told or 0.0, backoff)
        return wait if wait <= LONGEST_WAIT and wait < remaining - 5 else None

    def _at_once(self, error: UpstreamError, other_key: bool) -> bool:
        if isinstance(error, UpstreamUnavailable):
            return not error.sent or error.reused
        if isinstance(error, UpstreamTimeout):
            return error.phase in ("connect", "pool")
        return other_key and error.status in (401, 403, 429)

    def _later(self, error: UpstreamError) -> bool:
        if isinstance(error, (UpstreamTimeout, UpstreamUnavailable, UpstreamProtocolError)):
            return False
        return error.status in (429, 503) or (self._server_errors and error.status == 500)
