"""Gets the answer to one plan from one upstream, whole or as a stream, by as many calls as it needs."""

from collections.abc import Coroutine
from functools import partial

import msgspec

from adapter.server.asking import continuation
from adapter.server.asking.continuation import ContinuedStream
from adapter.server.asking.parallel import gather
from adapter.server.asking.parallel_choices import MergedStreams, join_replies
from adapter.server.media.image_conversion import convert_answer
from adapter.translate.answer.continuation import Continuation, needs_continuation
from adapter.translate.image_options import ImageForm
from adapter.translate.plan import Plan
from adapter.upstream.client import Caller, Reply, ReplyStream, Upstream
from adapter.wire.gemini.generate import GenerateContentRequest

_Answer = Coroutine[object, object, Reply]


class Asking(msgspec.Struct, frozen=True):
    """Calls one upstream, until the deadline `until` (in seconds of the loop's clock).

    `continuations` is the most further calls for one answer.
    """

    upstream: Upstream
    caller: Caller
    until: float
    continuations: int

    def generate(self, plan: Plan, body: GenerateContentRequest) -> Coroutine[object, object, Reply]:
        """Make one call, with the plan's body or one that continues it. Raises `UpstreamError`.

        The reply may be only the beginning of the answer; `continue_whole` gets the rest.
        """
        call = self.upstream.generate(plan.model, body, self.caller, self.until)
        return call if plan.image_form is None else _with_images(call, plan.image_form)

    async def choices(self, plan: Plan) -> Reply:
        """Make one call for each choice; return one answer with all choices. Raises `UpstreamError`."""
        return join_replies(await gather([self._choice(plan) for _ in range(plan.calls)]))

    async def _choice(self, plan: Plan) -> Reply:
        first = await self.generate(plan, plan.body)
        return await self.continue_whole(plan, first) if needs_continuation(first.response) else first

    async def continue_whole(self, plan: Plan, first: Reply) -> Reply:
        """Continue an answer where Gemini stopped at the limit of one request. Raises `UpstreamError`."""

        def ask(body: GenerateContentRequest) -> _Answer:
            return self.generate(plan, body)

        return await continuation.continue_whole(first, ask, Continuation(plan.body, plan.context, self.continuations))

    def stream(self, plan: Plan, body: GenerateContentRequest) -> Coroutine[object, object, ReplyStream]:
        """Open one stream, with the body of a plan or one that continues it. Raises `UpstreamError`.

        `continue_stream` adds the events of further calls.
        """
        opening = self.upstream.stream(plan.model, body, self.caller, self.until)
        return opening if plan.image_form is None else _stream_with_images(opening, plan.image_form)

    def continue_stream(self, plan: Plan, events: ReplyStream) -> ReplyStream:
        """Return the events of a whole answer: those of the stream, then those of further calls."""
        answer = Continuation(plan.body, plan.context, self.continuations)
        return ContinuedStream(events, partial(self.stream, plan), answer) if answer.is_allowed else events

    async def merge_choices(self, plan: Plan) -> ReplyStream:
        """Open one stream for each choice; return the events of all, as soon as the first one has arrived.

        Raises `UpstreamError`.
        """
        merged = MergedStreams([partial(self._stream_choice, plan)] * plan.calls)
        await merged.start()
        return merged

    async def _stream_choice(self, plan: Plan) -> ReplyStream:
        return self.continue_stream(plan, await self.stream(plan, plan.body))


async def _with_images(asked: Coroutine[object, object, Reply], form: ImageForm) -> Reply:
    """Return the answer to a call, with images in the form that the client wants."""
    reply = await asked
    await convert_answer(reply.response, form)
    return reply


async def _stream_with_images(opening: Coroutine[object, object, ReplyStream], form: ImageForm) -> ReplyStream:
    """Return the events of a call, with images in the form that the client wants."""
    return ConvertedStream(await opening, form)


class ConvertedStream:
    """The events of a stream, with images in the form that the client wants."""

    def __init__(self, events: ReplyStream, form: ImageForm) -> None:
        self._events = events
        self._form = form
        self.aclose = events.aclose

    async def next(self) -> Reply | None:
        """Return the next event; None at the end. Raises `UpstreamError`."""
        reply = await self._events.next()
        if reply is not None:
            await convert_answer(reply.response, self._form)
        return reply
