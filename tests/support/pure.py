"""The cases of `conformance/` through the pure core; foreign judges look at what goes out on both sides."""

# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="var-annotated"

import asyncio
import base64
from typing import Any

import msgspec
import orjson

from adapter import settings
from adapter.server.asking import continuation as continuing
from adapter.server.asking.parallel_choices import joined
from adapter.server.http.byte_budget import ByteBudget
from adapter.server.limits.admission import HeldBytes
from adapter.server.pipeline import ledger_headers as ledger
from adapter.server.pipeline.errors import TABLE, failure_of, malformed
from adapter.server.pipeline.planner import plan_for
from adapter.server.pipeline.service import DECODING_ERRORS
from adapter.server.state.not_stored import item_not_stored
from adapter.server.state.stored_objects import Past
from adapter.store.shared.base import combine
from adapter.translate import chat, completions, decisions, embeddings, image_answers, images, moderations, speech
from adapter.translate.answer import continuation
from adapter.translate.answer.continuation import Continuation, unfinished
from adapter.translate.answer.parallel_choices import Fanout
from adapter.translate.core.catalogue import CODES
from adapter.translate.core.context import Stamp
from adapter.translate.core.notes import Fate, Rejected
from adapter.translate.core.strictness import Strictness
from adapter.translate.decisions import DecisionContext
from adapter.translate.embeddings import EmbeddingContext
from adapter.translate.images import ImageContext
from adapter.translate.moderations import ModerationContext
from adapter.translate.responses import fields as responses
from adapter.translate.responses.compaction import asking, compacted
from adapter.translate.responses.input_items import type_of
from adapter.translate.responses.stored_items import without_repeats
from adapter.translate.signatures.history import look_up
from adapter.translate.speech import SpeechContext
from adapter.upstream.answers import EventReader, Reply, read_message, read_reply
from adapter.upstream.errors import UpstreamError, from_answer
from adapter.upstream.sse import EventDecoder
from adapter.wire.base import decode, encode
from adapter.wire.gemini.decisions import CreateDecisionResponse
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.openai.completions import CompletionRequest
from adapter.wire.openai.decisions import DecisionRequest
from adapter.wire.openai.embeddings import EmbeddingRequest
from adapter.wire.openai.images import ImageEditRequest, ImageRequest, ImageVariationRequest
from adapter.wire.openai.moderations import ModerationRequest
from adapter.wire.openai.responses import InputItem, ResponsesRequest
from adapter.wire.openai.speech import SpeechAudioDelta, SpeechAudioDone, SpeechRequest
from adapter.wire.signatures import Signature
from conformance.cases import all_cases
from conformance.clients import CLIENTS, fill
from conformance.judging import Observed, judge
from tests.support import oracles

RUNS = [(case, client) for case in all_cases() for client in case.clients]


def settings_of(given):
    return settings.load(
        {"upstream_url": "http://127.0.0.1:1", "upstream_keys": "k", "upstream_name": "studio", **given}, {}
    )


