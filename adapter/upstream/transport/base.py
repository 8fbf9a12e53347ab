"""The transport interface: sends one HTTP request, returns one answer.

Two implementations, `AsyncioTransport` and `Httpx2Transport`, pass the same contract tests
(tests/upstream/transport/test_contract.py).
"""

import ssl
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec

from adapter.upstream.errors import UpstreamProtocolError, UpstreamUnavailable
from adapter.wire.gemini.pieces import Piece

R = TypeVar("R")

Body = bytes | Sequence[Piece]
"""A request's body: bytes, or pieces of them."""

MAX_STALE = 4
"""The most stale connections (closed by the upstream while idle) one call may try before it fails."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """One HTTP request. Header names are in lower case; `deadline` is a time of the event loop's clock, in seconds.

    A large `body` comes in pieces, which are never joined.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: Body | None
    deadline: float


def size_of(body: Body) -> int:
    """Return the bytes of a body."""
    return len(body) if isinstance(body, bytes) else sum(map(len, body))


def pieces_of(body: Body) -> Sequence[Piece]:
    """Return a body as pieces."""
    return (body,) if isinstance(body, bytes) else body


class Response(Protocol):
    """An answer whose head has arrived. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """Return the next piece of the body, decompressed, as soon as it arrives; `b""` at the end.

        Raises `UpstreamTimeout`, `UpstreamUnavailable` (the connection broke), `UpstreamProtocolError`.
        """
        ...

    async def aclose(self) -> None:
        """Release the connection; if the body was not read to its end, close it."""
        ...


class Transport(Protocol):
    """Sends requests over connections that it reuses. It opens none before the first request."""

    def send(self, request: Request) -> Coroutine[object, object, Response]:
        """Send a request and return the answer once its head has arrived. Redirects are not followed.

        Raises `UpstreamTimeout`, `UpstreamUnavailable`, `UpstreamProtocolError`.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


def content_codings(header: str) -> list[str]:
    """List the codings in a `Content-Encoding` header, in lower case; an empty one and `identity` mean none."""
    codings = [coding.strip().lower() for coding in header.split(",")]
    return [coding for coding in codings if coding not in ("", "identity")]


async def retry_stale_connections(send: Callable[[Request], Coroutine[object, object, R]], request: Request) -> R:
    """Send a request again while it fails on a reused connection that the upstream had closed meanwhile.

    No byte of an answer arrived, so the request was not processed, and sending it again is safe (RFC 9112, 9.3.1).
    """
    for _ in range(MAX_STALE):
        try:
            return await send(request)
        except UpstreamUnavailable as error:
            if not error.stale:
                raise
    return await send(request)


def tls_context(url: str, ca_file: str | None) -> ssl.SSLContext | None:
    """Return a context that trusts the system's certificates, or those of a PEM file; None for plain HTTP.

    Loading the certificates is slow.
    """
    return ssl.create_default_context(cafile=ca_file) if url.startswith("https:") else None


async def join_pieces(read: Callable[[], Awaitable[bytes]], max_bytes: int) -> bytes:
    """Call `read` until it returns nothing, and join the pieces. Raises `UpstreamProtocolError` beyond `max_bytes`."""
    pieces: list[bytes] = []
    size = 0
    while piece := await read():
        pieces.append(piece)
        size += len(piece)
        if size > max_bytes:
            raise UpstreamProtocolError(f"Gemini's answer is larger than {max_bytes} bytes.")
    return b"".join(pieces)
