"""Checks of POST /v1beta/decisions (google-genai 3.6.1, announced 2026-11-11). Names have underscores only."""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from adapter.emulator.core.errors import bullet, invalid

MOST_QUESTIONS = 1_000
OPTIONS = range(2, 256)

REQUEST = "CreateDecisionRequest"
MEDIA = ("image", "audio", "video", "document")
OPTION_ID = re.compile(r"[^\x00-\x1f\x7f-\x9f]+")


def check_decisions(body: Any) -> None:
    """Raise `Refusal` with every fault of a body."""
    if not isinstance(body, dict):
        raise invalid("Invalid JSON payload received. Expected an object.")
    faults = [bullet(path, text, REQUEST) for path, text in _faults(body)]
    if faults:
        raise invalid("".join(faults))


Faults = Iterator[tuple[str, str]]


def _faults(body: dict[str, Any]) -> Faults:
    yield from _unknown_names(body, {"model", "input", "questions"}, "")
    if not isinstance(body.get("model"), str) or not body["model"]:
        yield "model", "model is not specified"
    yield from _contents(body.get("input"), "input", ("text", *MEDIA))
    questions = body.get("questions")
    if not isinstance(questions, dict) or not questions:
        yield "questions", "questions is not specified"
        return
    if len(questions) > MOST_QUESTIONS:
        yield "questions", f"at most {MOST_QUESTIONS} questions can be asked"
    for name, question in questions.items():
        yield from _question(question, f"questions[{name}]")


def _unknown_names(value: dict[str, Any], known: set[str], path: str) -> Faults:
    for name in value:
        if name not in known:
            yield f"{path}.{name}".lstrip("."), "unknown field"


def _contents(value: Any, path: str, kinds: tuple[str, ...]) -> Faults:
    if isinstance(value, str):
        if not value:
            yield path, f"{path.rpartition('.')[2]} is not specified"
        return
    blocks = [value] if isinstance(value, dict) else value
    if not isinstance(blocks, list) or not blocks:
        yield path, "at least one content block is required"
        return
    for index, block in enumerate(blocks):
        yield from _block(block, f"{path}[{index}]", kinds)


def _block(block: Any, path: str, kinds: tuple[str, ...]) -> Faults:
    if not isinstance(block, dict) or block.get("type") not in kinds:
        yield f"{path}.type", f"must be one of {', '.join(kinds)}"
        return
    if block["type"] == "text":
        yield from _unknown_names(block, {"type", "text"}, path)
        if not isinstance(block.get("text"), str) or not block["text"]:
            yield f"{path}.text", "text is not specified"
        return
    yield from _unknown_names(block, {"type", "data", "uri", "mime_type", "resolution"}, path)
    if ("data" in block) == ("uri" in block):
        yield path, "exactly one of data and uri must be set"
    if "data" in block and not _is_base64(block["data"]):
        yield f"{path}.data", "Base64 decoding failed"
    if "data" in block and not str(block.get("mime_type", "")).startswith(
        ("image/", "audio/", "video/", "application/")
    ):
        yield f"{path}.mime_type", "mime_type is not supported"


def _is_base64(data: Any) -> bool:
    try:
        return bool(base64.b64decode(str(data), validate=True))
    except (binascii.Error, ValueError):
        return False


def _question(question: Any, path: str) -> Faults:
    if not isinstance(question, dict) or question.get("type") not in ("noul", "choice", "score"):
        yield f"{path}.type", "must be one of noul, choice, score"
        return
    yield from _unknown_names(question, {"type", "instructions", "criteria"}, path)
    yield from _contents(question.get("instructions"), f"{path}.instructions", ("text",))
    criteria, at = question.get("criteria"), f"{path}.criteria"
    if question["type"] == "noul":
        if criteria is not None and not (
            isinstance(criteria, dict) and set(criteria) <= {"true_description", "false_description"}
        ):
            yield at, "must have true_description and false_description alone"
    elif question["type"] == "choice":
        yield from _options(criteria, at)
    elif not isinstance(criteria, list) or len(criteria) not in OPTIONS:
        yield at, "between 2 and 255 levels are required"
    elif not all(isinstance(one, str) and one for one in criteria):
        yield at, "levels must not be empty"


def _options(criteria: Any, path: str) -> Faults:
    if not isinstance(criteria, dict) or len(criteria) not in OPTIONS:
        yield path, "between 2 and 255 options are required"
        return
    for name, text in criteria.items():
        if not OPTION_ID.fullmatch(name) or name != name.strip():
            yield path, "option IDs must be non-empty with no control characters or leading/trailing whitespace"
        if not isinstance(text, str):
            yield f"{path}[{name}]", "must be a string"
