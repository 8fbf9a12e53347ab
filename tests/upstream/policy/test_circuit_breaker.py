import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.upstream import open_upstream
from adapter.upstream.client import Caller
from adapter.upstream.errors import (
    CircuitOpen,
    MissingKey,
    UpstreamBusy,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from adapter.upstream.policy.circuit_breaker import (
    LEAST_CALLS,
    MAX_CIRCUITS,
    MAX_PAUSE,
    WINDOW,
    Circuit,
    CircuitBreaker,
    is_outage,
)
from adapter.upstream.settings import UpstreamSettings
from adapter.wire.gemini.errors import Status
from adapter.wire.gemini.generate import GenerateContentRequest
from tests.support.chaos import answer
from tests.support.circuits import still_circuits
from tests.support.clocks import Clock

PAUSE = 5.0


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return CircuitBreaker("studio", PAUSE, clock)


def call(breaker, failure, model="m"):
    breaker.after_call(model, failure, probe=breaker.before_call(model))


def open_circuit(breaker, model="m"):
    for _ in range(LEAST_CALLS):
        call(breaker, True, model)


def error_of(status):
    return UpstreamError(status, Status(code=status))


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        *[(error_of(status), True) for status in (500, 502, 503, 504)],
        *[(error_of(status), False) for status in (400, 401, 403, 404, 409, 429, 499, 501)],
        (UpstreamTimeout("connect"), True),
        (UpstreamTimeout("first byte"), True),
        (UpstreamTimeout("between bytes"), True),
        (UpstreamTimeout("total"), None),
        (UpstreamUnavailable("no"), True),
        (UpstreamTruncated(), True),
        (UpstreamBusy(), None),
        (UpstreamProtocolError("too large"), None),
        (MissingKey(), None),
    ],
)
def test_only_what_the_upstream_fails_at_is_a_failure(error, verdict):
    assert is_outage(error) is verdict


def test_half_of_twenty_calls_open_the_circuit(breaker):
    for number in range(LEAST_CALLS - 1):
        call(breaker, number % 2 == 1)
    call(breaker, True)
    with pytest.raises(CircuitOpen) as caught:
        breaker.before_call("m")
    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (503, "circuit_open", PAUSE)
    assert "studio" in str(caught.value)
    assert "m" in str(caught.value)


def test_fewer_calls_or_fewer_failures_do_not(breaker):
    for _ in range(LEAST_CALLS - 1):
        call(breaker, True)
    assert breaker.before_call("m") is False
    for number in range(300):
        call(breaker, number % 5 < 2, "other")
    assert breaker.before_call("other") is False


def test_old_failures_are_forgotten(breaker, clock):
    for _ in range(LEAST_CALLS - 1):
        call(breaker, True)
    clock.now += WINDOW + 1
    call(breaker, True)
    assert breaker.before_call("m") is False


def test_each_model_has_its_own_circuit(breaker):
    open_circuit(breaker)
    assert breaker.before_call("other") is False


def test_after_a_pause_one_call_may_try(breaker, clock):
    open_circuit(breaker)
    clock.now += PAUSE
    assert breaker.before_call("m") is True
    with pytest.raises(CircuitOpen):
        breaker.before_call("m")


def test_an_answer_to_the_probe_closes_and_forgets(breaker, clock):
    open_circuit(breaker)
    clock.now += PAUSE
    call(breaker, False)
    call(breaker, True)
    assert breaker.before_call("m") is False


def test_pauses_double_up_to_a_minute_and_begin_anew(breaker, clock):
    open_circuit(breaker)
    for pause in (5, 10, 20, 40, 60, 60):
        clock.now += pause - 0.5
        with pytest.raises(CircuitOpen):
            breaker.before_call("m")
        clock.now += 0.5
        call(breaker, True)
    clock.now += MAX_PAUSE
    call(breaker, False)
    open_circuit(breaker)
    with pytest.raises(CircuitOpen) as caught:
        breaker.before_call("m")
    assert caught.value.retry_after == PAUSE


def test_a_probe_that_was_called_off_makes_room_for_the_next(breaker, clock):
    open_circuit(breaker)
    clock.now += PAUSE
    call(breaker, None)
    assert breaker.before_call("m") is True


def test_a_probe_that_hangs_is_followed_by_another(breaker, clock):
    open_circuit(breaker)
    clock.now += PAUSE
    assert breaker.before_call("m") is True
    clock.now += PAUSE
    assert breaker.before_call("m") is True


def test_calls_from_before_change_nothing_while_it_is_open(breaker, clock):
    early = breaker.before_call("m")
    open_circuit(breaker)
    breaker.after_call("m", False, probe=early)
    with pytest.raises(CircuitOpen):
        breaker.before_call("m")


def test_names_that_clients_make_up_do_not_pile_up(breaker):
    open_circuit(breaker, "known")
    for number in range(2 * MAX_CIRCUITS):
        call(breaker, True, f"m{number}")
    assert len(breaker._circuits) <= MAX_CIRCUITS
    with pytest.raises(CircuitOpen):
        breaker.before_call("known")
    call(breaker, None, "never counted")
    assert "never counted" not in breaker._circuits


def test_too_many_open_circuits_are_all_forgotten(breaker):
    for number in range(MAX_CIRCUITS + 1):
        open_circuit(breaker, f"m{number}")
    assert len(breaker._circuits) == 1


