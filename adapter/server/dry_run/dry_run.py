"""The dry run: a request's translation and Gemini's likely answer, with no key and no call.

`adapter translate` and `POST /translate` show the same of a plan. A line of theirs is a request of any endpoint that
has a planner, a line of OpenAI's batch files, or an answer of Gemini's, which is translated backwards.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import orjson

from adapter.server.media.openai_tokens import detokenizer
from adapter.server.observe.ledger_entries import note_as_json
from adapter.server.pipeline.errors import TABLE, Malformed, failure_of, to_malformed
from adapter.server.pipeline.ledger_headers import check
from adapter.server.pipeline.model_lists import path_of_model
from adapter.server.pipeline.service import DECODING_ERRORS, Predict, decode_body
from adapter.settings import (
    Catalogue,
    Settings,
    catalogue,
    find_served_model,
    options,
    request_limits,
    upstream_settings,
)
from adapter.settings.models import CHAT, utc_day
from adapter.translate.answer import completion
from adapter.translate.core.capabilities import ServedModel
from adapter.translate.core.context import Context, Stamp
from adapter.translate.core.strictness import Strictness, counts_by_severity
from adapter.translate.ledger import LedgerEntry, values_of
from adapter.translate.plan import PLANNERS, Plan
from adapter.translate.responses import fields as responses
from adapter.translate.targets import full_ledger
from adapter.translate.translations import PATHS, endpoint_at, endpoint_of_body, endpoints
from adapter.upstream.answers import read_reply
from adapter.upstream.settings import base_url
from adapter.wire.base import decode, encode
from adapter.wire.openai.chat_request import ChatCompletionRequest, Message
from adapter.wire.openai.responses_request import ResponsesRequest
from adapter.wire.reader import check_values

REDACTED = "[redacted]"

_EVENTS = ("", "?alt=sse")

_ANSWERS = {
    *("candidates", "promptFeedback", "usageMetadata", "modelVersion"),
    # As relays write it.
    *("prompt_feedback", "usage_metadata", "model_version", "response"),
}


def describe(
    plan: Plan, settings: Settings, predict: Predict | None, path: Callable[[str], str] | None = None
) -> dict[str, Any]:
    """Describe a plan: where it goes, its headers and body, its ledger, and what Gemini would say."""
    body = orjson.loads(encode(plan.body))
    predicted = None if predict is None else predict(plan.model, plan.method, body)
    return {
        "model": plan.model,
        "method": plan.method,
        "calls": plan.calls,
        "url": _url(plan, settings),
        "headers": _headers(settings),
        "body": plan.body,
        "losses": counts_by_severity(plan.notes),
        "notes": _entries(full_ledger(plan, body, path)),
        "predicted_error": predicted,
    }


def _entries(ledger: Sequence[LedgerEntry]) -> list[dict[str, Any]]:
    return [{**note_as_json(note), "targets": targets} for note, targets in ledger]


def _url(plan: Plan, settings: Settings) -> str:
    return _url_of(plan.model, plan.method, settings) + _EVENTS[bool(plan.context.request.stream)]


def _url_of(model: str, method: str, settings: Settings) -> str:
    upstream = upstream_settings(settings)
    if method == "decisions":
        return f"{base_url(upstream.url)}/{method}"
    return f"{base_url(upstream.url)}/{path_of_model(model, upstream.models)}:{method}"


def _headers(settings: Settings) -> dict[str, str]:
    """Return the headers of a call, the key left out."""
    upstream = upstream_settings(settings)
    scheme = upstream.caller_scheme if upstream.auth == "caller" else upstream.auth
    key = {"x-goog-api-key": REDACTED} if scheme == "api-key" else {"authorization": f"Bearer {REDACTED}"}
    return {"content-type": "application/json", **key}


def with_values(shown: dict[str, Any], request: bytes) -> dict[str, Any]:
    """Return a dry run with the values of each note, before and after."""
    body = orjson.loads(encode(shown["body"]))
    return {**shown, "notes": [{**note, **values_of(note, request, body)} for note in shown["notes"]]}


class DryRun(NamedTuple):
    """Translates whatever line it is given, without a server: `adapter translate`, and `POST /translate` for lines."""

    settings: Settings
    names: Catalogue
    strictness: Strictness
    predict: Predict | None = None
    endpoint: str = ""
    values: bool = False

    def line(self, line: bytes) -> dict[str, Any]:
        """Return the result for a line; OpenAI's error where the request would be refused."""
        custom: dict[str, Any] = {}
        try:
            members = self._members(line)
            if "custom_id" in members:
                custom = {"custom_id": members["custom_id"]}
            return {**custom, **self.whole(line)}
        except TABLE as error:
            return {**custom, "error": failure_of(error, "").body.error}

    def form_of(self, text: bytes) -> tuple[str, bytes]:
        """Return the endpoint that a text is a request for, and the request; "" for an answer of Gemini's."""
        members = self._members(text)
        if not {"messages", "input", "body"} & set(members) and _ANSWERS & set(members):
            return "", text
        path = _endpoint_at(self.endpoint, "endpoint") if self.endpoint else ""
        if "body" in members and "url" in members:
            text, path = bytes(members["body"]), _endpoint_at(_text(members["url"]), "url")
            members = self._members(text)
        return path or endpoint_of_body(_deciding(members)), text

    def _members(self, text: bytes) -> dict[str, msgspec.Raw]:
        """Return the members of a JSON object. Raises `Malformed`."""
        try:
            check_values(text, request_limits(self.settings))
            return decode(text, dict[str, msgspec.Raw])[0]
        except DECODING_ERRORS as error:
            raise to_malformed(error) from None

    def whole(self, text: bytes) -> dict[str, Any]:
        """Return the result for one text. Raises as the served call does."""
        endpoint, request = self.form_of(text)
        return self._forwards(request, endpoint) if endpoint else self._backwards(text)

    def _forwards(self, text: bytes, endpoint: str) -> dict[str, Any]:
        planner = PLANNERS.get(endpoint)
        if planner is None:
            return self._other(text, endpoint)
        request, unknown = decode_body(text, planner.request, request_limits(self.settings))
        # Every request that has a planner names its model.
        served = self._find_served_model(request.model or "")  # type: ignore[attr-defined]
        plan = planner.plan(request, unknown, served, options(self.settings))
        check(plan.notes, self.strictness, self.settings.notes)
        shown = {"endpoint": endpoint, **describe(plan, self.settings, self.predict)}
        return with_values(shown, text) if self.values else shown

    def _find_served_model(self, name: str, kind: str = CHAT) -> ServedModel:
        served = find_served_model(name, self.names, kind)
        path_of_model(served.model, upstream_settings(self.settings).models)
        return served

    def _other(self, text: bytes, endpoint: str) -> dict[str, Any]:
        """Describe a request of an endpoint that is no chat: its calls, and its ledger."""
        translators = endpoints(detokenizer())
        request, unknown = decode_body(text, translators[endpoint].request, request_limits(self.settings))
        name = getattr(request, "model", None) or translators[endpoint].default_model
        # Completions are answered by chat models.
        kind = CHAT if endpoint == "/v1/completions" else endpoint.removeprefix("/v1/")
        served = self._find_served_model(name, kind)
        translation = translators[endpoint].translate(request, unknown, served, options(self.settings))
        check(translation.notes, self.strictness, self.settings.notes)
        events = _EVENTS[translation.method == "streamGenerateContent"]
        bodies = translation.as_json()
        shown = {
            "endpoint": endpoint,
            "model": translation.served.model,
            "method": translation.method,
            "calls": translation.calls,
            "url": _url_of(translation.served.model, translation.method, self.settings) + events,
            "headers": _headers(self.settings),
            "body": translation.bodies[0] if len(translation.bodies) == 1 else translation.bodies,
            "losses": counts_by_severity(translation.notes),
            "notes": _entries(translation.ledger(bodies)),
            "predicted_error": self._predict(translation.served.model, translation.method, bodies),
        }
        return with_values(shown, text) if self.values else shown

    def _predict(self, model: str, method: str, bodies: Sequence[Any]) -> Any:
        """Return Gemini's answer to the first call that it would refuse."""
        if self.predict is None:
            return None
        errors = (self.predict(model, method, body) for body in bodies)
        return next((error for error in errors if error is not None), None)

    def _backwards(self, text: bytes) -> dict[str, Any]:
        """Return OpenAI's answer for one of Gemini's, as if the request had only a model."""
        reply = read_reply(text)
        answer, unknown = reply.response, reply.unknown
        model = answer.model_version or "gemini"
        stamp = Stamp(seed="translate", id="chatcmpl-translate", created=0, model=model)
        request = ChatCompletionRequest(model=model, messages=[Message(role="user", content=" ")])
        row = find_served_model(model, self.names).row
        if self.endpoint == "/v1/responses":
            view = responses.to_chat(ResponsesRequest(model=model, input=" "))
            context = Context(request=view.request, capabilities=row, options=options(self.settings))
            stamp = msgspec.structs.replace(stamp, id="resp_translate")
            response, notes, _ = responses.from_gemini(answer, context, stamp, unknown, view, clock=lambda: 0.0)
            return {
                "answer": response,
                "losses": counts_by_severity(notes),
                "notes": [note_as_json(note) for note in notes],
            }
        context = Context(request=request, capabilities=row, options=options(self.settings))
        chat, notes, _ = completion.from_gemini(answer, context, stamp, unknown)
        return {"answer": chat, "losses": counts_by_severity(notes), "notes": [note_as_json(note) for note in notes]}


