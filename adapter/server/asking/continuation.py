"""Continues an answer by further calls, if Gemini stopped it at the limit of one request.

If a further call fails, the client still gets what has arrived: the answer then ends as Gemini ended it, with Gemini's
token for continuing it.
"""

import logging
from collections.abc import Awaitable, Callable

import msgspec

from adapter.translate.answer.continuation import Continuation, join_answers
from adapter.upstream.client import Reply, ReplyStream
from adapter.upstream.errors import UpstreamError
from adapter.upstream.event_source import WholeAnswer
from adapter.wire.gemini.generate import GenerateContentRequest

log = logging.getLogger("adapter")


async def continue_whole(
    first: Reply, ask: Callable[[GenerateContentRequest], Awaitable[Reply]], answer: Continuation
) -> Reply:
    """Return the whole answer: its first reply, joined with the replies of as many further calls as it needs."""
    replies = [Reply(answer.feed(first.response), first.unknown)]
    while (further := answer.next_request()) is not None:
        try:
            reply = await ask(further)
        except UpstreamError as error:
            reply = _end_incomplete(error, answer)
        replies.append(Reply(answer.feed(reply.response), reply.unknown))
    if len(replies) == 1:
        return replies[0]
    unknown = {path: value for reply in replies for path, value in reply.unknown.items()}
    return Reply(join_answers([reply.response for reply in replies]), unknown, is_continued=True)


class ContinuedStream(msgspec.Struct, eq=False):
    """The events of an answer from its first call and from further ones, each opened by `_stream`."""

    _events: ReplyStream
    _stream: Callable[[GenerateContentRequest], Awaitable[ReplyStream]]
    _answer: Continuation

    async def next(self) -> Reply | None:
        """Return the answer's next event; None at its end. Raises `UpstreamError`."""
        answer = self._answer
        try:
            reply = await self._events.next()
        except UpstreamError:
            # The call's answer was complete, and a further call continues it: an error after that loses nothing.
            if not answer.goes_on:
                raise
            reply = None
        if reply is None and (further := answer.next_request()) is not None:
            await self._events.aclose()
            reply = await self._begin(further)
        if reply is None:
            return None
        event = answer.feed(reply.response)
        if answer.is_continued or event is not reply.response:
            return Reply(event, reply.unknown, reply.more, answer.is_continued)
        return reply

    async def _begin(self, further: GenerateContentRequest) -> Reply | None:
        """Return the first event of a further call; if that fails, an event that ends the answer."""
        try:
            self._events = await self._stream(further)
        except UpstreamError as error:
            self._events = WholeAnswer(_end_incomplete(error, self._answer))
        return await self._events.next()

    async def aclose(self) -> None:
        """Close the call that runs."""
        await self._events.aclose()


def _end_incomplete(error: UpstreamError, answer: Continuation) -> Reply:
    """Log that a further call failed; return a reply that ends the answer as Gemini ended it."""
    log.warning("an answer is cut short: the call that should continue it failed: %s", error)
    return Reply(answer.end_incomplete(), {})
