"""POST /translate: the request that Gemini would get, without calling it."""

import asyncio
import time
from collections.abc import Callable

from adapter.server.dry_run.dry_run import DryRun, as_line, describe, dry_run_of, lines_of, with_values
from adapter.server.limits.work import Work
from adapter.server.pipeline.call import Call
from adapter.server.pipeline.fallback import Plans
from adapter.server.pipeline.ledger_headers import strictness
from adapter.server.pipeline.responding import turn_of
from adapter.server.state.gemini_files import FileNeeds
from adapter.translate.plan import Plan
from adapter.wire.base import encode
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.openai.responses_request import ResponsesRequest

DRY = FileNeeds(is_dry=True)

TIMES = 4
"""The cost of a dry run in translations: each field is translated once more, and looked up in the result."""


async def translate(call: Call) -> None:
    """Answer with the translation of one request, stored data included; JSON lines are translated each on its own."""
    run = dry_run_for(call)
    work = call.service.work_for(TIMES * len(call.body))
    lines = await work.run(lines_of, call.body)
    if len(lines) > 1:
        await call.send(await asyncio.to_thread(_each, run, lines), {"content-type": "application/jsonl"})
        return
    endpoint, body = await work.run(run.form_of, call.body)
    if endpoint not in _SERVED:
        await call.send(encode(await work.run(run.whole, call.body)))
        return
    plans, path = await _SERVED[endpoint](call, body, work)
    plans.check(run.strictness, run.settings.notes)
    await call.send_translated(plans, await work.run(_show, run, endpoint, plans.plan, path, body))


def _show(run: DryRun, endpoint: str, plan: Plan, path: Callable[[str], str], body: bytes) -> bytes:
    """Describe a plan as JSON."""
    answer = {"endpoint": endpoint, **describe(plan, run.settings, run.predict, path)}
    return encode(with_values(answer, body) if run.values else answer)


def dry_run_for(call: Call) -> DryRun:
    """Return the dry run that the headers and the URL ask for."""
    service = call.service
    return dry_run_of(
        service.settings,
        time.time(),
        service.predict,
        strictness=strictness(call.fields, service.losses),
        endpoint=call.query.get("endpoint", ""),
        values=call.query.get("values") == "true",
    )


def _each(run: DryRun, lines: list[bytes]) -> bytes:
    return b"".join(as_line(run.line(line)) for line in lines)


async def _chat(call: Call, body: bytes, work: Work) -> tuple[Plans, Callable[[str], str]]:
    """Return a chat request as it would be served, and the function that returns the client's path for its path."""
    request, unknown = await call.service.read(body, ChatCompletionRequest, work)
    return await call.service.planner.plan(request, unknown, call.client, work, needs=DRY), str


async def _response(call: Call, body: bytes, work: Work) -> tuple[Plans, Callable[[str], str]]:
    """Return a Responses request as it would be served, with the responses before it."""
    request, unknown = await call.service.read(body, ResponsesRequest, work)
    turn = await turn_of(call.service, request, unknown, call.client, work=work, needs=DRY)
    return turn.plans, turn.client_path


_SERVED = {"/v1/chat/completions": _chat, "/v1/responses": _response}
