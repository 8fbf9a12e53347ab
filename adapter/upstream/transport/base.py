"""The narrow waist: what carries a call. Two ways stand behind it, held by one suite of contract tests."""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

import msgspec

from adapter.upstream.errors import UpstreamUnavailable

R = TypeVar("R")

MAX_STALE = 4
"""How many connections that were closed while idle one call may meet."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """One call. Headers have lower-case names; `deadline` is a time of the event loop's clock."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    deadline: float


class Response(Protocol):
    """An answer whose head has come. `headers` are looked up by names in lower case."""

    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """The next piece of the body as it comes, decompressed; `b""` at its end.

        Raises `UpstreamTimeout`, `UpstreamUnavailable` (the connection broke), `UpstreamProtocolError`.
        """
        ...

    async def aclose(self) -> None:
        """Give the connection back, or close it at once where the body has not been read to its end."""
        ...


class Transport(Protocol):
    """Sends calls over connections that it keeps. Opens none before the first call."""

    async def send(self, request: Request) -> Response:
        """The answer, once its head has come; redirects are answers.

        Raises `UpstreamTimeout`, `UpstreamUnavailable`, `UpstreamProtocolError`.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


def codings(header: str) -> list[str]:
    """What `Content-Encoding` says was done to a body: nothing is said by an empty field or by `identity`."""
    found = [coding.strip().lower() for coding in header.split(",")]
    return [coding for coding in found if coding not in ("", "identity")]


async def past_stale_connections(send: Callable[[], Awaitable[R]]) -> R:
    """Send again while the failure is that of a kept connection which the other side had closed meanwhile.

    No byte of an answer came, so the request was not taken up (RFC 9112, 9.3.1).
    """
    for _ in range(MAX_STALE):
        try:
            return await send()
        except UpstreamUnavailable as error:
            if not error.stale:
                raise
    return await send()


def tls_context(url: str, ca_file: str | None) -> ssl.SSLContext | None:
    """What is trusted: the system's certificates, or those of a file. None for plain HTTP, since loading is slow."""
    return ssl.create_default_context(cafile=ca_file) if url.startswith("https:") else None
