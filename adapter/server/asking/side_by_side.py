"""Several calls for one request, side by side."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def gather(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what calls give, in their order; the first failure ends the others, and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in calls]
    except* Exception as failures:  # noqa: BLE001 - it is raised
        # The table of errors has rows for failures, whichever they are, and none for a group of them.
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
