"""How one upstream is reached."""

from typing import Literal
from urllib.parse import urlsplit

import msgspec

VERSIONS = ("v1", "v1beta", "v1beta1", "v1alpha")


class UpstreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream. Times are in seconds, sizes in bytes.

    `name` is what issues its signatures ("studio", "vertex", a relay's name). `url` needs no API version. `auth`:
    "api-key" is Google AI Studio's `x-goog-api-key`, "bearer" a relay's `Authorization`, "caller" passes on the key
    that each client sent, in the header that `caller_scheme` names, "vertex" sends Google Cloud's access tokens.
    `models` stands before a model's name in a URL. Without `keys` nothing is sent (a local stand-in).

    `connect` bounds the wait for a free connection, its name, its address and its TLS; `first_byte` the wait for an
    answer's head, which a whole answer sends when it is complete; `between_bytes` a silence inside the body; `total`
    all of a call with its retries, streams included. `streaming` is off for relays without streamGenerateContent:
    their whole answer is one event. `retries` counts what is sent again after the first time. `circuit_pause` is
    how long an upstream that fails is left alone at first (see `breaker`); 0: it never is. `proxy` may hold
    credentials; no environment variable is read. `headers` go with each call. `ca_file` holds the certificates to
    trust (PEM).
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
        """Without what is secret: the keys, the headers, the proxy's password."""
        return f"UpstreamSettings(name={self.name!r}, url={self.url!r}, auth={self.auth!r}, {len(self.keys)} keys)"


def base_url(url: str) -> str:
    """The URL with an API version at its end; `/v1beta` where it has none. Raises `ValueError`."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise ValueError("the upstream's URL must be http(s)://HOST[:PORT][/PATH], without credentials or query")
    if parts.port == 0:
        raise ValueError("the upstream's port cannot be 0")
    path = parts.path.rstrip("/")
    if path.rsplit("/", 1)[-1] not in VERSIONS:
        path += "/v1beta"
    return f"{parts.scheme}://{parts.netloc}{path}"
