"""Answers that Gemini gives in several calls.

An answer that reaches the limit of one request ends with CONTINUATION and a token; the same request with that token
goes on where it stopped. Google's own SDK asks again by itself and joins what comes (google-genai 3.4.0,
`automatic_continuation`). Each call counts its own tokens, and its citations from the start of what it says itself.
"""

from collections.abc import Sequence

import msgspec

from adapter.translate.answer.extras import UNFINISHED, members
from adapter.translate.answer.parallel_choices import candidates_of, total
from adapter.translate.core.context import Context
from adapter.translate.core.notes import Fate, Note
from adapter.wire.base import ABSENT, decoder, encode, present
from adapter.wire.gemini.content import Content
from adapter.wire.gemini.generate import (
    Candidate,
    GenerateContentRequest,
    GenerateContentResponse,
    GroundingMetadata,
    GroundingSupport,
    LogprobsResult,
    Segment,
    UsageMetadata,
)

CONTINUED = Note(
    "candidates[].continuationToken",
    Fate.INJECTED,
    "answer-continued",
    "the answer was longer than one request may be: further calls, which bill the prompt each, went on with it",
)

_SUPPORTS = "groundingSupports"
_MERGED = ("citation_metadata", "grounding_attributions", "url_context_metadata", "safety_ratings")


def needs_continuation(response: GenerateContentResponse) -> bool:
    """Return whether Gemini stopped at the limit of one request."""
    return UNFINISHED in [candidate.finish_reason for candidate in response.candidates or ()]


class Continuation:
    """One answer over all its calls: `feed` it each event of a call, then ask for the `next_request`.

    `calls` is how many further calls there may be.
    """

    def __init__(self, request: GenerateContentRequest, context: Context, calls: int) -> None:
        config = request.generation_config
        has_several = config is not None and (config.candidate_count or 1) > 1
        fields = context.options.fields
        takes_token = fields is None or "continuationToken" in fields
        self.is_continued = False
        self._request = request
        self._limit = config.max_output_tokens if config is not None else None
        # Each candidate ends with a token of its own, and a request takes one: it could continue only one of several.
        self._left = calls if takes_token and not has_several else 0
        # Whether there may be a further call at all.
        self.is_allowed = self._left > 0
        self._sent = request.continuation_token
        self._token: str | None = None
        self._next: str | None = None
        self._used_before: UsageMetadata | None = None
        self._used: UsageMetadata | None = None
        self._texts: list[str] = []
        self._bytes = 0
        self._bytes_before = 0
        self._grounding = ABSENT
        self._grounding_before = ABSENT

    @property
    def goes_on(self) -> bool:
        """Return whether the answer ended where another call can continue it."""
        return self._next is not None

    def next_request(self) -> GenerateContentRequest | None:
        """Return the request that goes on with the answer; None when it is complete, or must stay as it is."""
        if self._next is None:
            return None
        self._used_before, self._used = self._usage(), None
        self._bytes_before, self._bytes, self._texts = self._bytes_before + self._bytes, 0, []
        self._grounding_before = self._grounding
        self._sent, self._next, self._token = self._next, None, None
        self._left -= 1
        self.is_continued = True
        return msgspec.structs.replace(self._request, continuation_token=self._sent)

    def feed(self, response: GenerateContentResponse) -> GenerateContentResponse:
        """Return an event of this call, or its whole answer, as part of the answer of all calls."""
        stopped = False
        for candidate in response.candidates or ():
            for part in (candidate.content.parts if candidate.content is not None else None) or ():
                text = "" if part.text is None or part.thought else part.text
                self._bytes += len(text) if text.isascii() else len(text.encode())
                if self.is_continued:
                    self._texts.append(text)
            if candidate.finish_reason is not None:
                stopped |= candidate.finish_reason == UNFINISHED
            if candidate.continuation_token is not None:
                self._token = candidate.continuation_token or self._token
            if candidate.grounding_metadata is not ABSENT and present(candidate.grounding_metadata):
                self._grounding = candidate.grounding_metadata
        if response.usage_metadata is not None:
            self._used = response.usage_metadata
        return self._as_part_of_all(response) if stopped or self.is_continued else response

    def _as_part_of_all(self, response: GenerateContentResponse) -> GenerateContentResponse:
        part = msgspec.structs.replace(response, candidates=[self._as_part(one) for one in candidates_of(response)])
        if self.is_continued:
            part.response_id = part.create_time = part.prompt_feedback = None
            part.usage_metadata = self._usage() if response.usage_metadata is not None else None
        return part

    def end_incomplete(self) -> GenerateContentResponse:
        """Return an event that ends an answer whose further call failed; it has the token for another attempt."""
        ended = Candidate(index=0, finish_reason=UNFINISHED, continuation_token=self._sent)
        return GenerateContentResponse(candidates=[ended])

    def _usage(self) -> UsageMetadata | None:
        return total([self._used_before, self._used])

    def _as_part(self, candidate: Candidate) -> Candidate:
        """Return a candidate as part of the whole: without its end if the answer goes on, its citations moved."""
        part = msgspec.structs.replace(candidate)
        if candidate.finish_reason == UNFINISHED:
            if self._may_go_on():
                self._next = self._token
                part.finish_reason = part.finish_message = part.continuation_token = None
            else:
                part.continuation_token = self._token
        if self.is_continued and present(candidate.grounding_metadata):
            part.grounding_metadata = self._grounding = self._append_grounding(candidate.grounding_metadata)
        return part

    def _may_go_on(self) -> bool:
        """Return whether another call may follow: not with the same token again, nor beyond the client's limit."""
        used = self._usage() or UsageMetadata()
        spent = (used.candidates_token_count or 0) + (used.thoughts_token_count or 0)
        enough = self._limit is not None and spent >= self._limit
        return self._left > 0 and not enough and self._token not in (None, self._sent)

    def _append_grounding(self, raw: msgspec.Raw) -> msgspec.Raw:
        """Append grounding to that of the calls before. Grounding of an unknown shape stays: `citations` notes it."""
        try:
            before, now = (
                decoder(GroundingMetadata).decode(one if present(one) else b"{}")
                for one in (self._grounding_before, raw)
            )
        except msgspec.ValidationError:
            return raw
        moved = members(raw)
        if now.grounding_supports:
            sources = len(before.grounding_chunks or ())
            supports = decoder(list[msgspec.Raw]).decode(moved[_SUPPORTS])
            moved[_SUPPORTS] = msgspec.Raw(encode([self._move_support(one, sources) for one in supports]))
        return _together(self._grounding_before, msgspec.Raw(encode(moved)))

    def _move_support(self, raw: msgspec.Raw, sources: int) -> msgspec.Raw:
        """Return a support whose sources and segment count from the start of the whole answer."""
        support: GroundingSupport = decoder(GroundingSupport).decode(raw)
        moved = members(raw)
        if support.grounding_chunk_indices:
            indices = [index + sources for index in support.grounding_chunk_indices]
            moved["groundingChunkIndices"] = msgspec.Raw(encode(indices))
        if support.segment is not None:
            segment = members(moved["segment"])
            # Parts of the joined answer are others; its indexes count from the start of the whole text.
            segment.pop("partIndex", None)
            segment.update(self._segment(support.segment))
            moved["segment"] = msgspec.Raw(encode(segment))
        return msgspec.Raw(encode(moved))

    def _segment(self, segment: Segment) -> dict[str, msgspec.Raw]:
        """Return a segment of this call at its place in the whole text; in a stream its own text finds it."""
        texts = [text.encode() for text in self._texts]
        start, end = (
            sum(map(len, texts[: max(0, segment.part_index)])) + index
            for index in (segment.start_index, segment.end_index)
        )
        text = segment.text or b"".join(texts)[start:end].decode(errors="ignore")
        values = {"startIndex": start + self._bytes_before, "endIndex": end + self._bytes_before, "text": text}
        return {name: msgspec.Raw(encode(value)) for name, value in values.items()}