class Core:
    """The server's way through a request, without server, network and store."""

    def __init__(self, case):
        self.case = case
        self.settings = settings_of(case.settings)
        self.store = {key: decode(orjson.dumps(value), Signature)[0] for key, value in case.signatures.items()}

    def run(self, turn, request, number):
        self.bodies, self.paths, self.chunks = [], [], []
        self.notes = self.reply_notes = None
        try:
            return self.serve(turn, orjson.dumps(request), number)
        except TABLE as error:
            failure = failure_of(error, "req", own_key=self.settings.upstream_auth == "caller")
            if isinstance(error, Rejected):
                self.notes = lines(error.notes)
            if self.chunks:
                events = [*self.chunks, orjson.loads(encode(failure.body))]
                return self.observed(200, None, {}, events)
            return self.observed(failure.status, orjson.loads(encode(failure.body)), failure.headers)

    def serve(self, turn, body, number):
        try:
            request, unknown = decode(body, ChatCompletionRequest)
        except DECODING_ERRORS as error:
            raise malformed(error) from None
        chosen = settings.options(self.settings)
        ready = plan_for(
            request,
            unknown,
            settings.catalogue(self.settings, self.case.day),
            chosen,
            history=look_up(request, self.store),
        )
        context, model = ready.context, ready.model
        self.notes = lines(ready.notes)
        ledger.check(ready.notes, Strictness(self.settings.strict), self.settings.notes)
        method = "streamGenerateContent" if request.stream else "generateContent"
        self.ask(orjson.loads(encode(ready.body)), f"{model}:{method}", ready.calls, method)
        stamp = Stamp(seed=f"turn{number}", id=f"chatcmpl-{number}", created=1_700_000_000, model=model)
        self.begin(ready)
        return self.stream(turn, context, stamp) if request.stream else self.whole(turn, context, stamp)

    def begin(self, ready):
        """Be ready for further calls that go on with the answer."""
        self.body, self.calls = ready.body, ready.calls
        self.answer = Continuation(ready.body, ready.context, self.settings.continuations)

    def whole_reply(self, turn):
        """Gemini's whole answer, by as many calls as it takes."""

        async def ask(body):
            return read_reply(self.heard(turn, body))

        first = read_reply(self.heard(turn, self.body))
        if not unfinished(first.response):
            return first
        return asyncio.run(continuing.whole(first, ask, self.answer))

    async def each_reply(self, turn, machine):
        """Feed the events of all calls."""

        async def stream(body):
            for reply in replies_of(self.heard(turn, body), self.calls):
                yield reply

        async for reply in continuing.streamed(stream, self.body, self.answer):
            if reply.continued:
                machine.went_on()
            self.send(machine, machine.feed(reply.response, reply.unknown))

    def heard(self, turn, body):
        """What Gemini answers to a call, as bytes or pieces of a stream; only further ones are not known yet."""
        sent = orjson.loads(encode(body))
        if body is not self.body:
            oracles.check_gemini_request(sent)
            self.bodies.append(sent)
            self.paths.append(self.paths[0])
        pieces, status = turn.pieces(sent), turn.said(sent).status
        if status != 200:
            raise from_answer(status, {}, b"".join(pieces))
        return pieces if turn.request.get("stream") else b"".join(pieces)

    def keep(self, issued):
        """Store what was issued, as a store does."""
        for key, signature, by_words in issued:
            self.store[key] = combine(self.store.get(key), signature) if by_words else signature

    def ask(self, body, path, calls, method):
        """What Gemini gets, which foreign judges must take too."""
        self.bodies, self.paths = [body] * calls, [path] * calls
        oracles.check_gemini_request(body)
        refusal = oracles.emulator_refusal(body, path.partition(":")[0], streaming=method != "generateContent")
        assert bool(refusal) is bool(self.case.emulator), f"the emulator says: {refusal or 'nothing'}"
        assert self.case.emulator in refusal

    def whole(self, turn, context, stamp):
        replies = [self.whole_reply(turn) for _ in range(self.calls)]
        reply = replies[0] if self.calls == 1 else joined(replies)
        completion, notes, issued = chat.from_gemini(reply.response, context, stamp, reply.unknown)
        self.keep(issued)
        self.reply_notes = lines(continuation.notes(reply.continued) + notes)
        answer = orjson.loads(encode(completion))
        oracles.check_completion(answer)
        return self.observed(200, answer, {})

    def stream(self, turn, context, stamp):
        machine = chat.ChatStream(context, stamp)
        try:
            asyncio.run(self.each_reply(turn, machine))
        except UpstreamError:
            if not machine.finished:
                raise
        self.send(machine, machine.close())
        self.reply_notes = lines(machine.notes)
        oracles.check_chunks(self.chunks)
        return self.observed(200, None, {}, self.chunks, done=True)

    def send(self, machine, chunks):
        self.keep(machine.take_issued())
        self.chunks += [orjson.loads(encode(chunk)) for chunk in chunks]

    def observed(self, status, body, headers, events=None, done=False):
        notes = (self.notes, self.reply_notes)
        return Observed(self.bodies, self.paths, status, body, dict(headers), events, done, *notes)


