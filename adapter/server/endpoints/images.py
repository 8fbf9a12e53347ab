"""POST /v1/images/generations, /edits and /variations."""

import asyncio
import logging
import time
from base64 import b64decode
from collections.abc import Mapping
from contextlib import aclosing

from adapter.server.endpoints import media_calls
from adapter.server.media.image_conversion import convert
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.fallback import FallbackPlans
from adapter.server.state.not_stored import NotStored
from adapter.translate.core.capabilities import ServedModel
from adapter.translate.core.context import Media, Options
from adapter.translate.media import image_answers, images
from adapter.translate.media.image_answers import DrawnImage
from adapter.translate.media.images import ImageContext, ImagePlan
from adapter.wire.openai.images import ImageEditRequest, ImageRequest, ImageVariationRequest

log = logging.getLogger("adapter")


async def create_image(call: Call) -> None:
    """Draw images for a prompt."""
    await _create(call, ImageRequest, "images/generations")


async def create_image_edit(call: Call) -> None:
    """Draw images from others and a prompt."""
    await _create(call, ImageEditRequest, "images/edits")


async def create_image_variation(call: Call) -> None:
    """Draw images like a given one."""
    await _create(call, ImageVariationRequest, "images/variations")


async def _create(
    call: Call, type_: type[ImageRequest | ImageEditRequest | ImageVariationRequest], endpoint: str
) -> None:
    request, unknown = await call.read(type_)

    def make(served: ServedModel, options: Options, files: Mapping[str, Media]) -> ImagePlan:
        context = ImageContext(
            request=request, served=served, options=options, media=files, max_choices=call.service.max_choices
        )
        return images.to_gemini(context, unknown)

    files = await media_calls.files_of(call, images.files_named_in(request), "image")
    plans = await media_calls.make_plans(call, request.model or images.DEFAULT_MODEL, endpoint, make, files, "image")
    created = int(time.time())
    if not isinstance(request, ImageVariationRequest) and request.stream:
        await _send_events(call, plans, created, edits=isinstance(request, ImageEditRequest))
        return
    answers = await media_calls.ask(call, plans)
    drawn, usage, notes = await call.work.run(image_answers.from_gemini, answers)
    plan = plans.plan
    drawn = [await asyncio.to_thread(convert, one, plan.form) for one in drawn]
    links = await _links(call, drawn) if plan.as_url else []
    media_calls.add_notes(call, notes if links else [*notes, *image_answers.url_notes(plan)])
    await call.send(image_answers.answer_of(drawn, usage, plan, created, links), media_calls.headers_of(call, plans))


async def _send_events(call: Call, plans: FallbackPlans[ImagePlan], created: int, *, edits: bool) -> None:
    """Send each image as soon as it is drawn."""
    reader = image_answers.ImageReader()
    async with media_calls.event_stream(call, plans) as stream:
        async with aclosing(media_calls.each_answer(call, plans)) as answers:
            async for answer in answers:
                drawn = await call.work.run(reader.feed, answer)
                media_calls.add_notes(call, reader.notes)
                if drawn is None:
                    continue
                image = await asyncio.to_thread(convert, drawn, plans.plan.form)
                event = image_answers.event_of(image, image_answers.usage_of([answer]), created, edits=edits)
                await media_calls.send_events(call, plans, stream, [event])
        reader.close()


async def _links(call: Call, drawn: list[DrawnImage]) -> list[str]:
    """Store the images and return links to them; an empty list if links are off, or the images cannot be stored."""
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
