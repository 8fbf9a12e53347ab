"""Opens the stores of a test, and closes them at its end."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def opening(build: Callable[..., Any]) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """Yield a function that builds and opens a store; close all of these stores at the end."""
    opened = []

    async def open_store(*args: Any, **limits: Any) -> Any:
        store = build(*args, **limits)
        await store.open()
        opened.append(store)
        return store

    yield open_store
    for store in opened:
        await store.aclose()
