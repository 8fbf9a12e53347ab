"""The client for Gemini: each method of the API is a coroutine that returns a typed answer, or a stream of them.

A call goes through these layers, outermost first: retries (`Retry`), circuit breaker, key (`Auth`), transport.

Generative Language API v1beta (discovery revision 20260325): `models/{m}:generateContent`,
`models/{m}:streamGenerateContent?alt=sse`, `models/{m}:countTokens`, `models`, `models/{m}`.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from math import ceil
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from adapter.upstream.answers import Reply, read_message, read_reply
from adapter.upstream.auth.key_pool import Caller, KeyPool, build_auth
from adapter.upstream.errors import (
    MAX_ERROR_BODY,
    UpstreamError,
    UpstreamProtocolError,
    from_answer,
)
from adapter.upstream.event_source import EventSource, ReplyStream, WholeAnswer
from adapter.upstream.model_path import model_path
from adapter.upstream.observer import CallObserver, Observer
from adapter.upstream.policy.circuit_breaker import CircuitBreaker, is_outage
from adapter.upstream.policy.retry import WORLD, Attempts, Retry, World
from adapter.upstream.settings import UpstreamSettings, base_url
from adapter.upstream.sse import EventDecoder
from adapter.upstream.transport.base import Body, Request, Response, Transport, join_pieces
from adapter.wire.base import encode
from adapter.wire.gemini.count import CountedRequest, CountTokensRequest, CountTokensResponse
from adapter.wire.gemini.generate import GenerateContentRequest
from adapter.wire.gemini.models import ListModelsResponse, Model
from adapter.wire.gemini.pieces import encode_in_pieces

__all__ = ["Caller", "Forwarded", "Reply", "ReplyStream", "Upstream"]

T = TypeVar("T")

# A relay whose next page is always the same one must not be followed for ever.
MAX_PAGES = 50

_SSE = "streamGenerateContent?alt=sse"
_NOBODY = nullcontext()
_NO_KEY: Mapping[str, str] = {}

_COUNTED = ("contents", "system_instruction", "tools", "generation_config")
"""The fields that Vertex AI's countTokens takes (discovery revision 20261106)."""


class Forwarded(msgspec.Struct, frozen=True, gc=False):
    """A request in Gemini's own format that is passed on: its path below the API's version, with the query.

    `verb` is the HTTP method, `method` Gemini's name of it, for metrics and traces. Names of `headers` are in lower
    case, and no header holds a key. A large body comes in `pieces`, in place of `body`. `needs_key`: False for the
    bytes of an upload, whose address is enough.
    """

    verb: str
    path: str
    body: bytes | None
    method: str
    model: str = ""
    pieces: Sequence[bytes] = ()
    headers: Mapping[str, str] = {}
    streams: bool = False
    is_upload: bool = False
    needs_key: bool = True


class _Call(msgspec.Struct, frozen=True, gc=False):
    """One call with all its attempts, and who observes it. `method` is the HTTP method."""

    method: str
    path: str
    body: Body | None
    caller: Caller
    model: str
    deadline: float
    observer: CallObserver | None
    events: bool = False
    headers: Mapping[str, str] = {}
    is_upload: bool = False
    needs_key: bool = True


