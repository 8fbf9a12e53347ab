"""Cost property: ten times as much of anything costs about ten times as much, whatever a client chooses.

The interpreter's instructions are counted, which no busy machine changes. A limit ends the growth with a 400.
"""

import json
import sys
from contextlib import contextmanager

import pytest

from adapter.server.app import create_app
from adapter.settings import Settings
from tests.support.growing_bodies import KINDS
from tests.support.in_process import InProcess

FEW, MANY = 30, 300
MOST = 12.0
"""The most that `MANY`, ten times `FEW`, may cost, as a multiple of the cost of `FEW`."""

LEAST = 1_500
"""Instructions below which a difference says nothing: a step where a text becomes long enough to be looked into."""

HEADERS = [(b"content-type", b"application/json"), (b"host", b"127.0.0.1")]


@pytest.fixture(scope="module")
def app():
    # Nobody answers there; what is counted comes before.
    nobody = Settings(
        upstream_url="http://127.0.0.1:9",
        upstream_keys=("k",),
        upstream_plain_http=True,
        retries=0,
        # Else the circuit opens after some failures, by the clock, and from then on a request costs less.
        circuit_pause=0,
        store="memory",
        inspector=False,
    )
    made = InProcess(create_app(nobody))
    made.open()
    yield made
    made.close()


class Counter:
    """Counts instructions of the interpreter."""

    def __init__(self):
        self.count = 0

    def __call__(self, frame, event, _argument):
        if event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        else:
            self.count += 1
        return self


@contextmanager
def count_calls():
    counter, before = Counter(), sys.gettrace()
    sys.settrace(counter)
    try:
        yield counter
    finally:
        sys.settrace(before)


def cost(app, path, body):
    """Instructions of one request; the first of its kind has to fill caches of types."""
    with count_calls() as counter:
        app.ask(path, json.dumps(body).encode(), HEADERS)
    return counter.count


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_ten_times_as_much_costs_at_most_twelve_times_as_much(app, kind):
    cost(app, kind.path, kind.body(1))
    least = cost(app, kind.path, kind.body(1))
    few, many = (max(LEAST, cost(app, kind.path, kind.body(n + 1)) - least) for n in (FEW, MANY))
    assert many <= MOST * few, (least, few, many)
