import pytest

from adapter.upstream.auth import COOL, COOL_FOR_THE_DAY, DENIED, MAX_RESTS, Caller, CallersKey, KeyPool, auth
from adapter.upstream.errors import MissingKey, UpstreamError
from adapter.upstream.settings import UpstreamSettings
from adapter.wire.gemini.errors import ErrorDetail, QuotaViolation, Status

ANYONE = Caller()


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def pool(clock, *keys):
    return KeyPool("api-key", keys, clock)


async def key_of(keys, model="m"):
    return (await keys.headers(ANYONE, model)).get("x-goog-api-key")


async def turns(keys, count, model="m"):
    return [await key_of(keys, model) for _ in range(count)]


async def fail(keys, error, model="m"):
    """Let the next key meet an error; whether another may do better."""
    return keys.learn(await keys.headers(ANYONE, model), model, error)


def error(status, message="", *, name=None, reason=None, wait=None, quota=None):
    details = [ErrorDetail(reason=reason), ErrorDetail(violations=[QuotaViolation(quota_id=quota)])]
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
    way = auth(UpstreamSettings(**settings), clock)
    assert await way.headers(Caller("theirs"), "m") == header


@pytest.mark.parametrize("key", [None, "", "ключ", "a b", "a\r\nx: y", "a\x00"])
async def test_a_caller_without_a_usable_key_is_told_so(key):
    with pytest.raises(MissingKey) as caught:
        await CallersKey("api-key").headers(Caller(key), "m")
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")


def test_a_callers_key_teaches_nothing():
    assert CallersKey("bearer").learn({}, "m", error(429)) is False


def test_a_caller_does_not_show_its_key():
    assert "secret" not in repr(Caller("secret"))
    assert repr(Caller()) == "Caller(key=None)"


async def test_keys_take_turns(clock):
    assert await turns(pool(clock, "a", "b", "c"), 7) == ["a", "b", "c", "a", "b", "c", "a"]


@pytest.mark.parametrize(
    ("met", "rest"),
    [
        (error(429, wait=39.0), 39.0),
        (error(429), COOL),
        (error(429, quota="GenerateRequestsPerDayPerProjectPerModel"), COOL_FOR_THE_DAY),
        (error(403, name="PERMISSION_DENIED"), DENIED),
        (error(401, name="UNAUTHENTICATED"), DENIED),
        (error(400, name="FAILED_PRECONDITION"), DENIED),
    ],
)
async def test_a_key_rests_for_one_model_after_an_error_of_its_own(clock, met, rest):
    keys = pool(clock, "a", "b")
    assert await fail(keys, met) is True
    assert await turns(keys, 3) == ["b", "b", "b"]
    assert set(await turns(keys, 2, "other")) == {"a", "b"}
    clock.now += rest - 0.001
    assert await turns(keys, 2) == ["b", "b"]
    clock.now += 0.001
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


async def test_with_all_keys_at_rest_the_first_to_be_ready_is_asked(clock):
    keys = pool(clock, "a", "b", "c")
    for wait, other in ((30.0, True), (10.0, True), (20.0, False)):
        assert await fail(keys, error(429, wait=wait)) is other
    assert await turns(keys, 2) == ["b", "b"]


@pytest.mark.parametrize("status", [400, 404, 409, 413, 500, 503, 504])
async def test_other_errors_are_not_the_keys_fault(clock, status):
    keys = pool(clock, "a", "b")
    assert await fail(keys, error(status)) is False
    assert await turns(keys, 2) == ["b", "a"]


async def test_a_single_key_never_rests(clock):
    keys = pool(clock, "a")
    assert await fail(keys, error(429, wait=39.0)) is False
    assert await turns(keys, 2) == ["a", "a"]


async def test_what_is_remembered_is_bounded(clock):
    keys = pool(clock, "a", "b")
    for number in range(MAX_RESTS + 100):
        clock.now += 1.0
        await fail(keys, error(429, wait=0.5), f"m{number}")
    assert len(keys._rests) <= MAX_RESTS
    for number in range(MAX_RESTS + 100):
        await fail(keys, error(429, wait=1e6), f"n{number}")
    assert len(keys._rests) <= MAX_RESTS
