"""Models by name: the path of one, and the upstream's list, asked for once and kept for a short time.

Clients ask for the list again and again.
"""

import asyncio
import time
from collections import OrderedDict
from typing import NamedTuple

from adapter.translate.core.notes import Rejected
from adapter.upstream.client import Caller, Upstream
from adapter.upstream.errors import InvalidModelName
from adapter.upstream.model_path import model_path
from adapter.wire.gemini.models import Model

LIST_TTL_S = 60.0
"""Seconds for which a list is cached."""

MAX_LISTS = 256
"""The most lists that are cached: one for each key, if clients' own keys go to Gemini."""


def path_of_model(model: str, models: str) -> str:
    """Return the path of a model in a URL; `models` is the upstream's prefix.

    Raises `Rejected` for a name that cannot stand in one, such as one with a space or a `?`.
    """
    try:
        return model_path(model, models)
    except InvalidModelName:
        raise Rejected("model", "malformed-value", "this is not the name of a model") from None


class _List(NamedTuple):
    """A list that was asked for, and perhaps has arrived."""

    asked_at: float
    models: asyncio.Task[list[Model]]


class ModelLists:
    """The lists of models by key. A list whose request failed is asked for again."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._lists: OrderedDict[str | None, _List] = OrderedDict()

    async def fetch(self, key: str | None) -> list[Model]:
        """Return all models. Raises `UpstreamError`."""
        listing = self._lists.get(key)
        if listing is None or time.monotonic() - listing.asked_at > LIST_TTL_S or _has_failed(listing.models):
            listing = self._lists[key] = _List(time.monotonic(), asyncio.create_task(self._ask(key)))
            self._lists.move_to_end(key)
            while len(self._lists) > MAX_LISTS:
                self._lists.popitem(last=False)
        # Shielded: if one request is cancelled, the others still get the list.
        return await asyncio.shield(listing.models)

    async def _ask(self, key: str | None) -> list[Model]:
        return await self._upstream.models(Caller(key))


def _has_failed(task: asyncio.Task[list[Model]]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
