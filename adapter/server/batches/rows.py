"""Translates one request of a batch for Gemini, and the answer for the client, as the request's own endpoint does.

A request is translated twice: when its rows are written, and when their answers have come, since what lies between may
be a day and a restart. The second time nothing is asked of Gemini, and files that it names need not be there any more.
"""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from adapter.server.asking.parallel_choices import join_replies
from adapter.server.limits.access import Client
from adapter.server.limits.work import Work
from adapter.server.media.image_conversion import convert_answer
from adapter.server.media.openai_tokens import detokenizer
from adapter.server.observe.exchange_log import Exchange
from adapter.server.pipeline import ledger_headers as notes
from adapter.server.pipeline.fallback import Plans
from adapter.server.pipeline.model_lists import path_of_model
from adapter.server.pipeline.responding import turn_of, whole
from adapter.server.pipeline.service import Service, completion_id, stamp_of
from adapter.server.state.gemini_files import FileNeeds
from adapter.server.state.ids import new_id
from adapter.settings import find_served_model
from adapter.translate import chat, completions
from adapter.translate.batches import WINDOW, RowAnswer, join_embeddings
from adapter.translate.content.content_parts import FILE_ID
from adapter.translate.core.context import Media
from adapter.translate.core.notes import Note, Rejected
from adapter.translate.core.strictness import Strictness, count_losses
from adapter.translate.embeddings import embeddings
from adapter.translate.embeddings.embeddings import EmbeddingContext
from adapter.upstream.answers import Reply, read_message, read_reply
from adapter.wire.base import encode
from adapter.wire.openai.chat_answer import ChatCompletion
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.openai.completions import CompletionRequest
from adapter.wire.openai.embeddings import EmbeddingRequest
from adapter.wire.openai.responses_request import ResponsesRequest

GENERATE = "generateContent"
EMBED = "asyncBatchEmbedContent"
BATCH_GENERATE = "batchGenerateContent"


class PlannedRow(NamedTuple):
    """The translation of one request of a batch, for a job and for calls.

    `calls` are Gemini's methods and bodies, one after the other; `rows` the same as rows of a job that `job_method`
    begins. `finish` makes the client's answer of the answers to either. `pin` names the key that the request needs.
    """

    model: str
    pin: str
    job_method: str
    rows: list[bytes]
    calls: list[tuple[str, bytes]]
    finish: Callable[[Sequence[bytes], bool], Awaitable[RowAnswer]]


class _AnyFile(Mapping[str, Media]):
    """Stands for any file that a request names, if only the shape of its answer matters."""

    def __getitem__(self, key: str) -> Media:
        if not key.startswith((FILE_ID, "http://", "https://")):
            raise KeyError(key)
        return Media("application/octet-stream", uri="gone")

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


ANY_FILE = _AnyFile()


