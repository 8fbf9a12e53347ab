"""Translates OpenAI's image options to Gemini's: of /v1/images, of the tool `image_generation`, and of chats.

Gemini draws only certain ratios and sizes. The nearest ones are requested, and the answer has the size that was drawn,
read from the file's header. The file format and its compression are made by this server. OpenAI's other options
(quality, transparency, animation) have no equivalent: each gets a note.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from adapter.translate.core.capabilities import ModelCapabilities
from adapter.translate.core.context import Context
from adapter.translate.core.notes import Fate, Note, Outcome, Rejected, drop, exact, reject
from adapter.translate.core.rules import absent, config
from adapter.wire.gemini.generate import ImageConfig
from adapter.wire.openai.chat_request import ImageSettings

FORMATS = ("png", "jpeg", "webp")
"""Formats in which images are sent to clients; Gemini draws PNG or JPEG, which are converted."""

_RATIOS = {
    "1:1": (1024, 1024), "2:3": (848, 1264), "3:2": (1264, 848), "3:4": (896, 1200), "4:3": (1200, 896),
    "4:5": (928, 1152), "5:4": (1152, 928), "9:16": (768, 1376), "16:9": (1376, 768), "21:9": (1584, 672),
}  # fmt: skip
_EXTREME_RATIOS = {"1:4": (512, 2048), "4:1": (2048, 512), "1:8": (384, 3072), "8:1": (3072, 384)}
"""Pixels at 1K by ratio (ai.google.dev, image generation, 2026-11); the other sizes are multiples."""

_SIZES = {"512": 0.5, "1K": 1.0, "2K": 2.0, "4K": 4.0}
_LIMITS = ((768, "512"), (1536, "1K"), (3072, "2K"), (math.inf, "4K"))
"""Sizes by the side of a square with the wanted number of pixels, up to this one (LiteLLM 1.110.2, 2026-11)."""

_WRITTEN_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_WRITTEN_RATIO = re.compile(r"(\d{1,4}):(\d{1,4})")


class ImageForm(msgspec.Struct, frozen=True):
    """The form in which images go to the client: `kind` is `png`, `jpeg` or `webp`.

    `quality` is 1 to 100, for JPEG and WebP. If it is None, an image that has the kind already is not converted.
    """

    kind: str
    quality: int | None = None

    def is_that_of(self, kind: str) -> bool:
        """Return whether an image of a kind needs no conversion."""
        return kind == self.kind and self.quality is None


class ImageOptions:
    """The options of one request: Gemini's settings, the answer's form, and the notes."""

    def __init__(self, row: ModelCapabilities) -> None:
        self.row = row
        self.notes: list[Note] = []
        self.image = ImageConfig()
        self.kind = "png"
        self.quality: int | None = None

    @property
    def form(self) -> ImageForm:
        """The form in which images go to the client."""
        return ImageForm(self.kind, self.quality)

    def lose(self, path: str, fate: Fate, code: str, reason: str) -> None:
        """Write a note."""
        self.notes.append(Note(path, fate, code, reason))

    def ignore(self, field: str, reason: str) -> None:
        """Write a note on a field that Gemini has nothing for."""
        self.lose(field, Fate.DROPPED, "image-option-ignored", reason)


def _size(value: str, options: ImageOptions) -> None:
    """The nearest ratio and size."""
    if value == "auto":
        return
    match = _WRITTEN_SIZE.fullmatch(value)
    if match is None or not (int(match[1]) and int(match[2])):
        raise Rejected("size", "malformed-value", "a size is `auto`, or WIDTHxHEIGHT in pixels")
    width, height = int(match[1]), int(match[2])
    ratio = _nearest_ratio(width / height, options.row)
    options.image.aspect_ratio = ratio
    wanted = next(name for limit, name in _LIMITS if math.sqrt(width * height) < limit)
    size = _nearest_size(wanted, options.row)
    if options.row.image_sizes:
        options.image.image_size = size
    across, down = (round(side * _SIZES[size]) for side in (_RATIOS | _EXTREME_RATIOS)[ratio])
    if (across, down) != (width, height):
        options.lose("size", Fate.APPROXIMATED, "image-size-nearest", f"{ratio} at {size} is nearest: {across}x{down}")


def _nearest_ratio(wanted: float, row: ModelCapabilities) -> str:
    """Return the model's ratio that differs by the smallest factor."""
    ratios = _RATIOS | (_EXTREME_RATIOS if row.extreme_ratios else {})
    return min(ratios, key=lambda one: abs(math.log(wanted) - math.log(ratios[one][0] / ratios[one][1])))


def _nearest_size(wanted: str, row: ModelCapabilities) -> str:
    order = list(_SIZES)
    return min(row.image_sizes or ("1K",), key=lambda one: abs(order.index(one) - order.index(wanted)))


def _aspect_ratio(value: str, options: ImageOptions) -> None:
    """Set the ratio by Gemini's own name; the nearest one if the model does not have it."""
    match = _WRITTEN_RATIO.fullmatch(value)
    if match is None or not (int(match[1]) and int(match[2])):
        raise Rejected("aspect_ratio", "malformed-value", "a ratio is WIDTH:HEIGHT")
    ratio = _nearest_ratio(int(match[1]) / int(match[2]), options.row)
    options.image.aspect_ratio = ratio
    if ratio != value:
        options.lose("aspect_ratio", Fate.APPROXIMATED, "image-size-nearest", f"{ratio} is nearest")


