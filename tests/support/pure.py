"""The cases of `conformance/` through the server's own endpoints, without a socket: only Gemini is scripted.

Everything from the endpoint to the transport is the server's: its plans, its stores, its continuations, its parallel
calls. Foreign judges look at what goes out on both sides.
"""

import asyncio
import datetime
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache
from typing import Any
from unittest import mock

import httpx2
import msgspec
import orjson

from adapter import settings
from adapter.server import routes
from adapter.server.observe.exchange_log import Exchange
from adapter.server.pipeline.background import Jobs
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.endpoint import Endpoint
from adapter.server.pipeline.http_entry import serve
from adapter.server.pipeline.service import Service
from adapter.store.documents.base import DocumentLimits, MemoryDocuments
from adapter.store.shared.base import StoreLimits
from adapter.store.signatures.memory import MemoryStore
from adapter.translate.core.catalogue import CODES
from adapter.translate.core.notes import Fate, Note
from adapter.upstream.client import Upstream
from adapter.upstream.transport.base import Request
from adapter.wire.base import decode
from adapter.wire.signatures import Issued, Signature
from conformance.cases import FORMS, Case, Turn, all_cases
from conformance.clients import CLIENTS, fill
from conformance.judging import Observed, judge
from conformance.runner import as_form
from tests.support import oracles

RUNS = [(case, client) for case in all_cases() for client in case.clients]

ENDPOINTS = {endpoint.path: endpoint for endpoint in routes.ENDPOINTS if endpoint.method == "POST"}

# The first failure is what a case is about; nobody waits for a second try.
OURS = {
    "upstream_url": "http://127.0.0.1:1",
    "upstream_keys": "k",
    "upstream_name": "studio",
    "store": "memory",
    "retries": "0",
    "circuit_pause": "0",
    "inspector": "false",
}

STREAMED = {"generateContent": False, "streamGenerateContent": True}

WHOLE: dict[str, Callable[[Any], object]] = {
    "chat": oracles.check_completion,
    "streams": oracles.check_completion,
    "errors": oracles.check_completion,
    "responses": oracles.check_response,
    "compactions": lambda _answer: None,
    "embeddings": oracles.check_embeddings,
    "completions": oracles.check_text_completion,
    "decisions": oracles.check_decision,
    "moderations": oracles.check_moderation,
    "images": oracles.check_images,
    "image_edits": oracles.check_images,
    "image_variations": oracles.check_images,
    "speech": lambda _file: None,
    "transcriptions": oracles.check_transcription,
    "translations": oracles.check_transcription,
}
"""The judge of a suite's whole answers."""

EVENTS: dict[str, Callable[[Any], object]] = {
    "images": oracles.check_image_event,
    "image_edits": oracles.check_image_event,
    "transcriptions": oracles.check_transcript_event,
}
"""The judge of a suite's events; an error after them has no type in the package."""


@cache
def settings_of(given: tuple[tuple[str, str], ...]) -> settings.Settings:
    """Return the settings of a case, as an operator gives them."""
    return settings.load({**OURS, **dict(given)}, {})


class ScriptedResponse:
    """Gemini's answer to one call."""

    headers: Mapping[str, str] = {"content-type": "application/json"}

    def __init__(self, status: int, pieces: list[bytes]) -> None:
        self.status = status
        self._pieces = pieces

    async def read(self) -> bytes:
        """Return the next piece."""
        return self._pieces.pop(0) if self._pieces else b""

    async def aclose(self) -> None:
        """Hold nothing."""


class ScriptedTransport:
    """Answers as a turn says, and records the requests; `faults` are foreign judges' findings on them."""

    def __init__(self, case: Case, platform: str) -> None:
        self._case = case
        self._platform = platform
        self.play(case.turns[0])

    def play(self, turn: Turn) -> None:
        """Start over with another turn."""
        self._turn = turn
        self.bodies: list[Any] = []
        self.paths: list[str] = []
        self.faults: list[Exception] = []

    async def send(self, request: Request) -> ScriptedResponse:
        """Answer a request."""
        body = orjson.loads(request.body if isinstance(request.body, bytes) else b"".join(request.body or ()))
        path = re.split(r"models/|v1beta/", request.url.partition("?")[0])[-1]
        self.bodies.append(body)
        self.paths.append(path)
        try:
            self._judge(path, body)
        except Exception as error:  # noqa: BLE001 - the server would answer it with a 500; it is raised behind the answer
            self.faults.append(error)
        pieces = self._turn.pieces(body, streamed=STREAMED.get(path.rpartition(":")[2]))
        return ScriptedResponse(self._turn.answer_to(body).status, pieces)

    def _judge(self, path: str, body: Any) -> None:
        """Raise for a request that a foreign judge does not take, or that the emulator takes and the case says no."""
        model, _, method = path.partition(":")
        if path == "decisions":
            oracles.check_decision_request(body)
        elif method in ("generateContent", "streamGenerateContent"):
            oracles.check_gemini_request(body)
            # The emulator takes no token of another one's.
            if "continuationToken" not in body:
                refusal = oracles.emulator_refusal(body, model, streaming=method != "generateContent")
                assert bool(refusal) is bool(self._case.emulator), f"the emulator says: {refusal or 'nothing'}"
                assert self._case.emulator in refusal
        else:
            oracles.check_embedding_request(body, model, method, self._platform)

    async def aclose(self) -> None:
        """Hold nothing."""