def past_of(request, before, indexes=(), found=()):
    """A request whose first items were said before it."""
    held = HeldBytes(ByteBudget(0))
    return Past(request, before, "previous_response_id", [], [], held, indexes, found)


class ResponsesCore(Core):
    """The same way through a request for a response."""

    def __init__(self, case):
        super().__init__(case)
        self.responses = {}

    def serve(self, turn, body, number):
        try:
            request, unknown = decode(body, ResponsesRequest)
        except DECODING_ERRORS as error:
            raise malformed(error) from None
        past = self.past(self.asked(request))
        self.view = view = responses.to_chat(past.request, unknown)
        chosen = settings.options(self.settings)
        history = look_up(view.request, self.store, view.carried)
        try:
            ready = plan_for(
                view.request, {}, settings.catalogue(self.settings, self.case.day), chosen, history=history
            )
        except Rejected as error:
            raise past.rejected(view.rejected(error)) from None
        context, model = ready.context, ready.model
        ledger_ = past.notes(view.ledger(ready.notes))
        self.notes = lines(ledger_)
        ledger.check(ledger_, Strictness(self.settings.strict), self.settings.notes)
        method = "streamGenerateContent" if request.stream else "generateContent"
        self.ask(orjson.loads(encode(ready.body)), f"{model}:{method}", ready.calls, method)
        stamp = Stamp(seed=f"turn{number}", id=f"resp_{number}", created=1_700_000_000, model=model)
        self.begin(ready)
        return self.stream(turn, context, stamp) if request.stream else self.whole(turn, context, stamp)

    def asked(self, request):
        """What is asked for, where that is not the request itself."""
        return request

    def past(self, request):
        """The request with the items of the response before, as the server puts them there."""
        for index, item in enumerate(request.input if isinstance(request.input, list) else ()):
            if type_of(item) == "item_reference" and item.id:
                raise item_not_stored(item.id, f"input[{index}].id")
        if request.previous_response_id is None:
            return past_of(request, 0)
        before = self.responses[request.previous_response_id]
        history, _ = decode(orjson.dumps(before), list[InputItem])
        given, _ = decode(orjson.dumps(responses.input_items(request)), list[InputItem])
        new, found = without_repeats(history, given)
        items = [*history, *(given[index] for index in new)]
        return past_of(msgspec.structs.replace(request, input=items), len(before), new, found)

    def keep_answer(self, answer):
        """Store a response with all that was said up to its end."""
        self.responses[answer["id"]] = responses.input_items(self.view.asked) + answer["output"]

    def whole(self, turn, context, stamp):
        reply = self.whole_reply(turn)
        response, notes, issued = responses.from_gemini(reply.response, context, stamp, reply.unknown, self.view)
        self.keep(issued)
        self.reply_notes = lines(continuation.notes(reply.continued) + notes)
        answer = orjson.loads(encode(response))
        oracles.check_response(answer)
        self.keep_answer(answer)
        return self.observed(200, answer, {})

    def stream(self, turn, context, stamp):
        machine = responses.ResponseStream(stamp, self.view).begin(context, stamp.model)
        try:
            asyncio.run(self.each_reply(turn, machine))
            self.send(machine, machine.close())
        except TABLE as error:
            if not self.chunks:
                raise
            self.send(machine, machine.fail(failure_of(error, "req", own_key=False).body))
        self.reply_notes = lines(machine.notes)
        oracles.check_events(self.chunks)
        self.keep_answer(self.chunks[-1]["response"])
        return self.observed(200, None, {}, self.chunks, done=True)


class CompactionCore(ResponsesCore):
    """The same way through a request to shorten a conversation."""

    def asked(self, request):
        return asking(request)

    def whole(self, turn, context, stamp):
        reply = read_reply(b"".join(turn.pieces()))
        response, notes, _ = responses.from_gemini(reply.response, context, stamp, reply.unknown, self.view)
        self.reply_notes = lines(notes)
        return self.observed(200, orjson.loads(encode(compacted(response, self.view.asked))), {})


