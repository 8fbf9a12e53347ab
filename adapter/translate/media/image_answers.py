"""Answers with images: Gemini's images, by calls, as OpenAI's answer or as events of its stream."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from adapter.translate.answer import reply
from adapter.translate.answer.parallel_choices import total
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Fate, Note
from adapter.translate.media.image_headers import ImageHeader, read_header_of_base64
from adapter.translate.media.images import ImagePlan
from adapter.wire.gemini.content import Blob
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.openai.images import (
    GeneratedImage,
    ImageEditCompleted,
    ImageGenerationCompleted,
    ImagesResponse,
    ImageTokens,
    ImageUsage,
)


class DrawnImage(NamedTuple):
    """An image of Gemini's as base64, and its header."""

    data: str
    header: ImageHeader


_BLOCKED = "moderation_blocked"
_BROKEN = reply.FAILURES | {"FINISH_REASON_UNSPECIFIED"}
_REASONS = {
    "RECITATION": "content_policy_violation",
    "IMAGE_RECITATION": "content_policy_violation",
    "NO_IMAGE": "no_image_generated",
    "IMAGE_OTHER": "no_image_generated",
    "OTHER": "no_image_generated",
    "STOP": "no_image_generated",
    "MAX_TOKENS": "no_image_generated",
}
"""OpenAI's code for an answer without an image, by Gemini's finish reason; any that is in neither table is a block."""


class ImageReader:
    """Reads the answers of all calls as images, one for each call. `notes`: the losses so far."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self._has_image = False
        self._calls = 0
        self._failure: AnswerError | None = None

    def feed(self, answer: GenerateContentResponse) -> DrawnImage | None:
        """Return the image of a call; None where it has drawn none. Raises `AnswerError` for one that is broken."""
        self._calls += 1
        drawn = list(_blobs_of(answer))
        if not drawn:
            failure = _failure_of(answer)
            self._failure = self._failure or failure
            self.notes.append(Note("data", Fate.DROPPED, "images-missing", failure.message))
            return None
        if _has_words(answer):
            reason = "Gemini said words beside the image"
            self.notes.append(Note("data", Fate.DROPPED, "answer-detail-dropped", reason))
        if len(drawn) > 1:
            reason = f"call {self._calls} gave {len(drawn)} images: the last one is sent"
            self.notes.append(Note("data", Fate.DROPPED, "images-left-out", reason))
        self._has_image = True
        # Where a model draws several, the last one is the finished one.
        return read_image(drawn[-1])

    def close(self) -> None:
        """Raise the first `AnswerError` where no call has drawn an image."""
        if self._failure is not None and not self._has_image:
            raise self._failure


def from_gemini(
    answers: Sequence[GenerateContentResponse],
) -> tuple[list[DrawnImage], ImageUsage | None, list[Note]]:
    """Return the images of all calls, their usage, and notes. Raises `AnswerError` where none was drawn."""
    reader = ImageReader()
    images = [image for answer in answers if (image := reader.feed(answer)) is not None]
    reader.close()
    return images, usage_of(answers), reader.notes


def _blobs_of(answer: GenerateContentResponse) -> Iterator[Blob]:
    """Yield the images of an answer; those that belong to its thoughts are drafts."""
    for candidate in answer.candidates or ():
        for part in (candidate.content and candidate.content.parts) or ():
            blob = part.inline_data
            if blob is not None and not part.thought and (blob.mime_type or "").startswith("image/"):
                yield blob


def _has_words(answer: GenerateContentResponse) -> bool:
    return any(
        part.text and not part.thought
        for candidate in answer.candidates or ()
        for part in (candidate.content and candidate.content.parts) or ()
    )


def read_image(blob: Blob) -> DrawnImage:
    """Read an image of Gemini's. Raises `AnswerError`."""
    data = (blob.data or "").translate(_STANDARD)
    try:
        header = read_header_of_base64(data)
    except ValueError as error:
        raise AnswerError(502, "malformed_response", f"Gemini's image is not base64: {error}") from None
    if header is None:
        raise AnswerError(502, "malformed_response", f"Gemini's image cannot be read: {blob.mime_type}.")
    return DrawnImage(data, header)