class Core:
    """The server's way through the requests of one case; its stores are empty but for what the case puts there."""

    def __init__(self, case: Case) -> None:
        self.case = case
        chosen = settings_of(tuple(case.settings.items()))
        self.endpoint: Endpoint = ENDPOINTS[f"/v1/{case.endpoint}"]
        self.max_body = self.endpoint.max_body(chosen)
        self.headers = [(b"content-type", b"application/json"), (b"authorization", b"Bearer any")]
        self.transport = ScriptedTransport(case, chosen.upstream_platform)
        self._settings = chosen
        self._service: Service | None = None

    def run(self, turn: Turn, request: Any) -> Observed:
        """Answer one request."""
        self.transport.play(turn)
        body = orjson.dumps(request)
        if self.case.suite in FORMS:
            data, files = as_form(request)
            form = httpx2.Request("POST", "http://127.0.0.1/", data=data, files=files)
            body, self.headers = (
                form.read(),
                [(b"content-type", form.headers["content-type"].encode()), *self.headers[1:]],
            )
        with words_for_tokens() if self.case.suite in ("completions", "embeddings") else nullcontext():
            observed: Observed = loop_of(os.getpid()).run_until_complete(self._run(body))
        for fault in self.transport.faults:
            raise fault
        self._check_answer(observed)
        return observed

    async def _run(self, body: bytes) -> Observed:
        service = self._service = self._service or await self._start()
        sent: list[Any] = []
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            return messages.pop() if messages else await asyncio.Future()

        async def send(message: Any) -> None:
            sent.append(message)

        exchange = Exchange(id="req", path=self.endpoint.template, started_at=0.0, client=None)
        call = Call(service, Jobs(service), exchange, scope=self._scope(), receive=receive, send=send)
        await serve(self.endpoint, call, self.max_body)
        return self._observe(sent, exchange)

    async def _start(self) -> Service:
        noon = datetime.datetime.combine(self.case.day, datetime.time(12), datetime.UTC).timestamp()
        upstream = Upstream(settings.upstream_settings(self._settings), self.transport)
        store = MemoryStore(StoreLimits())
        service = Service(
            self._settings, upstream, store, MemoryDocuments(DocumentLimits()), "studio", clock=lambda: noon
        )
        client = service.access.client(self._scope())
        for key, value in self.case.signatures.items():
            await store.put([Issued(key, decode(orjson.dumps(value), Signature)[0], by_words=False)], client.id)
        return service

    def _scope(self) -> dict[str, Any]:
        path = f"/v1/{self.case.endpoint}"
        return {
            "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": path, "root_path": "",
            "raw_path": path.encode(), "query_string": b"", "headers": self.headers, "client": ("127.0.0.1", 1),
        }  # fmt: skip

    def _observe(self, sent: Sequence[Any], exchange: Exchange) -> Observed:
        head, content = sent[0], b"".join(message.get("body", b"") for message in sent[1:])
        headers = {name.decode().lower(): value.decode() for name, value in head["headers"]}
        body, events, done = None, None, False
        kind = headers["content-type"].partition(";")[0]
        if kind == "text/event-stream":
            data = [line[6:] for line in content.splitlines() if line.startswith(b"data: ")]
            events, done = [orjson.loads(line) for line in data if line != b"[DONE]"], data[-1:] == [b"[DONE]"]
        else:
            body = orjson.loads(content) if kind == "application/json" else {}
            if kind.startswith("text/"):
                body = {"media_type": headers["content-type"], "content": content.decode()}
        notes = (lines(exchange.notes), lines(exchange.reply_notes))
        bodies, paths = self.transport.bodies, self.transport.paths
        return Observed(bodies, paths, head["status"], body, headers, events, done, *notes)

    def _check_answer(self, observed: Observed) -> None:
        """Raise for an answer that the vendor's own types do not take."""
        if observed.events is None:
            if observed.status == 200:
                WHOLE[self.case.suite](observed.body)
        elif self.case.suite == "responses":
            oracles.check_events(observed.events)
        elif (check := EVENTS.get(self.case.suite)) is not None:
            for event in observed.events[: -1 if "error" in observed.events[-1] else None]:
                check(event)
        elif self.case.suite != "speech" and "error" not in observed.events[-1]:
            oracles.check_chunks(observed.events)


@cache
def loop_of(_process: int) -> asyncio.AbstractEventLoop:
    """Return one event loop for all cases of a process; a fork must not share its parent's."""
    return asyncio.new_event_loop()


@contextmanager
def words_for_tokens() -> Iterator[None]:
    """Take words for the texts of tokens, since no data of OpenAI's tokens may be on this machine."""
    with ExitStack() as patched:
        for endpoint in ("completions", "embeddings"):
            name = f"adapter.server.endpoints.{endpoint}.detokenizer"
            patched.enter_context(mock.patch(name, return_value=words_of))
        yield


def words_of(tokens: list[int]) -> str:
    """Return a text for tokens."""
    if min(tokens) < 0:
        raise ValueError("a negative number")
    return " ".join(f"word{token}" for token in tokens)


def lines(notes: Sequence[Note]) -> list[str]:
    """Return the notes of losses in the form of cases."""
    lost = [note for note in notes if note.fate != Fate.EXACT]
    assert [note for note in lost if not note.reason] == [], "every loss says why"
    assert [note for note in lost if note.code not in CODES] == [], "every loss has a code of the catalogue"
    return [f"{note.path} {note.fate}" for note in lost]


def check_case(case: Case, client: str) -> None:
    """Raise with all differences unless a case is answered as it says."""
    core = Core(case)
    messages: list[dict[str, Any]] = []
    before: list[Any] = []
    for number, turn in enumerate(case.turns, 1):
        request = fill(turn.request, messages)
        observed = core.run(turn, request)
        expected = msgspec.structs.replace(turn, upstream=fill(turn.upstream, messages))
        verdict, message = judge(expected, observed, before)
        before = observed.bodies
        assert not verdict.faults, "\n".join([f"turn {number}:", *verdict.faults, f"Gemini got {observed.bodies}"])
        messages.append(CLIENTS[client](message))