class EmbeddingsCore(Core):
    """The way through a request for vectors."""

    def serve(self, turn, body, number):
        try:
            request, unknown = decode(body, EmbeddingRequest)
        except DECODING_ERRORS as error:
            raise malformed(error) from None
        names = settings.catalogue(self.settings, self.case.day)
        served = settings.find_served_model(request.model, names, "embeddings")
        options = settings.options(self.settings)
        context = EmbeddingContext(request=request, served=served, options=options, detokenize=words_of)
        plan = embeddings.to_gemini(context, unknown)
        self.notes = lines(plan.notes)
        ledger.check(plan.notes, Strictness(self.settings.strict), self.settings.notes)
        self.bodies = [orjson.loads(encode(batch)) for batch in plan.batches]
        self.paths = [f"{served.model}:{plan.method.name}"] * len(self.bodies)
        for asked in self.bodies:
            oracles.check_embedding_request(asked, served.model, plan.method.name, options.platform)
        pieces = b"".join(turn.pieces())
        if turn.status != 200:
            raise from_answer(turn.status, {}, pieces)
        answers = [read_message(pieces, plan.method.answer)[0] for _ in plan.batches]
        found, notes = embeddings.from_gemini(answers, plan, request, served.model)
        self.reply_notes = lines(notes)
        answer = orjson.loads(encode(found))
        oracles.check_embeddings(answer)
        return self.observed(200, answer, {})


class DecisionsCore(Core):
    """The way through a request for decisions."""

    def serve(self, turn, body, number):
        try:
            request, unknown = decode(body, DecisionRequest)
        except DECODING_ERRORS as error:
            raise malformed(error) from None
        names = settings.catalogue(self.settings, self.case.day)
        served = settings.find_served_model(request.model, names, "decisions")
        context = DecisionContext(request=request, served=served, options=settings.options(self.settings))
        plan = decisions.to_gemini(context, unknown)
        self.notes = lines(plan.notes)
        ledger.check(plan.notes, Strictness(self.settings.strict), self.settings.notes)
        self.bodies, self.paths = [orjson.loads(encode(plan.body))], ["decisions"]
        oracles.check_decision_request(self.bodies[0])
        pieces = b"".join(turn.pieces())
        if turn.status != 200:
            raise from_answer(turn.status, {}, pieces)
        found, notes = decisions.from_gemini(decode(pieces, CreateDecisionResponse)[0], plan, context)
        self.reply_notes = lines(notes)
        answer = orjson.loads(encode(found))
        oracles.check_decision(answer)
        return self.observed(200, answer, {})


class ModerationsCore(Core):
    """The way through a request for verdicts, by one call."""

    def serve(self, turn, body, number):
        try:
            request, unknown = decode(body, ModerationRequest)
        except DECODING_ERRORS as error:
            raise malformed(error) from None
        names = settings.catalogue(self.settings, self.case.day)
        served = settings.find_served_model(request.model or moderations.DEFAULT_MODEL, names, "moderations")
        context = ModerationContext(request=request, served=served, options=settings.options(self.settings))
        plan = moderations.to_gemini(context, unknown)
        self.notes = lines(plan.notes)
        ledger.check(plan.notes, Strictness(self.settings.strict), self.settings.notes)
        notes = []
        model, asked = served.model, moderations.questions_about(plan, plan.batches[0], served.model)
        self.bodies, self.paths = [orjson.loads(encode(asked))], ["decisions"]
        if not context.has_decisions:
            model = context.rater
            self.bodies, self.paths = (
                [orjson.loads(encode(moderations.rating_of(plan, 0)))],
                [f"{model}:generateContent"],
            )
            oracles.check_gemini_request(self.bodies[0])
        else:
            oracles.check_decision_request(self.bodies[0])
        pieces = b"".join(turn.pieces())
        if turn.status != 200:
            raise from_answer(turn.status, {}, pieces)
        if context.has_decisions:
            response, _ = decode(pieces, CreateDecisionResponse)
            results = moderations.verdicts(response, plan, plan.batches[0], notes)
        else:
            results = [moderations.rated(decode(pieces, GenerateContentResponse)[0], plan, 0, notes)]
        self.reply_notes = lines(notes)
        answer = orjson.loads(encode(moderations.answer_of(results, "modr-1", model)))
        oracles.check_moderation(answer)
        return self.observed(200, answer, {})


