"""Thought signatures that verify themselves.

A signature is `version, family, digest of what it signs, HMAC of these`, in standard base64. Whoever has the key can
check it, so workers and restarts need no shared memory. What it signs is the function call it sits on (name and
arguments as canonical JSON), the picture, or the visible text before it with white space folded; on another part it is
refused as corrupted. The real server binds less, as far as anybody has reported: here a mix-up must show. A later
model of the same key takes an earlier one's signatures.
"""

import base64
import hashlib
import hmac
from typing import Any, NamedTuple

import orjson

from adapter.emulator.core.conversation import Content, Part, Run, calls, parts, runs, turn_start, visible_text
from adapter.emulator.core.errors import missing_signature
from adapter.emulator.core.models import Model

VERSION = 1
DIGEST_SIZE = 20

NOT_VALID = "Thought signature is not valid"
CORRUPTED = "Corrupted thought signature."

DUMMIES = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
"""The values that ai.google.dev's thought-signatures page documents for calls that no Gemini made."""

SENTINELS = {form for text in DUMMIES for form in (text.encode(), base64.urlsafe_b64decode(text))}
"""The bytes that the stand-ins decode to, sent as base64 of the text or plain."""


class SignatureReport(NamedTuple):
    """The result of a check of signatures."""

    violations: list[str]
    verified: int
    sentinels: int


def issue(key: bytes, model: Model, signed: bytes) -> str:
    """Return the signature of `signed` (see `digest_call`, `digest_text`, `digest_media`)."""
    head = bytes([VERSION, int(model.generation)]) + signed
    return base64.b64encode(head + hmac.digest(key, head, "sha256")).decode()


def digest_call(call: dict[str, Any]) -> bytes:
    """Return the digest of a function call."""
    return digest(["call", call.get("name"), normalize_numbers(call.get("args") or {})])


def digest_text(text: str) -> bytes:
    """Return the digest of a text, whatever its white space."""
    return digest(["text", " ".join(text.split())])


def digest_media(blob: dict[str, Any]) -> bytes:
    """Return the digest of inline data."""
    return digest(["media", hashlib.sha256(blob["data"]).hexdigest()])


def digest(value: Any) -> bytes:
    """Return a digest of canonical JSON."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).digest()[:DIGEST_SIZE]


def normalize_numbers(value: Any) -> Any:
    """Replace numbers such as `1.0` by `1`: JSON has one kind of number."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if isinstance(value, dict):
        return {key: normalize_numbers(item) for key, item in value.items()}
    return [normalize_numbers(item) for item in value] if isinstance(value, list) else value


def digest_signed(part: Part, content: Content) -> bytes:
    """Return the digest that a signature on this part must carry."""
    if "functionCall" in part:
        return digest_call(part["functionCall"])
    if "inlineData" in part:
        return digest_media(part["inlineData"])
    for server_side in ("toolCall", "toolResponse", "executableCode", "codeExecutionResult"):
        if server_side in part:
            return digest([server_side, normalize_numbers(part[server_side])])
    return digest_text(visible_text(content))


def find_fault(signature: bytes, key: bytes, signed: set[bytes]) -> str:
    """Return why the signature is refused; "" if it is good."""
    head, mac = signature[: 2 + DIGEST_SIZE], signature[2 + DIGEST_SIZE :]
    if not hmac.compare_digest(mac, hmac.digest(key, head, "sha256")):
        return NOT_VALID
    return "" if head[2:] in signed else CORRUPTED


def check(contents: list[Content], model: Model, key: bytes, *, verify: bool = True) -> SignatureReport:
    """Check the signatures by the rules of Gemini 3 and later; earlier models check nothing."""
    if model.signatures != "required":
        return SignatureReport([], 0, 0)
    violations = find_unsigned_steps(contents)
    verified = sentinels = 0
    for signature, signed in list_signatures(contents):
        if signature in SENTINELS:
            sentinels += 1
        elif not verify:
            verified += 1
        elif problem := find_fault(signature, key, signed):
            violations.append(problem)
        else:
            verified += 1
    return SignatureReport(violations, verified, sentinels)


def list_signatures(contents: list[Content]) -> list[tuple[bytes, set[bytes]]]:
    """Return every signature in the model's contents, with what it may sign."""
    return [signature for run in runs(contents) if run.role == "model" for signature in list_run_signatures(run)]


def list_run_signatures(run: Run) -> list[tuple[bytes, set[bytes]]]:
    """Return the signatures of a run with what each may sign: google-genai's chats keep each chunk as a content."""
    signed = []
    spoken = ""
    for content in run.contents:
        for part in parts(content):
            spoken += "" if part.get("thought") else part.get("text", "")
            if part.get("thoughtSignature"):
                signed.append((part["thoughtSignature"], {digest_signed(part, content), digest_text(spoken)}))
                spoken = ""
    return signed


def find_unsigned_steps(contents: list[Content]) -> list[str]:
    """Report each step of the current turn whose first call is unsigned (ai.google.dev thought-signatures, 2026-04)."""
    violations = []
    start = turn_start(contents)
    for run in runs(contents[start:]):
        first = run.calls[:1] if run.role == "model" else []
        if first and not first[0].get("thoughtSignature"):
            position = start + run.start + next(i for i, content in enumerate(run.contents) if calls(content)) + 1
            violations.append(missing_signature(first[0]["functionCall"].get("name", ""), position))
    return violations
