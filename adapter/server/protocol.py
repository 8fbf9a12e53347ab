"""What the HTTP server (uvicorn) does differently here."""

from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from adapter.server.asgi import CONNECTION

FIRST_REQUEST = 0.5
"""Seconds in which a connection that was just accepted may send its first request to a server that is stopping."""


class PatientProtocol(HttpToolsProtocol):
    """A connection that a stopping server accepted a moment ago is answered once.

    uvicorn closes it at once where its request has not been read yet: that client would see an error for no reason.
    It also tells whoever answers when the client is gone (`asgi.Connection`), without a task that waits for it.
    """

    gone = False
    when_gone: Callable[[], None] | None = None

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