IMAGE_REQUESTS: dict[str, Any] = {
    "images": ImageRequest,
    "image_edits": ImageEditRequest,
    "image_variations": ImageVariationRequest,
}


class ImagesCore(Core):
    """The way through a request for images; none is converted."""

    def serve(self, turn, body, number):
        try:
            request, unknown = decode(body, IMAGE_REQUESTS[self.case.suite])
        except DECODING_ERRORS as error:
            raise malformed(error) from None
        names = settings.catalogue(self.settings, self.case.day)
        served = settings.find_served_model(request.model or images.DEFAULT_MODEL, names, self.case.endpoint)
        plan = images.to_gemini(
            ImageContext(request=request, served=served, options=settings.options(self.settings)), unknown
        )
        self.notes = lines(plan.notes)
        ledger.check(plan.notes, Strictness(self.settings.strict), self.settings.notes)
        self.ask(orjson.loads(encode(plan.body)), f"{served.model}:generateContent", plan.calls, "generateContent")
        pieces = b"".join(turn.pieces(streamed=False))
        if turn.status != 200:
            raise from_answer(turn.status, {}, pieces)
        answers = [decode(pieces, GenerateContentResponse)[0] for _ in range(plan.calls)]
        drawn, usage, notes = image_answers.from_gemini(answers)
        if getattr(request, "stream", None):
            events = image_answers.events_of(drawn, usage, 1_700_000_000, edits=self.case.suite == "image_edits")
            self.reply_notes, found = lines(notes), [orjson.loads(encode(one)) for one in events]
            for one in found:
                oracles.check_image_event(one)
            return self.observed(200, None, {}, found, done=True)
        self.reply_notes = lines(notes + image_answers.url_notes(plan))
        answer = orjson.loads(encode(image_answers.answer_of(drawn, usage, plan, 1_700_000_000)))
        oracles.check_images(answer)
        return self.observed(200, answer, {})


class SpeechCore(Core):
    """The way through a request for speech; only samples are made."""

    def serve(self, turn, body, number):
        try:
            request, unknown = decode(body, SpeechRequest)
        except DECODING_ERRORS as error:
            raise malformed(error) from None
        names = settings.catalogue(self.settings, self.case.day)
        served = settings.find_served_model(request.model, names, self.case.endpoint)
        plan = speech.to_gemini(
            SpeechContext(request=request, served=served, options=settings.options(self.settings)), unknown
        )
        self.notes = lines(plan.notes)
        ledger.check(plan.notes, Strictness(self.settings.strict), self.settings.notes)
        reader, samples, bodies, paths = speech.SpeechReader(), [], [], []
        for one in plan.bodies:
            self.ask(orjson.loads(encode(one)), f"{served.model}:streamGenerateContent", 1, "streamGenerateContent")
            bodies, paths = [*bodies, *self.bodies], [*paths, *self.paths]
            pieces = turn.pieces(streamed=True)
            if turn.status != 200:
                raise from_answer(turn.status, {}, b"".join(pieces))
            samples += [reader.feed(reply.response) for reply in replies_of(pieces, 1)]
            samples.append(reader.end_call())
        self.bodies, self.paths, self.reply_notes = bodies, paths, []
        deltas = [SpeechAudioDelta(audio=base64.b64encode(one).decode()) for one in samples if one]
        events = [orjson.loads(encode(one)) for one in (*deltas, SpeechAudioDone(usage=reader.usage()))]
        if not plan.as_events:
            return self.observed(200, {}, {})
        return self.observed(200, None, {}, events, done=True)


