"""Errors of relays: their words, their code, and whether money ran out.

A relay answers in OpenAI's shape (`{"error": {"message", "type", "code"}}`) or in that of its framework. Shapes and
codes are public: github.com/songquanpeng/one-api/issues/1270 (2024), github.com/Wei-Shaw/sub2api/issues/4176 (2026).
HTML is no words: it tells of the machines on the way.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from adapter.wire.gemini.errors import BALANCE, RELAY, ErrorDetail, Status, relay_code, told_wait

MAX_WORDS = 2_000
MAX_CODE = 64
MAX_LEVELS = 4
"""Objects and texts of JSON inside one another in which words are looked for."""

_WORDS = ("message", "msg", "error_description", "error_msg", "detail", "description", "reason", "title")
_CODES = ("code", "type", "error_code")
_NUMBERS = ("code", "status", "status_code", "statusCode")
_INNER = ("error", "errors", "detail", "details", "message", "data")

_MARKUP = re.compile(r"<(?:!doctype|html|head|body|div|script|/\w+>)", re.IGNORECASE)
_PLACES = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>]+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b", re.IGNORECASE)
"""Addresses: a relay names the machines behind it when it cannot reach them."""

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


def relay_status(body: bytes) -> Status | None:
    """The error that a body tells in another shape than Google's, if it tells one; its code is no HTTP status yet."""
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    objects = list(_objects(decoded, 0))
    words = next((text for one in objects for text in _texts(one)), None)
    code = next((text for one in objects for text in _names(one)), None)
    if words is None and code is None:
        return None
    number = next((number for one in objects for number in _numbers(one)), None)
    return Status(code=number, message=words, details=[ErrorDetail(type=RELAY, reason=code)] if code else None)


def judge_money(error: Status, http_status: int) -> Status:
    """The same error, marked where the relay's account is empty: waiting does not fill it."""
    says_empty = _CODE_OF_MONEY.search(relay_code(error) or "") or _WORDS_OF_MONEY.search(error.message or "")
    if told_wait(error, None) is not None or not (says_empty or http_status == _PAYMENT_REQUIRED):
        return error
    details = [*(error.details or ()), ErrorDetail(type=BALANCE)]
    return Status(code=429, message=error.message, status="RESOURCE_EXHAUSTED", details=details)


def _objects(value: Any, level: int) -> Iterator[dict[str, Any]]:
    """The objects in which an error's words may stand, outermost first; relays put an error's JSON into a text too."""
    if level > MAX_LEVELS:
        return
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        value = _parsed(value)
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        inner = [found for name in _INNER for found in _objects(value.get(name), level + 1)]
        yield from inner
        yield value
    elif isinstance(value, str) and level:
        yield {"message": value}


def _parsed(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return text


def _texts(one: dict[str, Any]) -> Iterator[str]:
    """Words that a person can read."""
    for name in _WORDS:
        text = one.get(name)
        if isinstance(text, str) and text.strip() and not _MARKUP.search(text):
            yield _PLACES.sub("[hidden]", text.strip()[:MAX_WORDS])


def _names(one: dict[str, Any]) -> Iterator[str]:
    """Machine-readable names of an error."""
    for name in _CODES:
        text = one.get(name)
        if isinstance(text, str) and re.fullmatch(rf"[A-Za-z][\w.:\-]{{0,{MAX_CODE - 1}}}", text):
            yield text


def _numbers(one: dict[str, Any]) -> Iterator[int]:
    """HTTP statuses, also those that are written as texts."""
    for name in _NUMBERS:
        number = one.get(name)
        if isinstance(number, str) and re.fullmatch(r"[45]\d\d", number):
            yield int(number)
        elif isinstance(number, int) and 400 <= number < 600:
            yield number
