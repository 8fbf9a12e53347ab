"""Batches: many requests in one job, read from a file or from the request, answered in the background.

States of a job, as the API names them (discovery revision 20260325, with BATCH_STATE_ in front):

    PENDING      until `batch_delay` seconds of the emulator's clock have passed
    RUNNING      its rows are answered, one after the other
    SUCCEEDED    all rows are answered, though some with an error
    CANCELLED    it was cancelled before its last row; it has no output
    EXPIRED      48 hours passed before it began
    FAILED       its input cannot be read

Rows of a file are Gemini's, `{"key", "request"}`, or OpenAI's, `{"custom_id", "method", "url", "body"}`, whose answers
have OpenAI's shape with usage in camelCase (LiteLLM 1.110.2, `batches/transformation.py`).
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapter.emulator import service
from adapter.emulator.core.errors import STATUSES, Refusal, bullet, invalid
from adapter.emulator.core.models import Model
from adapter.emulator.http.faults import split_model
from adapter.emulator.http.files import JSON, VERSIONS, Content, Files, camel, key_of, timestamp
from adapter.emulator.http.wire_form import pretty, whole
from adapter.emulator.parsing.parser import parse, read_json
from adapter.emulator.settings import EmulatorSettings

METHODS = {"batchGenerateContent": "generateContent", "asyncBatchEmbedContent": "embedContent"}
"""The methods that begin a job, and what is done for each of its rows."""

LIFE = 48 * 3600.0
DEFAULT_PAGE = 50
_POLL_EVERY_S = 0.01
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")


@dataclass
class EmulatedJob:
    """One job. `rows` are those of the request, if they are not in a file."""

    name: str
    model: Model
    fault: Refusal | None
    method: str
    display_name: str
    source: dict[str, Any]
    key: str
    created: float
    rows: list[dict[str, Any]] | None
    input: Content | None
    state: str = "PENDING"
    updated: float = 0.0
    ended: float = 0.0
    total: int = 0
    good: int = 0
    bad: int = 0
    output: dict[str, Any] = field(default_factory=dict)

    def input_lines(self) -> Iterator[bytes]:
        """Yield the lines of its file."""
        return iter(()) if self.input is None else self.input.lines()

    def resource(self, *, is_listed: bool = False) -> dict[str, Any]:
        """Return it as an operation. Lists leave answers out (google-gemini/cookbook, 2026-08)."""
        kind = "GenerateContentBatch" if self.method == "generateContent" else "EmbedContentBatch"
        metadata: dict[str, Any] = {
            "@type": f"type.googleapis.com/google.ai.generativelanguage.v1main.{kind}",
            "model": f"models/{self.model.name}",
            "displayName": self.display_name,
            "createTime": timestamp(self.created),
            "updateTime": timestamp(self.updated),
            "state": f"BATCH_STATE_{self.state}",
            "name": self.name,
            "batchStats": {
                "requestCount": str(self.total),
                "successfulRequestCount": str(self.good),
                "failedRequestCount": str(self.bad),
                "pendingRequestCount": str(self.total - self.good - self.bad),
            },
            "inputConfig": self.source,
        }
        operation: dict[str, Any] = {"name": self.name, "metadata": metadata}
        if self.state in _ENDED:
            metadata["endTime"] = timestamp(self.ended)
            operation["done"] = True
        if self.output and not (is_listed and "responsesFile" not in self.output):
            metadata["output"] = self.output
            operation["response"] = {"@type": metadata["@type"], **self.output}
        if self.state == "FAILED":
            operation["error"] = {"code": 3, "message": "The input file cannot be read."}
        return operation


class EmulatedBatches:
    """All jobs of one emulator."""

    def __init__(self, files: Files, settings: EmulatorSettings) -> None:
        self._files = files
        self._settings = settings
        self._jobs: dict[str, EmulatedJob] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def create(self, body: Any, method: str, model: Model, fault: Refusal | None, key: str) -> dict[str, Any]:
        """Begin a job."""
        batch = _camel(body.get("batch")) if isinstance(body, dict) else {}
        source = _camel(batch.get("inputConfig"))
        if not batch.get("displayName"):
            raise invalid(bullet("batch.display_name", "display_name is not specified", "BatchGenerateContentRequest"))
        rows = source.get("requests", {}).get("requests") if isinstance(source.get("requests"), dict) else None
        file_name = source.get("fileName")
        if (rows is None) == (file_name is None):
            raise invalid("Exactly one of file_name and requests must be set in the input config.")
        now = self._settings.clock()
        job = EmulatedJob(
            name=f"batches/{secrets.token_hex(12)}",
            model=model,
            fault=fault,
            method=METHODS[method],
            display_name=batch["displayName"],
            source={"fileName": file_name} if file_name else {},
            key=key,
            created=now,
            updated=now,
            rows=rows,
            input=self._files.content(file_name, key) if file_name else None,
        )
        job.total = (
            len(rows)
            if rows is not None
            else len([input_line for input_line in job.input_lines() if input_line.strip()])
        )
        self._jobs[job.name] = job
        task = asyncio.get_running_loop().create_task(self._run(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job.resource()

    def find(self, name: str, key: str) -> EmulatedJob:
        """Return a job of this key's."""
        job = self._jobs.get(name)
        if job is None or job.key != key:
            raise Refusal(404, f"Batch {name.removeprefix('batches/')} is not found.")
        return job

    def page(self, key: str, size: int, start: int) -> dict[str, Any]:
        """List jobs, the newest first; the token is the number of the next one."""
        own = [job for job in reversed(self._jobs.values()) if job.key == key]
        listing: dict[str, Any] = {"operations": [job.resource(is_listed=True) for job in own[start : start + size]]}
        if start + size < len(own):
            listing["nextPageToken"] = str(start + size)
        return listing if own else {}

    def cancel(self, name: str, key: str) -> None:
        """Answer `batches.cancel`."""
        job = self.find(name, key)
        if job.state not in _ENDED:
            self._end(job, "CANCELLED")

    def delete(self, name: str, key: str) -> None:
        """Forget a job."""
        self.cancel(name, key)
        del self._jobs[name]

    def _end(self, job: EmulatedJob, state: str) -> None:
        job.state, job.ended = state, self._settings.clock()
        job.updated = job.ended

    async def _run(self, job: EmulatedJob) -> None:
        clock, begins = self._settings.clock, job.created + self._settings.batch_delay
        while clock() < begins:
            await asyncio.sleep(_POLL_EVERY_S)
            if job.state in _ENDED:
                return
            if clock() > job.created + LIFE:
                self._end(job, "EXPIRED")
                return
        job.state = "RUNNING"
        answers, output = [], Content()
        try:
            for row in _rows(job):
                await asyncio.sleep(0)
                if job.state in _ENDED:
                    return
                answer = self._answer(job, row)
                job.good, job.bad = job.good + ("error" not in answer), job.bad + ("error" in answer)
                if job.rows is None:
                    output.append(msgspec.json.encode(answer) + b"\n")
                else:
                    answers.append(answer)
        except Refusal:
            self._end(job, "FAILED")
            return
        if job.rows is None:
            job.output = {"responsesFile": self._files.generate(output, "application/jsonl", job.key)["name"]}
        else:
            name = "inlinedResponses" if job.method == "generateContent" else "inlinedEmbedContentResponses"
            job.output = {name: {"inlinedResponses": answers}}
        self._end(job, "SUCCEEDED")

    def _answer(self, job: EmulatedJob, row: dict[str, Any]) -> dict[str, Any]:
        if "custom_id" in row:
            return self._answer_openai(job, row)
        named = {"key": row["key"]} if "key" in row else {"metadata": row["metadata"]} if "metadata" in row else {}
        try:
            return {**named, "response": self._ask(job, row.get("request"))}
        except Refusal as refusal:
            return {**named, "error": _error(refusal)}

    def _ask(self, job: EmulatedJob, request: Any) -> dict[str, Any]:
        """Answer one row. Raises `Refusal`."""
        if job.fault is not None:
            raise job.fault
        if not isinstance(request, dict):
            raise invalid("The row has no request.")
        if job.method == "embedContent":
            return service.embed(parse(request, "EmbedContentRequest"), job.model)
        parsed = parse(request, "GenerateContentRequest")
        if self._settings.verify_files:
            self._files.check(parsed, job.key)
        return whole(service.answer(parsed, job.model, self._settings).reply)

    def _answer_openai(self, job: EmulatedJob, row: dict[str, Any]) -> dict[str, Any]:
        """Answer a row in OpenAI's shape, as Google's own translation does: texts alone."""
        try:
            answer = self._ask(job, _from_openai(row.get("body") or {}))
        except Refusal as refusal:
            response = {"status_code": refusal.code, "body": {"error": _error(refusal)}}
            return {"custom_id": row["custom_id"], "response": response, "error": _error(refusal)}
        return {"custom_id": row["custom_id"], "response": {"status_code": 200, "body": _to_openai(answer, job)}}


