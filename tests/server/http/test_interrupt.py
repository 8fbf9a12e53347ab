"""The body of a `with` that is ended from outside."""

import asyncio
import gc
import weakref
from contextlib import suppress

import pytest

from adapter.server.http.interrupt import Interruptible


class Left(Exception):
    """Why a body ends."""


class Held:
    """The steps that were done for a request."""


async def test_it_ends_with_the_given_exception_and_is_among_the_others_no_longer():
    among = set()
    body = Interruptible(among)

    async def end():
        with body:
            assert among == {body}
            asyncio.get_running_loop().call_soon(body.interrupt, Left())
            await asyncio.sleep(60)

    with pytest.raises(Left):
        await end()
    assert among == set()
    body.interrupt(Left())
    await asyncio.sleep(0)


async def test_what_was_done_is_let_go_with_the_exception_without_a_collector():
    seen = []

    async def end():
        held = Held()
        seen.append(weakref.ref(held))
        with Interruptible() as body:
            asyncio.get_running_loop().call_soon(body.interrupt, Left())
            await asyncio.sleep(60)
        return held

    gc.collect()
    gc.disable()
    try:
        with suppress(Left):
            await end()
        await asyncio.sleep(0)
        assert seen[0]() is None
    finally:
        gc.enable()
