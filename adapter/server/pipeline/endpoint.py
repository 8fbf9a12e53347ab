"""One row of the list of endpoints, with all facts that the rest of the server needs."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from starlette.exceptions import HTTPException

from adapter.server.http.router import ANY_METHOD, WEBSOCKET, Match, Router
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.errors import NoSuchPath, NotServed
from adapter.settings import Settings

Handler = Callable[[Call], Awaitable[None]]

JSON = "application/json"
EVENTS = "text/event-stream"
BYTES = "application/octet-stream"
FORM = "multipart/form-data"

ASKING = (400, 401, 403, 429, 500, 502, 503, 504)
SENDING = (*ASKING, 404, 413, 415)
"""Error statuses of endpoints that call Gemini: without a request body, and with one."""

STORED = (400, 401, 403, 404, 500)
SENDING_STORED = (*STORED, 413, 415)
"""Error statuses of endpoints that serve objects stored here: without a request body, and with one."""


def page_query(largest: int) -> dict[str, Any]:
    """Return the query parameters of a list whose pages have at most `largest` entries."""
    return {"limit": {"type": "integer", "minimum": 1, "maximum": largest}, "after": {"type": "string"}}


ORDER: dict[str, Any] = {"order": {"enum": ["asc", "desc"]}}
"""The query parameter of a list that can be read from either end."""


def _always(_settings: Settings) -> bool:
    return True


def _max_body(settings: Settings) -> int:
    return settings.max_body


def max_upload(settings: Settings) -> int:
    """Return the largest upload in bytes: as base64, which is a third longer, it must fit into `max_bodies`."""
    return max(settings.max_body, min(settings.max_upload, settings.max_bodies // 4 * 3))


# By identity: the rows of a table are keys of a cache.
@dataclass(frozen=True, eq=False, kw_only=True)
class Endpoint:
    """A method on a path, and its handler.

    `path` is written as Starlette writes it; one under /v1 is served without it, too. `name` and `summary` stand in
    the description at /openapi.json, with what the endpoint `takes` (None: no body is read), `gives` and `streams`, its
    `query`, and the statuses with which it `fails`.

    `takes_form` is a form that the handler reads itself; where it asks Gemini, its files go there, and are read before.
    `gives_bytes`: what it gives is no JSON.

    `asks_gemini`: it has a place among those that run, ends when its client leaves, and is shown on the page whole.
    `is_rated`: it counts against a client's rates. `is_open`: no key is asked for. `is_quiet`: machines ask it again
    and again, so it has no figures, no spans, and a line only in detail. `is_served`: with which settings it exists.
    `is_native`: it is Gemini's own, so the client's key may stand in the URL, and errors are Google's.
    `why_not_served`: the sentence of the 404 that is all it answers.
    """

    method: str
    path: str
    handler: Handler
    name: str = ""
    summary: str = ""
    takes: Any = None
    takes_form: Any = None
    gives: Any = dict[str, Any]
    streams: Any = None
    gives_bytes: bool = False
    query: Mapping[str, Any] = field(default_factory=dict)
    fails: tuple[int, ...] = ()
    asks_gemini: bool = False
    is_rated: bool = False
    is_open: bool = False
    is_quiet: bool = False
    is_native: bool = False
    why_not_served: str = ""
    is_served: Callable[[Settings], bool] = _always
    max_body: Callable[[Settings], int] = _max_body

    @property
    def is_described(self) -> bool:
        """Return whether /openapi.json describes the endpoint."""
        return bool(self.name)

    @cached_property
    def sends_files(self) -> bool:
        """Return whether the endpoint takes forms whose files go to Gemini."""
        return self.takes_form is not None and self.asks_gemini

    @property
    def paths(self) -> list[str]:
        """The paths at which it is served."""
        bare = self.path.removeprefix("/v1/")
        return [self.path] if bare == self.path else [self.path, f"/{bare}"]

    @cached_property
    def label(self) -> str:
        """Return the endpoint's name in metrics: the path without /v1, up to its first variable."""
        return self.path.partition("/{")[0].removeprefix("/v1/").strip("/")

    @property
    def template(self) -> str:
        """The path as OpenAPI writes it."""
        return re.sub(r":\w+}", "}", self.path)

    @property
    def variables(self) -> list[str]:
        """The names in its path."""
        return re.findall(r"{(\w+)}", self.template)

    @property
    def content(self) -> dict[str, Any]:
        """The answer's types, by media type."""
        if self.gives_bytes:
            return {BYTES: bytes}
        return {JSON: self.gives} | ({EVENTS: self.streams} if self.streams else {})


Endpoints = tuple[Endpoint, ...]


def unserved_endpoint(path: str, why: str) -> Endpoint:
    """Return an endpoint of OpenAI's that is not served: a 404 that says `why`, and what to use. No body is read."""

    async def refuse(_call: Call) -> None:
        raise NotServed(why)

    return Endpoint(method=ANY_METHOD, path=path, handler=refuse, why_not_served=why)


_OTHER = "/other"
"""The name in metrics of all paths that no endpoint serves."""


def _unknown_path(meant: str | None) -> Endpoint:
    """Return the endpoint that answers an unknown path; `meant` is a similar path that is served."""

    async def refuse(_call: Call) -> None:
        raise NoSuchPath(meant)

    # Open: with a wrong base URL a client should be told so, and not that its key is wrong.
    return Endpoint(method=ANY_METHOD, path=_OTHER, handler=refuse, is_open=True)


def _wrong_method(match: Match[Endpoint]) -> Endpoint:
    async def refuse(_call: Call) -> None:
        raise HTTPException(405, headers={"allow": match.allowed_methods})

    is_native = any(endpoint.is_native for endpoint in match.methods.values())
    return Endpoint(
        method=ANY_METHOD,
        path=match.template,
        handler=refuse,
        is_open=True,
        is_quiet=is_quiet(match),
        is_native=is_native,
    )


def endpoint_of(router: Router[Endpoint], match: Match[Endpoint] | None, path: str, method: str) -> Endpoint:
    """Return the endpoint of a request; if none serves its path, one that answers 404."""
    return _unknown_path(router.suggest(path)) if match is None else match.handler_for(method) or _wrong_method(match)


def is_quiet(match: Match[Endpoint]) -> bool:
    """Return whether requests for a path are probes."""
    return any(endpoint.is_quiet for endpoint in match.methods.values())


def router_of(endpoints: Endpoints, settings: Settings) -> Router[Endpoint]:
    """Return the router of the endpoints that these settings serve."""
    served = [endpoint for endpoint in endpoints if endpoint.is_served(settings)]
    return Router((endpoint.method, path, endpoint) for endpoint in served for path in endpoint.paths)


def methods_of(endpoints: Endpoints) -> list[str]:
    """Return the HTTP methods that pages of other origins may use."""
    return sorted({endpoint.method for endpoint in endpoints} - {ANY_METHOD, WEBSOCKET})