def join_answers(events: Sequence[GenerateContentResponse]) -> GenerateContentResponse:
    """Return the answers of all calls, as `feed` returned them, as one answer."""
    first, *others = events
    whole = msgspec.structs.replace(first)
    for other in others:
        whole.candidates = [_both(_only(whole), _only(other))]
        whole.usage_metadata = other.usage_metadata or whole.usage_metadata
    return whole


def _only(response: GenerateContentResponse) -> Candidate:
    return (response.candidates or [Candidate()])[0]


def _both(before: Candidate, later: Candidate) -> Candidate:
    """Return the answer of two calls: parts in order, counts added up, the end of the later one."""
    both = msgspec.structs.replace(later, index=before.index)
    contents = [one.content for one in (before, later) if one.content is not None]
    both.content = Content(role="model", parts=[part for one in contents for part in one.parts or ()])
    counts = [one.token_count for one in (before, later) if one.token_count is not None]
    both.token_count = sum(counts) if counts else None
    both.logprobs_result = _logprobs([one.logprobs_result for one in (before, later) if one.logprobs_result])
    if not present(later.grounding_metadata):
        both.grounding_metadata = before.grounding_metadata
    for name in _MERGED:
        setattr(both, name, _together(getattr(before, name), getattr(later, name)))
    return both


def _logprobs(results: list[LogprobsResult]) -> LogprobsResult | None:
    if len(results) < 2:
        return results[0] if results else None
    return LogprobsResult(
        chosen_candidates=[one for result in results for one in result.chosen_candidates or ()],
        top_candidates=[one for result in results for one in result.top_candidates or ()],
    )


def _together(before: msgspec.Raw, later: msgspec.Raw) -> msgspec.Raw:
    """Merge free-form values: objects by member, lists one after the other, else the later one."""
    if not present(before) or not present(later):
        return later if present(later) else before
    kinds = {bytes(memoryview(raw)[:1]) for raw in (before, later)}
    if kinds == {b"["}:
        lists = [decoder(list[msgspec.Raw]).decode(raw) for raw in (before, later)]
        return msgspec.Raw(encode([item for one in lists for item in one]))
    if kinds == {b"{"}:
        old, new = members(before), members(later)
        return msgspec.Raw(encode({**old, **{key: _together(old.get(key, ABSENT), new[key]) for key in new}}))
    return later