def test_it_tells_how_many_circuits_are_open(clock):
    told = []
    breaker = CircuitBreaker("studio", PAUSE, clock, told.append)
    open_circuit(breaker, "a")
    open_circuit(breaker, "b")
    clock.now += PAUSE
    call(breaker, True, "a")
    call(breaker, False, "b")
    assert told == [1, 1, -1]
    for number in range(MAX_CIRCUITS):
        open_circuit(breaker, f"m{number}")
    assert sum(told) == sum(circuit.is_open for circuit in breaker._circuits.values()) == 1


STEPS = st.lists(st.tuples(st.floats(0, 3), st.sampled_from([True, False, None])), max_size=200)


@given(STEPS)
def test_it_opens_exactly_when_the_last_seconds_say_so(steps):
    """Against a plain list of what happened; a circuit that opens is never asked again here."""
    now, circuit, past = 1_000.0, Circuit(PAUSE), []
    for step, failure in steps:
        now += step
        circuit.after_call(now, failure, probe=False)
        if failure is not None:
            past.append((now, failure))
        recent = [bad for at, bad in past if int(at) > now - WINDOW]
        due = failure is True and len(recent) >= LEAST_CALLS and 2 * sum(recent) >= len(recent)
        assert circuit.is_open == due
        if due:
            return


@given(STEPS)
def test_an_open_circuit_lets_one_call_through_after_each_pause(steps):
    now, circuit, pause = 1_000.0, Circuit(PAUSE), PAUSE
    for _ in range(LEAST_CALLS):
        circuit.after_call(now, True, probe=False)
    free_at = now + pause
    for step, failure in steps:
        now += step
        wait = circuit.before_call(now)
        if now < free_at:
            assert wait == free_at - now
            continue
        assert wait is None
        circuit.after_call(now, failure, probe=True)
        if failure is False:
            assert not circuit.is_open
            return
        pause = min(MAX_PAUSE, pause * 2) if failure else pause
        free_at = now + pause if failure else now


def test_what_says_nothing_never_opens_it(breaker):
    for _ in range(3 * LEAST_CALLS):
        call(breaker, None)
    assert breaker.before_call("m") is False


def whole(text):
    return answer(b'{"candidates": [{"content": {"parts": [{"text": "%s"}]}}]}' % text.encode())


def refusal(status):
    return answer(b'{"error": {"code": %d, "message": "no"}}' % status, f"{status} X")


@asynccontextmanager
async def upstream(url, **given):
    client = open_upstream(UpstreamSettings(name="relay", url=url, **{"retries": 0, "circuit_pause": 60.0, **given}))
    try:
        yield client
    finally:
        await client.aclose()


async def ask(client, model="m"):
    """The status, or the error, of one call."""
    try:
        await client.generate(model, GenerateContentRequest(), Caller())
    except UpstreamError as error:
        return error.code or error.status
    return 200


@pytest.mark.faults
async def test_an_upstream_that_fails_is_left_alone_until_it_recovers(chaos, monkeypatch):
    move = still_circuits(monkeypatch)

    async def failing(exchange):
        await exchange.send(refusal(503))

    async def well(exchange):
        await exchange.send(whole("ok"))

    chaos.script = failing
    async with upstream(chaos.url) as client:
        assert [await ask(client) for _ in range(LEAST_CALLS)] == [503] * LEAST_CALLS
        assert await ask(client) == "circuit_open"
        assert chaos.hits == LEAST_CALLS, "nothing is sent while it is open"
        chaos.script = well
        assert await ask(client, "other") == 200
        move(60.0)
        assert [await ask(client) for _ in range(4)] == [200] * 4


@pytest.fixture
def nobody():
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.faults
async def test_a_dead_upstream_opens_the_circuit_and_is_not_asked_again_at_once(nobody):
    async with upstream(nobody, retries=1, circuit_pause=60.0) as client:
        outcomes = [await ask(client) for _ in range(LEAST_CALLS)]
    assert outcomes[0] == "upstream_connection_error"
    assert outcomes[-1] == "circuit_open", "a second try counts as well"


@pytest.mark.faults
@pytest.mark.parametrize("status", [429, 400, 404])
async def test_refusals_open_nothing(chaos, status):
    async def refuses(exchange):
        await exchange.send(refusal(status))

    chaos.script = refuses
    async with upstream(chaos.url) as client:
        assert {await ask(client) for _ in range(2 * LEAST_CALLS)} == {status}


async def test_it_can_be_turned_off(chaos):
    async def failing(exchange):
        await exchange.send(refusal(503))

    chaos.script = failing
    async with upstream(chaos.url, circuit_pause=0.0) as client:
        assert {await ask(client) for _ in range(2 * LEAST_CALLS)} == {503}


@pytest.mark.faults
async def test_clients_that_leave_say_nothing_of_the_upstream(chaos):
    async def hanging(exchange):
        await exchange.wait_closed()

    chaos.script = hanging
    async with upstream(chaos.url) as client:
        for _ in range(LEAST_CALLS + 1):
            hits = chaos.hits
            task = asyncio.create_task(ask(client))
            while chaos.hits == hits:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        chaos.script = chaos.ok
        assert await ask(client) == "upstream_bad_response"
