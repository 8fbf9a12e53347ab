"""One request on every model: its losses, and Gemini's refusals, without a call."""

from typing import Any

import orjson

from adapter.server.dry_run.dry_run import DryRun
from adapter.server.pipeline.errors import TABLE, failure_of
from adapter.settings import Catalogue, find_served_model
from adapter.translate.core.capabilities import ModelCapabilities


def chat_models(names: Catalogue) -> list[str]:
    """Return the table's models that answer chats today: patterns of one model, and the aliases' models."""
    rows = [row.pattern.removesuffix("*") for row in names.model]
    candidates = dict.fromkeys(
        [alias.model for alias in names.alias] + [name for name in rows if not name.endswith("-")]
    )
    return [
        name
        for name in candidates
        if name and "*" not in name and _answers_chats(find_served_model(name, names).row, names)
    ]


def _answers_chats(row: ModelCapabilities, names: Catalogue) -> bool:
    return not row.served_by and not row.has_ended(names.platform, names.day)


def compare_models(run: DryRun, text: bytes) -> list[dict[str, Any]]:
    """Compare a request on every model. Raises as the served call does."""
    _, request = run.form_of(text)
    return [_on(run, model, orjson.loads(request)) for model in chat_models(run.names)]


def _on(run: DryRun, model: str, request: dict[str, Any]) -> dict[str, Any]:
    try:
        shown = run.whole(orjson.dumps({**request, "model": model}))
    except TABLE as error:
        failure = failure_of(error, "").body.error
        return {"model": model, "losses": {}, "fates": {}, "error": failure.message, "param": failure.param}
    fates: dict[str, int] = {}
    for note in shown["notes"]:
        fates[note["fate"]] = fates.get(note["fate"], 0) + 1
    predicted = shown["predicted_error"]
    refusal = None if predicted is None else predicted.get("error", predicted).get("message", "Gemini would refuse it.")
    return {"model": model, "losses": shown["losses"], "fates": fates, "error": refusal, "param": None}


_SHOWN = ("thinking", "levels", "candidates", "penalties", "sampling", "logprobs", "signatures", "json_schema")


def rows_of(names: Catalogue) -> dict[str, Any]:
    """Return the capability rows with their dates, and the names that stand for models."""
    rows = [
        {
            "model": row.pattern,
            "source": row.source,
            "checked": row.date,
            "until": {platform: day.isoformat() for platform, day in row.until.items()},
            "then": row.routes_to,
            "served_by": row.served_by,
            "input_limit": row.input_limit,
            "output_limit": row.output_limit,
            **{name: getattr(row, name) for name in _SHOWN},
        }
        for row in names.model
    ]
    aliases = [{"name": alias.pattern, "model": alias.model} for alias in names.alias]
    return {"platform": names.platform, "day": names.day.isoformat(), "rows": rows, "aliases": aliases}
