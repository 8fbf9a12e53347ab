"""Built-in tools: a search that finds one page, code that prints one line, a URL that is read."""

import hashlib
import re
from typing import Any

from adapter.emulator.core.conversation import Part, Request, built_in, task, turn_results
from adapter.emulator.core.models import Model

CODE_WORDS = re.compile(r"\b(code|python|run|execute|calculate|compute)\b", re.IGNORECASE)
ADDRESS = re.compile(r"https?://[^\s\"'<>)]+")
PAGE = "https://vertexaisearch.cloud.google.com/grounding-api-redirect/emulator"


def server_side(request: Request, model: Model, seed: bytes) -> list[Part]:
    """Return the parts that tools on the server leave in the answer."""
    if turn_results(request["contents"]):
        return []
    return [*searching(request, model, seed), *code_running(request, seed)]


def searching(request: Request, model: Model, seed: bytes) -> list[Part]:
    """Return the parts of a search, if its invocations were asked for."""
    shown = request.get("toolConfig", {}).get("includeServerSideToolInvocations")
    if "googleSearch" not in built_in(request) or not shown or not model.builtin_with_functions:
        return []
    head = {"toolType": "GOOGLE_SEARCH_WEB", "id": hashlib.sha256(seed + b"search").hexdigest()[:8]}
    return [
        {"toolCall": head | {"args": {"queries": [task(request["contents"])]}}},
        {"toolResponse": head | {"response": {"search_suggestions": "<div>emulator</div>"}}},
    ]


def code_running(request: Request, seed: bytes) -> list[Part]:
    """Return the parts of running code, if the text speaks of code."""
    if "codeExecution" not in built_in(request) or not CODE_WORDS.search(task(request["contents"])):
        return []
    same = {"id": hashlib.sha256(seed + b"code").hexdigest()[:8]}
    return [
        {"executableCode": {"language": "PYTHON", "code": "print(6 * 7)\n"} | same},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "42\n"} | same},
    ]


def grounding(request: Request, parts: list[Part]) -> dict[str, Any]:
    """Return `groundingMetadata` for a search and `urlContextMetadata` for addresses in the text."""
    tools = built_in(request)
    text = task(request["contents"])
    extra: dict[str, Any] = {}
    if "googleSearch" in tools or "googleSearchRetrieval" in tools:
        extra["groundingMetadata"] = search_results(text, parts)
    addresses = ADDRESS.findall(text) if "urlContext" in tools else []
    if addresses:
        status = "URL_RETRIEVAL_STATUS_SUCCESS"
        extra["urlContextMetadata"] = {
            "urlMetadata": [{"retrievedUrl": address, "urlRetrievalStatus": status} for address in addresses]
        }
    return extra


def search_results(query: str, parts: list[Part]) -> dict[str, Any]:
    """Return one page that supports the whole text; offsets count bytes, and a start of 0 is left out."""
    answer = "".join(part.get("text", "") for part in parts if not part.get("thought"))
    segment = {"endIndex": len(answer.encode()), "text": answer}
    return {
        "searchEntryPoint": {"renderedContent": "<div>emulator</div>"},
        "groundingChunks": [{"web": {"uri": PAGE, "title": "example.com"}}],
        "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0]}],
        "webSearchQueries": [query],
    }
