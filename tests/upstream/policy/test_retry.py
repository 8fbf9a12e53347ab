import asyncio

import pytest

from adapter.upstream.errors import (
    CircuitOpen,
    UpstreamBusy,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from adapter.upstream.policy.retry import MARGIN, MAX_KEYS, WORLD, Attempts, Retry, World
from adapter.upstream.settings import UpstreamSettings
from adapter.wire.gemini.errors import ErrorDetail, QuotaViolation, Status

REFUSED = UpstreamUnavailable("No connection.", again=True)


class FakeWorld:
    """Time passes only by sleeping."""

    def __init__(self, chance=1.0):
        self.now = 0.0
        self.slept = []
        self.world = World(lambda: self.now, self.sleep, lambda: chance)

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def error_of(status, seconds=None, details=None):
    return UpstreamError(status, Status(code=status, details=details), seconds)


async def attempts_of(retry, attempt, deadline):
    """Make attempts as `Upstream` does."""
    attempts = Attempts(retry, deadline)
    retry.running += 1
    try:
        while True:
            try:
                return await attempt()
            except UpstreamError as error:
                pause = attempts.next_pause(error)
                if pause is None:
                    raise
            await attempts.sleep(pause)
    finally:
        retry.running -= 1
        retry.retrying -= attempts.is_counted


def script(*outcomes):
    """An attempt that ends as told, one outcome after the other."""
    left = list(outcomes)

    async def attempt():
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return attempt, left


async def run(*outcomes, world=None, deadline=1_000.0, **settings):
    world = world or FakeWorld()
    attempt, left = script(*outcomes)
    try:
        return await attempts_of(Retry(UpstreamSettings(**settings), world.world), attempt, deadline), left, world.slept
    except UpstreamError as error:
        return error, left, world.slept


AGAIN = {
    "refused connection": (REFUSED, []),
    "connect limit": (UpstreamTimeout("connect"), []),
    "503": (error_of(503), [0.5]),
    "429 without a delay": (error_of(429), [0.5]),
    "409": (error_of(409), [0.5]),
    "503 with a short delay": (error_of(503, 3.0), [3.0]),
    "429 with the longest delay": (error_of(429, 8.0), [8.0]),
}


@pytest.mark.parametrize("name", AGAIN)
async def test_what_never_began_is_sent_again_once(name):
    error, slept = AGAIN[name]
    assert await run(error, "done") == ("done", [], slept)
    assert await run(error, error, "never") == (error, ["never"], slept)


NEVER = {
    "busy pool": UpstreamBusy(),
    "open circuit": CircuitOpen("studio", "m", 1.0),
    "broken connection": UpstreamUnavailable("broke"),
    "cut answer": UpstreamTruncated(),
    "first byte limit": UpstreamTimeout("first byte"),
    "total limit": UpstreamTimeout("total"),
    "bad answer": UpstreamProtocolError("no JSON"),
    "429 with a long delay": error_of(429, 39.0),
    "429 for the day": error_of(
        429, details=[ErrorDetail(violations=[QuotaViolation(quota_id="RequestsPerDayPerModel")])]
    ),
    **{str(status): error_of(status) for status in (400, 401, 403, 404, 413, 499, 500, 501, 502, 504)},
}


@pytest.mark.parametrize("name", NEVER)
async def test_the_rest_is_not_sent_again(name):
    assert await run(NEVER[name], "never") == (NEVER[name], ["never"], [])


async def test_internal_errors_are_sent_again_on_request():
    assert (await run(error_of(500), "done", retry_server_errors=True))[0] == "done"
    error = error_of(504)
    assert (await run(error, "never", retry_server_errors=True))[0] is error


async def test_without_retries_nothing_is_sent_again():
    error = error_of(503)
    assert await run(error, "never", retries=0) == (error, ["never"], [])


async def test_waits_grow_up_to_a_limit_with_full_jitter():
    errors = [error_of(503) for _ in range(7)]
    assert (await run(*errors, retries=6))[2] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert (await run(*errors, retries=6, world=FakeWorld(chance=0.5)))[2] == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0]
    assert (await run(*errors, retries=6, world=FakeWorld(chance=0.0)))[2] == []


