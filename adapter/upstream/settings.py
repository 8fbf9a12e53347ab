"""Settings of one upstream."""

from typing import Literal
from urllib.parse import urlsplit

import msgspec

VERSIONS = ("v1", "v1beta", "v1beta1", "v1alpha")


class UpstreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream. Times are in seconds, sizes in bytes.

    `name` identifies who issued a thought signature ("studio", "vertex", a relay's name). `url` may end without an API
    version. `models` stands before a model's name in a URL. `auth` is one of:

        "api-key"   our keys as Google AI Studio's `x-goog-api-key`; without `keys` no header (the built-in emulator)
        "bearer"    our keys as a relay's `Authorization`
        "caller"    the key that each client sent, in the header that `caller_scheme` names
        "vertex"    access tokens of Google Cloud

    Time limits: `connect` for a connection with its wait in the pool, DNS and TLS; `first_byte` for the head of an
    answer, which Gemini sends only when a whole answer is complete; `between_bytes` for a silence inside a body;
    `total` for a call with all its retries, streams included.

    `streaming` is off for relays without streamGenerateContent: their whole answer is then one event. `done_ends` is on
    for relays that leave finish reasons out: their `[DONE]` ends an answer. `retries` counts
    attempts after the first. `circuit_pause` is the first pause of the circuit breaker; 0 turns the breaker off.
    `proxy` may contain credentials; no environment variable is read. `headers` are added to each call. `ca_file` is a
    PEM file of trusted certificates.
    """

    name: str = "studio"
    models: str = "models/"
    url: str = "https://generativelanguage.googleapis.com"
    auth: Literal["api-key", "bearer", "caller", "vertex"] = "api-key"
    caller_scheme: Literal["api-key", "bearer"] = "api-key"
    keys: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    http_client: Literal["asyncio", "httpx2"] = "asyncio"
    proxy: str | None = None
    ca_file: str | None = None
    streaming: bool = True
    done_ends: bool = False
    connect: float = 5.0
    first_byte: float = 300.0
    between_bytes: float = 120.0
    total: float = 590.0
    retries: int = 1
    retry_server_errors: bool = False
    circuit_pause: float = 5.0
    max_connections: int = 1_000
    max_answer_bytes: int = 64 * 1024 * 1024
    max_event_bytes: int = 32 * 1024 * 1024

    def __repr__(self) -> str:
        """Show nothing secret: no keys, no headers, no password of the proxy."""
        return f"UpstreamSettings(name={self.name!r}, url={self.url!r}, auth={self.auth!r}, {len(self.keys)} keys)"


def base_url(url: str) -> str:
    """Return the URL with an API version at its end, by default `/v1beta`. Raises `ValueError`."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise ValueError("the upstream's URL must be http(s)://HOST[:PORT][/PATH], without credentials or query")
    if parts.port == 0:
        raise ValueError("the upstream's port cannot be 0")
    path = parts.path.rstrip("/")
    if path.rsplit("/", 1)[-1] not in VERSIONS:
        path += "/v1beta"
    return f"{parts.scheme}://{parts.netloc}{path}"
