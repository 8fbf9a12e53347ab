"""Exchange log: a ring of the last requests with their answers, in memory, for the page at /."""

import asyncio
import re
import time
from collections import Counter, deque
from collections.abc import Callable
from itertools import count
from operator import attrgetter
from typing import Any

import msgspec

from adapter.server.observe.body_ends import BodyEnds, ends_of, ends_of_pieces, length_mark, readable, without_data
from adapter.server.observe.ledger_entries import notes_as_json
from adapter.server.observe.timed_frames import MAX_FRAMES, TimedFrames, shorten_frames
from adapter.settings import Settings
from adapter.translate.core.notes import Note
from adapter.translate.core.strictness import counts_by_severity
from adapter.translate.plan import Plan
from adapter.wire.base import encode
from adapter.wire.gemini.content import Content
from adapter.wire.gemini.generate import GenerateContentRequest, GenerateContentResponse, UsageMetadata
from adapter.wire.gemini.pieces import encode_in_pieces

MAX_EXCHANGES = 100
MAX_FOLLOWED = 25
"""Streams whose events are kept at the same time. With many at once, most would be overwritten before anybody looks."""

MAX_BODY = 256 * 1024
MAX_ONE = 4 * 1024 * 1024
MAX_WHOLE = 8 * 1024 * 1024
"""Limits in bytes: of a shown body, of one exchange that is kept whole, of all large ones that are.

The newest large exchanges are whole, so who sends one request after the other sees all of each. Of the older ones
the notes on each field are kept, and the ends of their bodies.

The process can grow by more, since memory that is freed between kept bodies stays with it: with 64 MB of whole ones it
grew by 122 MB where every request had an image of 1 MB (`python -m benchmarks.page`, 2026-11-30).
"""

LARGE = 64 * 1024
"""The size in bytes from which an exchange is large."""

MAX_SHORT = 4 * LARGE
"""The most bytes of an exchange without the middle of its bodies; a larger one loses all bodies."""

_OWN, _PART, _OBJECT = 4_096, 1_600, 112
"""Estimated bytes: of an exchange itself, of a message or part in both vocabularies, of one event with its time."""

MAX_EXCERPT = 120
MAX_PROGRAM = 60
_MODEL = re.compile(rb'"model"\s*:\s*"((?:[^"\\]|\\.){1,200})"')
_TEXT = re.compile(rb'"(?:content|text|input)"\s*:\s*"((?:[^"\\]|\\.){1,400})')
_SEARCHED = (8_192, 131_072)
"""Bytes at a request's end in which its last text is searched; a row is made for each look at the list."""

_FATE = attrgetter("fate")
_LONG = re.compile(rb'"((?:data:[^",]{0,100},)?)[A-Za-z0-9+/_-]{400,}={0,2}"')


class Attempt(msgspec.Struct):
    """One attempt of a call. Times are those of `time.perf_counter`, in seconds."""

    begun: float
    status: int | None = None
    outcome: str = "running"
    ended: float | None = None

    def as_json(self, since: float) -> dict[str, object]:
        """Return the attempt as the page gets it, with times since the exchange began."""
        after = _round(self.begun - since)
        shown: dict[str, object] = {"after": after, "status": self.status, "outcome": self.outcome}
        return shown if self.ended is None else {**shown, "ended_after": _round(self.ended - since)}


class UpstreamCall(msgspec.Struct):
    """One call to Gemini with its attempts and events. Times are those of `time.perf_counter`, in seconds."""

    upstream: str
    model: str
    method: str
    begun: float
    attempts: list[Attempt] = []
    events: list[tuple[float, bytes]] = []

    def as_json(self, since: float) -> dict[str, object]:
        """Return the call as the page gets it, with times since the exchange began."""
        return {
            "upstream": self.upstream,
            "model": self.model,
            "method": self.method,
            "begun_after": _round(self.begun - since),
            "attempts": [attempt.as_json(since) for attempt in self.attempts],
            "events": [{"after": _round(at - since), "text": shorten(payload)} for at, payload in self.events],
        }


