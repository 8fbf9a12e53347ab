"""The public interface, read from the code. docs/releasing.md describes it, tests/contract.json has the last state."""

import asyncio
import inspect
import json
import re
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import httpx2
from click.testing import CliRunner

from adapter.cli import main
from adapter.server.app import create_app
from adapter.server.routes import ENDPOINTS
from adapter.settings import Settings, all_settings
from adapter.store import FILE_RECORDS, open_documents, open_store
from adapter.translate.core.catalogue import CODES
from tests.support.paths import REPOSITORY
from tests.support.scripted import Call, adapter, answer, run_upstream

CONTRACT = REPOSITORY / "tests" / "contract.json"
CHAT: dict[str, Any] = {"model": "gemini-3.8-flash", "messages": [{"role": "user", "content": "hi"}]}


def settings() -> dict[str, str]:
    """Return each setting with its type and default."""
    fields = inspect.get_annotations(Settings, eval_str=True)
    return {setting.name: f"{_type_name(fields[setting.name])} = {setting.default!r}" for setting in all_settings()}


def _type_name(annotated: object) -> str:
    inner = getattr(annotated, "__origin__", annotated)
    return re.sub(r"\b(?:adapter|typing)\.(?:\w+\.)*", "", inner.__name__ if isinstance(inner, type) else str(inner))


async def headers() -> dict[str, list[str]]:
    """Return the names of the headers of each kind of answer."""

    async def script(call: Call) -> None:
        if call.request.body["contents"][0]["parts"][0]["text"] == "fail":
            await call.json({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "later"}}, 429)
        elif "stream" in call.request.path:
            await call.stream(answer("hello"))
        else:
            await call.json(answer("hello"))

    failing = {**CHAT, "messages": [{"role": "user", "content": "fail"}]}
    async with run_upstream(script) as upstream, adapter(upstream, client_keys=("right",)) as client:
        client.headers["authorization"] = "Bearer right"
        answers = {
            "whole": await client.post("/v1/chat/completions", json=CHAT),
            "streamed": await client.post("/v1/chat/completions", json={**CHAT, "stream": True}),
            "response": await client.post("/v1/responses", json={"model": CHAT["model"], "input": "hi"}),
            "refused": await client.post("/v1/chat/completions", json={**CHAT, "n": "x"}),
            "denied": await client.get("/v1/models", headers={"authorization": "Bearer wrong"}),
            "wrong method": await client.get("/v1/chat/completions"),
            "rate limited by Gemini": await client.post("/v1/chat/completions", json=failing),
        }
    return {kind: _names(one) for kind, one in answers.items()}


def _names(one: httpx2.Response) -> list[str]:
    return [str(one.status_code), *sorted(set(one.headers))]


async def store_files(folder: Path) -> dict[str, list[str]]:
    """Return the files of a store with their modes, and the statements that make their tables."""
    where = f"sqlite:{folder / 'store.sqlite3'}"
    opened = await open_store(where), await open_documents(where), await open_documents(where, name=FILE_RECORDS)
    for store in opened:
        await store.aclose()
    return _contents(folder)


def _contents(folder: Path) -> dict[str, list[str]]:
    return {f"{path.name} {path.stat().st_mode & 0o777:o}": _statements(path) for path in sorted(folder.iterdir())}


def _statements(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    made = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    [version] = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return [f"version {version}", *(" ".join(sql.split()) for (sql,) in made)]


def exit_codes(folder: Path) -> dict[str, int]:
    """Return the exit codes of commands."""
    empty, request = folder / "empty.jsonl", folder / "request.jsonl"
    empty.write_text("")
    request.write_text(json.dumps({**CHAT, "logit_bias": {"1": 5}}))
    calls: dict[str, list[str]] = {
        "help": ["--help"],
        "an unknown flag": ["serve", "--nonsense"],
        "a setting without meaning": ["serve", "--port", "seventy"],
        "report on no request": ["report", str(empty)],
        "report that fails on a loss": ["report", str(request), "--fail-on", "cosmetic", "--targets", CHAT["model"]],
        "report": ["report", str(request), "--targets", CHAT["model"]],
        "translate": ["translate", str(request)],
        "translate in strict mode": ["translate", str(request), "--strict", "all"],
        "codes": ["codes"],
    }
    return {name: CliRunner().invoke(main, arguments).exit_code for name, arguments in calls.items()}


def _parameters() -> dict[str, str]:
    """Return the parameters of `create_app`."""
    parameters = inspect.signature(create_app).parameters.values()
    return {
        one.name: f"{one.kind.description}, {'required' if one.default is one.empty else 'optional'}"
        for one in parameters
    }


def _paths() -> dict[str, str]:
    """Return the method and path of each documented endpoint, with its name."""
    return {f"{one.method} {one.path}": one.name for one in ENDPOINTS if one.is_described}


def contract() -> dict[str, object]:
    """Return everything that users rely on."""
    with tempfile.TemporaryDirectory() as of_store, tempfile.TemporaryDirectory() as of_commands:
        return {
            "create_app": _parameters(),
            "paths": _paths(),
            "exit codes": exit_codes(Path(of_commands)),
            "headers of answers": asyncio.run(headers()),
            "codes of notes": {code.name: str(code.severity) for code in CODES.values()},
            "store files": asyncio.run(store_files(Path(of_store))),
            "settings": settings(),
        }


def add_new_entries(old: Any, new: Any) -> Any:
    """Return the old contract with the new entries; changed and removed entries stay as they were."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return old
    return old | {name: add_new_entries(old[name], value) if name in old else value for name, value in new.items()}


def to_text(value: object) -> str:
    """Return the contract as the text of a file."""
    return json.dumps(value, indent=2, sort_keys=True) + "\n"
