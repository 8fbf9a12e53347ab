"""The cases over HTTP, against any server that speaks OpenAI's API and calls the scripted Gemini."""

import base64
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx2
import msgspec

from conformance.cases import FORMS, OK, TODAY, Case, Turn
from conformance.clients import CLIENTS, fill
from conformance.judging import Observed, Verdict, judge
from conformance.upstream import ScriptedGemini

PER_REQUEST = ("strict",)
"""Settings that a request can carry in a header, so that the server needs no restart."""


class Server(NamedTuple):
    """The server under test: where it is, how to call it, and with which settings it runs."""

    base_url: str
    api_key: str = "any"
    model_prefix: str = ""
    settings: Mapping[str, str] = {}


class Result(NamedTuple):
    """The result of one case with one kind of client; `skipped` says why it did not run."""

    case: Case
    client: str
    verdicts: list[Verdict]
    skipped: str = ""

    @property
    def is_passed(self) -> bool:
        """Whether nothing is wrong."""
        return not any(verdict.faults for verdict in self.verdicts)


def distinct(value: Any, own: str) -> Any:
    """Replace the text `hi` by the case's own, so that a server with a memory gets a new chat each time."""
    if isinstance(value, list):
        return [distinct(item, own) for item in value]
    if isinstance(value, dict):
        return {key: distinct(item, own) for key, item in value.items()}
    return f"hi, this is {own}" if value == "hi" else value


def unsuitable(case: Case, server: Server) -> str:
    """Why a case cannot run against a server that is already up."""
    if case.signatures:
        return "it needs a signature store that is filled before"
    if case.day != TODAY:
        return "it happens on another day"
    needed = {name: value for name, value in case.settings.items() if name not in PER_REQUEST}
    if needed != dict(server.settings):
        return "it needs " + (", ".join(f"{name}={value}" for name, value in needed.items()) or "default settings")
    return ""


class Runner(NamedTuple):
    """Runs cases against one server, whose upstream is the scripted Gemini."""

    server: Server
    gemini: ScriptedGemini
    http: httpx2.Client

    def run(self, case: Case, client: str) -> Result:
        """Run all turns of one case, up to the first failed one: a turn after it would prove nothing."""
        if reason := unsuitable(case, self.server):
            return Result(case, client, [], reason)
        messages: list[dict[str, Any]] = []
        verdicts: list[Verdict] = []
        before: list[Any] = []
        for turn in case.turns:
            own = f"{case.id} {client}"
            observed = self.ask(case, turn, distinct(fill(turn.request, messages), own))
            expected = msgspec.structs.replace(turn, upstream=distinct(fill(turn.upstream, messages), own))
            verdict, message = judge(expected, observed, before)
            before = observed.bodies
            verdicts.append(verdict)
            if verdict.faults:
                break
            messages.append(CLIENTS[client](message))
        return Result(case, client, verdicts)

    def ask(self, case: Case, turn: Turn, request: dict[str, Any]) -> Observed:
        """Send one request, and see what both sides got."""
        self.gemini.play(turn)
        body = {**request, "model": self.server.model_prefix + request["model"]} if "model" in request else request
        headers = {"authorization": f"Bearer {self.server.api_key}", "x-adapter-notes": "full"}
        headers |= {f"x-adapter-{name}": case.settings[name] for name in PER_REQUEST if name in case.settings}
        url = f"{self.server.base_url.rstrip('/')}/{case.endpoint}"
        try:
            if case.suite in FORMS:
                data, files = as_form(body)
                answer = self.http.post(url, data=data, files=files, headers=headers)
            else:
                answer = self.http.post(url, json=body, headers=headers)
        except httpx2.HTTPError as error:
            return Observed(self.gemini.bodies, self.gemini.paths, 0, f"no answer: {error!r}", {})
        return observe(answer, turn, self.gemini)


def as_form(body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields and the files of a form for a request."""
    data: dict[str, Any] = {}
    files: dict[str, Any] = {}
    for name, value in body.items():
        if name == "file":
            head, _, encoded = value.partition(",")
            media_type = head.removeprefix("data:").removesuffix(";base64")
            files[name] = ("file", base64.b64decode(encoded), media_type)
        elif isinstance(value, list):
            data[f"{name}[]"] = [str(one) for one in value]
        elif isinstance(value, dict):
            data |= {f"{name}[{key}]": str(inner) for key, inner in value.items()}
        else:
            data[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return data, files


def observe(answer: httpx2.Response, turn: Turn, gemini: ScriptedGemini) -> Observed:
    """Return the answer, with the ledger if the server sends it."""
    body: Any = None
    events: list[Any] | None = None
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        lines = [line[5:].strip() for line in answer.content.splitlines() if line.startswith(b"data:")]
        events = [decode(line) for line in lines if line != b"[DONE]"]
        ledger = take_ledger(events[-1], turn) if events else None
        done = bool(lines) and lines[-1] == b"[DONE]"
    elif answer.headers.get("content-type", "").startswith("text/"):
        body = {"media_type": answer.headers["content-type"], "content": answer.text}
        ledger, done = None, False
    else:
        body = decode(answer.content)
        ledger, done = take_ledger(body, turn), False
    headers = {name.lower(): value for name, value in answer.headers.items()}
    sent, back = (None, None) if ledger is None else ledger
    return Observed(gemini.bodies, gemini.paths, answer.status_code, body, headers, events, done, sent, back)


def decode(text: bytes) -> Any:
    """JSON, or an error that says what came in its place."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {"error": {"message": f"not JSON: {text[:200].decode(errors='replace')}"}}


def take_ledger(body: Any, turn: Turn) -> tuple[list[str], list[str]] | None:
    """This adapter's notes (`extra_content.adapter`) on request and answer; None from other servers."""
    body = body.get("response", body) if isinstance(body, dict) else body
    extra = body.get("extra_content") if isinstance(body, dict) else None
    ledger = extra.pop("adapter", None) if isinstance(extra, dict) else None
    if ledger is None:
        return None
    if extra == {} and isinstance(body, dict):
        del body["extra_content"]
    notes = [f"{note['path']} {note['fate']}" for note in ledger["notes"] if note["fate"] != "exact"]
    told = [event for event in turn.events or [turn.answer] if isinstance(event, dict)]
    of_answers = {name for event in told for name in event.get("event", event)} | {*OK}
    back = [note for note in notes if re.split(r"[.\[ ]", note)[0] in of_answers]
    return [note for note in notes if note not in back], back
