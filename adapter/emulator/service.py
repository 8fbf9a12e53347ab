"""Each method of the API as a function from a parsed body to a response, without HTTP."""

import datetime
from typing import Any, NamedTuple

from adapter.emulator.core.conversation import Request
from adapter.emulator.core.errors import Refusal, bullet, invalid, unknown_model
from adapter.emulator.core.models import Model, as_resource, model_served_as, models
from adapter.emulator.core.signatures import SignatureReport
from adapter.emulator.core.tokens import content_tokens, details, prompt_tokens
from adapter.emulator.generation import decisions
from adapter.emulator.generation.embeddings import vector
from adapter.emulator.generation.reply import EmulatedReply, respond
from adapter.emulator.parsing.parser import parse
from adapter.emulator.settings import EmulatorSettings
from adapter.emulator.validation import check_request
from adapter.emulator.validation.contents import content_violations
from adapter.emulator.validation.decisions import check_decisions

MESSAGES = {
    "generateContent": "GenerateContentRequest",
    "streamGenerateContent": "GenerateContentRequest",
    "countTokens": "CountTokensRequest",
    "embedContent": "EmbedContentRequest",
    "batchEmbedContents": "BatchEmbedContentsRequest",
}

NAMED_AS = {"streamGenerateContent": "generateContent", "batchEmbedContents": "embedContent"}
"""The server's names for methods in the error that a model does not have one."""

DEFAULT_PAGE = 50
LARGEST_PAGE = 1000
LARGEST_BATCH = 100

SHORTENING = 0.4
"""Short vectors of gemini-embedding-001 are cut from whole ones: recorded ones are 0.57 long at 768 dimensions."""


class Generated(NamedTuple):
    """An answer, and the report on its request's signatures."""

    reply: EmulatedReply
    signatures: SignatureReport


def find_model(name: str, version: str, method: str, day: datetime.date | None = None) -> Model:
    """Return the row of a model that this API version serves, with this method, and on this day if there is one."""
    served_method = NAMED_AS.get(method, method)
    model = model_served_as(name.removeprefix("models/"), day)
    if (
        model is None
        or version not in model.versions
        or (served_method not in model.methods and served_method != "get")
    ):
        raise unknown_model(name.removeprefix("models/"), version, served_method)
    return model


def generate(body: Any, model: Model, settings: EmulatorSettings, *, streaming: bool = False) -> Generated:
    """Parse, check and answer a `generateContent` or `streamGenerateContent`."""
    return answer(parse(body, "GenerateContentRequest"), model, settings, streaming=streaming)


def answer(request: Request, model: Model, settings: EmulatorSettings, *, streaming: bool = False) -> Generated:
    """Check and answer a parsed body."""
    report = check_request(request, model, settings, streaming=streaming)
    return Generated(respond(request, model, settings), report)


def count_tokens(request: dict[str, Any], model: Model) -> dict[str, Any]:
    """Count the tokens of contents alone or of a whole request, never of both."""
    inner = request.get("generateContentRequest")
    if inner is not None and "contents" in request:
        text = "only one of contents and generate_content_request may be set"
        raise invalid(bullet("contents", text, "CountTokensRequest"))
    faults = content_violations(inner or request)
    if faults:
        raise invalid("".join(faults).replace("GenerateContentRequest", "CountTokensRequest"))
    counts = prompt_tokens(inner or request, model)
    return {"totalTokens": sum(counts.values()), "promptTokensDetails": details(counts)}


def embed(request: dict[str, Any], model: Model) -> dict[str, Any]:
    """Return one vector."""
    check_embedding(request, model, "EmbedContentRequest")
    return {"embedding": {"values": vector_of(request, model)}}


def embed_batch(request: dict[str, Any], model: Model) -> dict[str, Any]:
    """Return up to a hundred vectors. The older model counts no tokens."""
    check_batch(request, model)
    requests = request["requests"]
    values = [{"values": vector_of(one, model)} for one in requests]
    answer: dict[str, Any] = {"embeddings": values}
    if model.embeds_media:
        tokens = sum(content_tokens(one["content"]) for one in requests)
        details = [{"modality": "TEXT", "tokenCount": tokens}]
        answer["usageMetadata"] = {"promptTokenCount": tokens, "promptTokenDetails": details}
    return answer


def check_batch(request: dict[str, Any], model: Model) -> None:
    """Refuse what is no batch of one to a hundred inputs; each of them names the model of the address."""
    requests = request.get("requests", [])
    if not requests:
        raise invalid(bullet("requests", "requests is not specified", "BatchEmbedContentsRequest"))
    if len(requests) > LARGEST_BATCH:
        text = f"at most {LARGEST_BATCH} requests can be in one batch"
        raise invalid(bullet("requests", text, "BatchEmbedContentsRequest"))
    for index, item in enumerate(requests):
        if item.get("model", "").removeprefix("models/") != model.name:
            text = "unexpected model name format" if not item.get("model") else "model must match the batch's model"
            raise invalid(bullet(f"requests[{index}].model", text, "BatchEmbedContentsRequest"))
        check_embedding(item, model, f"BatchEmbedContentsRequest.requests[{index}]")


def check_embedding(request: dict[str, Any], model: Model, name: str) -> None:
    """Refuse a content that the model gives no vector for. `name` is the message's."""
    content = request.get("content", {})
    if not content.get("parts"):
        raise invalid(bullet("content", "content is not specified", name))
    size = request.get("outputDimensionality", model.dimensions)
    if not 1 <= size <= model.dimensions:
        raise invalid(bullet("output_dimensionality", f"must be in the range [1, {model.dimensions}]", name))
    if not model.embeds_media and any("text" not in part for part in content["parts"]):
        raise invalid(bullet("content", f"only text content is supported by models/{model.name}", name))
    if request.get("title") and request.get("taskType") != "RETRIEVAL_DOCUMENT":
        raise invalid(bullet("title", "title is only allowed with the task type RETRIEVAL_DOCUMENT", name))


def vector_of(request: dict[str, Any], model: Model) -> list[float]:
    """Return the vector of one content that has been checked."""
    size = request.get("outputDimensionality", model.dimensions)
    length = 1.0 if model.embeds_media else (size / model.dimensions) ** SHORTENING
    return [round(value * length, 8) for value in vector(request["content"], request.get("taskType", ""), size)]


def decision_model(body: Any) -> str:
    """Return the model that a request for decisions names, once it has been checked."""
    check_decisions(body)
    name: str = body["model"].removeprefix("models/")
    return name


def decide(body: dict[str, Any], fault: str = "") -> dict[str, Any]:
    """Answer the questions of a checked body; with a fault that blocks the input, none."""
    return decisions.block(decisions.BLOCKS[fault]) if fault in decisions.BLOCKS else decisions.decide(body)


def list_models(version: str, page_size: str, page_token: str, day: datetime.date | None = None) -> dict[str, Any]:
    """Return a page of the models that have not ended; the token is the number of the next row."""
    rows = [
        model for model in models().values() if version in model.versions and model_served_as(model.name, day) is model
    ]
    for text in filter(None, (page_size, page_token)):
        if not text.isdigit():
            raise Refusal(400, "Request contains an invalid argument.")
    size = min(int(page_size or 0) or DEFAULT_PAGE, LARGEST_PAGE)
    start = int(page_token or 0)
    page: dict[str, Any] = {"models": [as_resource(model) for model in rows[start : start + size]]}
    if start + size < len(rows):
        page["nextPageToken"] = str(start + size)
    return page
