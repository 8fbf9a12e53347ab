"""The last exchanges, in memory, for the page at /."""

import re
import time
from collections import deque
from typing import Any

import msgspec

from adapter.server.observe.ledger_entries import listed
from adapter.translate.core.notes import Note
from adapter.translate.core.strictness import counts_by_severity
from adapter.wire.base import encode
from adapter.wire.gemini.generate import GenerateContentResponse, UsageMetadata

MAX_KEPT = 100
MAX_FOLLOWED = 25
"""Streams whose events are kept while they run: of many at once most would be gone before anybody looks."""

MAX_BODY = 256 * 1024
MAX_ONE = 4 * 1024 * 1024
MAX_ALL = 64 * 1024 * 1024
"""Bytes that one exchange, and all together, may hold; larger bodies are not kept, older exchanges go."""

_LONG = re.compile(rb'"((?:data:[^",]{0,100},)?)[A-Za-z0-9+/_-]{400,}={0,2}"')


class Exchange(msgspec.Struct, kw_only=True):
    """One request and its answer; bodies are JSON, with long base64 shortened. Times in Unix seconds.

    `client` is the id of who asked: nobody else is shown it. None is a stranger, of whom nothing is kept. `endpoint` is
    its name in figures, `error` the code of an error that was told. In the `background` an answer may come after the
    exchange. `quiet`: a probe. `path` is a route's; `unknown_path` shows one that no route has.
    """

    id: str
    path: str
    started_at: float
    method: str = "POST"
    unknown_path: str = ""
    endpoint: str = "other"
    client: str | None = ""
    milliseconds: float = 0.0
    status: int = 0
    model_asked: str = ""
    model: str = ""
    stream: bool = False
    notes: list[Note] = []
    reply_notes: list[Note] = []
    request: bytes = b""
    history_bytes: int = 0
    upstream_request: Any = None
    answer: list[bytes] = []
    tapped: bool = False
    begun: float = msgspec.field(default_factory=time.perf_counter)
    first_event_after: float = 0.0
    usage: UsageMetadata | None = None
    error: str = ""
    trace_id: str = ""
    background: bool = False
    quiet: bool = False

    def heard(self, response: GenerateContentResponse) -> None:
        """Take note of an event of Gemini's, or of a whole answer."""
        if response.usage_metadata is not None:
            self.usage = response.usage_metadata
        if self.stream and not self.first_event_after:
            self.first_event_after = time.perf_counter() - self.begun

    @property
    def shown_path(self) -> str:
        """Its path, for people."""
        return self.unknown_path or self.path

    @property
    def ledger(self) -> list[Note]:
        """The notes of both ways."""
        return [*self.notes, *self.reply_notes]

    @property
    def outcome(self) -> str:
        """How it ended: `complete`, `error`, `broken` (an error behind a 200) or `gone` (the client was)."""
        if self.status == 499:
            return "gone"
        return "error" if self.status >= 400 else "broken" if self.error else "complete"

    @property
    def failed(self) -> bool:
        """Whether it ended in a way that an operator should see."""
        return self.status >= 500 or (self.status < 400 and bool(self.error))

    @property
    def size(self) -> int:
        """About how many bytes it holds: Gemini's body is about as large as OpenAI's."""
        return 2 * len(self.request) + self.history_bytes + sum(map(len, self.answer))

    @property
    def losses(self) -> dict[str, int]:
        """How many losses of each severity there were, both ways."""
        return counts_by_severity([*self.notes, *self.reply_notes])

    def summary(self) -> dict[str, object]:
        """A row of the list."""
        counts: dict[str, int] = {}
        for note in self.ledger:
            counts[note.fate.value] = counts.get(note.fate.value, 0) + 1
        return {
            "id": self.id,
            "method": self.method,
            "path": self.shown_path,
            "started_at": self.started_at,
            "milliseconds": round(self.milliseconds, 1),
            "status": self.status,
            "outcome": self.outcome,
            **({"error": self.error} if self.error else {}),
            **({"trace_id": self.trace_id} if self.trace_id else {}),
            "model_asked": self.model_asked,
            "model": self.model,
            "stream": self.stream,
            "fates": counts,
            "losses": self.losses,
        }

    def detail(self) -> dict[str, object]:
        """The whole, for one page."""
        sent = b"" if self.upstream_request is None else encode(self.upstream_request)
        return {
            **self.summary(),
            "notes": listed(self.notes),
            "reply_notes": listed(self.reply_notes),
            "request": shortened(self.request),
            "upstream_request": shortened(sent),
            "answer": [shortened(piece) for piece in self.answer],
        }


def shortened(body: bytes) -> str:
    """A body for the eye: long base64 by its length, and not more than `MAX_BODY`."""
    short = _LONG.sub(lambda found: b'"%s... %d characters ..."' % (found.group(1), len(found.group(0))), body)
    return short[:MAX_BODY].decode(errors="replace")


class Exchanges:
    """A ring of exchanges; keeps nothing when it is not enabled."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self._kept: deque[tuple[int, Exchange]] = deque()
        self._bytes = 0
        self._tapped = 0

    def tap(self, exchange: Exchange) -> list[bytes] | None:
        """Where a stream's events are kept while it runs; not more of them at once than `MAX_FOLLOWED`."""
        if not self.enabled:
            return None
        if self._tapped >= MAX_FOLLOWED:
            exchange.answer = [b"(too many streams at once to keep this one)"]
            return None
        self._tapped += 1
        exchange.tapped = True
        return exchange.answer

    def add(self, exchange: Exchange) -> None:
        """Keep one, in place of the oldest."""
        self._tapped -= exchange.tapped
        if not self.enabled or exchange.client is None:
            return
        size = exchange.size
        if size > MAX_ONE:
            exchange.request, exchange.answer = b"(too large to keep)", [b"(too large to keep)"]
            exchange.upstream_request, exchange.history_bytes = None, 0
            size = exchange.size
        self._kept.append((size, exchange))
        self._bytes += size
        while len(self._kept) > MAX_KEPT or self._bytes > MAX_ALL:
            self._bytes -= self._kept.popleft()[0]

    def newest_first(self, client: str = "") -> list[Exchange]:
        """All of a client's that are kept."""
        return [exchange for _, exchange in reversed(self._kept) if exchange.client == client]

    def find(self, exchange_id: str, client: str = "") -> Exchange | None:
        """One of a client's by its request id; the newest, since clients may choose ids."""
        return next((exchange for exchange in self.newest_first(client) if exchange.id == exchange_id), None)
