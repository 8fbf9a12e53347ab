"""The memory of histories in a process: each client has its own, bounded in bytes and in time."""

import msgspec
import pytest

from adapter.server.prefixes.prefix_memory import MAX_AGE, MAX_COUNT, MAX_IDLE, SWEEP_EVERY, PrefixMemory
from adapter.translate.core.capabilities import ModelCapabilities
from adapter.translate.core.context import Options
from adapter.translate.core.earlier_turns import EarlierTurns, StandIns
from adapter.translate.prefix import Prefix
from adapter.translate.signatures.earlier_answers import EarlierAnswers
from adapter.translate.signatures.prefix_digest import PrefixDigest
from adapter.wire.beginnings import Beginning
from tests.support.clocks import Clock

NONE = frozenset()
TURNS = EarlierTurns(
    1, msgspec.Raw(b""), (), (), (), StandIns(), is_unsigned=False, turn="", speakers=NONE, shared_roles=NONE
)
ROW = ModelCapabilities(pattern="*", source="", date="")


@pytest.fixture
def clock():
    return Clock()


def prefix(text, size=10, since=1_000.0):
    return Prefix(
        Beginning(text, len(text), 1, {}), EarlierAnswers(1, PrefixDigest()), TURNS, Options(), ROW, b"", since, size
    )


def find(memory, body, client="ann"):
    one = memory.find(client, body, 1, "messages")
    return None if one is None else one.beginning.text


def test_the_longest_beginning_is_found(clock):
    memory = PrefixMemory(1_000, clock=clock)
    for text in (b"1", b"1,2", b"1,3"):
        memory.put("ann", prefix(text))
    assert find(memory, b"[1,2,3]") == b"1,2"
    assert find(memory, b"[1,3]") == b"1"
    assert find(memory, b"[2,3]") is None
    assert find(memory, b"[1]") is None


def test_no_client_finds_what_another_said(clock):
    memory = PrefixMemory(1_000, clock=clock)
    memory.put("ann", prefix(b"1"))
    assert find(memory, b"[1,2]", "bob") is None
    assert find(memory, b"[1,2]") == b"1"


def test_a_history_that_goes_on_takes_the_place_of_its_beginning(clock):
    memory = PrefixMemory(1_000, clock=clock)
    first = prefix(b"1")
    memory.put("ann", first)
    memory.put("ann", prefix(b"1,2", 30), first)
    assert memory.size_bytes == 30
    assert find(memory, b"[1,3]") is None
    memory.put("ann", prefix(b"1,2", 40))
    assert memory.size_bytes == 40


def test_who_has_most_makes_room_with_what_was_used_least(clock):
    memory = PrefixMemory(100, clock=clock)
    memory.put("bob", prefix(b"9", 20))
    for text in (b"1", b"2", b"3"):
        clock.now += 1
        memory.put("ann", prefix(text, 25))
    assert memory.size_bytes == 95
    clock.now += 1
    assert find(memory, b"[1,2]") == b"1"
    memory.put("ann", prefix(b"4", 25))
    assert memory.size_bytes == 95
    assert find(memory, b"[2,2]") is None
    assert find(memory, b"[1,2]") == b"1"
    assert find(memory, b"[9,2]", "bob") == b"9"
    memory.put("bob", prefix(b"8", 26))
    assert find(memory, b"[8,2]", "bob") is None


@pytest.mark.parametrize(("since", "seconds", "is_found"), [
    (1_000.0, MAX_IDLE - 1, True),
    (1_000.0, MAX_IDLE + 1, False),
    (1_000.0 - MAX_AGE + 100, 50, True),
    (1_000.0 - MAX_AGE + 100, 150, False),
])  # fmt: skip
def test_nothing_is_used_for_long(clock, since, seconds, is_found):
    memory = PrefixMemory(1_000, clock=clock)
    memory.put("ann", prefix(b"1", since=since))
    clock.now += seconds
    assert (find(memory, b"[1,2]") is not None) is is_found


def test_what_is_old_makes_room_unasked(clock):
    memory = PrefixMemory(1_000, clock=clock)
    memory.put("ann", prefix(b"1"))
    clock.now += MAX_IDLE + SWEEP_EVERY
    memory.put("bob", prefix(b"1", 7))
    assert memory.size_bytes == 7


def test_figures_tell_of_searches_and_of_the_size(clock):
    told = []

    class Figures:
        def count_prefix(self, *, is_hit):
            told.append(is_hit)

        def set_prefix_bytes(self, size_bytes):
            told.append(size_bytes)

    memory = PrefixMemory(1_000, Figures(), clock)
    assert find(memory, b"[1,2]") is None
    memory.put("ann", prefix(b"1"))
    assert find(memory, b"[1,2]") == b"1"
    assert told == [False, 10, True]
    assert memory.is_on
    assert not PrefixMemory(0).is_on


def test_a_client_has_so_many_at_most(clock):
    memory = PrefixMemory(10**9, clock=clock)
    for number in range(MAX_COUNT + 1):
        clock.now += 0.001
        memory.put("ann", prefix(b"%d" % number))
    assert memory.size_bytes == 10 * MAX_COUNT
    assert find(memory, b"[0,1]") is None
    assert find(memory, b"[1,1]") == b"1"