_STANDARD = str.maketrans("-_", "+/")


def _failure_of(answer: GenerateContentResponse) -> AnswerError:
    """Return the error for an answer without an image."""
    block = reply.block_reason(answer)
    if block is not None:
        return AnswerError(400, _BLOCKED, f"{reply.block_message(answer) or 'Gemini blocked the prompt.'} ({block})")
    candidates = answer.candidates or []
    if not candidates:
        return AnswerError(502, "malformed_response", "Gemini's answer holds nothing.", retry=True)
    reason = candidates[0].finish_reason or "STOP"
    if reason in _BROKEN:
        return AnswerError(502, "malformed_response", f"Gemini broke off its answer ({reason}).", retry=True)
    parts = (candidates[0].content and candidates[0].content.parts) or []
    words = candidates[0].finish_message or "".join(part.text or "" for part in parts if not part.thought)
    code = _REASONS.get(reason, _BLOCKED)
    return AnswerError(400, code, f"Gemini drew no image ({reason}). {words}".strip())


def usage_of(answers: Sequence[GenerateContentResponse]) -> ImageUsage | None:
    """Return the tokens of all calls; None where one of them does not tell."""
    usages = [answer.usage_metadata for answer in answers]
    whole = total(usages)
    if whole is None or None in usages:
        return None
    used = reply.usage(whole)
    inputs, outputs = used.prompt_tokens, used.completion_tokens
    seen = reply.tokens_of_modality(whole.prompt_tokens_details or [], "IMAGE")
    # An answer whose tokens are not told by kind is an image alone.
    kinds = whole.candidates_tokens_details
    drawn = reply.tokens_of_modality(kinds, "IMAGE") if kinds else whole.candidates_token_count or 0
    return ImageUsage(
        input_tokens=inputs,
        output_tokens=outputs,
        total_tokens=inputs + outputs,
        input_tokens_details=ImageTokens(image_tokens=seen, text_tokens=inputs - seen),
        output_tokens_details=ImageTokens(image_tokens=drawn, text_tokens=outputs - drawn),
    )


def answer_of(
    images: Sequence[DrawnImage], usage: ImageUsage | None, plan: ImagePlan, created: int, links: Sequence[str] = ()
) -> ImagesResponse:
    """Return OpenAI's answer; its size is the first image's. `links` lead to the images, if any."""
    first = images[0].header
    return ImagesResponse(
        created=created,
        data=[GeneratedImage(url=link) for link in links] or [_image(image, plan) for image in images],
        background=_background_of(first),
        output_format=first.kind,
        size=first.size,
        usage=usage,
    )


def _background_of(header: ImageHeader) -> str | None:
    return None if header.has_alpha else "opaque"


def _image(one: DrawnImage, plan: ImagePlan) -> GeneratedImage:
    if plan.as_url:
        return GeneratedImage(url=f"data:image/{one.header.kind};base64,{one.data}")
    return GeneratedImage(b64_json=one.data)


def url_notes(plan: ImagePlan) -> list[Note]:
    """Return the note on images whose client wants URLs."""
    if not plan.as_url:
        return []
    reason = "no link to fetch: the URL is a data URL, which holds the image"
    return [Note("response_format", Fate.APPROXIMATED, "image-url-inline", reason)]


def event_of(
    image: DrawnImage, usage: ImageUsage | None, created: int, *, edits: bool
) -> ImageGenerationCompleted | ImageEditCompleted:
    """Return the stream's event for a whole image; its usage is that of its own call."""
    kind = ImageEditCompleted if edits else ImageGenerationCompleted
    return kind(
        b64_json=image.data,
        background=_background_of(image.header) or "auto",
        created_at=created,
        output_format=image.header.kind,
        quality="auto",
        size=image.header.size,
        usage=usage or ImageUsage(),
    )