def _endpoint_at(url: str, param: str) -> str:
    """Return the path of the endpoint that a URL is for. Raises `Malformed`."""
    if path := endpoint_at(url):
        return path
    raise Malformed(f"requests to {', '.join(PATHS)} are translated, not those to {url!r}", param, "invalid_value")


def _text(raw: msgspec.Raw) -> str:
    """Return a text, or ""."""
    value = orjson.loads(bytes(raw))
    return value if isinstance(value, str) else ""


def _deciding(members: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
    """Return the members that decide which endpoint a body is for."""
    short = {"model": _text(members["model"])} if "model" in members else {}
    is_template = bytes(members.get("prompt", b"")).startswith(b"{")
    return {**dict.fromkeys(members), **short, **({"prompt": {}} if is_template else {})}


def as_line(shown: dict[str, Any]) -> bytes:
    """Write JSON on one line: free-form values may have line ends of the client's."""
    return msgspec.json.format(encode(shown), indent=-1) + b"\n"


def lines_of(text: bytes) -> list[bytes]:
    """Return the lines of a file; a single document may be written over several lines."""
    lines = [line for line in text.splitlines() if line.strip()]
    return [text] if len(lines) < 2 or not is_json_lines(lines) else lines


def is_json_lines(lines: list[bytes]) -> bool:
    """Return whether the first of several lines is a whole object."""
    try:
        msgspec.json.decode(lines[0], type=dict[str, msgspec.Raw])
    except DECODING_ERRORS:
        return False
    return True


def dry_run_of(
    settings: Settings,
    seconds: float,
    predict: Predict | None,
    *,
    strictness: Strictness | None = None,
    endpoint: str = "",
    values: bool = False,
) -> DryRun:
    """Return the dry run for settings at a time (Unix seconds)."""
    names = catalogue(settings, utc_day(seconds))
    return DryRun(settings, names, strictness or Strictness(settings.strict), predict, endpoint, values)
