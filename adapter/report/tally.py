"""Counts over many verdicts. Tallies can be added, so that several processes count, and interrupted runs go on.

Memory grows by a byte for each conversation and target, and by a bit for each conversation and code, but not with the
number of requests: examples, fields, errors and schemas are limited.
"""

from collections import Counter
from typing import Any, get_origin

import msgspec

from adapter.report.prices import price_table
from adapter.report.records import Location, RecordedRequest, RecordedUsage
from adapter.report.schemas import LossySchema, SchemaLoss
from adapter.report.verdicts import Judgement, Loss, Verdict
from adapter.translate.core.codes import Severity

MOST_EXAMPLES = 3
MOST_ERRORS = 200
MOST_FIELDS = 100
MOST_SCHEMAS = 200
LONGEST_EXAMPLE = 65_536
"""Bytes of a request that is kept as an example; of longer ones only their place is kept."""

_LOSSLESS = 0
_LEVEL_OF = {None: _LOSSLESS} | {severity: level for level, severity in enumerate(reversed(Severity), 1)}
_SEVERITY_OF = {level: severity for severity, level in _LEVEL_OF.items()}


MOST_SPARSE = 64
"""Numbers that are held one by one: more than a chunk of requests has, so what worker processes send stays small."""


class Marks(msgspec.Struct):
    """A set of small numbers: the newest in a plain set, the others as a bit each (see `fold`)."""

    bits: bytearray = msgspec.field(default_factory=bytearray)
    sparse: set[int] = set()

    def add(self, number: int) -> None:
        """Put a number into the set."""
        self.sparse.add(number)
        if len(self.sparse) > MOST_SPARSE:
            self.fold()

    def merge(self, other: "Marks") -> None:
        """Put all numbers of another set into this one."""
        if other.bits:
            size = max(len(self.bits), len(other.bits))
            both = int.from_bytes(self.bits, "little") | int.from_bytes(other.bits, "little")
            self.bits = bytearray(both.to_bytes(size, "little"))
        for number in other.sparse:
            self.add(number)

    def fold(self) -> None:
        """Move the numbers of the plain set to the bits."""
        self.bits.extend(bytes(max(0, max(self.sparse, default=-1) // 8 + 1 - len(self.bits))))
        for number in self.sparse:
            self.bits[number >> 3] |= 1 << (number & 7)
        self.sparse.clear()

    def __len__(self) -> int:
        self.fold()
        return int.from_bytes(self.bits, "little").bit_count()


class Levels(msgspec.Struct):
    """The gravest level of each conversation, by its number: the newest in a dict, the others as a byte each.

    A byte is one more than the level; 0 stands for a conversation without a request.
    """

    bytes_: bytearray = msgspec.field(default_factory=bytearray)
    sparse: dict[int, int] = {}

    def add(self, number: int, level: int) -> None:
        """Count a request of a conversation."""
        self.sparse[number] = max(self.sparse.get(number, 0), level)
        if len(self.sparse) > MOST_SPARSE:
            self.fold()

    def merge(self, other: "Levels") -> None:
        """Add the levels of another part."""
        for number, byte in enumerate(other.bytes_):
            if byte:
                self.add(number, byte - 1)
        for number, level in other.sparse.items():
            self.add(number, level)

    def fold(self) -> None:
        """Move the levels in the dict to the bytes."""
        self.bytes_.extend(bytes(max(0, max(self.sparse, default=-1) + 1 - len(self.bytes_))))
        for number, level in self.sparse.items():
            self.bytes_[number] = max(self.bytes_[number], level + 1)
        self.sparse.clear()

    def counts(self) -> Counter[int]:
        """Return how many conversations have each level."""
        self.fold()
        return Counter(byte - 1 for byte in self.bytes_ if byte)


class Example(msgspec.Struct, frozen=True):
    """An example of a loss: the place of a request, and its body, which is empty if it is not kept."""

    place: Location
    path: str
    body: bytes


class CodeCount(msgspec.Struct):
    """The number of times that one loss occurs on one target."""

    severity: Severity
    requests: int = 0
    conversations: Marks = msgspec.field(default_factory=Marks)
    fields: Counter[str] = msgspec.field(default_factory=Counter)
    examples: list[Example] = []

    def merge(self, other: "CodeCount") -> None:
        """Add another count."""
        self.requests += other.requests
        self.conversations.merge(other.conversations)
        self.fields = _keep_most_common(self.fields + other.fields, MOST_FIELDS)
        self.examples = (self.examples + other.examples)[:MOST_EXAMPLES]


class SchemaCount(msgspec.Struct):
    """The number of requests with one schema, which loses something on the first target."""

    name: str
    field: str
    schema: bytes
    losses: list[SchemaLoss]
    place: Location
    requests: int = 1


class TargetTally(msgspec.Struct):
    """Counts for one target. `gravest` has the level of each conversation's worst request.

    `over_input` and `over_output` count the requests whose recorded tokens exceed the model's limits.

    `dollars` is what the `priced` requests with counted tokens would cost; `compared` of them have a known price
    before the migration too: `dollars_before`, and `dollars_after` for the same ones.
    """

    requests: Counter[str] = msgspec.field(default_factory=Counter)
    gravest: Levels = msgspec.field(default_factory=Levels)
    codes: dict[str, CodeCount] = {}
    errors: Counter[str] = msgspec.field(default_factory=Counter)
    models: Counter[str] = msgspec.field(default_factory=Counter)
    over_input: int = 0
    over_output: int = 0
    dollars: float = 0.0
    priced: int = 0
    compared: int = 0
    dollars_before: float = 0.0
    dollars_after: float = 0.0

    def add(
        self, number: int, recorded: RecordedRequest, verdict: Verdict, before: float | None, *, keeps_body: bool
    ) -> None:
        """Count a verdict on a request of the conversation with this number, which cost `before` dollars, if known.

        `keeps_body` is whether the body is kept if the request becomes an example.
        """
        self.requests[verdict.severity or "lossless"] += 1
        self.gravest.add(number, _LEVEL_OF[verdict.severity])
        by_code: dict[str, list[Loss]] = {}
        for loss in verdict.losses:
            by_code.setdefault(loss.code, []).append(loss)
        for code, losses in by_code.items():
            count = self.codes.setdefault(code, CodeCount(losses[0].severity))
            count.requests += 1
            count.conversations.add(number)
            count.fields.update(loss.field for loss in losses)
            if len(count.examples) < MOST_EXAMPLES:
                count.examples.append(_example(recorded, keeps_body=keeps_body))
        self.errors.update(verdict.errors or ([verdict.failure] if verdict.failure and not verdict.losses else []))
        self.models[verdict.model] += 1
        if recorded.usage is not None and verdict.input_limit:
            self.over_input += recorded.usage.input > verdict.input_limit
            self.over_output += recorded.usage.output > verdict.output_limit
        self._price(recorded.usage, verdict.model, before)

    def conversations(self) -> Counter[str]:
        """Return how many conversations there are by their gravest severity ("lossless" where nothing is lost)."""
        return Counter({_SEVERITY_OF[level] or "lossless": count for level, count in self.gravest.counts().items()})

    def merge(self, other: "TargetTally") -> None:
        """Add another tally of the same target."""
        self.requests += other.requests
        self.gravest.merge(other.gravest)
        for code, count in other.codes.items():
            if code in self.codes:
                self.codes[code].merge(count)
            else:
                self.codes[code] = count
        self.errors = _keep_most_common(self.errors + other.errors, MOST_ERRORS)
        self.models += other.models
        self.over_input += other.over_input
        self.over_output += other.over_output
        self.dollars += other.dollars
        self.priced += other.priced
        self.compared += other.compared
        self.dollars_before += other.dollars_before
        self.dollars_after += other.dollars_after

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
    """Return the price of counted tokens on a model, in US dollars; None where tokens or price are unknown."""
    price = price_table().price_of(model) if usage else None
    return price.cost(usage) if price and usage else None


class TrafficTally(msgspec.Struct):
    """Counts over a part of the traffic, or over all of it.

    `others` has the requests at endpoints that are served and not translated, which count nowhere else. `by_model` and
    `by_path` have the grades of requests by what was asked for, and by endpoint, for each target. `asked` has
    the models that clients named, `served` the model that the first target serves each with, `asked_at` their paths.
    `counted`: requests whose answer's tokens are known; `most_input` and `most_output` are the largest of them.
    """

    requests: int = 0
    others: Counter[str] = msgspec.field(default_factory=Counter)
    paths: Counter[str] = msgspec.field(default_factory=Counter)
    asked: Counter[str] = msgspec.field(default_factory=Counter)
    asked_at: dict[str, Counter[str]] = {}
    served: dict[str, str] = {}
    targets: dict[str, TargetTally] = {}
    by_model: dict[str, dict[str, Counter[str]]] = {}
    by_path: dict[str, dict[str, Counter[str]]] = {}
    schemas: dict[str, SchemaCount] = {}
    counted: int = 0
    most_input: int = 0
    most_output: int = 0

    @property
    def judged_count(self) -> int:
        """Return how many requests have been looked at."""
        return self.requests + self.others.total()

    def add(self, number: int, recorded: RecordedRequest, model: str, judgement: Judgement) -> None:
        """Count what is known of one request. `model` is the model that the client named."""
        if not judgement.verdicts:
            self.others[judgement.other] += 1
            return
        self.requests += 1
        path = judgement.other or recorded.path
        self.paths[path] += 1
        self.asked[model] += 1
        self.asked_at.setdefault(model, Counter())[path] += 1
        self._count_tokens(recorded.usage)
        before = cost_of(recorded.usage, model)
        groups = (self.by_model.setdefault(model, {}), self.by_path.setdefault(path, {}))
        first = judgement.verdicts[0]
        if first.model:
            self.served.setdefault(model, first.model)
        for verdict in judgement.verdicts:
            target, keeps_body = self.targets.setdefault(verdict.target, TargetTally()), verdict is first
            target.add(number, recorded, verdict, before, keeps_body=keeps_body)
            for per_target in groups:
                per_target.setdefault(verdict.target, Counter())[verdict.severity or "lossless"] += 1
        for schema in judgement.schemas:
            self._count_schema(recorded, schema)

    def merge(self, other: "TrafficTally") -> None:
        """Add the tally of another part, which comes after this one."""
        self.requests += other.requests
        self.others += other.others
        self.paths += other.paths
        self.asked += other.asked
        for model, paths in other.asked_at.items():
            self.asked_at[model] = self.asked_at.get(model, Counter()) + paths
        self.served = other.served | self.served
        for name, target in other.targets.items():
            self.targets.setdefault(name, TargetTally()).merge(target)
        _merge_grades(self.by_model, other.by_model)
        _merge_grades(self.by_path, other.by_path)
        self._merge_schemas(other.schemas)
        self.counted += other.counted
        self.most_input = max(self.most_input, other.most_input)
        self.most_output = max(self.most_output, other.most_output)

    def _count_tokens(self, usage: RecordedUsage | None) -> None:
        if usage is not None:
            self.counted += 1
            self.most_input = max(self.most_input, usage.input)
            self.most_output = max(self.most_output, usage.output)

    def _count_schema(self, recorded: RecordedRequest, schema: LossySchema) -> None:
        count = self.schemas.get(schema.key)
        if count is not None:
            count.requests += 1
        else:
            losses = list(schema.losses)
            self.schemas[schema.key] = SchemaCount(schema.name, schema.field, schema.schema, losses, recorded.place)

    def _merge_schemas(self, others: dict[str, SchemaCount]) -> None:
        for key, count in others.items():
            if key in self.schemas:
                self.schemas[key].requests += count.requests
            else:
                self.schemas[key] = count
        if len(self.schemas) > MOST_SCHEMAS:
            most = sorted(self.schemas.items(), key=lambda item: -item[1].requests)[:MOST_SCHEMAS]
            self.schemas = dict(most)


Grades = dict[str, dict[str, Counter[str]]]
"""The number of requests with each grade, by a group's name and a target's."""


def _merge_grades(grades: Grades, others: Grades) -> None:
    for name, per_target in others.items():
        mine = grades.setdefault(name, {})
        for target, counts in per_target.items():
            mine[target] = mine.get(target, Counter()) + counts


def _example(recorded: RecordedRequest, *, keeps_body: bool) -> Example:
    body = recorded.body if keeps_body and len(recorded.body) <= LONGEST_EXAMPLE else b""
    return Example(recorded.place, recorded.path, body)


def _keep_most_common(counts: Counter[str], most: int) -> Counter[str]:
    return Counter(dict(counts.most_common(most))) if len(counts) > most else counts
