"""POST /v1/images/generations, /edits and /variations."""

import asyncio
import logging
import time
from base64 import b64decode, b64encode

from adapter import extras
from adapter.server.endpoints import media_calls, model_calls
from adapter.server.pipeline.call import Call
from adapter.server.state.not_stored import NotStored
from adapter.translate.media import image_answers, images
from adapter.translate.media.image_answers import DrawnImage
from adapter.translate.media.image_headers import read_image_header
from adapter.translate.media.images import ImageContext, ImagePlan
from adapter.wire.openai.images import ImageEditRequest, ImageRequest, ImageUsage, ImageVariationRequest

log = logging.getLogger("adapter")


async def create_image(call: Call) -> None:
    """Draw images for a prompt."""
    await _create(call, ImageRequest, "images/generations")


async def create_image_edit(call: Call) -> None:
    """Draw images from others and a prompt."""
    await _create(call, ImageEditRequest, "images/edits")


async def create_image_variation(call: Call) -> None:
    """Draw images like one."""
    await _create(call, ImageVariationRequest, "images/variations")


async def _create(
    call: Call, type_: type[ImageRequest | ImageEditRequest | ImageVariationRequest], endpoint: str
) -> None:
    request, unknown = await call.read(type_)
    served = model_calls.find_model(call, request.model or images.DEFAULT_MODEL, endpoint)
    context = ImageContext(
        request=request,
        served=served,
        options=call.service.options,
        media=await media_calls.files_of(call, images.files_named_in(request)),
        max_choices=call.service.max_choices,
    )
    plan = await call.work.run(images.to_gemini, context, unknown)
    model_calls.accept(call, plan.notes, plan.body)
    created = int(time.time())
    if not isinstance(request, ImageVariationRequest) and request.stream:
        async with media_calls.event_stream(call) as stream:
            drawn, usage = await _draw(call, plan)
            edits = isinstance(request, ImageEditRequest)
            await media_calls.send_events(call, stream, image_answers.events_of(drawn, usage, created, edits=edits))
        return
    drawn, usage = await _draw(call, plan)
    links = await _links(call, drawn) if plan.as_url else []
    if not links:
        call.exchange.reply_notes += image_answers.url_notes(plan)
    await call.send(image_answers.answer_of(drawn, usage, plan, created, links), model_calls.headers_for(call))


async def _links(call: Call, drawn: list[DrawnImage]) -> list[str]:
    """Store the images and return links to them; none where there are no links, or no room for the images."""
    links = call.service.image_links
    if not links.are_on:
        return []
    try:
        return [await links.create(b64decode(one.data), one.header.kind, call.client.id) for one in drawn]
    except NotStored as error:
        log.warning("an image is sent as a data URL: %s", error)
        return []


async def get_image(call: Call) -> None:
    """Send an image by its link: whoever has the link may read the image, so no key is asked for."""
    data, media_type = await call.service.image_links.read(call.parameters["folder"], call.parameters["name"])
    await call.send(data, {"content-type": media_type, "cache-control": "private, max-age=3600"})


async def _draw(call: Call, plan: ImagePlan) -> tuple[list[DrawnImage], ImageUsage | None]:
    """Ask Gemini for the images, and convert them as the client wants. Raises `UpstreamError`, `AnswerError`."""
    answers = await media_calls.ask(call, plan.body, plan.calls)
    drawn, usage, call.exchange.reply_notes = await call.work.run(image_answers.from_gemini, answers)
    return [await asyncio.to_thread(_convert, one, plan) for one in drawn], usage


def _convert(one: DrawnImage, plan: ImagePlan) -> DrawnImage:
    """Return an image in the format and quality that the client wants; one that has them stays as it came."""
    if one.header.kind == plan.format and plan.quality is None:
        return one
    files = extras.load("adapter.server.media.image_files")
    data: bytes = files.convert_image(b64decode(one.data), plan.format, plan.quality)
    header = read_image_header(data)
    assert header is not None, "what was written just now can be read"
    return DrawnImage(b64encode(data).decode(), header)
