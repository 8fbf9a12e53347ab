"""Asking Gemini for an answer, by the first plan that gets one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapter.server.asking.one_upstream import Asking
from adapter.server.limits.access import Client
from adapter.server.pipeline.event_stream import Answer
from adapter.server.pipeline.fallback import Plans, now
from adapter.settings import AnswerSettings
from adapter.upstream.client import Caller
from adapter.upstream.errors import UpstreamError


class Answering:
    """Asks upstreams for answers; one object for all requests."""

    def __init__(self, settings: AnswerSettings) -> None:
        self.retry_malformed = settings.retry_malformed
        self._settings = settings

    def time_limit(self, patience: float | None) -> float:
        """Return the deadline of an answer that begins now, whose client waits so many seconds (None: it does not say).

        All of its calls share the time of one.
        """
        own = self._settings.total_timeout
        return now() + (own if patience is None else min(own, patience))

    def by(self, plans: Plans, client: Client, until: float) -> Asking:
        """Return the object that asks the place of the current plan."""
        return Asking(plans.place.upstream, Caller(client.key, plans.pin), until, self._settings.continuations)

    @asynccontextmanager
    async def open(self, plans: Plans, client: Client, patience: float | None) -> AsyncIterator[Answer]:
        """Open the answer event by event: the first event decides which plan answers. Raises `UpstreamError`.

        Leaving closes all connections of the answer. `patience`: see `time_limit`.
        """
        until = self.time_limit(patience)
        while True:
            plan, asking = plans.plan, self.by(plans, client, until)
            try:
                if plan.calls == 1:
                    events = asking.continue_stream(plan, await asking.stream(plan, plan.body))
                else:
                    events = await asking.merge_choices(plan)
                break
            except UpstreamError as error:
                await plans.after(error, until)
        try:
            yield Answer(plan, events)
        finally:
            await events.aclose()
