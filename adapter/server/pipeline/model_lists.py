"""The upstream's list of models, asked for once and kept for a short time: clients ask for it again and again."""

import asyncio
import time
from collections import OrderedDict
from typing import NamedTuple

from adapter.upstream.client import Caller, Upstream
from adapter.wire.gemini.models import Model

KEPT = 60.0
"""Seconds for which a list is kept."""

MAX_LISTS = 256
"""Lists that are kept: one for each key, where the client's own goes to Gemini."""


class _List(NamedTuple):
    """A list that is on its way, or has come."""

    asked_at: float
    models: asyncio.Task[list[Model]]


class ModelLists:
    """The lists by the key that they were asked for with. What failed is asked for again."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._lists: OrderedDict[str | None, _List] = OrderedDict()

    async def of(self, key: str | None) -> list[Model]:
        """All models. Raises `UpstreamError`."""
        kept = self._lists.get(key)
        if kept is None or time.monotonic() - kept.asked_at > KEPT or _has_failed(kept.models):
            kept = self._lists[key] = _List(time.monotonic(), asyncio.create_task(self._ask(key)))
            self._lists.move_to_end(key)
            while len(self._lists) > MAX_LISTS:
                self._lists.popitem(last=False)
        # Whoever leaves takes it from nobody else.
        return await asyncio.shield(kept.models)

    async def _ask(self, key: str | None) -> list[Model]:
        return await self._upstream.models(Caller(key))


def _has_failed(task: asyncio.Task[list[Model]]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
