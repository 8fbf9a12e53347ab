"""What one recorded request would lose on one model: the same plan that the server would carry out, without a call."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from adapter.report.records import RecordedRequest
from adapter.translate.core.capabilities import ServedModel
from adapter.translate.core.codes import Severity
from adapter.translate.core.context import Options
from adapter.translate.core.notes import Note, Rejected
from adapter.translate.core.strictness import gravest_first
from adapter.translate.plan import PLANNERS, Plan
from adapter.wire.base import decode
from adapter.wire.limits import LimitExceeded

_INDEX = re.compile(r"\[[^][]*\]?")

Serve = Callable[[str, str], ServedModel]
"""The model that serves a name at an endpoint's path."""

Validate = Callable[[Plan], Sequence[str]]
"""The errors that Gemini would answer a planned request with."""


class Target(NamedTuple):
    """Where requests would go: a name for the report, and how a request's model becomes Gemini's."""

    name: str
    serve: Serve


class Loss(NamedTuple):
    """A kind of loss: the ledger's code, its severity, and the field, without indexes."""

    code: str
    severity: Severity
    field: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The losses of one request on one target, each once. `errors` are predicted; `plan` is None where it was refused.

    `failure` says why a request cannot be translated at all: its shape is not the API's, or no model serves it.
    """

    target: str
    model: str
    losses: tuple[Loss, ...] = ()
    errors: tuple[str, ...] = ()
    failure: str = ""
    plan: Plan | None = None

    @property
    def severity(self) -> Severity | None:
        """The gravest severity; None where nothing is lost."""
        if self.failure or self.errors:
            return Severity.BREAKS
        present = {loss.severity for loss in self.losses}
        return next((severity for severity in Severity if severity in present), None)


class Judge:
    """Judges requests against targets. One per process; it remembers nothing of a request."""

    def __init__(self, targets: Sequence[Target], options: Options, validate: Validate) -> None:
        self._targets = targets
        self._options = options
        self._validate = validate

    def verdicts(self, recorded: RecordedRequest) -> list[Verdict]:
        """One verdict for each target, in their order."""
        planner = PLANNERS.get(recorded.path)
        if planner is None:
            return [self._failed(target, "", f"{recorded.path} is not analysed") for target in self._targets]
        try:
            request, unknown = decode(recorded.body, planner.request)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LimitExceeded) as error:
            return [self._failed(target, "", str(error)) for target in self._targets]
        asked = str(getattr(request, "model", None) or "")
        verdicts = []
        for target in self._targets:
            served = target.serve(asked, recorded.path)
            try:
                plan = planner.plan(request, unknown, served, self._options)
            except Rejected as error:
                verdicts.append(self._refused(target, served.model, error))
            else:
                errors = tuple(self._validate(plan))
                losses = _losses(plan.notes)
                verdict = Verdict(target=target.name, model=plan.model, losses=losses, errors=errors, plan=plan)
                verdicts.append(verdict)
        return verdicts

    def _refused(self, target: Target, model: str, error: Rejected) -> Verdict:
        loss = Loss(error.note.code, Severity.BREAKS, field_of(error.note.path))
        losses = (loss, *(one for one in _losses(error.notes) if one != loss))
        return Verdict(target=target.name, model=model, losses=losses, failure=str(error))

    def _failed(self, target: Target, model: str, reason: str) -> Verdict:
        return Verdict(target=target.name, model=model, failure=reason)


def _losses(notes: Sequence[Note]) -> tuple[Loss, ...]:
    """Each kind of loss once, the gravest first. That another model answers is the question here, not a loss."""
    told = (note for note in gravest_first(notes) if note.code != "model-alias")
    return tuple(dict.fromkeys(Loss(note.code, note.severity, field_of(note.path)) for note in told if note.severity))


def field_of(path: str) -> str:
    """A path without its indexes: the same field of every message and tool."""
    return _INDEX.sub("", path)