async def test_the_delay_that_was_told_is_a_lower_bound():
    assert (await run(error_of(503), error_of(503, 0.7), "done", retries=2))[2] == [0.5, 1.0]
    assert (await run(error_of(503, 0.7), "done"))[2] == [0.7]


async def test_there_is_no_try_without_time_for_it():
    error = error_of(503, 4.0)
    assert (await run(error, "done", deadline=4.0 + MARGIN))[0] == "done"
    assert (await run(error, "never", deadline=3.9 + MARGIN))[0] is error


async def test_other_keys_are_tried_at_once_and_beside_the_retries():
    errors = [error_of(429, 39.0) for _ in range(MAX_KEYS + 1)]
    for error in errors:
        error.try_another_key = True
    assert await run(errors[0], "done", retries=0) == ("done", [], [])
    assert (await run(*errors, "never", retries=0))[:2] == (errors[MAX_KEYS - 1], [errors[MAX_KEYS], "never"])
    assert (await run(errors[0], error_of(503), "done"))[2] == [0.5]


async def test_no_other_key_is_tried_without_time_for_it():
    error = error_of(429, 39.0)
    error.try_another_key = True
    assert await run(error, "never", deadline=MARGIN - 0.1) == (error, ["never"], [])


async def fail_together(retry, number, ended):
    """Let calls fail at the same time; return how many attempts there were once so many of them had ended."""
    first, second = asyncio.Event(), asyncio.Event()
    tries = 0

    async def attempt():
        nonlocal tries
        tries += 1
        await (first if tries <= number else second).wait()
        raise error_of(503)

    calls = [asyncio.create_task(attempts_of(retry, attempt, 1_000.0)) for _ in range(number)]
    while tries < number:
        await asyncio.sleep(0)
    first.set()
    while sum(call.done() for call in calls) < ended:
        await asyncio.sleep(0)
    seen = tries
    second.set()
    assert all(isinstance(end, UpstreamError) for end in await asyncio.gather(*calls, return_exceptions=True))
    return seen


async def test_three_calls_may_always_try_again():
    assert await fail_together(Retry(UpstreamSettings(), FakeWorld().world), 4, ended=1) == 7


async def test_retries_of_one_call_count_once_in_the_budget():
    assert (await run(*[error_of(503)] * 6, "done", retries=6))[0] == "done"


async def test_a_storm_of_errors_is_hardly_repeated():
    retry = Retry(UpstreamSettings(), FakeWorld().world)
    assert await fail_together(retry, 30, ended=24) == 36, "a fifth of 30 may try again"
    attempt_again, left = script(error_of(503), "done")
    assert await attempts_of(retry, attempt_again, 1_000.0) == "done", "the budget is free again"
    assert left == []


async def test_cancelling_a_wait_ends_the_call_and_frees_the_budget():
    sleeping = asyncio.Event()

    async def sleep(_seconds):
        sleeping.set()
        await asyncio.get_running_loop().create_future()

    retry = Retry(UpstreamSettings(), World(lambda: 0.0, sleep, lambda: 1.0))
    for _ in range(10):
        task = asyncio.create_task(attempts_of(retry, script(error_of(503), "never")[0], 1_000.0))
        await sleeping.wait()
        sleeping.clear()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_other_exceptions_pass():
    attempt, left = script(ZeroDivisionError(), "never")
    with pytest.raises(ZeroDivisionError):
        await attempts_of(Retry(UpstreamSettings()), attempt, 1_000.0)
    assert left == ["never"]


async def test_the_worlds_clock_is_the_loops():
    assert abs(WORLD.clock() - asyncio.get_running_loop().time()) < 60
    assert WORLD.sleep is asyncio.sleep
    assert 0 <= WORLD.random() < 1
