"""Runs several calls of one request at the same time."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def gather(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run calls in parallel; return their results in order. The first error cancels the others, and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except* Exception as failures:  # noqa: BLE001 - the first is raised below
        # The error table (`pipeline.errors`) has a row for each kind of error, but none for an exception group.
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
