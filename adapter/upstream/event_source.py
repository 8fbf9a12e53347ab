"""The events of streamed answers, each as soon as it has arrived."""

from asyncio import CancelledError
from typing import Protocol

import msgspec

from adapter.upstream.answers import EventReader, Reply
from adapter.upstream.observer import CallObserver
from adapter.upstream.sse import EventDecoder
from adapter.upstream.transport.base import Response
from adapter.wire.base import encode

UNSPECIFIED = "FINISH_REASON_UNSPECIFIED"
"""Gemini's own word for a reason that was not given."""

_DONE = b"[DONE]"
"""Relays end a stream with it, as OpenAI does; Gemini does not."""


class ReplyStream(Protocol):
    """The events of an answer. Whoever opened it closes it.

    An object whose methods are awaited, and no generator: of these many would lie in each other, and each event would
    pass through all of them.
    """

    async def next(self) -> Reply | None:
        """Return the next event as soon as it has arrived; None at the end. Raises `UpstreamError`."""
        ...

    async def aclose(self) -> None:
        """Close the connection, if there is one."""
        ...


class WholeAnswer:
    """The one event of an answer that was not streamed."""

    def __init__(self, reply: Reply) -> None:
        self._reply: Reply | None = reply

    async def next(self) -> Reply | None:
        """Return it, once."""
        reply, self._reply = self._reply, None
        return reply

    async def aclose(self) -> None:
        """Hold nothing."""
        self._reply = None


class EventSource(msgspec.Struct, eq=False):
    """Reads the events of one stream.

    `first`, if set, is an event that was read already and comes next. The observer is told of each event; once
    `is_under_way`, it leaves with the last one, with a failure, or by `aclose`. `_open`, if set, are the candidates
    that have begun: `[DONE]` ends those that have no finish reason by then
    (github.com/router-for-me/CLIProxyAPI/issues/4167, 2026).
    """

    _response: Response
    _decoder: EventDecoder
    _observer: CallObserver | None
    _open: dict[int, bool] | None
    _reader: EventReader = msgspec.field(default_factory=EventReader)
    _payloads: list[bytes] = []
    _ended: bool = False
    first: Reply | None = None
    is_under_way: bool = False

    async def next(self) -> Reply | None:
        """Return the next event as soon as it has arrived; None at the end. Raises `UpstreamError`."""
        if (reply := self.first) is not None:
            self.first = None
            return reply
        try:
            while not self._payloads:
                if self._ended:
                    if self._observer is not None:
                        self._leave(None)
                    return None
                if chunk := await self._response.read():
                    payloads = self._decoder.feed(chunk)
                else:
                    payloads, self._ended = self._decoder.close(), True
                self._payloads = self._with_end(payloads) if _DONE in payloads else payloads
            payload = self._payloads.pop(0)
            reply = self._reader.read(payload, more=len(self._payloads) > 0)
        except BaseException as error:
            self._leave(error)
            raise
        if self._open is not None:
            self._follow(reply, self._open)
            self._payloads = self._with_end(self._payloads)
        if self._observer is not None:
            self._observer.on_reply(reply.response, payload)
        return reply

    async def aclose(self) -> None:
        """Close the connection at once, unless it was read to its end."""
        if self._observer is not None:
            self._leave(CancelledError())
        await self._response.aclose()

    def _leave(self, error: BaseException | None) -> None:
        """Tell the observer how the stream has ended, once."""
        if self._observer is not None and self.is_under_way:
            observer, self._observer = self._observer, None
            observer.__exit__(None if error is None else type(error), error, None)

    def _with_end(self, payloads: list[bytes]) -> list[bytes]:
        """Return the payloads without `[DONE]`; where it ends candidates, it is replaced once it is the next one."""
        if self._open is None:
            return [payload for payload in payloads if payload != _DONE]
        if payloads[:1] != [_DONE]:
            return payloads
        ends = [{"index": index, "finishReason": UNSPECIFIED} for index, is_open in self._open.items() if is_open]
        return [encode({"candidates": ends}), *payloads[1:]] if ends else payloads[1:]

    def _follow(self, reply: Reply, candidates: dict[int, bool]) -> None:
        """Note which candidates have begun and not ended."""
        for one in reply.response.candidates or ():
            candidates[one.index or 0] = candidates.get(one.index or 0, True) and one.finish_reason is None
