"""The endpoints for images and sounds, a part of the one list of endpoints (`adapter/server/routes.py`)."""

from adapter.server.endpoints.images import create_image, create_image_edit, create_image_variation
from adapter.server.endpoints.speech import create_speech
from adapter.server.pipeline.endpoint import SENDING, Endpoint, Endpoints, max_upload
from adapter.wire.openai.images import (
    ImageEditCompleted,
    ImageEditRequest,
    ImageGenerationCompleted,
    ImageRequest,
    ImagesResponse,
    ImageVariationRequest,
)
from adapter.wire.openai.speech import SpeechAudioDelta, SpeechAudioDone, SpeechRequest

MEDIA: Endpoints = (
    Endpoint(
        method="POST",
        path="/v1/images/generations",
        handler=create_image,
        name="createImage",
        summary="Draw images for a prompt, whole or as a stream.",
        takes=ImageRequest,
        gives=ImagesResponse,
        streams=ImageGenerationCompleted,
        fails=SENDING,
        asks_gemini=True,
        is_rated=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/images/edits",
        handler=create_image_edit,
        name="createImageEdit",
        summary="Draw images from others and a prompt, whole or as a stream.",
        takes=ImageEditRequest,
        gives=ImagesResponse,
        streams=ImageEditCompleted,
        fails=SENDING,
        asks_gemini=True,
        is_rated=True,
        takes_form=ImageEditRequest,
        max_body=max_upload,
    ),
    Endpoint(
        method="POST",
        path="/v1/images/variations",
        handler=create_image_variation,
        name="createImageVariation",
        summary="Draw images like one.",
        takes=ImageVariationRequest,
        gives=ImagesResponse,
        fails=SENDING,
        asks_gemini=True,
        is_rated=True,
        takes_form=ImageVariationRequest,
        max_body=max_upload,
    ),
    Endpoint(
        method="POST",
        path="/v1/audio/speech",
        handler=create_speech,
        name="createSpeech",
        summary="Speak a text: sound as it is made, as a file or as events.",
        takes=SpeechRequest,
        gives=bytes,
        gives_bytes=True,
        streams=SpeechAudioDelta | SpeechAudioDone,
        fails=SENDING,
        asks_gemini=True,
        is_rated=True,
    ),
)
