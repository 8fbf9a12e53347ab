"""The events of one stream of Gemini's, each as soon as it has arrived."""

from adapter.upstream.answers import EventReader, Reply
from adapter.upstream.sse import EventDecoder
from adapter.upstream.transport.base import Response
from adapter.wire.base import encode

UNTOLD = "FINISH_REASON_UNSPECIFIED"
"""Gemini's own word for a reason that was not given."""

_DONE = b"[DONE]"
"""Relays end a stream with it, as OpenAI does; Gemini does not."""


class EventSource:
    """Reads the events of one stream; `payload` is the JSON of the last one.

    `done_ends`: `[DONE]` ends the candidates that have no finish reason by then
    (github.com/router-for-me/CLIProxyAPI/issues/4167, 2026).
    """

    __slots__ = ("_decoder", "_ended", "_open", "_payloads", "_reader", "_response", "aclose", "payload")

    def __init__(self, response: Response, max_event: int, *, done_ends: bool) -> None:
        self._open: dict[int, bool] | None = {} if done_ends else None
        self._response = response
        self._decoder = EventDecoder(max_event)
        self._reader = EventReader()
        self._payloads: list[bytes] = []
        self.payload = b""
        self._ended = False
        self.aclose = response.aclose

    async def next(self) -> Reply | None:
        """Return the next event as soon as it has arrived; None at the end."""
        while not self._payloads:
            if self._ended:
                return None
            if chunk := await self._response.read():
                payloads = self._decoder.feed(chunk)
            else:
                payloads, self._ended = self._decoder.close(), True
            if self._open is None and _DONE in payloads:
                payloads = [one for one in payloads if one != _DONE]
            self._payloads = payloads if self._open is None else self._with_end(payloads)
        self.payload = self._payloads.pop(0)
        reply = self._reader.read(self.payload, more=len(self._payloads) > 0)
        if self._open is not None:
            self._follow(reply, self._open)
            self._payloads = self._with_end(self._payloads)
        return reply

    def _with_end(self, payloads: list[bytes]) -> list[bytes]:
        """Return the payloads; missing finish reasons are put in before a `[DONE]` that follows."""
        if self._open is None or not payloads or payloads[0] != _DONE:
            return payloads
        ends = [{"index": index, "finishReason": UNTOLD} for index, is_open in self._open.items() if is_open]
        return [encode({"candidates": ends}), *payloads[1:]] if ends else payloads[1:]

    def _follow(self, reply: Reply, candidates: dict[int, bool]) -> None:
        """Note which candidates have begun and not ended."""
        for one in reply.response.candidates or ():
            candidates[one.index or 0] = candidates.get(one.index or 0, True) and one.finish_reason is None
