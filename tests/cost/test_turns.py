"""Cost property: whatever a client sends, the event loop has a turn at least every quarter of a second of CPU.

Counted is the CPU of the whole process: a decoder in a thread keeps the interpreter as long as one in the loop does.
"""

import json
import time
from itertools import product

import pytest

from adapter.server.app import create_app, settle
from adapter.settings import Settings
from tests.cost.turns import HEADERS, LONGEST, longest_stretch
from tests.support.growing_bodies import KINDS
from tests.support.in_process import InProcess
from tests.support.size import tenth

LARGEST = 31 * 1024 * 1024


@pytest.fixture(scope="module")
def app():
    nobody = Settings(
        upstream_url="http://127.0.0.1:9", upstream_keys=("k",), upstream_plain_http=True, retries=0, store="memory"
    )
    made = InProcess(create_app(nobody))
    made.open()
    settle()
    yield made
    made.close()


SIZES = {"the largest": None, "within the limits": 4_000}


@pytest.mark.parametrize(
    ("kind", "size"), [pytest.param(*one, id=f"{one[0].name}-{one[1]}") for one in tenth(list(product(KINDS, SIZES)))]
)
def test_nobody_waits_longer_than_a_quarter_of_a_second(app, kind, size):
    body = json.dumps(kind.body(SIZES[size] or kind.most), separators=(",", ":")).encode()
    assert len(body) < LARGEST
    answer, longest = app.loop.run_until_complete(
        longest_stretch(app._ask(kind.path, body, HEADERS, "POST", b""), time.process_time)
    )
    assert longest < LONGEST, f"{len(body)} bytes, answered {answer.status}"
