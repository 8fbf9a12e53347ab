"""POST /v1/images/generations, /edits and /variations (openai-python 3.57.0; edits in JSON: OpenAI's reference).

A file of a form stands in a request as the URL `upload:` and its number; its bytes are kept apart.
"""

import msgspec

from adapter.wire.base import ABSENT, Wire


class ImageOptions(Wire):
    """Fields that all requests for images have."""

    model: str | None = None
    n: int | None = None
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    output_compression: int | None = None
    partial_images: int | None = None
    stream: bool | None = None
    moderation: str | None = None
    response_format: str | None = None
    style: str | None = None
    complexity: str | None = None
    frame_count: int | None = None
    frame_duration_ms: int | None = None
    svg: msgspec.Raw = ABSENT
    safety_identifier: str | None = None
    user: str | None = None


class ImageRequest(ImageOptions, kw_only=True):
    """An image for a prompt."""

    prompt: str


class ImageReference(Wire):
    """An image by URL (a data URL, too) or by the id of a file."""

    image_url: str | None = None
    file_id: str | None = None


Images = str | ImageReference | list[str | ImageReference]
"""One image or several: files of a form, or references."""


class ImageEditRequest(ImageOptions, kw_only=True):
    """New images from old ones. Forms have `image`, JSON has `images`."""

    prompt: str
    image: Images | None = None
    images: Images | None = None
    mask: str | ImageReference | None = None
    markup: str | ImageReference | None = None
    input_fidelity: str | None = None


class ImageVariationRequest(Wire):
    """Other images like one."""

    image: str | ImageReference
    model: str | None = None
    n: int | None = None
    size: str | None = None
    response_format: str | None = None
    user: str | None = None


class GeneratedImage(Wire):
    """One image, as base64 or under a URL."""

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class ImageTokens(Wire, omit_defaults=False):
    """Tokens by kind."""

    image_tokens: int = 0
    text_tokens: int = 0


class ImageUsage(Wire, omit_defaults=False):
    """Tokens of all calls."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    input_tokens_details: ImageTokens = msgspec.field(default_factory=ImageTokens)
    output_tokens_details: ImageTokens = msgspec.field(default_factory=ImageTokens)


class ImagesResponse(Wire):
    """The images; `size`, `output_format` and `background` are the drawn image's."""

    created: int
    data: list[GeneratedImage]
    background: str | None = None
    output_format: str | None = None
    quality: str | None = None
    size: str | None = None
    usage: ImageUsage | None = None


class ImageEvent(Wire, omit_defaults=False):
    """A whole image in a stream."""

    b64_json: str
    background: str
    created_at: int
    output_format: str
    quality: str
    size: str
    usage: ImageUsage


class ImageGenerationCompleted(ImageEvent, tag_field="type", tag="image_generation.completed"):
    """An image for a prompt."""


class ImageEditCompleted(ImageEvent, tag_field="type", tag="image_edit.completed"):
    """An image from others."""
