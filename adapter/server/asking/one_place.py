"""Asking one place by one plan: the answer, whole or event by event, by as many calls to Gemini as it takes."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing

from adapter.server.asking import continuation, parallel_choices
from adapter.server.media.image_conversion import convert_answer
from adapter.translate.answer.continuation import Continuation, unfinished
from adapter.translate.image_options import ImageForm
from adapter.translate.plan import Plan
from adapter.upstream.client import Caller, Reply, Upstream
from adapter.upstream.errors import UpstreamError
from adapter.wire.gemini.generate import GenerateContentRequest

_Answer = Coroutine[object, object, Reply]
_Events = AsyncGenerator[Reply]


class Asking:
    """Asks one upstream. `until` is by when the answer must be there; `continuations` bounds the further calls."""

    __slots__ = ("_caller", "_continuations", "_until", "_upstream")

    def __init__(self, upstream: Upstream, caller: Caller, until: float, continuations: int) -> None:
        self._upstream = upstream
        self._caller = caller
        self._until = until
        self._continuations = continuations

    def first(self, plan: Plan) -> Coroutine[object, object, Reply]:
        """Ask once. `finish` makes the whole answer of it. Raises `UpstreamError`."""
        return self._generate(plan, plan.body)

    def _generate(self, plan: Plan, body: GenerateContentRequest) -> Coroutine[object, object, Reply]:
        asked = self._upstream.generate(plan.model, body, self._caller, self._until)
        return asked if plan.image_form is None else _with_images(asked, plan.image_form)

    async def _stream(self, plan: Plan, body: GenerateContentRequest, form: ImageForm) -> AsyncGenerator[Reply]:
        """Yield the events of a call, with images in the form that the client wants."""
        async with aclosing(self._upstream.stream(plan.model, body, self._caller, self._until)) as events:
            async for reply in events:
                await convert_answer(reply.response, form)
                yield reply
                del reply

    async def choices(self, plan: Plan) -> Reply:
        """Ask for each choice by a call of its own; return one answer with all of them. Raises `UpstreamError`."""
        return await _together([self._choice(plan) for _ in range(plan.calls)])

    async def _choice(self, plan: Plan) -> Reply:
        first = await self.first(plan)
        return await self.finish(plan, first) if unfinished(first.response) else first

    async def finish(self, plan: Plan, first: Reply) -> Reply:
        """Continue an answer where Gemini stopped at the limit of one request. Raises `UpstreamError`."""

        def ask(body: GenerateContentRequest) -> _Answer:
            return self._generate(plan, body)

        return await continuation.whole(first, ask, self._continuation(plan))

    def events(self, plan: Plan) -> AsyncGenerator[Reply]:
        """Return the answer event by event. Raises `UpstreamError`."""

        def stream(body: GenerateContentRequest) -> _Events:
            if plan.image_form is not None:
                return self._stream(plan, body, plan.image_form)
            return self._upstream.stream(plan.model, body, self._caller, self._until)

        streams = [continuation.streamed(stream, plan.body, self._continuation(plan)) for _ in range(plan.calls)]
        return streams[0] if len(streams) == 1 else parallel_choices.merge_events(streams)

    def _continuation(self, plan: Plan) -> Continuation:
        return Continuation(plan.body, plan.context, self._continuations)


async def _with_images(asked: Coroutine[object, object, Reply], form: ImageForm) -> Reply:
    """Return the answer to a call, with images in the form that the client wants."""
    reply = await asked
    await convert_answer(reply.response, form)
    return reply


async def _together(choices: Sequence[Coroutine[object, object, Reply]]) -> Reply:
    """Return the choices of parallel calls as one answer; the first failure ends all calls."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(choice) for choice in choices]
    except* UpstreamError as failures:
        raise failures.exceptions[0] from None
    return parallel_choices.join_replies([task.result() for task in tasks])
