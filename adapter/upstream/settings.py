"""How one upstream is reached."""

from typing import Literal
from urllib.parse import urlsplit

import msgspec

VERSIONS = ("v1", "v1beta", "v1beta1", "v1alpha")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Time limits of one call, in seconds. `total` bounds a whole answer, streams included."""

    connect: float = 5.0
    first_byte: float = 300.0
    between_bytes: float = 120.0
    total: float = 590.0


class UpstreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream. `name` is what issues its signatures ("studio", a relay's host).

    `auth`: "api-key" is Google AI Studio's `x-goog-api-key`, "bearer" a relay's `Authorization`, "caller" passes on the
    key that each client sent, in the place that `caller_scheme` names. `streaming` is off for relays without
    streamGenerateContent: their whole answers are one event. Sizes are in bytes.
    """

    name: str = "studio"
    url: str = "https://generativelanguage.googleapis.com/v1beta"
    auth: Literal["api-key", "bearer", "caller"] = "api-key"
    caller_scheme: Literal["api-key", "bearer"] = "api-key"
    keys: tuple[str, ...] = ()
    http_client: Literal["aiohttp", "httpx2"] = "aiohttp"
    proxy: str | None = None
    streaming: bool = True
    limits: Limits = Limits()
    attempts: int = 2
    retry_server_errors: bool = False
    max_connections: int = 1_000
    max_answer: int = 64 * 1024 * 1024
    max_event: int = 32 * 1024 * 1024

    def __repr__(self) -> str:
        """Without the keys."""
        return f"UpstreamSettings(name={self.name!r}, url={self.url!r}, auth={self.auth!r}, keys={len(self.keys)})"


def base_url(url: str) -> str:
    """The URL with an API version at its end; `/v1beta` where it has none. Raises `ValueError`."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"not an http(s) URL: {url!r}")
    path = parts.path.rstrip("/")
    if path.rsplit("/", 1)[-1] not in VERSIONS:
        path += "/v1beta"
    return f"{parts.scheme}://{parts.netloc}{path}"
