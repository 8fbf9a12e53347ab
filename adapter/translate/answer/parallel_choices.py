"""Several choices from models that give one candidate in a call: parallel calls, joined into one answer."""

import re
from collections.abc import Mapping, Sequence

import msgspec

from adapter.translate.answer import reply
from adapter.translate.core.context import Context
from adapter.wire.gemini.generate import Candidate, GenerateContentResponse, ModalityTokenCount, UsageMetadata

_CANDIDATE = re.compile(r"\Acandidates\[\d+\]")


def count_calls(context: Context) -> int:
    """Return how many calls give the choices that were asked for."""
    wanted = context.request.n or 1
    return 1 if wanted <= context.capabilities.candidates else wanted


class JoinedAnswer(GenerateContentResponse):
    """The whole answers of parallel calls as one: choice k is the answer of call k.

    `calls` are the answers without their candidates, with the usage of all calls in the first; `unknown` the fields
    of each that no Struct names.
    """

    calls: tuple[GenerateContentResponse, ...] = ()
    unknown: tuple[dict[str, msgspec.Raw], ...] = ()


class CallEvent(GenerateContentResponse, kw_only=True):
    """An event of a parallel call other than the first; its fields beside the candidate belong to its choice."""

    call: int


class ChoiceMerger:
    """Joins the answers of one request's parallel calls, whole or event by event."""

    def __init__(self, calls: int) -> None:
        self._usage: list[UsageMetadata | None] = [None] * calls
        self._silent = set(range(calls))

    def renumber(
        self, call: int, response: GenerateContentResponse, unknown: Mapping[str, msgspec.Raw] = {}
    ) -> tuple[GenerateContentResponse, dict[str, msgspec.Raw]]:
        """Return an event of one call as an event of all, and its unknown fields.

        It has a candidate, whose index is the call's, and the usage of all calls so far.
        """
        if response.usage_metadata is not None:
            self._usage[call] = response.usage_metadata
        if candidates := candidates_of(response):
            self._silent.discard(call)
        whole = msgspec.structs.replace(
            response,
            candidates=[msgspec.structs.replace(one, index=call) for one in candidates or [Candidate()]],
            usage_metadata=self.usage() if response.usage_metadata is not None else None,
        )
        if call:
            whole = CallEvent(call=call, **msgspec.structs.asdict(whole))
        return whole, {_CANDIDATE.sub(f"candidates[{call}]", path): value for path, value in unknown.items()}

    def end(self, call: int) -> None:
        """End a call. Raises `AnswerError` if it gave no candidate: its choice would be missing."""
        if call in self._silent:
            raise reply.empty_answer()

    def join(
        self, responses: Sequence[GenerateContentResponse], unknown: Sequence[Mapping[str, msgspec.Raw]] = ()
    ) -> JoinedAnswer:
        """Return the whole answers of all calls as one. Raises `AnswerError` if a call gave no candidate."""
        fields = unknown or [{}] * len(responses)
        events = [self.renumber(call, one, fields[call]) for call, one in enumerate(responses)]
        for call in range(len(responses)):
            self.end(call)
        usage = self.usage()
        calls = [
            msgspec.structs.replace(one, candidates=None, usage_metadata=None if call else usage)
            for call, (one, _) in enumerate(events)
        ]
        return JoinedAnswer(
            candidates=[one for event, _ in events for one in event.candidates or ()],
            usage_metadata=usage,
            model_version=next((one.model_version for one in calls if one.model_version), None),
            calls=tuple(calls),
            unknown=tuple(names for _, names in events),
        )

    def usage(self) -> UsageMetadata | None:
        """Return the usage of all calls, each of which bills the prompt."""
        return total(self._usage)


def total(usages: Sequence[UsageMetadata | None]) -> UsageMetadata | None:
    """Return the usage of several calls, added up."""
    counted = [usage for usage in usages if usage is not None]
    if len(counted) < 2:
        return counted[0] if counted else None
    whole = UsageMetadata()
    for name in UsageMetadata.__struct_fields__:
        setattr(whole, name, _sum([value for one in counted if (value := getattr(one, name)) is not None]))
    return whole


def candidates_of(response: GenerateContentResponse) -> list[Candidate]:
    """Return the candidates; a blocked prompt is a filtered candidate, since other calls may have answered."""
    reason = reply.block_reason(response)
    if reason is None:
        return response.candidates or []
    # Not every reason of a block is one of a candidate, and an unknown one would fail the other choices as well.
    finish_reason = reason if reason in reply.FINISH_REASONS else "SAFETY"
    return [Candidate(finish_reason=finish_reason, finish_message=reply.refusal_text(reason, None))]


def _sum(values: list[int] | list[str] | list[list[ModalityTokenCount]]) -> int | str | list[ModalityTokenCount] | None:
    """Add up counts, and details by modality; different texts are joined."""
    if not values:
        return None
    if isinstance(values[0], int):
        return sum(value for value in values if isinstance(value, int))
    if isinstance(values[0], str):
        return ", ".join(dict.fromkeys(value for value in values if isinstance(value, str)))
    totals: dict[str | None, int] = {}
    for details in values:
        for item in details if isinstance(details, list) else ():
            totals[item.modality] = totals.get(item.modality, 0) + (item.token_count or 0)
    return [ModalityTokenCount(modality=modality, token_count=count) for modality, count in totals.items()]
