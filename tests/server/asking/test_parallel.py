"""Calls side by side give what each gives, or raise what one of them raised, and no group of it."""

import asyncio

import pytest

from adapter.server.asking.parallel import gather


async def test_results_have_the_order_of_the_calls():
    async def call(number):
        for _ in range(9 - number):
            await asyncio.sleep(0)
        return number

    assert await gather(map(call, range(9))) == list(range(9))
    assert await gather([]) == []


@pytest.mark.parametrize("kinds", [[KeyError], [KeyError, ValueError], [None, OSError, KeyError]])
async def test_the_first_failure_is_raised_as_it_is_and_ends_the_others(kinds):
    ended = []

    async def fail(kind):
        if kind is not None:
            raise kind("why")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(kind)

    failing = [kind for kind in kinds if kind is not None]
    with pytest.raises(failing[0]):
        await gather(map(fail, kinds))
    assert ended == [None] * kinds.count(None)
