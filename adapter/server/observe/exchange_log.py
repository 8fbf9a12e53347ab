"""The last exchanges, in memory, for the page at /."""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec

from adapter.server.observe.ledger_entries import listed
from adapter.settings import Settings
from adapter.translate.core.notes import Note
from adapter.translate.core.strictness import counts_by_severity
from adapter.translate.plan import Plan
from adapter.wire.base import encode
from adapter.wire.gemini.generate import GenerateContentResponse, UsageMetadata

MAX_KEPT = 100
MAX_FOLLOWED = 25
"""Streams whose events are kept while they run: of many at once most would be gone before anybody looks."""

MAX_BODY = 256 * 1024
MAX_ONE = 4 * 1024 * 1024
MAX_ALL = 64 * 1024 * 1024
"""Bytes that one exchange, and all together, may hold; larger bodies are not kept, older exchanges go."""

_OWN, _PART, _OBJECT = 4_096, 1_600, 112
"""Bytes for an exchange itself, for a message or part of one in both vocabularies, and for an object and its time."""

MAX_EXCERPT = 120
_TEXT = re.compile(rb'"(?:content|text|input)"\s*:\s*"((?:[^"\\]|\\.){1,400})')

_LONG = re.compile(rb'"((?:data:[^",]{0,100},)?)[A-Za-z0-9+/_-]{400,}={0,2}"')


class UpstreamCall(msgspec.Struct):
    """One call to Gemini, with its attempts and what came. Times are seconds after the exchange began."""

    upstream: str
    model: str
    method: str
    begun_after: float
    attempts: list[dict[str, Any]] = []
    events: list[tuple[float, bytes]] = []

    def shown(self) -> dict[str, object]:
        """It for the page."""
        return {
            "upstream": self.upstream,
            "model": self.model,
            "method": self.method,
            "begun_after": self.begun_after,
            "attempts": self.attempts,
            "events": [{"after": after, "text": shortened(payload)} for after, payload in self.events],
        }


class TimedFrames(list[bytes]):
    """Frames of a stream; `times` says when each came."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def append(self, frame: bytes) -> None:
        """Take one."""
        self.times.append(time.perf_counter())
        super().append(frame)


class Exchange(msgspec.Struct, kw_only=True):
    """One request and its answer; bodies are JSON, with long base64 shortened. Times in Unix seconds.

    `client` is the id of who asked: nobody else is shown it. None is a stranger, of whom nothing is kept. `endpoint` is
    its name in figures, `error` the code of an error that was told. In the `background` an answer may come after the
    exchange. `quiet`: a probe. `number` is its place in the order of changes, `plan` what was made of the request, and
    `client_path` gives the client's path for one of the plan. `path` is a route's; `unknown_path` shows one that no
    route has.
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
    number: int = 0
    is_running: bool = False
    plan: Plan | None = None
    client_path: Callable[[str], str] | None = None
    calls: list[UpstreamCall] = []

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
        """About how many bytes it holds: the request as bytes, as OpenAI's structs and as Gemini's, and the answers."""
        contents = self.plan.body.contents if self.plan is not None else ()
        parts = sum([len(content.parts or ()) for content in contents or ()])
        events = sum([len(payload) + _OBJECT for call in self.calls for _, payload in call.events])
        frames = sum(map(len, self.answer)) + _OBJECT * len(self.answer)
        return _OWN + 3 * len(self.request) + 3 * self.history_bytes + _PART * parts + frames + events

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

    def row(self) -> dict[str, object]:
        """A row of the page's list, also of a request that runs."""
        usage = self.usage
        return {
            **self.summary(),
            "key": self.key,
            "running": self.is_running,
            "outcome": "running" if self.is_running else self.outcome,
            "first_event_ms": round(self.first_event_after * 1000, 1),
            "events": len(self.answer),
            "codes": sorted({note.code for note in self.ledger if note.code}),
            "tokens": None if usage is None else [usage.prompt_token_count, usage.candidates_token_count],
            "excerpt": self.excerpt,
        }

    @property
    def key(self) -> str:
        """Its name in the list: clients may choose ids, and choose one twice."""
        return f"{self.id}@{self.begun:.6f}"

    @property
    def excerpt(self) -> str:
        """The last words of the request."""
        found = _TEXT.findall(self.request[-8_192:])
        return found[-1].decode(errors="replace")[:MAX_EXCERPT] if found else ""

    def detail(self, *, is_whole: bool = False) -> dict[str, object]:
        """The whole, for one page; `is_whole`: also what is long."""
        times = getattr(self.answer, "times", [])
        show = _text if is_whole else shortened
        sent = b"" if self.upstream_request is None else encode(self.upstream_request)
        return {
            **self.row(),
            "notes": listed(self.notes),
            "reply_notes": listed(self.reply_notes),
            "request": show(self.request),
            "upstream_request": show(sent),
            "answer": [shortened(piece) for piece in self.answer],
            "answer_times": [round(at - self.begun, 4) for at in times],
            "calls": [call.shown() for call in self.calls],
        }


