"""Gemini's images in the form that a client wants."""

import asyncio
from base64 import b64decode, b64encode

from adapter import extras
from adapter.translate.image_options import ImageForm
from adapter.translate.media.image_answers import DrawnImage, read_image
from adapter.translate.media.image_headers import read_image_header
from adapter.wire.gemini.content import Blob, Part
from adapter.wire.gemini.generate import GenerateContentResponse


def convert(image: DrawnImage, form: ImageForm) -> DrawnImage:
    """Return an image in a form; one that has it stays as it came. Raises `AnswerError`."""
    if form.is_that_of(image.header.kind):
        return image
    files = extras.load("adapter.server.media.image_files")
    data: bytes = files.convert_image(b64decode(image.data), form.kind, form.quality)
    header = read_image_header(data)
    assert header is not None, "what was written just now can be read"
    return DrawnImage(b64encode(data).decode(), header)


async def convert_answer(response: GenerateContentResponse, form: ImageForm) -> None:
    """Convert the images of an answer, or of an event, where they are. Raises `AnswerError`."""
    for candidate in response.candidates or ():
        for part in (candidate.content and candidate.content.parts) or ():
            if part.inline_data is not None and (part.inline_data.mime_type or "").startswith("image/"):
                await _convert_part(part, part.inline_data, form)


async def _convert_part(part: Part, blob: Blob, form: ImageForm) -> None:
    image = read_image(blob)
    converted = await asyncio.to_thread(convert, image, form)
    if converted is not image:
        part.inline_data = Blob(mime_type=f"image/{converted.header.kind}", data=converted.data)
        # It was made for the other file: beside this one Gemini would find it corrupted.
        part.thought_signature = None