class CompletionsCore(Core):
    """The way through a request to continue texts."""

    def serve(self, turn, body, number):
        try:
            request, unknown = decode(body, CompletionRequest)
        except DECODING_ERRORS as error:
            raise malformed(error) from None
        names = settings.catalogue(self.settings, self.case.day)
        view = completions.to_chat(request, settings.find_served_model(request.model, names).row, words_of, unknown)
        chosen = settings.options(self.settings)
        try:
            chats = [plan_for(one, {}, names, chosen, history=look_up(one, {})) for one in view.requests]
        except Rejected as error:
            raise Rejected(completions.path_of(error.note.path), error.note.code, error.note.reason) from None
        notes = list(dict.fromkeys(note for one in chats for note in view.ledger(one.notes)))
        self.notes = lines(notes)
        ledger.check(notes, Strictness(self.settings.strict), self.settings.notes)
        made = [self.answer_to(turn, one, number) for one in chats]
        self.bodies = [orjson.loads(encode(one.body)) for one in chats for _ in range(one.calls)]
        self.paths = [f"{one.model}:generateContent" for one in chats for _ in range(one.calls)]
        self.reply_notes = lines([note for _, notes, _ in made for note in notes])
        found = completions.from_chat([one for one, _, _ in made], view, "cmpl-1", 1_700_000_000, chats[0].model)
        answer = orjson.loads(encode(found))
        oracles.check_text_completion(answer)
        return self.observed(200, answer, {})

    def answer_to(self, turn, one, number):
        """The chat's answer to one prompt."""
        self.ask(orjson.loads(encode(one.body)), f"{one.model}:generateContent", one.calls, "generateContent")
        self.begin(one)
        replies = [self.whole_reply(turn) for _ in range(one.calls)]
        reply = replies[0] if one.calls == 1 else joined(replies)
        stamp = Stamp(seed=f"turn{number}", id="cmpl-1", created=1_700_000_000, model=one.model)
        return chat.from_gemini(reply.response, one.context, stamp, reply.unknown)


def words_of(tokens):
    """A text for tokens, where no data of OpenAI's tokens are needed."""
    if min(tokens) < 0:
        raise ValueError("a negative number")
    return " ".join(f"word{token}" for token in tokens)


CORES = {
    "responses": ResponsesCore,
    "compactions": CompactionCore,
    "embeddings": EmbeddingsCore,
    "completions": CompletionsCore,
    "decisions": DecisionsCore,
    "moderations": ModerationsCore,
    "images": ImagesCore,
    "image_edits": ImagesCore,
    "image_variations": ImagesCore,
    "speech": SpeechCore,
}


def lines(notes):
    lost = [note for note in notes if note.fate != Fate.EXACT]
    assert [note for note in lost if not note.reason] == [], "every loss says why"
    assert [note for note in lost if note.code not in CODES] == [], "every loss has a code of the catalogue"
    return [f"{note.path} {note.fate}" for note in lost]


def replies_of(pieces, calls):
    decoder = EventDecoder(1 << 20)
    payloads = [payload for piece in pieces for payload in decoder.feed(piece)]
    fanout = Fanout(calls)
    reader = EventReader()
    for payload in payloads + decoder.close():
        for call in range(calls):
            reply = reader.read(payload)
            yield reply if calls == 1 else Reply(*fanout.renumber(call, reply.response, reply.unknown))


def check_case(case, client):
    """Raise with all differences unless a case is answered as it says."""
    core, messages, before = CORES.get(case.suite, Core)(case), [], []
    for number, turn in enumerate(case.turns, 1):
        request = fill(turn.request, messages)
        observed = core.run(turn, request, number)
        expected = msgspec.structs.replace(turn, upstream=fill(turn.upstream, messages))
        verdict, message = judge(expected, observed, before)
        before = observed.bodies
        assert not verdict.faults, "\n".join([f"turn {number}:", *verdict.faults, f"Gemini got {core.bodies}"])
        messages.append(CLIENTS[client](message))
