"""The narrow waist: what carries a call. Two libraries stand behind it, held by one suite of contract tests."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Request(NamedTuple):
    """One call. Headers have lower-case names."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


class Response(Protocol):
    """An answer whose head has come. `aclose` drops what has not come yet."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names are looked up without regard to case."""
        ...

    async def read(self) -> bytes:
        """The next piece of the body, decompressed, as it comes; b"" at its end.

        Raises `UpstreamUnavailable`, `UpstreamProtocolError`.
        """
        ...

    async def aclose(self) -> None:
        """Give the connection back, or close it where the body has not been read to its end."""
        ...


class Transport(Protocol):
    """Sends calls over connections that it keeps. Who calls it holds the time limits, by cancelling."""

    async def send(self, request: Request, connect: float) -> Response:
        """The answer, once its head has come; `connect` limits the seconds to a connection.

        Raises `UpstreamTimeout` (connect), `UpstreamUnavailable`, `UpstreamProtocolError`.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...