def _round(seconds: float) -> float:
    """Return a time as precisely as the page shows it."""
    return round(seconds, 4)


class Exchange(msgspec.Struct, kw_only=True):
    """One request and its answer, as far as log, metrics, traces and the page need them.

    - `client`: the id of the client; the exchange is shown to no other. None: not authenticated, nothing is kept.
    - `program`: the program that sent it, by its User-Agent.
    - `path`: the template of the route; `unknown_path`: a path that no route has.
    - `endpoint`: its name in metrics; `quiet`: a health probe, which has no metrics.
    - `started_at`: Unix seconds; `begun`: seconds of `time.perf_counter`; `first_event_after`: seconds.
    - `error`: the code of the error that the client got.
    - `request`, `answer`: JSON; `history_bytes`: size of the stored history that was used.
    - `plan`: the translation; `client_path` maps a path in the plan's request to one in the client's.
    - `event_count`: the events of the answer, where not all of them are kept.
    - `background`: the answer may come after this exchange has ended.
    - `number`: its place in the order of changes (see `changes`); `tapped`: its stream's events are kept.
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
    event_count: int = 0
    begun: float = msgspec.field(default_factory=time.perf_counter)
    first_event_after: float = 0.0
    usage: UsageMetadata | None = None
    error: str = ""
    trace_id: str = ""
    background: bool = False
    quiet: bool = False
    is_form: bool = False
    program: str = ""
    number: int = 0
    is_running: bool = False
    plan: Plan | None = None
    client_path: Callable[[str], str] | None = None
    calls: list[UpstreamCall] = []

    def record_reply(self, response: GenerateContentResponse) -> None:
        """Record usage and time of an event, or of a whole answer."""
        if response.usage_metadata is not None:
            self.usage = response.usage_metadata
        if self.stream:
            self.record_first_event()

    def record_first_event(self) -> None:
        """Record the time of a stream's first event; later events do not change it."""
        if self.stream and not self.first_event_after:
            self.first_event_after = time.perf_counter() - self.begun

    @property
    def loggable_path(self) -> str:
        """Return the path for logs and the page."""
        return self.unknown_path or self.path

    @property
    def ledger(self) -> list[Note]:
        """Return the notes on the request and on the answer."""
        return [*self.notes, *self.reply_notes]

    @property
    def outcome(self) -> str:
        """Return the outcome: `complete`, `error`, `broken` (an error after the 200), or `gone` (the client left)."""
        if self.status == 499:
            return "gone"
        return "error" if self.status >= 400 else "broken" if self.error else "complete"

    @property
    def is_failure(self) -> bool:
        """Return whether the exchange failed by a fault of the server or of Gemini, which its operator should know."""
        return self.status >= 500 or (self.status < 400 and bool(self.error))

    @property
    def size(self) -> int:
        """Estimate the bytes in memory: the request (as bytes, OpenAI's structs, Gemini's structs) and the answers."""
        size = _OWN + 3 * len(self.request) + 3 * self.history_bytes
        for content in (self.plan.body.contents if self.plan is not None else None) or ():
            size += _PART * len(content.parts or ()) if isinstance(content, Content) else len(memoryview(content))
        for call in self.calls:
            size += _OBJECT * len(call.events) + sum([len(payload) for _, payload in call.events])
        return size + sum(map(len, self.answer)) + _OBJECT * len(self.answer)

    @property
    def losses(self) -> dict[str, int]:
        """Count the losses by severity, of request and answer."""
        return counts_by_severity(self.notes, self.reply_notes)

    def summary(self) -> dict[str, object]:
        """Return a row of the list, which is also a line of the JSON log."""
        counts = {fate.value: number for fate, number in Counter(map(_FATE, self.ledger)).items()}
        return {
            "id": self.id,
            "method": self.method,
            "path": self.loggable_path,
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
        """Return a row of the page's list, also for a running request."""
        usage = self.usage
        return {
            **self.summary(),
            "model_asked": self.model_asked or self._model_in_body(),
            "key": self.key,
            "running": self.is_running,
            "outcome": "running" if self.is_running else self.outcome,
            "first_event_ms": round(self.first_event_after * 1000, 1),
            "events": self.event_count or len(self.answer),
            "last_event_ms": round(self.last_event_after * 1000, 1),
            "codes": sorted({note.code for note in self.ledger if note.code}),
            "tokens": None if usage is None else _tokens(usage),
            "excerpt": self.excerpt,
            "program": self.program,
        }

    @property
    def last_event_after(self) -> float:
        """The time of Gemini's last event, in seconds after the request came; it shows a call that hangs."""
        return max((call.events[-1][0] - self.begun for call in self.calls if call.events), default=0.0)

    @property
    def key(self) -> str:
        """Return a unique key: clients may choose request ids, and may choose one twice."""
        return f"{self.id}@{self.begun:.6f}"

    def _model_in_body(self) -> str:
        """Return the model in a body that could not be read: the last one, since the last member of a name counts."""
        found = _MODEL.findall(self.request[:8_192]) + _MODEL.findall(self.request[-8_192:])
        return _unescape(found[-1])[:MAX_EXCERPT] if found else ""

    @property
    def excerpt(self) -> str:
        """Return the beginning of the last text in the request; an agent's tools may follow that text."""
        for size_bytes in _SEARCHED:
            if found := _TEXT.findall(self.request[-size_bytes:]):
                return _unescape(found[-1])[:MAX_EXCERPT]
        return ""

    def shorten_bodies(self) -> None:
        """Keep the row, the notes and the ends of all bodies."""
        sent = self.upstream_request
        is_ours = isinstance(sent, GenerateContentRequest)
        pieces = encode_in_pieces(without_data(sent)) if is_ours else [_encode_body(sent)]
        self.request, self.upstream_request = ends_of(self.request), ends_of_pieces(pieces)
        self.plan, self.client_path, self.history_bytes = None, None, 0
        self.event_count = len(self.answer)
        self.answer = shorten_frames(self.answer)
        for call in self.calls:
            if len(call.events) > 2 * MAX_FRAMES:
                call.events = [*call.events[:MAX_FRAMES], *call.events[-MAX_FRAMES:]]
            call.events = [(at, ends_of(payload)) for at, payload in call.events]
        if self.size > MAX_SHORT:
            self.drop_bodies("(too large to keep)")

    def drop_bodies(self, reason: str) -> None:
        """Keep the row and the notes alone."""
        self.request, self.answer = reason.encode(), [reason.encode()]
        self.upstream_request, self.history_bytes = None, 0
        self.plan, self.client_path, self.calls = None, None, []

    def detail(self, *, is_whole: bool = False) -> dict[str, object]:
        """Return everything about the exchange; `is_whole`: without shortening its bodies."""
        times = getattr(self.answer, "times", [])
        show = _text if is_whole else shorten
        return {
            **self.row(),
            "notes": notes_as_json(self.notes),
            "reply_notes": notes_as_json(self.reply_notes),
            "request": show(self.request),
            "is_part": isinstance(self.request, BodyEnds),
            "is_form": self.is_form,
            "upstream_request": show(_encode_body(self.upstream_request)),
            "answer": [shorten(piece) for piece in self.answer],
            "answer_times": [_round(at - self.begun) for at in times],
            "calls": [call.as_json(self.begun) for call in self.calls],
        }


_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_SPACES = {"n": " ", "r": " ", "t": " ", "b": " ", "f": " "}


def _tokens(usage: UsageMetadata) -> list[int]:
    """Return the tokens of the prompt and of all output, thoughts included, for the log line."""
    made = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    return [usage.prompt_token_count or 0, made]


def _unescape(text: bytes) -> str:
    """Return the text of a JSON string on one line; half characters and a cut end are replaced."""
    plain = _ESCAPE.sub(_decode_escape, text.decode(errors="replace"))
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _decode_escape(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else _SPACES.get(found[2], found[2])


def _encode_body(sent: Any) -> bytes:
    """Return Gemini's request as JSON."""
    return b"" if sent is None else sent if isinstance(sent, bytes) else encode(sent)


def _text(body: bytes) -> str:
    whole = readable(body) if isinstance(body, BodyEnds) else body
    return whole.decode(errors="replace")


def is_page_enabled(settings: Settings) -> bool:
    """Return whether the page at / is served; by default only on the loopback address."""
    return settings.is_loopback_only if settings.inspector is None else settings.inspector


def shorten(body: bytes) -> str:
    """Shorten a body for people: long base64 becomes its length, and beyond `MAX_BODY` bytes the middle is left out."""
    whole = readable(body) if isinstance(body, BodyEnds) else body
    short = _LONG.sub(lambda found: b'"%b%b"' % (found.group(1), length_mark(len(found.group(0))).encode()), whole)
    return _text(ends_of(short, MAX_BODY // 4))


class ExchangeLog:
    """The ring of exchanges. It keeps nothing if it is not enabled.

    An exchange is running (`begin`), then kept (`add`), then shortened if it is large and no longer among the newest,
    then overwritten by later ones. Its number grows with each change, so that a page can ask for what is new.
    """

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self._exchanges: deque[Exchange] = deque()
        self._large: deque[tuple[int, Exchange]] = deque()
        self._large_bytes = 0
        self._tapped = 0
        self._numbers = count(1)
        self._running: dict[int, Exchange] = {}
        self.changed: set[asyncio.Event] = set()

    def begin(self, exchange: Exchange) -> None:
        """Add a request that begins."""
        if self.enabled and exchange.client is not None:
            exchange.is_running, exchange.number = True, next(self._numbers)
            self._running[id(exchange)] = exchange
            if self.changed:
                self._wake()

    def _wake(self) -> None:
        for viewer in self.changed:
            viewer.set()

    def running(self, client: str = "") -> list[Exchange]:
        """Return a client's running requests, the newest first, at most `MAX_EXCHANGES`."""
        newest = [one for one in reversed(self._running.values()) if one.client == client]
        return newest[:MAX_EXCHANGES]

    def tap(self, exchange: Exchange) -> TimedFrames | None:
        """Return the list that keeps a stream's events; None if the log is off or `MAX_FOLLOWED` streams have one."""
        if not self.enabled:
            return None
        # A stream that falls back is tapped again, at the next place.
        if not exchange.tapped and self._tapped >= MAX_FOLLOWED:
            exchange.answer = [b"(too many streams at once to keep this one)"]
            return None
        self._tapped += not exchange.tapped
        exchange.tapped = True
        exchange.answer = frames = TimedFrames()
        return frames

    def add(self, exchange: Exchange) -> None:
        """Keep an exchange that has ended; the oldest ones make room for it."""
        self._tapped -= exchange.tapped
        self._running.pop(id(exchange), None)
        if not self.enabled or exchange.client is None:
            return
        exchange.is_running, exchange.number = False, next(self._numbers)
        self._exchanges.append(exchange)
        if len(self._exchanges) > MAX_EXCHANGES:
            oldest = self._exchanges.popleft()
            # It is not there any more if it was shortened before.
            if self._large and self._large[0][1] is oldest:
                self._large_bytes -= self._large.popleft()[0]
        size = exchange.size
        if size > MAX_ONE:
            exchange.shorten_bodies()
        elif size > LARGE:
            self._large.append((size, exchange))
            self._large_bytes += size
        while self._large_bytes > MAX_WHOLE:
            size, oldest = self._large.popleft()
            oldest.shorten_bodies()
            self._large_bytes -= size
        if self.changed:
            self._wake()

    def newest_first(self, client: str = "") -> list[Exchange]:
        """Return a client's exchanges that have ended, the newest first."""
        return [exchange for exchange in reversed(self._exchanges) if exchange.client == client]

    def find(self, exchange_id: str, client: str = "") -> Exchange | None:
        """Find a client's exchange by its key or request id; of several with one id the newest."""
        shown = (*self.running(client), *self.newest_first(client))
        return next((one for one in shown if exchange_id in (one.id, one.key)), None)
