"""What the HTTP server (uvicorn) does differently here."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from adapter.server.asgi import CONNECTION

FIRST_REQUEST = 0.5
"""Seconds in which a connection that was just accepted may send its first request to a server that is stopping."""


class Together:
    """A transport that writes the head of an answer together with the first piece of its body.

    uvicorn writes them one after the other, and each write may wake another processor.
    """

    def __init__(self, transport: asyncio.BaseTransport, protocol: HttpToolsProtocol) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._protocol = protocol
        self._begun: object = None
        self._head = b""
        self.is_closing = self._transport.is_closing

    def write(self, data: bytes) -> None:
        """Write, or keep what is a head."""
        cycle = self._protocol.cycle
        if cycle is not None and cycle is not self._begun and cycle.response_started:
            self._begun = cycle
            self._head = data
            return
        if self._head:
            data, self._head = self._head + data, b""
        self._transport.write(data)

    def flush(self) -> None:
        """Write a head that no body follows."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """See `asyncio.Transport`."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class PatientProtocol(HttpToolsProtocol):
    """A connection that a stopping server accepted a moment ago is answered once.

    uvicorn closes it at once where its request has not been read yet: that client would see an error for no reason.
    It also tells whoever answers when the client is gone (`asgi.Connection`), without a task that waits for it.
    """

    gone = False
    when_gone: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `HttpToolsProtocol`."""
        super().connection_made(transport)
        self._together = Together(transport, self)
        self.transport = cast(asyncio.Transport, self._together)

    def on_response_complete(self) -> None:
        """See `HttpToolsProtocol`."""
        self._together.flush()
        super().on_response_complete()

    def on_message_begin(self) -> None:
        """See `HttpToolsProtocol`."""
        super().on_message_begin()
        self.scope["extensions"] = {CONNECTION: self}  # type: ignore[dict-item]

    def connection_lost(self, exc: Exception | None) -> None:
        """See `HttpToolsProtocol`."""
        self.gone = True
        if self.when_gone is not None:
            self.when_gone()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """See `HttpToolsProtocol`."""
        self.loop.call_later(FIRST_REQUEST if self.cycle is None else 0.0, self._stop)

    def _stop(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()
