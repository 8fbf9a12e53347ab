"""Gemini's methods, each a coroutine or a stream of typed answers.

Generative Language API v1beta (discovery revision 20260325): `models/{m}:generateContent`,
`models/{m}:streamGenerateContent?alt=sse`, `models/{m}:countTokens`, `models`, `models/{m}`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, nullcontext
from functools import partial
from math import ceil
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from adapter.upstream.answers import EventReader, Reply, read, read_reply
from adapter.upstream.auth.key_pool import Caller, KeyPool, auth
from adapter.upstream.errors import (
    MAX_ERROR_BODY,
    UpstreamError,
    UpstreamProtocolError,
    from_answer,
)
from adapter.upstream.model_path import model_path
from adapter.upstream.observer import Observed, Observer
from adapter.upstream.policy.circuit_breaker import Breaker, failed
from adapter.upstream.policy.retry import WORLD, Retry, World
from adapter.upstream.settings import UpstreamSettings, base_url
from adapter.upstream.sse import EventDecoder
from adapter.upstream.transport.base import Request, Response, Transport
from adapter.wire.base import encode
from adapter.wire.gemini.count import CountedRequest, CountTokensRequest, CountTokensResponse
from adapter.wire.gemini.generate import GenerateContentRequest
from adapter.wire.gemini.models import ListModelsResponse, Model

__all__ = ["Caller", "Forwarded", "Reply", "Upstream"]

T = TypeVar("T")

MAX_PAGES = 50

_SSE = "streamGenerateContent?alt=sse"
_NOBODY = nullcontext()

_DONE = b"[DONE]"
"""A relay's addition: Gemini ends its streams without it."""

_COUNTED = ("contents", "system_instruction", "tools", "generation_config")
"""What Vertex AI's countTokens takes (discovery revision 20261106)."""


class Forwarded(msgspec.Struct, frozen=True, gc=False):
    """A request of Gemini's own that passes through: its path below the API's version, with its query.

    `method` is Gemini's, for figures and traces; `headers` have lower-case names and no key among them.
    """

    verb: str
    path: str
    body: bytes | None
    method: str
    model: str = ""
    headers: Mapping[str, str] = {}
    streams: bool = False


class _Call(msgspec.Struct, frozen=True, gc=False):
    """One call, whatever is tried for it, and who is told of it."""

    method: str
    path: str
    body: bytes | None
    caller: Caller
    model: str
    deadline: float
    observed: Observed | None
    events: bool = False
    headers: Mapping[str, str] = {}


