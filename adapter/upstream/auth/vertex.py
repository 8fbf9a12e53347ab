"""Vertex AI: hosts, paths of models, and access tokens.

Hosts and paths are those of google-genai 3.4.0 (`_api_client.py`). Tokens come from google-auth (extra `vertex`), which
finds application default credentials: a service account's or workload identity federation's file that
GOOGLE_APPLICATION_CREDENTIALS names, gcloud's, or the metadata server's.

States of the token in `VertexAuth`:

    none       the next call waits for a token, at most 15 s
    serving    calls use it
    ending     less than 300 s are left: calls use it, and the next one is fetched in the background
    ended      as none

A 401 for the token that serves leads to none, since it may have been withdrawn. At most one fetch runs at a time.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from adapter import extras
from adapter.upstream.auth.access_token import REFRESH_EARLY_S, NoToken
from adapter.upstream.errors import UpstreamError

TOKEN_TIMEOUT_S = 15.0
"""Seconds that a call waits for a token."""

NEW_TOKEN_S = 10.0
"""Seconds for which a token is new. If a new one is refused, the next would be refused as well: no retry."""

_MULTI_REGIONS = ("us", "eu")


class Token(NamedTuple):
    """The headers that carry a token, and when it was issued and ends, in seconds of the clock of `VertexAuth`."""

    headers: dict[str, str]
    made_at: float
    ends_at: float


def vertex_host(location: str) -> str:
    """Return the host of a location: a region, a multi-region, or `global`."""
    if location == "global":
        return "aiplatform.googleapis.com"
    if location in _MULTI_REGIONS:
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


def model_collection(project: str, location: str) -> str:
    """Return what stands before a model's name in a URL."""
    return f"projects/{project}/locations/{location}/publishers/google/models/"


class VertexAuth:
    """Authenticates calls with access tokens; the module's docstring has the states.

    `fetch` blocks, so it runs in a thread. It returns headers and their lifetime in seconds, or raises `NoToken`.
    """

    def __init__(
        self, clock: Callable[[], float], fetch: "Callable[[], tuple[dict[str, str], float]] | None" = None
    ) -> None:
        self._clock = clock
        self._fetch = fetch or extras.load("adapter.upstream.auth.google_tokens", "vertex").GoogleTokens()
        self._thread = ThreadPoolExecutor(1, "vertex-token")
        self._token: Token | None = None
        self._fetching: asyncio.Task[Token] | None = None

    async def headers(self, _caller: object, _model: str) -> Mapping[str, str]:
        """Return the headers with the token. Raises `NoToken`."""
        token, now = self._token, self._clock()
        if token is None or token.ends_at <= now:
            try:
                async with asyncio.timeout(TOKEN_TIMEOUT_S):
                    # Shielded, since others wait for the same fetch when this call is cancelled.
                    token = await asyncio.shield(self._start_refresh())
            except TimeoutError:
                raise NoToken from None
        elif token.ends_at - now < REFRESH_EARLY_S:
            self._start_refresh()
        return token.headers

    def on_error(self, headers: Mapping[str, str], _model: str, error: UpstreamError) -> bool:
        """Forget a token that was refused; True if a new one is worth a try."""
        token = self._token
        if error.status != 401 or token is None or token.headers is not headers:
            return False
        self._token = None
        return self._clock() - token.made_at > NEW_TOKEN_S

    def _start_refresh(self) -> "asyncio.Task[Token]":
        """Start to fetch the next token, unless that is under way; all callers share the task."""
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch_token())
            # While the old token serves nobody awaits the task, and asyncio would log its exception as never retrieved.
            self._fetching.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._fetching

    async def _fetch_token(self) -> Token:
        headers, seconds = await asyncio.get_running_loop().run_in_executor(self._thread, self._fetch)
        now = self._clock()
        self._token = Token(headers, now, now + seconds)
        return self._token
