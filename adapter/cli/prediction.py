"""Predicts Gemini's errors with the emulator's validator, without a key and without a call."""

from collections.abc import Mapping
from typing import Any

from adapter.emulator import EmulatorSettings, vertex_embeddings
from adapter.emulator.core.errors import Refusal
from adapter.emulator.parsing.parser import parse
from adapter.emulator.service import MESSAGES, check_batch, decision_model, find_model
from adapter.emulator.validation import check_request

_WITHOUT_SIGNATURES = EmulatorSettings(verify_signatures=False)
"""Signatures are not verified: only Gemini can tell whether one is its own."""


def predicted_error(model: str, method: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the error that Gemini would answer with, as a google.rpc.Status; None if it would accept the request."""
    try:
        _check(model, method, dict(body))
    except Refusal as refusal:
        error: dict[str, Any] = refusal.body()["error"]
        return error
    return None


def _check(model: str, method: str, body: dict[str, Any]) -> None:
    """Check a body as the emulator's method does before it answers. Raises `Refusal`."""
    if method == "decisions":
        find_model(decision_model(body), "v1beta", "createDecision")
        return
    if method in vertex_embeddings.MESSAGES and vertex_embeddings.is_vertex(method, body):
        row = find_model(model, "v1beta", "get")
        vertex_embeddings.check(method, parse(body, vertex_embeddings.MESSAGES[method]), row)
        return
    row = find_model(model, "v1beta", method)
    parsed = parse(body, MESSAGES[method])
    if method == "batchEmbedContents":
        check_batch(parsed, row)
    else:
        check_request(parsed, row, _WITHOUT_SIGNATURES, streaming=method == "streamGenerateContent")