def _camel(value: Any) -> dict[str, Any]:
    return {camel(name): member for name, member in value.items()} if isinstance(value, dict) else {}


def _rows(job: EmulatedJob) -> Iterator[dict[str, Any]]:
    """Yield the rows of a job. Raises `Refusal` for a line that is no object."""
    if job.rows is not None:
        yield from job.rows
        return
    for line in job.input_lines():
        if line.strip():
            row = read_json(line)
            if not isinstance(row, dict):
                raise invalid("A row is an object.")
            yield row


def _error(refusal: Refusal) -> dict[str, Any]:
    return {"code": refusal.code, "message": refusal.message, "status": STATUSES[refusal.code]}


def _from_openai(body: dict[str, Any]) -> dict[str, Any]:
    roles = {"assistant": "model"}
    return {
        "contents": [
            {"role": roles.get(one.get("role"), "user"), "parts": [{"text": str(one.get("content"))}]}
            for one in body.get("messages", [])
        ]
    }


def _to_openai(answer: dict[str, Any], job: EmulatedJob) -> dict[str, Any]:
    usage = answer.get("usageMetadata", {})
    parts = [part for one in answer.get("candidates", []) for part in one.get("content", {}).get("parts", [])]
    text = "".join(part.get("text", "") for part in parts if not part.get("thought"))
    output_tokens, input_tokens = usage.get("candidatesTokenCount", 0), usage.get("promptTokenCount", 0)
    return {
        "object": "chat.completion",
        "model": job.model.name,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {
            "promptTokens": input_tokens,
            "completionTokens": output_tokens,
            "totalTokens": usage.get("totalTokenCount", 0),
        },
    }


