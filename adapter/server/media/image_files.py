"""Images in other formats, by Pillow."""

import io

from PIL import Image

from adapter.translate.core.errors import AnswerError

MAX_PIXELS = 64 * 1024 * 1024
"""The largest images of Gemini's have 17 million pixels; a small file that claims more is no image of its."""

_USUAL_QUALITY = 95
"""The quality of JPEG and WebP if the client names none."""


def convert_image(data: bytes, kind: str, quality: int | None = None) -> bytes:
    """Return an image as `png`, `jpeg` or `webp`; `quality`, of the latter two, is 1 to 100.

    Raises `AnswerError` for what is no image, and for one that is too large to be opened or for the other format.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise AnswerError(502, "malformed_response", f"Gemini's image is too large: {image.size}.")
            has_alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
            colours = image.convert("RGBA" if has_alpha and kind != "jpeg" else "RGB")
        file = io.BytesIO()
        options = {} if kind == "png" else {"quality": quality or _USUAL_QUALITY}
        colours.save(file, kind.upper(), **options)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise AnswerError(502, "malformed_response", f"Gemini's image cannot be converted: {error}") from None
    return file.getvalue()
