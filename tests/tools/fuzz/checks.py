"""The checks that hypothesis drives, by name, also where schemathesis makes the requests."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from random import Random
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.server.routes import ENDPOINTS
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.openai.responses_request import ResponsesRequest
from tests.support.in_process import InProcess, Puppet, before_emulator, before_puppet
from tests.tools.fuzz import changing, driving, mutations, operations, seeds
from tests.tools.fuzz.documents import Document, Documents

RANDOM = st.integers(0, 2**64 - 1).map(Random)
"""Chance that can be repeated. What comes of it is not to be shrunk number by number."""


class Apps(NamedTuple):
    """The two applications that are asked, and how many attempts of each kind were made."""

    app: InProcess
    fronting: InProcess
    puppet: Puppet
    counts: Counter[str]


@contextmanager
def apps() -> Iterator[Apps]:
    """Both, open."""
    with before_emulator() as app, before_puppet() as (fronting, puppet):
        yield Apps(app, fronting, puppet, Counter())


@cache
def _requests(type_: type) -> Document:
    return Documents(seeds.seen_in_requests()).of(type_).map(changing.encode_line)


@cache
def _answers() -> Document:
    """A request, and what Gemini says to it."""
    answers = Documents(seeds.seen_in_answers()).of(GenerateContentResponse).map(changing.encode_line)
    asking = st.sampled_from([changing.encode_line(request) for request, _ in seeds.answers()])
    return st.tuples(asking, st.lists(answers, min_size=1, max_size=3))


def _translate(random: Random) -> None:
    driving.translate(changing.request(random, "/v1/chat/completions"))


def _ask(asked: Apps, random: Random) -> None:
    path = changing.path(random)
    driving.ask(asked.app, path, changing.request(random, path), mutations.headers(random))


def _relay(asked: Apps, random: Random) -> None:
    _, events = changing.answer(random)
    path, stream = random.choice(list(changing.ASKING)), random.random() < 0.6
    said = changing.answer_body(events, stream=stream)
    if random.random() < 0.2:
        said = mutations.spoilt(said, random, 1)
    driving.relay(asked.fronting, asked.puppet, path, changing.asking(path, stream=stream), said)


def _pieces(random: Random) -> None:
    _, events = changing.answer(random)
    stream = mutations.spoilt(changing.answer_body(events, stream=True), random, random.choice((0, 1, 2)))
    driving.payloads(stream, random.choice((1, 2, 7, 50)))


DOCUMENTS: dict[str, Callable[[Apps], tuple[Document, Callable[[Any], object]]]] = {
    "a request that was made": lambda _: (_requests(ChatCompletionRequest), driving.translate),
    "a request to the server that was made": lambda asked: (
        _requests(ResponsesRequest),
        lambda body: driving.ask(asked.app, "/v1/responses", body, []),
    ),
    "a request that was changed": lambda _: (RANDOM, _translate),
    "a request to the server that was changed": lambda asked: (RANDOM, partial(_ask, asked)),
    "an answer that was made": lambda _: (_answers(), lambda both: driving.answer(*both)),
    "an answer that was changed": lambda _: (RANDOM, lambda random: driving.answer(*changing.answer(random))),
    "an answer to the server that was changed": lambda asked: (RANDOM, partial(_relay, asked)),
    "a stream in pieces": lambda _: (RANDOM, _pieces),
}
"""Documents made from the wire's types, and documents made by changing seeds at random."""

LABELS = tuple(f"{one.method} {one.template}" for one in ENDPOINTS if one.is_described)
CHAINS = "chains of operations"
STEPS = 8
"""Operations of a chain."""


def check(name: str, asked: Apps, some: settings) -> None:
    """Make as many attempts of one kind as the settings say: of `DOCUMENTS`, `LABELS` or `CHAINS`."""

    def count() -> None:
        asked.counts[name] += 1

    if name == CHAINS:
        operations.chains(asked.app, count).run(settings=some)
        return
    strategy, attempt = DOCUMENTS[name](asked) if name in DOCUMENTS else operations.asking(asked.app, name)

    def count_runs(value: Any) -> None:
        count()
        attempt(value)

    some(given(strategy)(count_runs))()
