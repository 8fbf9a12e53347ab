"""Grounding as OpenAI's url_citations."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from adapter.translate.core.notes import Fate, Note
from adapter.wire.base import decoder, present
from adapter.wire.gemini.generate import GroundingMetadata, GroundingSupport, Segment
from adapter.wire.openai.chat_answer import Annotation, UrlCitation


class Citations(NamedTuple):
    """Citations in OpenAI's form, and notes on the ones without a place."""

    annotations: list[Annotation]
    notes: list[Note]


def citations(raw: msgspec.Raw, texts: Sequence[str]) -> Citations:
    """Return grounding supports as url_citations; `texts` are the answer's parts, "" for hidden ones.

    Gemini counts UTF-8 bytes inside one part, OpenAI characters of the whole text
    (github.com/google-gemini/gemini-cli/issues/29039).
    """
    result = Citations([], [])
    if not present(raw):
        return result
    try:
        metadata: GroundingMetadata = decoder(GroundingMetadata).decode(raw)
    except msgspec.ValidationError as error:
        result.notes.append(Note("groundingMetadata", Fate.APPROXIMATED, "citation-lost", f"no citations: {error}"))
        return result
    sources = [chunk.web or chunk.maps or chunk.retrieved_context for chunk in metadata.grounding_chunks or ()]
    for number, support in enumerate(metadata.grounding_supports or ()):
        span = _span(support, texts)
        if span is None:
            path = f"groundingMetadata.groundingSupports[{number}]"
            result.notes.append(
                Note(path, Fate.APPROXIMATED, "citation-lost", "no citation: its segment is not in the text")
            )
            continue
        for index in support.grounding_chunk_indices or ():
            source = sources[index] if 0 <= index < len(sources) else None
            if source is not None:
                citation = UrlCitation(
                    start_index=span[0], end_index=span[1], url=source.uri or "", title=source.title or ""
                )
                result.annotations.append(Annotation(type="url_citation", url_citation=citation))
    return result


def _span(support: GroundingSupport, texts: Sequence[str]) -> tuple[int, int] | None:
    """Return the start and end of a segment in the joined text, in characters.

    First in the part that Gemini names; then by the same indexes in the whole, since a stream does not tell where
    parts begin; else the segment's text is looked for.
    """
    segment = support.segment
    if segment is None:
        return None
    named = 0 <= segment.part_index < len(texts)
    part = texts[segment.part_index] if named else ""
    start, end = _characters(part, segment)
    if start < end and segment.text in ("", part[start:end]):
        offset = sum(map(len, texts[: segment.part_index]))
        return offset + start, offset + end
    whole = "".join(texts)
    start, end = _characters(whole, segment)
    if not segment.text or whole[start:end] == segment.text:
        return (start, end) if segment.text else None
    at = whole.find(segment.text)
    return (at, at + len(segment.text)) if at >= 0 else None


def _characters(text: str, segment: Segment) -> tuple[int, int]:
    """Return a segment's indexes, which count bytes, as those of characters."""
    data = text.encode()
    # An index may fall inside of a character.
    start, end = (data[: max(0, index)].decode(errors="ignore") for index in (segment.start_index, segment.end_index))
    return len(start), len(end)
