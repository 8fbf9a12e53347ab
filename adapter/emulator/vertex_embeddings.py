"""Embeddings on Vertex AI: gemini-embedding-001 by `predict`, later models by `embedContent` and batches."""

from typing import Any

from adapter.emulator.core.errors import invalid, unknown_model
from adapter.emulator.core.models import Model
from adapter.emulator.core.tokens import content_tokens, details
from adapter.emulator.service import check_batch, check_embedding, embed_batch, vector_of

MESSAGES = {
    "embedContent": "VertexEmbedContentRequest",
    "batchEmbedContents": "VertexBatchEmbedContentsRequest",
    "predict": "PredictRequest",
}

TOO_MANY = (
    "Unable to submit request because it included too many instances. Reduce the number of instances and try again. "
    "Learn more: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings: Unable to "
    "submit request because batchSize must be 1 but the entered value was {}. Update the batchSize value and try again."
)
"""Recorded: github.com/RooCodeInc/Roo-Code/issues/5123."""


def is_vertex(method: str, body: dict[str, Any]) -> bool:
    """Return whether the adapter makes this call for Vertex AI: bodies for AI Studio name the model."""
    requests = body.get("requests")
    return method in ("predict", "embedContent") or (isinstance(requests, list) and "model" not in requests[0])


def check(method: str, request: dict[str, Any], model: Model) -> None:
    """Refuse what the model does not take."""
    # The model that embeds texts alone is the one of before embedContent.
    if (method == "predict") == model.embeds_media or not model.dimensions:
        raise unknown_model(model.name, "v1", method)
    requests = inputs(method, request, model)
    match method:
        case "predict":
            if len(requests) != 1:
                raise invalid(TOO_MANY.format(len(requests)))
            check_embedding(requests[0], model, "PredictRequest")
        case "embedContent":
            check_embedding(requests[0], model, "EmbedContentRequest")
        case _:
            check_batch({"requests": requests}, model)


def embed(method: str, request: dict[str, Any], model: Model) -> dict[str, Any]:
    """Answer one of the methods."""
    check(method, request, model)
    requests = inputs(method, request, model)
    if method == "batchEmbedContents":
        return embed_batch({"requests": requests}, model)
    values, tokens = vector_of(requests[0], model), content_tokens(requests[0]["content"])
    if method == "embedContent":
        usage = {"promptTokenCount": tokens, "promptTokensDetails": details({"TEXT": tokens})}
        return {"embedding": {"values": values}, "usageMetadata": usage, "truncated": False}
    letters = len(requests[0]["content"]["parts"][0]["text"])
    embeddings = {"statistics": {"token_count": tokens, "truncated": False}, "values": values}
    return {"predictions": [{"embeddings": embeddings}], "metadata": {"billableCharacterCount": letters}}


def inputs(method: str, request: dict[str, Any], model: Model) -> list[dict[str, Any]]:
    """Return each input as AI Studio takes it."""
    if method == "predict":
        parameters = request.get("parameters", {})
        return [
            {"content": {"parts": [{"text": one.get("content", "")}]}, **options(one), **options(parameters)}
            for one in request.get("instances", [])
        ]
    requests = [request] if method == "embedContent" else request.get("requests", [])
    return [
        {
            "model": f"models/{model.name}",
            "content": one.get("content", {}),
            **options(one.get("embedContentConfig", {})),
        }
        for one in requests
    ]


def options(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options that both platforms have."""
    return {name: value for name, value in given.items() if name in ("taskType", "title", "outputDimensionality")}
