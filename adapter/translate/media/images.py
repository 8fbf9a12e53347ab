"""/v1/images: a prompt, and maybe images, as one call of generateContent for each image that is asked for.

Gemini draws in some ratios and sizes; the nearest is asked for, and the answer tells what was drawn, by the file's own
header. What else OpenAI can ask for (quality, transparency, animation) Gemini cannot: it has a note each.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from adapter.translate.content.content_parts import from_url
from adapter.translate.core.capabilities import alias_notes
from adapter.translate.core.context import EndpointContext
from adapter.translate.core.notes import Fate, Note, Rejected, unknown_notes
from adapter.translate.core.rules import absent
from adapter.translate.image_options import RULES, ImageForm, ImageOptions, OptionRule
from adapter.translate.ledger import Anchor
from adapter.wire.gemini.content import Content, Part
from adapter.wire.gemini.generate import (
    GenerateContentRequest,
    GenerationConfig,
    ImageConfig,
)
from adapter.wire.openai.images import (
    ImageEditRequest,
    ImageReference,
    ImageRequest,
    Images,
    ImageVariationRequest,
)

DEFAULT_MODEL = "gpt-image-2"
"""OpenAI's default."""

MAX_N = 10
MAX_IMAGES = 16
"""Images for one request, and images to edit (OpenAI's API reference, 2026-11)."""

VARIATION = "Make a variation of this image: the same subject and style, with different details."
MASK = (
    "Image {number} is a mask for image 1: change only what is transparent in the mask, and leave everything else of "
    "image 1 as it is."
)
MARKUP = "Image {number} is an overlay of marks for image 1: follow the marks, and do not draw them."


class ImageContext(EndpointContext, frozen=True, kw_only=True):
    """The context of one request. `max_choices`: how many images the operator allows for one request."""

    request: ImageRequest | ImageEditRequest | ImageVariationRequest
    max_choices: int = MAX_N


class ImagePlan(msgspec.Struct, frozen=True):
    """A body that goes to a model `calls` times, and the form in which its images go to the client.

    `as_url`: the client wants URLs. `sources` are the paths of the images that are sent.
    """

    model: str
    body: GenerateContentRequest
    calls: int
    notes: list[Note]
    form: ImageForm
    as_url: bool
    sources: list[str]

    @property
    def bodies(self) -> list[GenerateContentRequest]:
        """The body of each call."""
        return [self.body] * self.calls


class _ImageDraft(ImageOptions):
    """A plan in the making: each field's rule changes it."""

    def __init__(self, context: ImageContext) -> None:
        super().__init__(context.capabilities)
        self.context = context
        self.calls = 1
        self.as_url = False
        self.parts: list[Part] = []
        self.sources: list[str] = []
        self.words: list[str] = []


def to_gemini(context: ImageContext, unknown: Mapping[str, msgspec.Raw] = {}) -> ImagePlan:
    """Translate a request into the call that draws, with a note on each field that changes. Raises `Rejected`."""
    request, draft = context.request, _ImageDraft(context)
    if "IMAGE" not in context.capabilities.output:
        raise Rejected("model", "wrong-endpoint", f"{context.model} draws no images")
    if request.model is not None:
        draft.notes += alias_notes(request.model, context.served)
    draft.notes += unknown_notes(unknown)
    draft.as_url = _is_url_by_default(request.model)
    for field in request.__struct_fields__:
        value = getattr(request, field)
        if field in _RULES and not absent(value):
            _RULES[field](value, draft)
    _add_prompt(request, draft)
    settings, notes = context.safety_settings()
    draft.notes += notes
    config = GenerationConfig(response_modalities=["IMAGE"])
    if draft.image != ImageConfig():
        config.image_config = draft.image
    body = GenerateContentRequest(
        safety_settings=settings,
        generation_config=config,
        contents=[Content(role="user", parts=[*draft.parts, Part(text="\n".join(draft.words))])],
    )
    return ImagePlan(
        model=context.model,
        body=body,
        calls=draft.calls,
        notes=draft.notes,
        form=draft.form,
        as_url=draft.as_url,
        sources=draft.sources,
    )


def files_named_in(request: ImageRequest | ImageEditRequest | ImageVariationRequest) -> list[str]:
    """Return the URLs and ids by which a request names its images."""
    fields = (getattr(request, field, None) for field in ("image", "images", "mask", "markup"))
    listed = [one for value in fields if value is not None for one in (value if isinstance(value, list) else [value])]
    return [url for one in listed if (url := _url_of(one))]


def _url_of(value: str | ImageReference) -> str:
    return value if isinstance(value, str) else value.image_url or value.file_id or ""