class RowPlanner:
    """Translates the requests of one batch. `is_answered`: their answers have come already."""

    def __init__(self, service: Service, endpoint: str, client: Client, *, is_answered: bool = False) -> None:
        self._service = service
        self._client = client
        # Gemini may take a job's rows as late as the window ends.
        self._needs = FileNeeds(known=ANY_FILE if is_answered else None, life=WINDOW)
        self._plan = {
            "/v1/chat/completions": self._chat,
            "/v1/responses": self._response,
            "/v1/embeddings": self._embed,
            "/v1/completions": self._complete,
        }[endpoint]

    async def plan(self, body: bytes) -> PlannedRow:
        """Translate a request. Raises what the endpoint raises by itself: `Malformed`, `Rejected`, ..."""
        return await self._plan(body, self._service.work(body))

    def _check(self, ledger: Sequence[Note]) -> None:
        """Raise `StrictLoss` for losses that the operator does not allow."""
        losses = self._service.losses
        notes.check(ledger, Strictness(losses.strict), losses.notes)

    async def _chat(self, body: bytes, work: Work) -> PlannedRow:
        request, unknown = await self._service.read(body, ChatCompletionRequest, work)
        _check_whole(stream=request.stream)
        plans = await self._service.planner.plan(request, unknown, self._client, work, needs=self._needs)
        self._check(plans.plan.notes)

        async def finish(answers: Sequence[bytes], _is_native: bool) -> RowAnswer:
            completion, ledger = await self._completion(plans, answers, completion_id(), stores=True)
            return _answer(completion, [*plans.plan.notes, *ledger])

        return _generation([plans], finish)

    async def _completion(
        self, plans: Plans, answers: Sequence[bytes], id_: str, *, stores: bool
    ) -> tuple[ChatCompletion, list[Note]]:
        """Return the chat completion and its notes; with its signatures stored, the chat can go on.

        Raises `AnswerError`.
        """
        reply = await _reply(plans, answers)
        stamp = stamp_of(plans, id_)
        completion, ledger, issued = chat.from_gemini(reply.response, plans.plan.context, stamp, reply.unknown)
        if issued and stores:
            await self._service.store.put(issued, self._client.id)
        return completion, ledger

    async def _complete(self, body: bytes, work: Work) -> PlannedRow:
        service = self._service
        request, unknown = await service.read(body, CompletionRequest, work)
        _check_whole(stream=request.stream)
        row = find_served_model(request.model, service.catalogue).row
        view = await work.run(completions.to_chat, request, row, detokenizer(), unknown)
        if view.only_echo:
            raise Rejected("max_tokens", "out-of-range", "a batch must generate text: the prompt alone is no answer")
        try:
            plans = [
                await service.planner.plan(one, {}, self._client, work, ledger_of=view.ledger, needs=self._needs)
                for one in view.requests
            ]
        except Rejected as error:
            raise Rejected(completions.path_of(error.note.path), error.note.code, error.note.reason) from None
        self._check([note for prompt in plans for note in prompt.plan.notes])

        async def finish(answers: Sequence[bytes], _is_native: bool) -> RowAnswer:
            id_, left, chats = new_id("cmpl-", 28), list(answers), list[ChatCompletion]()
            ledger = [note for prompt in plans for note in prompt.plan.notes]
            for prompt in plans:
                own, left = left[: prompt.plan.calls], left[prompt.plan.calls :]
                completion, lost = await self._completion(prompt, own, id_, stores=False)
                chats.append(completion)
                ledger += lost
            return _answer(completions.from_chat(chats, view, id_, int(time.time()), plans[0].plan.model), ledger)

        return _generation(plans, finish)

    async def _response(self, body: bytes, work: Work) -> PlannedRow:
        request, unknown = await self._service.read(body, ResponsesRequest, work)
        _check_whole(stream=request.stream, background=request.background)
        turn = await turn_of(self._service, request, unknown, self._client, work=work, needs=self._needs)
        self._check(turn.plans.plan.notes)

        async def finish(answers: Sequence[bytes], _is_native: bool) -> RowAnswer:
            exchange = Exchange(id="", path="", started_at=time.time())
            response = await whole(self._service, turn, await _reply(turn.plans, answers), exchange)
            return _answer(response, [*turn.plans.plan.notes, *exchange.reply_notes])

        return _generation([turn.plans], finish)

    async def _embed(self, body: bytes, work: Work) -> PlannedRow:
        service = self._service
        request, unknown = await service.read(body, EmbeddingRequest, work)
        self._client.check(request.model)
        served = find_served_model(request.model, service.catalogue, "embeddings")
        path_of_model(served.model, service.upstream.settings.models)
        context = EmbeddingContext(request=request, served=served, options=service.options, detokenize=detokenizer())
        plan = await work.run(embeddings.to_gemini, context, unknown)
        self._check(plan.notes)
        rows = [encode(one) for batch in plan.batches for one in getattr(batch, "requests", ())]

        async def finish(answers: Sequence[bytes], is_native: bool) -> RowAnswer:
            if is_native:
                edges = [sum(plan.inputs[:index]) for index in range(len(plan.inputs) + 1)]
                parts = [answers[edges[index] : edges[index + 1]] for index in range(len(plan.inputs))]
                answers = list(map(join_embeddings, parts))
            read = [plan.method.read(answer, read_message) for answer in answers]
            embedding_list, ledger = await work.run(embeddings.from_gemini, read, plan, request, served.model)
            return _answer(embedding_list, [*plan.notes, *ledger])

        calls = [(plan.method.name, encode(batch)) for batch in plan.batches]
        return PlannedRow(served.model, "", EMBED, rows, calls, finish)


def _check_whole(*, stream: bool | None, background: bool | None = None) -> None:
    """Raise `Rejected` for a request that wants a stream, or a background response."""
    for name, value in (("stream", stream), ("background", background)):
        if value:
            raise Rejected(name, "setting-contradicted", "a batch has no streams: its answers are whole")


def _generation(plans: Sequence[Plans], finish: Callable[[Sequence[bytes], bool], Awaitable[RowAnswer]]) -> PlannedRow:
    """Return the row of one or more chats; each plan's request stands there as often as it has calls."""
    first = plans[0]
    bodies = [body for prompt in plans for body in [encode(prompt.plan.body)] * prompt.plan.calls]
    pin = next((prompt.pin for prompt in plans if prompt.pin), "")
    return PlannedRow(first.plan.model, pin, BATCH_GENERATE, bodies, [(GENERATE, body) for body in bodies], finish)


def _answer(made: msgspec.Struct, ledger: Sequence[Note]) -> RowAnswer:
    """Return a client's answer with its losses as the header names them, if there are any."""
    return RowAnswer(encode(made), notes.summary(ledger) if count_losses(ledger) else "")


async def _reply(plans: Plans, answers: Sequence[bytes]) -> Reply:
    replies = [read_reply(answer) for answer in answers]
    if (form := plans.plan.image_form) is not None:
        for reply in replies:
            await convert_answer(reply.response, form)
    return replies[0] if len(replies) == 1 else join_replies(replies)
