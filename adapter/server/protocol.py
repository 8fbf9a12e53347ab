"""What the HTTP server (uvicorn) does differently here."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

FIRST_REQUEST = 0.5
"""Seconds in which a connection that was just accepted may send its first request to a server that is stopping."""


class PatientProtocol(HttpToolsProtocol):
    """A connection that a stopping server accepted a moment ago is answered once.

    uvicorn closes it at once where its request has not been read yet: that client would see an error for no reason.
    """

    def shutdown(self) -> None:
        """See `HttpToolsProtocol`."""
        self.loop.call_later(FIRST_REQUEST if self.cycle is None else 0.0, self._stop)

    def _stop(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()