class BatchEndpoints:
    """The Batch API over HTTP, but for the methods of models that begin a job."""

    def __init__(self, batches: EmulatedBatches, authorise: Callable[[Request], None]) -> None:
        self._batches = batches
        self._authorise = authorise

    def routes(self) -> list[Route]:
        """Return their routes, under both versions."""
        return [route for version in VERSIONS for route in self._routes(version)]

    def _routes(self, version: str) -> Iterator[Route]:
        yield Route(f"/{version}/batches", self.list, methods=["GET"])
        yield Route(f"/{version}/batches/{{name}}:cancel", self.cancel, methods=["POST"])
        yield Route(f"/{version}/batches/{{name}}", self.get_or_delete, methods=["GET", "DELETE"])

    async def list(self, request: Request) -> Response:
        """Answer `batches.list`."""
        self._authorise(request)
        size, token = request.query_params.get("pageSize", ""), request.query_params.get("pageToken", "")
        if not all(text.isdigit() for text in (size, token) if text):
            raise invalid("Request contains an invalid argument.")
        page = self._batches.page(key_of(request), int(size or 0) or DEFAULT_PAGE, int(token or 0))
        return Response(pretty(page), media_type=JSON)

    async def cancel(self, request: Request) -> Response:
        """Answer `batches.cancel`."""
        self._authorise(request)
        self._batches.cancel(f"batches/{request.path_params['name']}", key_of(request))
        return Response(pretty({}), media_type=JSON)

    async def get_or_delete(self, request: Request) -> Response:
        """Answer `batches.get` and `batches.delete`."""
        self._authorise(request)
        name, key = f"batches/{request.path_params['name']}", key_of(request)
        if request.method == "DELETE":
            self._batches.delete(name, key)
            return Response(pretty({}), media_type=JSON)
        return Response(pretty(self._batches.find(name, key).resource()), media_type=JSON)


def fault_of(name: str) -> tuple[str, Refusal | None]:
    """Return a model's name without its fault, and the error that each row gets by it."""
    base, fault = split_model(name)
    return base, fault.refusal if fault is not None else None
