"""Reads the errors of relays: message, code, and whether the account is empty.

A relay answers in OpenAI's shape (`{"error": {"message", "type", "code"}}`) or in that of its framework. Shapes and
codes are public: github.com/songquanpeng/one-api/issues/1270 (2024), github.com/Wei-Shaw/sub2api/issues/4176 (2026).
HTML is not used as a message, because it describes machines between the adapter and the relay.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from adapter.wire.gemini.errors import BALANCE, RELAY, ErrorDetail, Status, find_retry_delay, relay_code

MAX_WORDS = 2_000
MAX_CODE = 64
MAX_LEVELS = 4
"""The most levels of JSON that are searched, strings that contain JSON included."""

_WORDS = ("message", "msg", "error_description", "error_msg", "detail", "description", "reason", "title")
_CODES = ("code", "type", "error_code")
_NUMBERS = ("code", "status", "status_code", "statusCode")
_INNER = ("error", "errors", "detail", "details", "message", "data")

_MARKUP = re.compile(r"<(?:!doctype|html|head|body|div|script|/\w+>)", re.IGNORECASE)
_PLACES = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>]+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b", re.IGNORECASE)
"""Addresses are hidden: a relay that cannot reach a machine behind it names that machine."""

_CODE_OF_MONEY = re.compile(
    r"quota_(?:not_enough|failed|exhausted)|balance|billing|credit|arrear|payment_required"
    r"|(?:insufficient|not_enough)_(?:\w+_)?(?:quota|funds?)",
    re.IGNORECASE,
)
_WORDS_OF_MONEY = re.compile(
    r"(?:quota|balance|credits?|funds?)\b.{0,60}\b(?:not enough|insufficient|exhausted|too low|used up)"
    r"|(?:insufficient|not enough|run out of|out of)\b.{0,30}\b(?:quota|balance|credits?|funds?)"
    r"|payment required|account is in arrears|额度不足|余额不足|额度已用尽|欠费",
    re.IGNORECASE,
)
_PAYMENT_REQUIRED = 402


def parse_relay_status(body: bytes) -> Status | None:
    """Read an error in another shape than Google's; None if the body has none. Its code may be missing."""
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    objects = list(_find_objects(decoded, 0))
    words = next((text for object_ in objects for text in _find_messages(object_)), None)
    code = next((text for object_ in objects for text in _find_codes(object_)), None)
    if words is None and code is None:
        return None
    number = next((number for object_ in objects for number in _find_statuses(object_)), None)
    return Status(code=number, message=words, details=[ErrorDetail(type=RELAY, reason=code)] if code else None)


def mark_empty_balance(error: Status, http_status: int) -> Status:
    """Mark an error that means an empty account, which waiting does not fill; return others unchanged."""
    says_empty = _CODE_OF_MONEY.search(relay_code(error) or "") or _WORDS_OF_MONEY.search(error.message or "")
    if find_retry_delay(error, None) is not None or not (says_empty or http_status == _PAYMENT_REQUIRED):
        return error
    details = [*(error.details or ()), ErrorDetail(type=BALANCE)]
    return Status(code=429, message=error.message, status="RESOURCE_EXHAUSTED", details=details)


def _find_objects(value: Any, level: int) -> Iterator[dict[str, Any]]:
    """Yield the objects that may hold the error, innermost first. Relays also put an error's JSON into a string."""
    if level > MAX_LEVELS:
        return
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        value = _parse_json(value)
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        inner = [inner_object for name in _INNER for inner_object in _find_objects(value.get(name), level + 1)]
        yield from inner
        yield value
    elif isinstance(value, str) and level:
        yield {"message": value}


def _parse_json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return text


def _find_messages(object_: dict[str, Any]) -> Iterator[str]:
    """Yield messages for people, without addresses."""
    for name in _WORDS:
        text = object_.get(name)
        if isinstance(text, str) and text.strip() and not _MARKUP.search(text):
            yield _PLACES.sub("[hidden]", text.strip()[:MAX_WORDS])


def _find_codes(object_: dict[str, Any]) -> Iterator[str]:
    """Yield machine-readable codes of an error."""
    for name in _CODES:
        text = object_.get(name)
        if isinstance(text, str) and re.fullmatch(rf"[A-Za-z][\w.:\-]{{0,{MAX_CODE - 1}}}", text):
            yield text


def _find_statuses(object_: dict[str, Any]) -> Iterator[int]:
    """Yield HTTP statuses of errors, also those that are written as strings."""
    for name in _NUMBERS:
        number = object_.get(name)
        if isinstance(number, str) and re.fullmatch(r"[45]\d\d", number):
            yield int(number)
        elif isinstance(number, int) and 400 <= number < 600:
            yield number