class Upstream:
    """One upstream. Every method raises `UpstreamError` (see `upstream.errors`) and nothing else.

    `deadline` is a time of the event loop's clock; `settings.total` seconds from now if that is sooner.
    """

    def __init__(
        self, settings: UpstreamSettings, transport: Transport, world: World = WORLD, observer: Observer | None = None
    ) -> None:
        self.settings = settings
        self._observer = observer
        self._base = base_url(settings.url)
        self._listed = "publishers/google/" if settings.auth == "vertex" else ""
        self._transport = transport
        self._world = world
        self._auth = auth(settings, world.clock)
        self._retry = Retry(settings, world)
        pause = settings.circuit_pause
        tell = None if observer is None else partial(observer.circuits, settings.name)
        self._breaker = Breaker(settings.name, pause, world.clock, tell) if pause else None
        own = {"content-type": "application/json", "user-agent": "gemini-openai-adapter"}
        self._whole_headers = {**own, "accept-encoding": "gzip, deflate", **_lower(settings.headers)}
        # A compressor on the way may hold events back until it has enough of them.
        self._event_headers = {**own, "accept-encoding": "identity", **_lower(settings.headers)}

    async def generate(
        self, model: str, request: GenerateContentRequest, caller: Caller, deadline: float | None = None
    ) -> Reply:
        """The whole answer."""
        call = self._generation(model, "generateContent", request, caller, deadline)
        with call.observed or _NOBODY:
            payload = await self._run(call, self._read)
            reply = read_reply(payload)
            if call.observed is not None:
                call.observed.heard(reply.response, payload)
            return reply

    async def stream(
        self, model: str, request: GenerateContentRequest, caller: Caller, deadline: float | None = None
    ) -> AsyncGenerator[Reply]:
        """The answer's events as they come. Closing the generator closes the connection at once.

        Whether the stream ended as Gemini ends one (with a finish reason) is not judged here.
        """
        if not self.settings.streaming:
            yield await self.generate(model, request, caller, deadline)
            return
        call = self._generation(model, _SSE, request, caller, deadline)
        observed = call.observed
        with observed or _NOBODY:
            reply, events = await self._run(call, self._begin)
            # A long stream does not hold what was sent.
            del call, request
            async with aclosing(events):
                while reply is not None:
                    if observed is not None:
                        observed.heard(reply.response, events.payload)
                    yield reply
                    # Nor what was told, while nothing comes.
                    reply = None
                    reply = await events.next()

    async def count_tokens(
        self, model: str, request: GenerateContentRequest, caller: Caller, deadline: float | None = None
    ) -> int:
        """How many tokens a request has, its tools and instructions included."""
        path = model_path(model, self.settings.models)
        body, until = self._counted(path, request), self._deadline(deadline)
        observed = self._observed("countTokens", model, request)
        call = _Call("POST", f"{path}:countTokens", body, caller, model, until, observed)
        return (await self._decoded(call, CountTokensResponse)).total_tokens

    def _counted(self, path: str, request: GenerateContentRequest) -> bytes:
        """Google AI Studio counts a whole request inside another; Vertex AI takes the parts that count."""
        if self.settings.auth == "vertex":
            return encode(GenerateContentRequest(**{name: getattr(request, name) for name in _COUNTED}))
        fields = {name: getattr(request, name) for name in request.__struct_fields__}
        return encode(CountTokensRequest(generate_content_request=CountedRequest(model=path, **fields)))

    async def models(self, caller: Caller, deadline: float | None = None) -> list[Model]:
        """All models, of all pages."""
        models: list[Model] = []
        until = self._deadline(deadline)
        query = {"pageSize": "1000"}
        for _ in range(MAX_PAGES):
            path, observed = f"{self._listed}models?{urlencode(query)}", self._observed("listModels")
            page = await self._decoded(_Call("GET", path, None, caller, "", until, observed), ListModelsResponse)
            models += page.models or page.publisher_models or ()
            if not page.next_page_token:
                return models
            query["pageToken"] = page.next_page_token
        raise UpstreamProtocolError(f"Gemini's list of models has more than {MAX_PAGES} pages.")

    async def model(self, name: str, caller: Caller, deadline: float | None = None) -> Model:
        """One model."""
        path, until = model_path(name, f"{self._listed}models/"), self._deadline(deadline)
        return await self._decoded(_Call("GET", path, None, caller, "", until, self._observed("getModel")), Model)

    def call_of(self, model: str, method: str, request: object) -> Forwarded:
        """A call of a method of a model's. Raises `InvalidModelName`."""
        path = f"{model_path(model, self.settings.models)}:{method}"
        return Forwarded(verb="POST", path=path, body=encode(request), method=method, model=model)

    async def ask(self, asked: Forwarded, type_: type[T], caller: Caller, deadline: float | None = None) -> T:
        """The whole answer to what is no generation."""
        return await self._decoded(self._forwarding(asked, caller, deadline), type_)

    async def forward(self, forwarded: Forwarded, caller: Caller, deadline: float | None = None) -> Response:
        """The answer to a request as it came, once its head has come and is a good one; the caller closes it.

        It is decompressed already. A failure before that is tried again as any other call's.
        """
        call = self._forwarding(forwarded, caller, deadline)
        with call.observed or _NOBODY:
            return await self._run(call, _as_it_comes)

    def _forwarding(self, forwarded: Forwarded, caller: Caller, deadline: float | None) -> _Call:
        return _Call(
            method=forwarded.verb,
            path=forwarded.path,
            body=forwarded.body,
            caller=caller,
            model=forwarded.model,
            deadline=self._deadline(deadline),
            observed=self._observed(forwarded.method, forwarded.model),
            events=forwarded.streams,
            headers=forwarded.headers,
        )

    def replace_keys(self, keys: Sequence[str]) -> None:
        """Take these keys of our own from now on; calls under way end with the old ones."""
        if isinstance(self._auth, KeyPool):
            self._auth.replace(keys)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    def _generation(
        self, model: str, method: str, request: GenerateContentRequest, caller: Caller, deadline: float | None
    ) -> _Call:
        path = f"{model_path(model, self.settings.models)}:{method}"
        observed = self._observed(method.partition("?")[0], model, request)
        until, events = self._deadline(deadline), method is _SSE
        return _Call("POST", path, encode(request), caller, model, until, observed, events)

    def _observed(self, method: str, model: str = "", request: GenerateContentRequest | None = None) -> Observed | None:
        return None if self._observer is None else self._observer.call(self.settings, method, model, request)

    async def _decoded(self, call: _Call, type_: type[T]) -> T:
        """The whole answer to what is no generation."""
        with call.observed or _NOBODY:
            return read(await self._run(call, self._read), type_)[0]

    def _deadline(self, callers: float | None) -> float:
        own = self._world.clock() + self.settings.total
        return own if callers is None else min(own, callers)

    def _run(self, call: _Call, read: Callable[[Response], Awaitable[T]]) -> Coroutine[Any, Any, T]:
        """What is read of a good answer, after as many attempts as it takes."""
        return self._retry.run(partial(self._attempt, call, read), call.deadline)

    async def _attempt(self, call: _Call, read: Callable[[Response], Awaitable[T]]) -> T:
        """One attempt with one key; the key pool learns from its error."""
        breaker = self._breaker
        key = await self._auth.headers(call.caller, call.model)
        try:
            probe = breaker is not None and breaker.enter(call.model)
            failure: bool | None = None
            try:
                result = await read(await self._send(call, key))
                # A stream has succeeded with its first event.
                failure = False
            except UpstreamError as error:
                failure = failed(error)
                raise
            finally:
                if breaker is not None:
                    breaker.leave(call.model, failure, probe=probe)
        except UpstreamError as error:
            error.elsewhere = self._auth.learn(key, call.model, error)
            if call.observed is not None:
                call.observed.failed(error)
            raise
        self._auth.worked(key, call.model)
        return result

    async def _read(self, response: Response) -> bytes:
        """The whole body."""
        pieces: list[bytes] = []
        size = 0
        try:
            while piece := await response.read():
                pieces.append(piece)
                size += len(piece)
                if size > self.settings.max_answer_bytes:
                    raise UpstreamProtocolError(
                        f"Gemini's answer is larger than {self.settings.max_answer_bytes} bytes."
                    )
        finally:
            await response.aclose()
        return b"".join(pieces)

    async def _begin(self, response: Response) -> tuple[Reply | None, "_Events"]:
        """A stream, up to its first event, which there is: until then an error is an ordinary one."""
        events = _Events(response, self.settings.max_event_bytes)
        try:
            first = await events.next()
            if first is None:
                raise UpstreamProtocolError("Gemini's stream holds no event.")
        except BaseException:
            await events.aclose()
            raise
        return first, events

    async def _send(self, call: _Call, key: Mapping[str, str]) -> Response:
        """An answer with a good status."""
        headers = {**(self._event_headers if call.events else self._whole_headers), **call.headers, **key}
        headers["x-server-timeout"] = str(max(1, ceil(call.deadline - self._world.clock())))
        request = Request(call.method, f"{self._base}/{call.path}", headers, call.body, call.deadline)
        if call.observed is not None:
            call.observed.attempt(headers)
        response = await self._transport.send(request)
        if call.observed is not None:
            call.observed.answered(response.status)
        if 200 <= response.status < 300:
            return response
        try:
            raise from_answer(response.status, response.headers, await _some(response, MAX_ERROR_BODY))
        finally:
            await response.aclose()


class _Events:
    """The events of one stream."""

    __slots__ = ("_decoder", "_ended", "_payloads", "_reader", "_response", "aclose", "payload")

    def __init__(self, response: Response, max_event: int) -> None:
        self._response = response
        self._decoder = EventDecoder(max_event)
        self._reader = EventReader()
        self._payloads: list[bytes] = []
        self.payload = b""
        self._ended = False
        self.aclose = response.aclose

    async def next(self) -> Reply | None:
        """The next event, as soon as it is there; None at the end."""
        while not self._payloads:
            if self._ended:
                return None
            if chunk := await self._response.read():
                payloads = self._decoder.feed(chunk)
            else:
                payloads, self._ended = self._decoder.close(), True
            self._payloads = payloads if _DONE not in payloads else [one for one in payloads if one != _DONE]
        self.payload = self._payloads.pop(0)
        return self._reader.read(self.payload, more=bool(self._payloads))


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


async def _as_it_comes(response: Response) -> Response:
    return response


async def _some(response: Response, limit: int) -> bytes:
    """The beginning of a body, as much of it as comes: an error is an error also when its text is cut."""
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
