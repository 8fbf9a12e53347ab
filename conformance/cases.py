"""The cases, read from their files: one file, one sentence, one or more turns."""

import base64
import datetime
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).parent
SUITES = (
    "chat",
    "streams",
    "errors",
    "responses",
    "compactions",
    "embeddings",
    "completions",
    "decisions",
    "moderations",
    "images",
    "image_edits",
    "image_variations",
    "speech",
    "transcriptions",
    "translations",
)

PATHS = {
    "responses": "responses",
    "compactions": "responses/compact",
    "embeddings": "embeddings",
    "completions": "completions",
    "decisions": "decisions",
    "moderations": "moderations",
    "images": "images/generations",
    "image_edits": "images/edits",
    "image_variations": "images/variations",
    "speech": "audio/speech",
    "transcriptions": "audio/transcriptions",
    "translations": "audio/translations",
}
"""The paths of suites below the base URL; the requests of all others go to `chat/completions`."""


FORMS = ("transcriptions", "translations")
"""Suites whose requests are forms: the member `file`, a data URL, goes as a file."""

TODAY = datetime.date(2026, 11, 30)
"""The day of a case that names none."""

OK = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "ok"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4},
    "modelVersion": "gemini-3.5-flash",
    "responseId": "resp_1",
}
"""Gemini's answer in a case that has none."""


def _frame(event: Any) -> list[bytes]:
    """Return one event as bytes; `{"$cut": [3, 9], "event": ...}` comes in pieces, cut at these offsets."""
    if isinstance(event, str):
        return [event.encode()]
    cuts: list[int] = []
    if isinstance(event, dict) and "$cut" in event:
        cuts, event = event["$cut"], event["event"]
    framed = b"data: " + msgspec.json.encode(event) + b"\r\n\r\n"
    return [framed[start:end] for start, end in pairwise([0, *(cut % len(framed) for cut in cuts), len(framed)])]


class Form(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The base of what a file holds: a misspelled key is an error, never a check that does not happen."""


class Failure(Form):
    """An error that the client must get: as HTTP status and body, or as the last event of a stream.

    `message` is a part of the text; `headers` are lower-case names with values; null: there is none.
    """

    status: int | None = None
    code: str | None = None
    type: str | None = None
    param: str | None = None
    message: str = ""
    headers: dict[str, str | None] = {}


class Further(Form):
    """Gemini's answer to a further call of the same turn: the same request with this `continuationToken`."""

    token: str
    status: int = 200
    answer: Any = None
    events: list[Any] | None = None


class Turn(Form):
    """One request, Gemini's expected request and its answer, and the client's expected answer.

    `upstream` is Gemini's request, whole; without it the request is not looked at. `extends`: it starts with the bytes
    of the turn before, up to the end of its contents, as Gemini's cache wants it. `path` is `MODEL:METHOD`. `calls`:
    how many times Gemini is asked. `notes` are all fates of fields that are not `exact`, each as "PATH FATE";
    `reply_notes` the same of the answer. `answer` is Gemini's whole answer with HTTP `status`, `events` its stream; an
    event that is a string goes out as it is. `further` are the calls that go on with it. `response` is what the client
    gets, joined if streamed; members that it does not name are free. `chunks` are the deltas, one by one; of a response
    the events.
    """

    request: dict[str, Any]
    upstream: dict[str, Any] | None = None
    extends: bool = False
    path: str | None = None
    calls: int = 1
    notes: list[str] = []
    status: int = 200
    answer: Any = None
    events: list[Any] | None = None
    further: list[Further] = []
    response: dict[str, Any] | None = None
    chunks: list[Any] | None = None
    reply_notes: list[str] | None = None
    error: Failure | None = None

    @property
    def asks(self) -> bool:
        """Whether Gemini is asked: not for a request that cannot be served."""
        return self.error is None or self.answer is not None or self.events is not None

    def answer_to(self, body: Mapping[str, Any]) -> "Turn | Further":
        """Return Gemini's answer to a request; a request with a token gets the answer for that token."""
        token = body.get("continuationToken")
        return next((one for one in self.further if one.token == token), self)

    def pieces(self, body: Mapping[str, Any] = {}, *, streamed: bool | None = None) -> list[bytes]:
        """Gemini's answer to a request, as it goes over the wire; a case about the request alone gets a short one.

        `streamed`: whether Gemini is asked for a stream, where the client's request does not tell.
        """
        said = self.answer_to(body)
        if said.events is not None:
            return [piece for event in said.events for piece in _frame(event)]
        answer = msgspec.json.encode(OK if said.answer is None else said.answer)
        if isinstance(said.answer, str):
            return [said.answer.encode()]
        as_events = (self.request.get("stream") is True) if streamed is None else streamed
        return [b"data: " + answer + b"\r\n\r\n"] if as_events and said.status == 200 else [answer]


class Case(Form):
    """A sentence and its proof. A case of one turn has the turn's keys itself.

    `source` says where the behaviour was asked for or documented; `rule` is the request's field or the answer's element
    that it is about. `settings` are the adapter's own, by name; `day` is when all of it happens, for what depends on
    the calendar of models; `signatures` is what its store holds before. `clients`
    are the ways of keeping history (see `clients.py`) under which all turns must hold. `emulator` quotes why a strict
    Gemini refuses the request all the same.
    """

    source: str
    rule: str
    turns: list[Turn]
    settings: dict[str, str] = {}
    day: datetime.date = TODAY
    signatures: dict[str, dict[str, Any]] = {}
    clients: tuple[str, ...] = ("complete",)
    emulator: str = ""
    suite: str = ""
    name: str = ""

    @property
    def endpoint(self) -> str:
        """The path of its requests, below the base URL."""
        return PATHS.get(self.suite, "chat/completions")

    @property
    def id(self) -> str:
        """The path of its file, without the common parts."""
        return f"{self.suite}/{self.rule}/{self.name.replace(' ', '-')}"


_TURN = {field.name for field in msgspec.structs.fields(Turn)}


def read(path: Path) -> Case:
    """Read the case in a file. Raises `ValueError` that names the file."""
    try:
        members = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        if "turns" not in members:
            members["turns"] = [{key: members.pop(key) for key in list(members) if key in _TURN}]
        named = {**members, "suite": path.relative_to(ROOT).parts[0], "name": path.stem.replace("-", " ")}
        return msgspec.convert(generate(named), Case)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path}: {error}") from None


def all_cases(text: str = "") -> list[Case]:
    """Return every case whose name, rule or source contains `text`, in the order of their names."""
    return [case for case in _read_all() if text in f"{case.suite} {case.name} {case.rule} {case.source}"]


@cache
def _read_all() -> list[Case]:
    """Read all cases; to read them takes most of a second."""
    return [read(path) for suite in SUITES for path in sorted((ROOT / suite).rglob("*.json"))]


def _nested_schema(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"d": schema}}
    return schema


_GENERATED: dict[str, Callable[[Any], Any]] = {
    "$repeat": lambda given: given[0] * given[1],
    "$base64": lambda size: base64.b64encode(bytes(number * 37 % 256 for number in range(size))).decode(),
    "$numbered": lambda given: [f"{given[0]}{number}" for number in range(given[1])],
    "$nested": _nested_schema,
}
"""Generators of values that are too large to spell out."""


def generate(value: Any) -> Any:
    """Return the value with every generator replaced by its result."""
    if isinstance(value, list):
        return [generate(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and (key := next(iter(value))) in _GENERATED:
        return _GENERATED[key](value[key])
    return {key: generate(item) for key, item in value.items()}


def strings(value: Any) -> Iterator[str]:
    """Yield every string inside a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)