class Upstream:
    """Calls one upstream. Every method raises `UpstreamError` (see `upstream.errors`) and nothing else.

    `deadline` is a time of the event loop's clock, in seconds; a call never lasts longer than `settings.total` seconds.
    """

    def __init__(
        self, settings: UpstreamSettings, transport: Transport, world: World = WORLD, observer: Observer | None = None
    ) -> None:
        self.settings = settings
        self._observer = observer
        self._base = base_url(settings.url)
        # Google takes uploads at /upload/v1beta (Generative Language API, media.upload).
        self._upload_base = re.sub(r"(?=/v1\w*\Z)", "/upload", self._base)
        # Vertex AI lists models by their publisher; below a project it only calls them (v1beta1, publishers.models).
        self._listed = "publishers/google/" if settings.auth == "vertex" else ""
        self._transport = transport
        self._world = world
        self._auth = build_auth(settings, world.clock)
        self._pool = self._auth if isinstance(self._auth, KeyPool) else None
        self.has_several_keys = self._pool is not None and self._pool.has_several
        self._retry = Retry(settings, world)
        pause = settings.circuit_pause
        tell = None if observer is None else partial(observer.add_open_circuits, settings.name)
        self._breaker = CircuitBreaker(settings.name, pause, world.clock, tell) if pause else None
        own = {"content-type": "application/json", "user-agent": "gemini-openai-adapter"}
        self._whole_headers = {**own, "accept-encoding": "gzip, deflate", **_lower_names(settings.headers)}
        # A proxy that compresses may hold events back until it has enough to compress.
        self._event_headers = {**own, "accept-encoding": "identity", **_lower_names(settings.headers)}

    async def generate(
        self,
        model: str,
        request: GenerateContentRequest,
        caller: Caller,
        deadline: float | None = None,
        pieces: Sequence[bytes] = (),
    ) -> Reply:
        """Ask for a whole answer (`generateContent`).

        `pieces`, if any, are sent in place of `request`: its JSON with large data, which `request` only names.
        """
        call = self._generation(model, "generateContent", request, caller, deadline, pieces)
        with call.observer or _NOBODY:
            payload = await self._run(call, self._read)
            reply = read_reply(payload)
            if call.observer is not None:
                call.observer.on_reply(reply.response, payload)
            return reply

    async def stream(
        self,
        model: str,
        request: GenerateContentRequest,
        caller: Caller,
        deadline: float | None = None,
        pieces: Sequence[bytes] = (),
    ) -> ReplyStream:
        """Ask for a streamed answer (`streamGenerateContent`); return its events, once the first one has arrived.

        The caller closes them, which closes the connection at once. A stream that ends without a finish reason is not
        an error here: the caller decides what it means. `pieces`: see `generate`.
        """
        if not self.settings.streaming:
            return WholeAnswer(await self.generate(model, request, caller, deadline, pieces))
        call = self._generation(model, _SSE, request, caller, deadline, pieces)
        observer = call.observer
        if observer is None:
            return await self._run(call, self._start_stream)
        observer.__enter__()
        try:
            events = await self._run(call, partial(self._start_stream, observer=observer))
        except BaseException as error:
            # Also for a cancellation: nobody else would tell the observer of the end.
            observer.__exit__(type(error), error, error.__traceback__)
            raise
        # It goes on to observe, up to the end of the stream.
        events.is_under_way = True
        return events

    async def count_tokens(
        self, model: str, request: GenerateContentRequest, caller: Caller, deadline: float | None = None
    ) -> int:
        """Count the tokens of a request, its tools and instructions included (`countTokens`)."""
        path = model_path(model, self.settings.models)
        body, until = self._count_body(path, request), self._deadline_for(deadline)
        observer = self._observe("POST", "countTokens", model, request)
        call = _Call("POST", f"{path}:countTokens", body, caller, model, until, observer)
        return (await self._ask(call, CountTokensResponse)).total_tokens

    def _count_body(self, path: str, request: GenerateContentRequest) -> bytes:
        """Encode a countTokens request: AI Studio wants the whole request in a field, Vertex AI only some fields."""
        if self.settings.auth == "vertex":
            return encode(GenerateContentRequest(**{name: getattr(request, name) for name in _COUNTED}))
        fields = {name: getattr(request, name) for name in request.__struct_fields__}
        return encode(CountTokensRequest(generate_content_request=CountedRequest(model=path, **fields)))

    async def models(self, caller: Caller, deadline: float | None = None) -> list[Model]:
        """List all models, page by page (`models`)."""
        models: list[Model] = []
        until = self._deadline_for(deadline)
        # The most that one page may have (Generative Language API, models.list).
        query = {"pageSize": "1000"}
        for _ in range(MAX_PAGES):
            path, observer = f"{self._listed}models?{urlencode(query)}", self._observe("GET", "listModels")
            page = await self._ask(_Call("GET", path, None, caller, "", until, observer), ListModelsResponse)
            models += page.models or page.publisher_models or ()
            if not page.next_page_token:
                return models
            query["pageToken"] = page.next_page_token
        raise UpstreamProtocolError(f"Gemini's list of models has more than {MAX_PAGES} pages.")

    async def model(self, name: str, caller: Caller, deadline: float | None = None) -> Model:
        """Get one model (`models/{model}`)."""
        path, until = model_path(name, f"{self._listed}models/"), self._deadline_for(deadline)
        return await self._ask(_Call("GET", path, None, caller, "", until, self._observe("GET", "getModel")), Model)

    def build_call(self, model: str, method: str, request: object) -> Forwarded:
        """Build a call of any method of a model (`embedContent`), for `ask`. Raises `InvalidModelName`."""
        path = f"{model_path(model, self.settings.models)}:{method}"
        return Forwarded(verb="POST", path=path, body=encode(request), method=method, model=model)

    def build_decision_call(self, model: str, request: object) -> Forwarded:
        """Build a call of the Decisions API, which names its model in the body."""
        return Forwarded(verb="POST", path="decisions", body=encode(request), method="createDecision", model=model)

    async def ask(self, forwarded: Forwarded, type_: type[T], caller: Caller, deadline: float | None = None) -> T:
        """Send a call and decode its whole answer. For what is not a generation."""
        return await self._ask(self._prepare_forward(forwarded, caller, deadline), type_)

    async def ask_and_read(
        self, forwarded: Forwarded, read: Callable[[bytes], T], caller: Caller, deadline: float | None = None
    ) -> T:
        """Send a call; return what `read` makes of the bytes of its whole answer. Raises what that raises."""
        call = self._prepare_forward(forwarded, caller, deadline)
        with call.observer or _NOBODY:
            return read(await self._run(call, self._read))

    async def forward(self, forwarded: Forwarded, caller: Caller, deadline: float | None = None) -> Response:
        """Pass a request on; return its answer, once its head has arrived with a good status. The caller closes it.

        The body is decompressed already. Failures before the head are retried like those of any other call.
        """
        call = self._prepare_forward(forwarded, caller, deadline)
        with call.observer or _NOBODY:
            return await self._run(call, _return_response)

    def _prepare_forward(self, forwarded: Forwarded, caller: Caller, deadline: float | None) -> _Call:
        return _Call(
            method=forwarded.verb,
            path=forwarded.path,
            body=forwarded.pieces or forwarded.body,
            caller=caller,
            model=forwarded.model,
            deadline=self._deadline_for(deadline),
            observer=self._observe(forwarded.verb, forwarded.method, forwarded.model),
            events=forwarded.streams,
            headers=forwarded.headers,
            is_upload=forwarded.is_upload,
            needs_key=forwarded.needs_key,
        )

    def choose_key(self, owner: str) -> str:
        """Return the name of an owner's key of ours, for calls that must all have the same; "" where there is one."""
        return self._pool.choose(owner) if self._pool is not None and self._pool.has_several else ""

    @property
    def key_names(self) -> list[str]:
        """The names of our keys, for calls that each key must make; one "" if there is only one key."""
        return self._pool.pins or [""] if self._pool is not None and self._pool.has_several else [""]

    @property
    def sends_clients_key(self) -> bool:
        """Return whether calls go out with the key that the client has sent."""
        return self.settings.auth == "caller"

    def has_key(self, pin: str) -> bool:
        """Return whether the key that `pin` names is still one of ours."""
        return not pin or (self._pool is not None and self._pool.has(pin))

    def replace_keys(self, keys: Sequence[str]) -> None:
        """Use these keys from now on; running calls end with the old ones."""
        if self._pool is not None:
            self._pool.replace(keys)
            self.has_several_keys = self._pool.has_several

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    def _generation(
        self,
        model: str,
        method: str,
        request: GenerateContentRequest,
        caller: Caller,
        deadline: float | None,
        pieces: Sequence[bytes],
    ) -> _Call:
        path = f"{model_path(model, self.settings.models)}:{method}"
        observer = None if self._observer is None else self._observe("POST", method.partition("?")[0], model, request)
        until, events = self._deadline_for(deadline), method is _SSE
        # Only tools and turns that were translated before are large raw parts.
        is_short = request.tools is None and len(request.contents or ()) < 2
        body = pieces or (encode(request) if is_short else encode_in_pieces(request))
        return _Call("POST", path, body, caller, model, until, observer, events)

    def _observe(
        self, verb: str, method: str, model: str = "", request: GenerateContentRequest | None = None
    ) -> CallObserver | None:
        if self._observer is None:
            return None
        return self._observer.start_call(self.settings, verb, method, model, request)

    async def _ask(self, call: _Call, type_: type[T]) -> T:
        """Make a call and decode its whole answer."""
        with call.observer or _NOBODY:
            return read_message(await self._run(call, self._read), type_)[0]

    def _deadline_for(self, callers: float | None) -> float:
        own = self._world.clock() + self.settings.total
        return own if callers is None else min(own, callers)

    async def _run(self, call: _Call, read: Callable[[Response], Awaitable[T]]) -> T:
        """Make attempts as the retry policy allows; return what `read` makes of the first good answer."""
        breaker = self._breaker
        attempts = Attempts(self._retry, call.deadline)
        self._retry.running += 1
        try:
            while True:
                key: Mapping[str, str] | None = None
                try:
                    # The key comes before the breaker: a call that gets none would use up the probe of an open circuit
                    # and report nothing.
                    key = await self._auth.headers(call.caller, call.model) if call.needs_key else _NO_KEY
                    probe = breaker is not None and breaker.before_call(call.model)
                    failure: bool | None = None
                    try:
                        response = await self._transport.send(self._request(call, key))
                        if call.observer is not None:
                            call.observer.on_head(response.status)
                        if not 200 <= response.status < 300:
                            raise await _error_of(response)
                        # For a stream this is its first event: whatever happens later, the upstream works.
                        answer = await read(response)
                        failure = False
                    except UpstreamError as error:
                        failure = is_outage(error)
                        raise
                    finally:
                        # Also for a cancelled call, which shows nothing about the upstream: a probe must always report.
                        if breaker is not None:
                            breaker.after_call(call.model, failure, probe=probe)
                    if self._pool is not None and self._pool.probed:
                        self._pool.on_success(key, call.model)
                    return answer
                except UpstreamError as error:
                    self._report_failure(call, key, error)
                    pause = attempts.next_pause(error)
                    if pause is None:
                        raise
                await attempts.sleep(pause)
        finally:
            self._retry.running -= 1
            self._retry.retrying -= attempts.is_counted

    def _report_failure(self, call: _Call, key: Mapping[str, str] | None, error: UpstreamError) -> None:
        """Report a failed attempt to the key pool and the observer; without a `key` no attempt was made."""
        if key is None:
            return
        # A pinned key has made what the request names; another key could not read that.
        error.try_another_key = self._auth.on_error(key, call.model, error) and not call.caller.pin
        if call.observer is not None:
            call.observer.on_error(error)

    async def _read(self, response: Response) -> bytes:
        """Read the whole body."""
        try:
            return await join_pieces(response.read, self.settings.max_answer_bytes)
        finally:
            await response.aclose()

    async def _start_stream(self, response: Response, observer: CallObserver | None = None) -> EventSource:
        """Read a stream up to its first event. Until then an error may still be retried."""
        settings = self.settings
        decoder = EventDecoder(settings.max_event_bytes)
        events = EventSource(response, decoder, observer, {} if settings.done_ends else None)
        try:
            events.first = await events.next()
            if events.first is None:
                raise UpstreamProtocolError("Gemini ended its stream without any event.")
        except BaseException:
            # Also for a cancellation: nobody else knows of this connection yet.
            await events.aclose()
            raise
        return events

    def _request(self, call: _Call, key: Mapping[str, str]) -> Request:
        """Build the HTTP request of one attempt; tell the observer."""
        headers = {**(self._event_headers if call.events else self._whole_headers), **call.headers, **key}
        # As Google's own SDK does (google-genai 3.4.0): Gemini need not go on when nobody waits any more.
        headers["x-server-timeout"] = str(max(1, ceil(call.deadline - self._world.clock())))
        if call.observer is not None:
            call.observer.on_attempt(headers)
        base = self._upload_base if call.is_upload else self._base
        return Request(call.method, f"{base}/{call.path}", headers, call.body, call.deadline)


def _lower_names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


async def _return_response(response: Response) -> Response:
    return response


async def _error_of(response: Response) -> UpstreamError:
    """Return the error in an answer whose status is not good, and close it."""
    try:
        return from_answer(response.status, response.headers, await _read_prefix(response, MAX_ERROR_BODY))
    finally:
        await response.aclose()


async def _read_prefix(response: Response, limit: int) -> bytes:
    """Read at most about `limit` bytes of an error's body. If the connection breaks, a part of it is good enough."""
    body = b""
    while len(body) < limit:
        try:
            piece = await response.read()
        except UpstreamError:
            break
        if not piece:
            break
        body += piece
    return body
