import pytest

from adapter.upstream.auth.key_pool import (
    DENIED_COOL_DOWN_S,
    FIRST_COOL_DOWN_S,
    MAX_COOL_DOWN_S,
    MAX_COOL_DOWNS,
    PROBE_INTERVAL_S,
    TIMER_SLACK_S,
    Caller,
    CallerKeyAuth,
    KeyPool,
    build_auth,
)
from adapter.upstream.errors import KeysCoolingDown, MissingKey, UpstreamError, from_answer
from adapter.upstream.settings import UpstreamSettings
from adapter.wire.gemini.errors import ErrorDetail, QuotaViolation, Status
from tests.support.clocks import Clock

ANYONE = Caller()


@pytest.fixture
def clock():
    return Clock()


def pool(clock, *keys, wall=lambda: 0.0):
    return KeyPool("api-key", keys, clock, wall)


async def key_of(keys, model="m"):
    return (await keys.headers(ANYONE, model)).get("x-goog-api-key")


async def turns(keys, count, model="m"):
    return [await key_of(keys, model) for _ in range(count)]


async def fail(keys, error, model="m"):
    """Let the next key meet an error; whether another may do better."""
    return keys.on_error(await keys.headers(ANYONE, model), model, error)


PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel"
PER_DAY = "GenerateRequestsPerDayPerProjectPerModel"


def error(status, message="", *, name=None, reason=None, wait=None, quota=None):
    details = [ErrorDetail(reason=reason)]
    if quota:
        details.append(ErrorDetail(violations=[QuotaViolation(quota_id=quota)]))
    return UpstreamError(status, Status(code=status, message=message, status=name, details=details), wait)


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({"auth": "api-key", "keys": ("k",)}, {"x-goog-api-key": "k"}),
        ({"auth": "bearer", "keys": (" k\n",)}, {"authorization": "Bearer k"}),
        ({"auth": "api-key"}, {}),
        ({"auth": "caller"}, {"x-goog-api-key": "theirs"}),
        ({"auth": "caller", "caller_scheme": "bearer", "keys": ("k",)}, {"authorization": "Bearer theirs"}),
    ],
)
async def test_a_key_goes_out_in_one_header(settings, header, clock):
    way = build_auth(UpstreamSettings(**settings), clock)
    assert await way.headers(Caller("theirs"), "m") == header


@pytest.mark.parametrize("key", [None, "", "ключ", "a b", "a\r\nx: y", "a\x00"])
async def test_a_caller_without_a_usable_key_is_told_so(key):
    with pytest.raises(MissingKey) as caught:
        await CallerKeyAuth("api-key").headers(Caller(key), "m")
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")


def test_a_callers_key_teaches_nothing():
    assert CallerKeyAuth("bearer").on_error({}, "m", error(429)) is False


def test_a_caller_does_not_show_its_key():
    assert "secret" not in repr(Caller("secret"))
    assert repr(Caller()) == "Caller(key=None)"


async def test_keys_take_turns(clock):
    assert await turns(pool(clock, "a", "b", "c"), 7) == ["a", "b", "c", "a", "b", "c", "a"]


@pytest.mark.parametrize(
    ("met", "cool_down"),
    [
        (error(429, wait=39.0), 39.0),
        (error(429), FIRST_COOL_DOWN_S),
        (error(429, quota=PER_MINUTE), FIRST_COOL_DOWN_S),
        (error(403, name="PERMISSION_DENIED"), DENIED_COOL_DOWN_S),
        (error(401, name="UNAUTHENTICATED"), DENIED_COOL_DOWN_S),
        (error(400, "User location is not supported for the API use.", name="FAILED_PRECONDITION"), DENIED_COOL_DOWN_S),
        (error(400, "Please enable billing on project", name="FAILED_PRECONDITION"), DENIED_COOL_DOWN_S),
    ],
)
async def test_a_key_rests_for_one_model_after_an_error_of_its_own(clock, met, cool_down):
    keys = pool(clock, "a", "b")
    assert await fail(keys, met) is True
    assert await turns(keys, 3) == ["b", "b", "b"]
    assert set(await turns(keys, 2, "other")) == {"a", "b"}
    clock.now += cool_down - 2 * TIMER_SLACK_S
    assert await turns(keys, 2) == ["b", "b"]
    clock.now += 2 * TIMER_SLACK_S
    assert set(await turns(keys, 2)) == {"a", "b"}


