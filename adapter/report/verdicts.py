"""Judges the losses of one recorded request on one model, by the plan that the server would carry out."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from adapter.report.records import RecordedRequest
from adapter.report.schemas import LossySchema, lossy_schemas
from adapter.translate.core.capabilities import ServedModel
from adapter.translate.core.codes import Severity
from adapter.translate.core.context import Options
from adapter.translate.core.notes import Note, Rejected
from adapter.translate.core.strictness import gravest_first
from adapter.translate.core.token_arrays import Detokenize
from adapter.translate.translations import Translation, endpoints
from adapter.wire.limits import LimitExceeded

_INDEX = re.compile(r"\[[^][]*\]?")

Serve = Callable[[str, str], ServedModel]
"""The model that serves a name at an endpoint's path."""

Validate = Callable[[str, str, msgspec.Struct], Sequence[str]]
"""The errors that Gemini would answer a call of a model's method with this body with."""


class RequestPath(NamedTuple):
    """A path of a recorded request: the endpoint's path without ids, and why it is not served ("": it is served)."""

    path: str
    why_not_served: str


LookUpPath = Callable[[str], RequestPath]

WhyEnded = Callable[[ServedModel], str]
"""Why a model no longer answers; "" where it does."""

NOT_SERVED = "unsupported-endpoint"
"""The code of a request whose endpoint the adapter does not have: it is answered with 404."""

ENDED = "model-ended"
"""The code of a request to a model that has ended, if nothing answers in its place."""


class Target(NamedTuple):
    """A possible destination of requests: a name for the report, and how a request's model becomes Gemini's."""

    name: str
    serve: Serve


class Loss(NamedTuple):
    """A kind of loss: the ledger's code, its severity, and the field, without indexes."""

    code: str
    severity: Severity
    field: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The losses of one request on one target, each once, and the ledger's notes. `errors` are predicted.

    `translation` is what the request becomes, None where it was refused. `failure` says why a request cannot be
    translated at all: its shape is not the API's, or nothing serves it. `input_limit` and `output_limit` are the
    model's, in tokens; 0 where there is no model.
    """

    target: str
    model: str
    losses: tuple[Loss, ...] = ()
    notes: Sequence[Note] = ()
    errors: tuple[str, ...] = ()
    failure: str = ""
    input_limit: int = 0
    output_limit: int = 0
    translation: Translation | None = None

    @property
    def severity(self) -> Severity | None:
        """The gravest severity; None where nothing is lost."""
        if self.failure or self.errors:
            return Severity.BREAKS
        present = {loss.severity for loss in self.losses}
        return next((severity for severity in Severity if severity in present), None)


class Judgement(NamedTuple):
    """The result for one request: a verdict for each target, and the schemas that lose something on one of them.

    `other` is the path of a request that is not translated. If this server serves that path, there are no verdicts.
    """

    verdicts: list[Verdict]
    schemas: Sequence[LossySchema] = ()
    other: str = ""


class Judge:
    """Judges requests against targets. One per process; it remembers nothing of a request.

    `look_up_path` tells of paths that are not translated. `detokenize` reads prompts that are token numbers. `shown` is
    the target whose lossy schemas are kept, the first one without it.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        options: Options,
        validate: Validate,
        look_up_path: LookUpPath,
        detokenize: Detokenize | None = None,
        *,
        why_ended: WhyEnded | None = None,
        shown: str = "",
    ) -> None:
        self._targets = targets
        self._why_ended = why_ended
        self._shown = shown or targets[0].name
        self._options = options
        self._validate = validate
        self._look_up_path = look_up_path
        self._endpoints = endpoints(detokenize)

    def judge(self, recorded: RecordedRequest) -> Judgement:
        """Judge a request on each target, in their order, and say what else is known of it."""
        endpoint = self._endpoints.get(recorded.path)
        if endpoint is None:
            return self._judge_untranslated(recorded.path)
        try:
            request, unknown = endpoint.decode(recorded.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LimitExceeded) as error:
            return Judgement([Verdict(target=one.name, model="", failure=str(error)) for one in self._targets])
        verdicts: list[Verdict] = []
        schemas: list[LossySchema] = []
        for target in self._targets:
            served = target.serve(str(getattr(request, "model", None) or endpoint.default_model), recorded.path)
            try:
                translation = endpoint.translate(request, unknown, served, self._options)
            except Rejected as error:
                verdict = _refuse(target, served, error)
            else:
                verdict = self._judge_translation(target, served, translation)
            if self._why_ended and (why := self._why_ended(served)):
                verdict = _end(verdict, why)
            verdicts.append(verdict)
            if target.name == self._shown:
                schemas = list(lossy_schemas(recorded.body, verdict.notes))
        return Judgement(verdicts, schemas)

    def _judge_translation(self, target: Target, served: ServedModel, translation: Translation) -> Verdict:
        method, model = translation.method, served.model
        errors = (error for body in translation.bodies for error in self._validate(model, method, body))
        return Verdict(
            target=target.name,
            model=model,
            losses=_losses(translation.notes),
            notes=translation.notes,
            errors=tuple(dict.fromkeys(errors)),
            input_limit=served.row.input_limit,
            output_limit=served.row.output_limit,
            translation=translation,
        )

    def _judge_untranslated(self, path: str) -> Judgement:
        request_path = self._look_up_path(path)
        if not request_path.why_not_served:
            return Judgement([], other=request_path.path)
        losses, why = (Loss(NOT_SERVED, Severity.BREAKS, request_path.path),), request_path.why_not_served
        verdicts = [Verdict(target=target.name, model="", losses=losses, errors=(why,)) for target in self._targets]
        return Judgement(verdicts, other=request_path.path)


def _refuse(target: Target, served: ServedModel, error: Rejected) -> Verdict:
    loss = Loss(error.note.code, Severity.BREAKS, field_of(error.note.path))
    losses = (loss, *(one for one in _losses(error.notes) if one != loss))
    notes = error.notes if error.note in error.notes else [error.note, *error.notes]
    return Verdict(target=target.name, model=served.model, losses=losses, notes=notes, failure=str(error))


def _end(verdict: Verdict, why: str) -> Verdict:
    losses = (Loss(ENDED, Severity.BREAKS, "model"), *verdict.losses)
    return msgspec.structs.replace(verdict, losses=losses, errors=(why,))


def _losses(notes: Sequence[Note]) -> tuple[Loss, ...]:
    """Return each kind of loss once, the gravest first; that another model answers is none here."""
    lossy = (note for note in gravest_first(notes) if note.code != "model-alias")
    return tuple(dict.fromkeys(Loss(note.code, note.severity, field_of(note.path)) for note in lossy if note.severity))


def field_of(path: str) -> str:
    """Return a path without its indexes: the same field of every message and tool."""
    return _INDEX.sub("", path)