def anchors_of(_request: object, plan: ImagePlan) -> Iterator[Anchor]:
    """List where the fields arrived; the modality IMAGE belongs to the prompt."""
    yield from (Anchor(path, f"/0/contents/0/parts/{place}") for place, path in enumerate(plan.sources))
    rest = (f"contents/0/parts/{len(plan.sources)}", "contents/0/role", "generationConfig/responseModalities")
    yield from (Anchor("prompt", f"/0/{one}") for one in rest)
    yield Anchor("size", "/0/generationConfig/imageConfig")
    yield Anchor("safety_settings", "/0/safetySettings")


def _is_url_by_default(model: str | None) -> bool:
    """Return whether the answer has URLs by default: programs made for DALL-E read `url`."""
    return model is not None and model.startswith("dall-e-")


def _add_prompt(request: ImageRequest | ImageEditRequest | ImageVariationRequest, draft: _ImageDraft) -> None:
    """Add the prompt, and what masks and marks mean. Raises `Rejected`."""
    if isinstance(request, ImageVariationRequest):
        draft.words.append(VARIATION)
        draft.lose("prompt", Fate.INJECTED, "variation-prompt-added", "a prompt asks for an image like the one sent")
        return
    if not request.prompt.strip():
        raise Rejected("prompt", "value-missing", "there is nothing to draw")
    if isinstance(request, ImageEditRequest) and not draft.parts:
        raise Rejected("image", "value-missing", "there is no image to edit")
    draft.words.append(request.prompt)
    for field, words in (("mask", MASK), ("markup", MARKUP)):
        value = getattr(request, field, None)
        if value is not None:
            draft.parts += _image_parts(value, field, draft)
            draft.words.append(words.format(number=len(draft.parts)))
            reason = "Gemini has no masks: it goes as another image, with an instruction"
            draft.lose(field, Fate.APPROXIMATED, "mask-as-image", reason)


def _n(value: int, draft: _ImageDraft) -> None:
    """One call for each image: image models give one candidate."""
    most = min(MAX_N, draft.context.max_choices)
    if not 1 <= value <= most:
        raise Rejected("n", "out-of-range", f"1 to {most} images are drawn for one request")
    draft.calls = value
    if value > 1:
        reason = "each image is a call of its own, with the whole prompt"
        draft.lose("n", Fate.APPROXIMATED, "choices-by-calls", reason)


def _response_format(value: str, draft: _ImageDraft) -> None:
    """Base64, or a URL."""
    if value not in ("b64_json", "url"):
        raise Rejected("response_format", "unknown-value", "b64_json or url")
    draft.as_url = value == "url"
    if draft.as_url and getattr(draft.context.request, "stream", None):
        draft.ignore("response_format", "the events of a stream hold images as base64")


def _style(value: str, draft: _ImageDraft) -> None:
    """DALL-E's styles; `vivid` was the default."""
    if value != "vivid":
        draft.ignore("style", "Gemini has no styles: describe it in the prompt")


def _end_user(field: str) -> Callable[[Any, _ImageDraft], None]:
    """Return the rule of a field that names the end user."""
    reason = "Gemini is not told who the end user is"
    return lambda _value, draft: draft.lose(field, Fate.DROPPED, "user-not-sent", reason)


def _images(field: str) -> Callable[[Images, _ImageDraft], None]:
    """Return the rule of a field that holds images."""

    def rule(value: Images, draft: _ImageDraft) -> None:
        listed = value if isinstance(value, list) else [value]
        for index, image in enumerate(listed):
            draft.parts += _image_parts(image, f"{field}[{index}]" if isinstance(value, list) else field, draft)
        if len(draft.parts) > MAX_IMAGES:
            raise Rejected(field, "limit-exceeded", f"at most {MAX_IMAGES} images are edited at once")

    return rule


def _image_parts(value: str | ImageReference, path: str, draft: _ImageDraft) -> list[Part]:
    """Return the part for an image. Raises `Rejected`."""
    url = _url_of(value)
    if not url:
        raise Rejected(path, "value-missing", "an image is a file, a URL or the id of a file")
    at = path if isinstance(value, str) else f"{path}.{'image_url' if value.image_url else 'file_id'}"
    parts, notes = from_url(url, at, draft.context.as_chat())
    draft.notes += notes
    draft.sources += [at] * len(parts)
    return parts


_RULES: Mapping[str, OptionRule] = {
    **RULES,
    "n": _n,
    "response_format": _response_format,
    "style": _style,
    "safety_identifier": _end_user("safety_identifier"),
    "user": _end_user("user"),
    "image": _images("image"),
    "images": _images("images"),
}
"""One rule per field, but for those that are read together: prompt, mask, markup, model, stream."""
