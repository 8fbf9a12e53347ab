"""Further calls that go on with an answer where Gemini stopped at the limit of one request.

A further call that fails does not cost what is already there: the answer then ends as Gemini ended it, with the token.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from adapter.translate.answer.continuation import Continuation, join_answers
from adapter.upstream.client import Reply
from adapter.upstream.errors import UpstreamError
from adapter.wire.gemini.generate import GenerateContentRequest

log = logging.getLogger("adapter")


async def whole(first: Reply, ask: Callable[[GenerateContentRequest], Awaitable[Reply]], answer: Continuation) -> Reply:
    """Return the whole answer that this reply begins; further calls get the rest."""
    replies = [Reply(answer.hear(first.response), first.unknown)]
    while (further := answer.next_request()) is not None:
        try:
            reply = await ask(further)
        except UpstreamError as error:
            log.warning("an answer ends unfinished: %s", error)
            reply = Reply(answer.give_up(), {})
        replies.append(Reply(answer.hear(reply.response), reply.unknown))
    if len(replies) == 1:
        return replies[0]
    unknown = {path: value for reply in replies for path, value in reply.unknown.items()}
    return Reply(join_answers([reply.response for reply in replies]), unknown, continued=True)


async def streamed(
    stream: Callable[[GenerateContentRequest], AsyncGenerator[Reply]],
    request: GenerateContentRequest | None,
    answer: Continuation,
) -> AsyncGenerator[Reply]:
    """Yield the events of all calls that the answer takes. Raises `UpstreamError`."""
    while request is not None:
        silent = True
        try:
            async with aclosing(stream(request)) as events:
                async for reply in events:
                    silent = False
                    heard = answer.hear(reply.response)
                    if answer.continued or heard is not reply.response:
                        reply = Reply(heard, reply.unknown, reply.more, answer.continued)
                    yield reply
                    # Many streams wait at once: none holds what it has told.
                    del reply, heard
        except UpstreamError as error:
            if not answer.goes_on and not (answer.continued and silent):
                raise
            if not answer.goes_on:
                log.warning("an answer ends unfinished: %s", error)
                yield Reply(answer.hear(answer.give_up()), {}, continued=True)
        request = answer.next_request()