async def test_a_key_that_is_refused_again_and_again_rests_twice_as_long_each_time(clock):
    keys = pool(clock, "a", "b")
    for cool_down in (
        FIRST_COOL_DOWN_S,
        2 * FIRST_COOL_DOWN_S,
        4 * FIRST_COOL_DOWN_S,
        8 * FIRST_COOL_DOWN_S,
        16 * FIRST_COOL_DOWN_S,
        MAX_COOL_DOWN_S,
        MAX_COOL_DOWN_S,
    ):
        assert await fail(keys, error(429)) is True
        clock.now += cool_down - 2 * TIMER_SLACK_S
        assert await turns(keys, 2) == ["b", "b"]
        clock.now += 2 * TIMER_SLACK_S
        assert await key_of(keys) == "a"
        keys._turn = 0
    clock.now += MAX_COOL_DOWN_S + 1
    await fail(keys, error(429))
    clock.now += FIRST_COOL_DOWN_S
    assert set(await turns(keys, 2)) == {"a", "b"}, "what lies long back does not count"


async def test_calls_that_fail_together_count_once(clock):
    keys = pool(clock, "a", "b")
    first = await keys.headers(ANYONE, "m")
    for _ in range(10):
        keys.on_error(first, "m", error(429))
    clock.now += FIRST_COOL_DOWN_S
    assert set(await turns(keys, 2)) == {"a", "b"}


@pytest.mark.parametrize(
    ("wall", "cool_down"),
    [(8 * 3_600 - 60, 60), (8 * 3_600, 86_400), (0, 8 * 3_600), (1_795_000_000, 75_200)],
    ids=["a minute before", "at the reset", "midnight in London", "2026-11-18T11:06:40Z"],
)
async def test_a_used_up_daily_quota_comes_back_at_midnight_in_california(clock, wall, cool_down):
    keys = pool(clock, "a", "b", wall=lambda: wall)
    assert await fail(keys, error(429, wait=39.0, quota=PER_DAY)) is True
    clock.now += cool_down - 2 * TIMER_SLACK_S
    assert await turns(keys, 2) == ["b", "b"]
    clock.now += 2 * TIMER_SLACK_S
    assert set(await turns(keys, 2)) == {"a", "b"}


@pytest.mark.parametrize(
    "met",
    [
        error(400, "API key not valid.", reason="API_KEY_INVALID"),
        error(403, "Permission denied: Consumer 'api_key:' has been suspended.", reason="CONSUMER_SUSPENDED"),
        error(403, "Your API key was reported as leaked. Please use another API key."),
    ],
)
async def test_a_key_that_is_refused_is_asked_no_more_while_others_work(clock, met):
    keys = pool(clock, "a", "b")
    assert await fail(keys, met) is True
    clock.now += 1e9
    assert await turns(keys, 2, "other") == ["b", "b"]
    assert await fail(keys, met) is False
    assert set(await turns(keys, 2)) == {"a", "b"}, "Gemini has the last word"


async def test_where_gemini_told_all_keys_to_wait_nothing_is_asked(clock):
    keys = pool(clock, "a", "b", "c")
    for wait, other in ((30.0, True), (10.0, True), (20.0, False)):
        assert await fail(keys, error(429, f"wait {wait}", wait=wait, quota=PER_MINUTE)) is other
    clock.now += 1.0
    with pytest.raises(KeysCoolingDown, match=r"wait 10\.0") as caught:
        await keys.headers(ANYONE, "m")
    assert (caught.value.status, caught.value.retry_after) == (429, 9.0)
    assert set(await turns(keys, 3, "other")) == {"a", "b", "c"}
    clock.now += 9.0
    assert await turns(keys, 2) == ["b", "b"]


async def test_a_single_key_rests_too(clock):
    keys = pool(clock, "a")
    assert await fail(keys, error(429, wait=39.0)) is False
    with pytest.raises(KeysCoolingDown):
        await keys.headers(ANYONE, "m")
    assert await turns(keys, 2, "other") == ["a", "a"]
    clock.now += 39.0
    assert await turns(keys, 2) == ["a", "a"]


async def test_who_slept_as_long_as_told_finds_the_key_ready_though_timers_ring_early(clock):
    keys = pool(clock, "a")
    await fail(keys, error(429, wait=2.0))
    clock.now += 2.0 - TIMER_SLACK_S / 2
    assert await key_of(keys) == "a"


async def test_keys_that_are_refused_do_not_keep_those_that_must_wait_from_being_told(clock):
    keys = pool(clock, "a", "b")
    await fail(keys, error(403, "reported as leaked"))
    await fail(keys, error(429, wait=20.0))
    with pytest.raises(KeysCoolingDown) as caught:
        await keys.headers(ANYONE, "m")
    assert caught.value.retry_after == 20.0


