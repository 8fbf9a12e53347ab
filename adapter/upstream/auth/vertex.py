"""Vertex AI: where its models are, and the access tokens that it wants.

Hosts and paths are those of google-genai 3.4.0 (`_api_client.py`). Tokens come from google-auth (extra `vertex`), which
finds application default credentials: a service account's or workload identity federation's file that
GOOGLE_APPLICATION_CREDENTIALS names, gcloud's, or the metadata server's.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import NamedTuple

from adapter.upstream.errors import UpstreamError
from adapter.wire.gemini.errors import Status

SCOPE = "https://www.googleapis.com/auth/cloud-platform"

EARLY = 300.0
"""Seconds before its end at which a token is replaced, while it still serves."""

PATIENCE = 15.0
"""Seconds that a call waits for a token."""

ONE_REQUEST = 5.0
"""Seconds for one request to who gives tokens."""

NEW = 10.0
"""Seconds for which a token is new: refused then, another one would be refused as well."""

_MULTI_REGIONS = ("us", "eu")


class NoToken(UpstreamError):
    """There is no access token for Vertex AI."""

    code = "upstream_auth_failed"

    def __init__(self) -> None:
        message = "This server has no access token for Vertex AI: its Google Cloud credentials are missing or refused."
        super().__init__(502, Status(code=502, message=message, status="UNAUTHENTICATED"))


class Token(NamedTuple):
    """The headers that carry a token; the times are of the pool's clock."""

    headers: dict[str, str]
    made_at: float
    ends_at: float


def host_of(location: str) -> str:
    """The host that serves a location: a region, a multi-region, or `global`."""
    if location == "global":
        return "aiplatform.googleapis.com"
    if location in _MULTI_REGIONS:
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


def collection(project: str, location: str) -> str:
    """What stands before a model's name in a URL."""
    return f"projects/{project}/locations/{location}/publishers/google/models/"


class VertexAuth:
    """Tokens from `fetch`, which blocks, in a thread; one at a time, and before the last one ends. See `auth.Auth`.

    `fetch` returns the headers and for how many seconds they serve, or raises `NoToken`.
    """

    def __init__(
        self, clock: Callable[[], float], fetch: "Callable[[], tuple[dict[str, str], float]] | None" = None
    ) -> None:
        self._clock = clock
        self._fetch = fetch or import_module("adapter.upstream.auth.google_tokens").GoogleTokens()
        self._thread = ThreadPoolExecutor(1, "vertex-token")
        self._token: Token | None = None
        self._fetching: asyncio.Task[Token] | None = None

    async def headers(self, _caller: object, _model: str) -> Mapping[str, str]:
        """See `auth.Auth`. Raises `NoToken`."""
        token, now = self._token, self._clock()
        if token is None or token.ends_at <= now:
            try:
                async with asyncio.timeout(PATIENCE):
                    token = await asyncio.shield(self._next())
            except TimeoutError:
                raise NoToken from None
        elif token.ends_at - now < EARLY:
            self._next()
        return token.headers

    def learn(self, headers: Mapping[str, str], _model: str, error: UpstreamError) -> bool:
        """See `auth.Auth`: a token that is refused may have been withdrawn, so a new one is worth a try."""
        token = self._token
        if error.status != 401 or token is None or token.headers is not headers:
            return False
        self._token = None
        return self._clock() - token.made_at > NEW

    def worked(self, _headers: Mapping[str, str], _model: str) -> None:
        """See `auth.Auth`."""

    def _next(self) -> "asyncio.Task[Token]":
        """The fetching of the next token, for all who wait for it."""
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetched())
            # Nobody may wait for it while the old token serves.
            self._fetching.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._fetching

    async def _fetched(self) -> Token:
        headers, seconds = await asyncio.get_running_loop().run_in_executor(self._thread, self._fetch)
        now = self._clock()
        self._token = Token(headers, now, now + seconds)
        return self._token