def _image_size(value: str, options: ImageOptions) -> None:
    """Set the size by Gemini's own name; the nearest one if the model does not have it."""
    if value not in _SIZES:
        raise Rejected("image_size", "unknown-value", f"one of {', '.join(_SIZES)}")
    size = _nearest_size(value, options.row)
    if options.row.image_sizes:
        options.image.image_size = size
    if size != value:
        options.lose("image_size", Fate.APPROXIMATED, "image-size-nearest", f"{size} is nearest")


def _quality(value: str, options: ImageOptions) -> None:
    """Gemini has one quality."""
    if value != "auto":
        options.ignore("quality", "Gemini's images have one quality: ask for a larger size, or another model")


def _background(value: str, options: ImageOptions) -> None:
    """Gemini's images are opaque."""
    if value == "transparent":
        options.ignore("background", "Gemini's images are opaque")
    elif value not in ("auto", "opaque"):
        raise Rejected("background", "unknown-value", "one of transparent, opaque, auto")


def _output_format(value: str, options: ImageOptions) -> None:
    """The file's format."""
    if value in ("gif", "svg"):
        options.lose("output_format", Fate.DROPPED, "image-format-unavailable", f"Gemini draws no {value}: PNG is sent")
    elif value in FORMATS:
        options.kind = value
    else:
        raise Rejected("output_format", "unknown-value", f"one of {', '.join(FORMATS)}")


def _output_compression(value: int, options: ImageOptions) -> None:
    """The quality of JPEG and WebP; PNG loses nothing."""
    if not 0 <= value <= 100:
        raise Rejected("output_compression", "out-of-range", "0 to 100")
    if options.kind == "png":
        options.ignore("output_compression", "PNG has no levels of quality")
    else:
        options.quality = max(1, value)


def _partial_images(value: int, options: ImageOptions) -> None:
    """Gemini draws images whole."""
    if not 0 <= value <= 3:
        raise Rejected("partial_images", "out-of-range", "0 to 3")
    if value:
        options.lose("partial_images", Fate.DROPPED, "partial-images-absent", "Gemini sends images whole")


def _moderation(value: str, options: ImageOptions) -> None:
    """OpenAI's filter for images."""
    if value != "auto":
        options.ignore("moderation", "Gemini's own safety filters decide")


def _input_fidelity(value: str, options: ImageOptions) -> None:
    """Gemini looks at images closely."""
    if value != "high":
        options.ignore("input_fidelity", "Gemini always looks at images closely")


def _no_setting(field: str) -> Callable[[Any, ImageOptions], None]:
    """Return the rule of a field that Gemini has nothing for."""
    return lambda _value, options: options.ignore(field, "Gemini draws still images, pixel by pixel")


OptionRule = Callable[[Any, Any], None]

RULES: Mapping[str, OptionRule] = {
    "size": _size,
    "aspect_ratio": _aspect_ratio,
    "image_size": _image_size,
    "quality": _quality,
    "background": _background,
    "output_format": _output_format,
    "output_compression": _output_compression,
    "partial_images": _partial_images,
    "moderation": _moderation,
    "complexity": _no_setting("complexity"),
    "frame_count": _no_setting("frame_count"),
    "frame_duration_ms": _no_setting("frame_duration_ms"),
    "svg": _no_setting("svg"),
    "input_fidelity": _input_fidelity,
}
"""One rule per option; the format comes before its compression, a size before Gemini's own names of its parts."""

_RULES_OF_CHATS: Mapping[str, OptionRule] = {
    **RULES,
    "action": lambda value, options: value == "auto" or options.ignore("action", "the model decides whether it draws"),
    "model": lambda _value, options: options.ignore("model", "the model that answers draws the images, too"),
    "input_image_mask": lambda _value, options: options.ignore(
        "input_image_mask", "Gemini has no masks: send it as an image, and say what it means"
    ),
}


def image_config(value: ImageSettings, context: Context) -> Outcome:
    """Options of images, by OpenAI's tool for images and by OpenRouter."""
    if not _draws(context):
        return drop("modality-unavailable", "the model draws no images")
    try:
        options = _read(value, context)
    except Rejected as error:
        return reject(error.note.code, error.note.reason, error.note.path)
    fragment = config(image_config=options.image) if options.image != ImageConfig() else None
    return exact(fragment, options.notes)


def form_of(context: Context) -> ImageForm | None:
    """Return the form of a chat's images; None: as they come, since the client has not asked for a format."""
    value = context.request.image_config
    if value is None or value.output_format is None or not _draws(context):
        return None
    return _read(value, context).form


def _draws(context: Context) -> bool:
    return "IMAGE" in context.capabilities.output


def _read(value: ImageSettings, context: Context) -> ImageOptions:
    """Apply the rules to all options. Raises `Rejected`."""
    options = ImageOptions(context.capabilities)
    for field, rule in _RULES_OF_CHATS.items():
        if not absent(given := getattr(value, field)):
            rule(given, options)
    return options
