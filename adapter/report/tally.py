"""Counts over many verdicts. Tallies of parts add up, so that processes and interrupted runs can be joined.

Memory does not grow with the number of requests but by a byte per conversation and target, and a bit per conversation
and code: examples, fields and errors are bounded.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, get_origin

import msgspec

from adapter.report.prices import price_table
from adapter.report.records import Location, RecordedRequest, RecordedUsage
from adapter.report.verdicts import Loss, Verdict
from adapter.translate.core.codes import Severity

MOST_EXAMPLES = 3
MOST_ERRORS = 200
MOST_FIELDS = 100
LONGEST_EXAMPLE = 65_536
"""Bytes of a request that is kept as an example; longer ones are told by their place alone."""

LEVELS = (*reversed(Severity), None)
"""Severities from the mildest to the gravest, and None for what loses nothing."""

_LOSSLESS = 0
_LEVEL_OF = {None: _LOSSLESS} | {severity: level for level, severity in enumerate(reversed(Severity), 1)}
_SEVERITY_OF = {level: severity for severity, level in _LEVEL_OF.items()}


class Marks(msgspec.Struct):
    """A set of small numbers, a bit each."""

    bits: bytearray = msgspec.field(default_factory=bytearray)

    def add(self, number: int) -> None:
        """Put a number into the set."""
        place = number >> 3
        if place >= len(self.bits):
            self.bits.extend(bytes(place + 1 - len(self.bits)))
        self.bits[place] |= 1 << (number & 7)

    def merge(self, other: "Marks") -> None:
        """Put all numbers of another set into this one."""
        short = len(other.bits) - len(self.bits)
        if short > 0:
            self.bits.extend(bytes(short))
        for place, bits in enumerate(other.bits):
            self.bits[place] |= bits

    def __len__(self) -> int:
        return int.from_bytes(self.bits, "little").bit_count()


class Example(msgspec.Struct, frozen=True):
    """A request that shows something; the body is empty where it was too long to keep."""

    place: Location
    path: str
    body: bytes


class CodeCount(msgspec.Struct):
    """How often one loss occurs on one target."""

    severity: Severity
    requests: int = 0
    conversations: Marks = msgspec.field(default_factory=Marks)
    fields: Counter[str] = msgspec.field(default_factory=Counter)
    examples: list[Example] = []

    def merge(self, other: "CodeCount") -> None:
        """Add another count."""
        self.requests += other.requests
        self.conversations.merge(other.conversations)
        self.fields = _bounded(self.fields + other.fields, MOST_FIELDS)
        self.examples = (self.examples + other.examples)[:MOST_EXAMPLES]


class TargetTally(msgspec.Struct):
    """Counts for one target. `gravest` has a byte per conversation: the level of its worst request.

    `dollars` is what the `priced` requests with counted tokens would cost; `compared` of them have a known price
    before the migration too: `dollars_before`, and `dollars_after` for the same ones.
    """

    requests: Counter[str] = msgspec.field(default_factory=Counter)
    gravest: bytearray = msgspec.field(default_factory=bytearray)
    codes: dict[str, CodeCount] = {}
    errors: Counter[str] = msgspec.field(default_factory=Counter)
    models: Counter[str] = msgspec.field(default_factory=Counter)
    dollars: float = 0.0
    priced: int = 0
    compared: int = 0
    dollars_before: float = 0.0
    dollars_after: float = 0.0

    def add(self, number: int, recorded: RecordedRequest, verdict: Verdict, before: float | None) -> None:
        """Count a verdict on a request of the conversation with this number, which cost `before` dollars, if known."""
        self.requests[verdict.severity or "lossless"] += 1
        self._grade(number, _LEVEL_OF[verdict.severity])
        by_code: dict[str, list[Loss]] = {}
        for loss in verdict.losses:
            by_code.setdefault(loss.code, []).append(loss)
        for code, losses in by_code.items():
            count = self.codes.setdefault(code, CodeCount(losses[0].severity))
            count.requests += 1
            count.conversations.add(number)
            count.fields.update(loss.field for loss in losses)
            if len(count.examples) < MOST_EXAMPLES:
                count.examples.append(_example(recorded))
        self.errors.update(verdict.errors or ([verdict.failure] if verdict.failure and not verdict.losses else []))
        self.models[verdict.model] += 1
        self._price(recorded.usage, verdict.model, before)

    def conversations(self) -> Counter[str]:
        """How many conversations there are by their gravest severity ("lossless" where nothing is lost)."""
        levels = Counter(level - 1 for level in self.gravest if level)
        return Counter({_SEVERITY_OF[level] or "lossless": count for level, count in levels.items()})

    def merge(self, other: "TargetTally") -> None:
        """Add another tally of the same target."""
        self.requests += other.requests
        for number, level in enumerate(other.gravest):
            if level:
                self._grade(number, level - 1)
        for code, count in other.codes.items():
            if code in self.codes:
                self.codes[code].merge(count)
            else:
                self.codes[code] = count
        self.errors = _bounded(self.errors + other.errors, MOST_ERRORS)
        self.models += other.models
        self.dollars += other.dollars
        self.priced += other.priced
        self.compared += other.compared
        self.dollars_before += other.dollars_before
        self.dollars_after += other.dollars_after

    def _grade(self, number: int, level: int) -> None:
        """Remember the gravest level of a conversation; 0 in the array stands for no request yet."""
        if number >= len(self.gravest):
            self.gravest.extend(bytes(number + 1 - len(self.gravest)))
        self.gravest[number] = max(self.gravest[number], level + 1)

    def _price(self, usage: RecordedUsage | None, model: str, before: float | None) -> None:
        after = cost_of(usage, model)
        if after is None:
            return
        self.dollars += after
        self.priced += 1
        if before is not None:
            self.compared += 1
            self.dollars_before += before
            self.dollars_after += after


def read_counter(kind: Any, value: Any) -> Any:
    """Decode a `Counter`, which msgspec writes as a map; the `dec_hook` of everything that holds a tally.

    Raises:
        NotImplementedError: Another type that msgspec does not know.
    """
    if kind is Counter or get_origin(kind) is Counter:
        return Counter(value)
    raise NotImplementedError(kind)


def cost_of(usage: RecordedUsage | None, model: str) -> float | None:
    """What counted tokens cost on a model, in US dollars; None where either is unknown."""
    price = price_table().price_of(model) if usage else None
    return price.cost(usage) if price and usage else None


class TrafficTally(msgspec.Struct):
    """Counts over a part of the traffic, or over all of it. `counted`: requests whose answer's tokens are known."""

    requests: int = 0
    paths: Counter[str] = msgspec.field(default_factory=Counter)
    asked: Counter[str] = msgspec.field(default_factory=Counter)
    targets: dict[str, TargetTally] = {}
    by_model: dict[str, dict[str, Counter[str]]] = {}
    counted: int = 0

    def add(self, number: int, recorded: RecordedRequest, asked: str, verdicts: Iterable[Verdict]) -> None:
        """Count the verdicts on one request. `asked` is the model that the client named."""
        self.requests += 1
        self.paths[recorded.path] += 1
        self.asked[asked] += 1
        self.counted += recorded.usage is not None
        before = cost_of(recorded.usage, asked)
        per_target = self.by_model.setdefault(asked, {})
        for verdict in verdicts:
            self.targets.setdefault(verdict.target, TargetTally()).add(number, recorded, verdict, before)
            per_target.setdefault(verdict.target, Counter())[verdict.severity or "lossless"] += 1

    def merge(self, other: "TrafficTally") -> None:
        """Add the tally of another part."""
        self.requests += other.requests
        self.paths += other.paths
        self.asked += other.asked
        for name, target in other.targets.items():
            self.targets.setdefault(name, TargetTally()).merge(target)
        for asked, per_target in other.by_model.items():
            mine = self.by_model.setdefault(asked, {})
            for name, counts in per_target.items():
                mine[name] = mine.get(name, Counter()) + counts
        self.counted += other.counted


def _example(recorded: RecordedRequest) -> Example:
    body = recorded.body if len(recorded.body) <= LONGEST_EXAMPLE else b""
    return Example(recorded.place, recorded.path, body)


def _bounded(counts: Counter[str], most: int) -> Counter[str]:
    return Counter(dict(counts.most_common(most))) if len(counts) > most else counts
