"""Several choices from models that give one candidate in a call: parallel calls, joined into one answer."""

from collections.abc import Sequence

import msgspec

from adapter.translate.answer import reply
from adapter.translate.core.context import Context
from adapter.wire.gemini.generate import Candidate, GenerateContentResponse, ModalityTokenCount, UsageMetadata


def calls_needed(context: Context) -> int:
    """How many calls give the choices that were asked for."""
    wanted = context.request.n or 1
    return 1 if wanted <= context.capabilities.candidates else wanted


class Fanout:
    """Joins what the parallel calls of one request answer, whole or event by event."""

    def __init__(self, calls: int) -> None:
        self._usage: list[UsageMetadata | None] = [None] * calls

    def renumber(self, call: int, response: GenerateContentResponse) -> GenerateContentResponse:
        """An event of one call as an event of all: its candidate's index, and the usage of all calls so far."""
        if response.usage_metadata is not None:
            self._usage[call] = response.usage_metadata
        return msgspec.structs.replace(
            response,
            candidates=[msgspec.structs.replace(one, index=call) for one in answered(response)] or None,
            usage_metadata=self.usage() if response.usage_metadata is not None else None,
            prompt_feedback=None,
        )

    def join(self, responses: Sequence[GenerateContentResponse]) -> GenerateContentResponse:
        """The whole answers of all calls as one."""
        events = [self.renumber(call, response) for call, response in enumerate(responses)]
        candidates = [one for event in events for one in event.candidates or ()]
        return msgspec.structs.replace(events[0], candidates=candidates, usage_metadata=self.usage())

    def usage(self) -> UsageMetadata | None:
        """What all calls used: each bills the prompt."""
        return total(self._usage)


def total(usages: Sequence[UsageMetadata | None]) -> UsageMetadata | None:
    """What several calls used."""
    known = [usage for usage in usages if usage is not None]
    if len(known) < 2:
        return known[0] if known else None
    whole = UsageMetadata()
    for name in UsageMetadata.__struct_fields__:
        setattr(whole, name, _sum([value for one in known if (value := getattr(one, name)) is not None]))
    return whole


def answered(response: GenerateContentResponse) -> list[Candidate]:
    """The candidates; a blocked prompt is a candidate that was filtered, since other calls may have answered."""
    reason = reply.blocked(response)
    if reason is None:
        return response.candidates or []
    known = reason if reason in reply.FINISH_REASONS else "SAFETY"
    return [Candidate(finish_reason=known, finish_message=reply.refusal_text(reason, None))]


def _sum(values: list[int] | list[str] | list[list[ModalityTokenCount]]) -> int | str | list[ModalityTokenCount] | None:
    """Counts add up, details add up by modality, words are the first."""
    if not values:
        return None
    if isinstance(values[0], int):
        return sum(value for value in values if isinstance(value, int))
    if isinstance(values[0], str):
        return values[0]
    totals: dict[str | None, int] = {}
    for details in values:
        for item in details if isinstance(details, list) else ():
            totals[item.modality] = totals.get(item.modality, 0) + (item.token_count or 0)
    return [ModalityTokenCount(modality=modality, token_count=count) for modality, count in totals.items()]