def _text(body: bytes) -> str:
    return body.decode(errors="replace")


def shows_page(settings: Settings) -> bool:
    """Whether there is a page: on the loopback address, or where the operator wants it."""
    return settings.loopback if settings.inspector is None else settings.inspector


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
        self._numbers = count(1)
        self._running: dict[int, Exchange] = {}
        self.changed: set[asyncio.Event] = set()

    def begin(self, exchange: Exchange) -> None:
        """Show a request from its beginning."""
        if self.enabled and exchange.client is not None:
            exchange.is_running, exchange.number = True, next(self._numbers)
            self._running[id(exchange)] = exchange
            self._wake()

    def _wake(self) -> None:
        for viewer in self.changed:
            viewer.set()

    def running(self, client: str = "") -> list[Exchange]:
        """A client's requests that run, the newest first; not more than are kept."""
        newest = [one for one in reversed(self._running.values()) if one.client == client]
        return newest[:MAX_KEPT]

    def tap(self, exchange: Exchange) -> list[bytes] | None:
        """Where a stream's events are kept while it runs; not more of them at once than `MAX_FOLLOWED`."""
        if not self.enabled:
            return None
        if self._tapped >= MAX_FOLLOWED:
            exchange.answer = [b"(too many streams at once to keep this one)"]
            return None
        self._tapped += 1
        exchange.tapped = True
        exchange.answer = TimedFrames()
        return exchange.answer

    def add(self, exchange: Exchange) -> None:
        """Keep one, in place of the oldest."""
        self._tapped -= exchange.tapped
        self._running.pop(id(exchange), None)
        if not self.enabled or exchange.client is None:
            return
        exchange.is_running, exchange.number = False, next(self._numbers)
        size = exchange.size
        if size > MAX_ONE:
            exchange.request, exchange.answer = b"(too large to keep)", [b"(too large to keep)"]
            exchange.upstream_request, exchange.history_bytes = None, 0
            exchange.plan, exchange.client_path, exchange.calls = None, None, []
            size = exchange.size
        self._kept.append((size, exchange))
        self._bytes += size
        while len(self._kept) > MAX_KEPT or self._bytes > MAX_ALL:
            self._bytes -= self._kept.popleft()[0]
        self._wake()

    def newest_first(self, client: str = "") -> list[Exchange]:
        """All of a client's that are kept."""
        return [exchange for _, exchange in reversed(self._kept) if exchange.client == client]

    def find(self, exchange_id: str, client: str = "") -> Exchange | None:
        """One of a client's by its request id; the newest, since clients may choose ids."""
        shown = (*self.running(client), *self.newest_first(client))
        return next((one for one in shown if exchange_id in (one.id, one.key)), None)