async def test_a_rest_that_is_a_guess_only_says_who_is_asked_first(clock):
    """A 429 without a time or a quota tells of Gemini's load, which changes from one moment to the next."""
    keys = pool(clock, "a", "b")
    await fail(keys, error(429, wait=300.0))
    await fail(keys, error(429))
    assert await turns(keys, 2) == ["b", "b"]


async def test_now_and_then_one_call_finds_out_whether_a_limit_was_raised(clock):
    keys = pool(clock, "a")
    await fail(keys, error(429, quota=PER_DAY))
    clock.now += PROBE_INTERVAL_S
    tried = await keys.headers(ANYONE, "m")
    with pytest.raises(KeysCoolingDown):
        await keys.headers(ANYONE, "m")
    keys.on_error(tried, "m", error(429, quota=PER_DAY))
    clock.now += PROBE_INTERVAL_S - 0.001
    with pytest.raises(KeysCoolingDown):
        await keys.headers(ANYONE, "m")
    clock.now += 0.001
    keys.on_success(await keys.headers(ANYONE, "m"), "m")
    assert await turns(keys, 3) == ["a", "a", "a"]


async def test_an_answer_to_a_call_of_before_ends_no_rest(clock):
    keys = pool(clock, "a")
    before = await keys.headers(ANYONE, "m")
    await fail(keys, error(429, wait=39.0))
    keys.on_success(before, "m")
    with pytest.raises(KeysCoolingDown):
        await keys.headers(ANYONE, "m")


async def test_replaced_keys_begin_anew(clock):
    keys = pool(clock, "a", "b")
    old = await keys.headers(ANYONE, "m")
    await fail(keys, error(403, "reported as leaked"))
    keys.replace(["b", "c"])
    assert await turns(keys, 4) == ["b", "c", "b", "c"]
    assert keys.on_error(old, "m", error(400, reason="API_KEY_INVALID")) is True
    assert keys.on_error(old, "m", error(429)) is False
    keys.on_success(old, "m")
    assert await turns(keys, 2) == ["b", "c"]


async def test_a_refused_key_is_told_by_its_number_once(clock, caplog):
    keys = pool(clock, "secret-a", "secret-b")
    refused = await keys.headers(ANYONE, "m")
    for _ in range(3):
        keys.on_error(refused, "m", error(400, "secret-a is not valid", reason="API_KEY_INVALID"))
    assert [record.getMessage() for record in caplog.records] == [
        "API key 1 of 2 is invalid and no longer used: replace it"
    ]


@pytest.mark.parametrize(
    "met",
    [
        *map(error, [400, 404, 409, 413, 500, 503, 504]),
        error(400, "The File files/x is not in an ACTIVE state and usage is not allowed.", name="FAILED_PRECONDITION"),
        error(403, "You do not have permission to access the File x or it may not exist.", name="PERMISSION_DENIED"),
        error(403, "CachedContent not found (or permission denied)", name="PERMISSION_DENIED"),
    ],
    ids=lambda met: f"{met.status} {met}",
)
async def test_other_errors_are_not_the_keys_fault(clock, met):
    keys = pool(clock, "a", "b")
    assert await fail(keys, met) is False
    assert await turns(keys, 2) == ["b", "a"]


async def test_what_is_remembered_is_bounded(clock):
    keys = pool(clock, "a", "b")
    for number in range(MAX_COOL_DOWNS + 100):
        clock.now += 1.0
        await fail(keys, error(429, wait=0.5), f"m{number}")
    assert count_cool_downs(keys) <= MAX_COOL_DOWNS
    for number in range(MAX_COOL_DOWNS + 100):
        await fail(keys, error(429, wait=1e6), f"n{number}")
    assert count_cool_downs(keys) <= MAX_COOL_DOWNS


def count_cool_downs(keys):
    count = sum(len(key.cool_downs) for key in keys._keys)
    assert keys._cool_down_count == count
    return count


async def test_an_empty_account_rests_its_own_key_alone_and_no_other_is_asked_at_once(clock):
    body = b'{"error": {"message": "User quota is not enough", "code": "insufficient_user_quota"}}'
    keys = pool(clock, "a", "b", "c")
    assert not await fail(keys, from_answer(403, {}, body))
    assert await turns(keys, 4) == ["b", "c", "b", "c"]
    clock.now += DENIED_COOL_DOWN_S + 1
    assert set(await turns(keys, 3)) == {"a", "b", "c"}
