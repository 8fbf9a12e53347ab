"""Turns: recorded OpenAI conversations by Gemini's turn rules, recorded Gemini conversations there and back."""

import itertools
import json
from collections import Counter
from collections.abc import Iterator

import pytest

from adapter.translate import chat
from adapter.translate.core.context import Context
from adapter.translate.signatures.history import look_up
from adapter.wire.base import decode, encode
from adapter.wire.openai.chat_request import ChatCompletionRequest
from tests.corpus.requests import MODELS, translate
from tests.corpus.tool_loops import calls_of, can_go_on, first_answer, next_request
from tests.support.answering import Object
from tests.support.joiner import merge_texts
from tests.support.recordings import Recording, chat_requests, exceptions, gemini_answers, row_of

DATA = {
    "text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult",
    "toolCall", "toolResponse",
}  # fmt: skip


def check_turns(contents: list[Object], *, prefill: bool) -> None:
    """Gemini's turn rules (ai.google.dev, function calling and thought signatures, 2026-04), over the JSON itself."""
    assert contents, "there is a content"
    for content in contents:
        assert content["role"] in ("user", "model")
        assert content["parts"], "a content has parts"
        assert all(len(DATA & set(part)) == 1 for part in content["parts"]), "a part has one datum"
    for before, content in itertools.pairwise([{"role": "", "parts": []}, *contents]):
        asked, answered = _inside(before, "functionCall"), _inside(content, "functionResponse")
        assert len(asked) == len(answered), "as many results as calls, right after them"
        for call, result in zip(asked, answered, strict=True):
            assert call["name"] == result["name"] != ""
            assert call.get("id") == result.get("id")
            assert isinstance(result.get("response"), dict)
        if _inside(content, "functionCall"):
            assert content["role"] == "model"
            assert before["role"] == "user", "a call comes after a user's turn or after results"
        if answered:
            assert content["role"] == "user"
    assert contents[0]["role"] == "user"
    assert prefill or contents[-1]["role"] == "user"
    assert not _inside(contents[-1], "functionCall")


def _inside(content: Object, name: str) -> list[Object]:
    return [part[name] for part in content["parts"] if name in part]


@pytest.mark.parametrize("model", MODELS)
def test_every_recorded_conversation_keeps_the_turn_rules(model, count):
    turns = Counter(recording.source for recording in chat_requests())
    for recording in chat_requests():
        if recording.id in exceptions("requests"):
            continue
        body, _ = translate(recording, model)
        check_turns(body["contents"], prefill=row_of(model).prefill)
        count("requests of several turns" if turns[recording.source] > 1 else "single requests")


@pytest.mark.parametrize("model", MODELS)
def test_a_longer_conversation_goes_on_where_the_shorter_one_ended(model, count):
    """Gemini caches prefixes of its own accord: what was sent before must be sent again as it was."""
    for shorter, longer in _successive(chat_requests()):
        old, new = shorter.request.get("messages", []), longer.request.get("messages", [])
        if {shorter.id, longer.id} & set(exceptions("requests")) or old != new[: len(old)] or len(old) == len(new):
            continue
        if old[-1]["role"] == "assistant" or _other_system(shorter, longer):
            continue
        before, after = (_without_signatures(translate(one, model)[0]["contents"]) for one in (shorter, longer))
        assert after[: len(before)] == before, (shorter.id, longer.id)
        count("pairs")


def _successive(all_of: list[Recording]) -> Iterator[tuple[Recording, Recording]]:
    ordered = sorted(all_of, key=lambda one: (one.source, one.position))
    for _, group in itertools.groupby(ordered, key=lambda one: one.source):
        yield from itertools.pairwise(group)


def _other_system(shorter: Recording, longer: Recording) -> bool:
    """A request of system messages alone has one of them as the user's turn."""
    return all(message["role"] in ("system", "developer") for message in shorter.request["messages"])


def _without_signatures(contents: list[Object]) -> list[Object]:
    """The stand-in for a lost signature is only sent in the current turn."""
    parts = [[{k: v for k, v in part.items() if k != "thoughtSignature"} for part in one["parts"]] for one in contents]
    return [{**content, "parts": kept} for content, kept in zip(contents, parts, strict=True)]


@pytest.mark.parametrize(("bare", "stored"), [(False, False), (False, True), (True, True)])
def test_calls_go_back_to_gemini_as_they_came(bare, stored, count):
    """Names, arguments and signatures, from the message alone, from both, from the store alone."""
    for recording in gemini_answers():
        if not can_go_on(recording):
            continue
        message, issued = first_answer(recording)
        request = next_request(recording, message, bare=bare)
        history = look_up(request, {one.key: one.signature for one in issued} if stored else {})
        row = row_of(recording.model)
        body, _ = chat.to_gemini(Context(request=request, capabilities=row, history=history))
        contents = json.loads(encode(body))["contents"]
        check_turns(contents, prefill=False)
        sent = [part for part in contents[1]["parts"] if "functionCall" in part]
        came = calls_of(recording)
        assert [(p["functionCall"]["name"], p["functionCall"].get("args", {})) for p in sent] == [
            (p["functionCall"]["name"], p["functionCall"].get("args", {})) for p in came
        ], recording.id
        if any("thoughtSignature" in part for part in came):
            assert [part.get("thoughtSignature") for part in sent] == [part.get("thoughtSignature") for part in came]
            count("with signatures")
        if stored and row.call_ids and any("id" in part["functionCall"] for part in came):
            assert [part["functionCall"]["id"] for part in sent] == [part["functionCall"]["id"] for part in came]
            count("with Gemini's own ids")
        count("answers")


def wanted_parts(recording: Recording) -> list[Object]:
    """The parts of an answer that Gemini wants back: without unsigned thoughts, and what says nothing."""
    parts = [
        part
        for event in recording.events()
        for candidate in event.get("candidates", [])[:1]
        for part in candidate.get("content", {}).get("parts", [])
    ]
    signed = [part for part in parts if part.get("thoughtSignature")]
    says = [part for part in parts if part and not part.get("thought") and part.get("text") != ""]
    return merge_texts([part for part in parts if part in signed or part in says])


def signature_of(part: Object) -> str | None:
    return part.get("thoughtSignature")


@pytest.mark.parametrize("bare", [False, True])
def test_answers_without_calls_go_back_to_gemini_as_they_came(bare, count):
    """Texts with their signatures, and where the client's message has them executed code and server-side tools."""
    special = {**exceptions("answers.streamed"), **exceptions("answers.whole")}
    for recording in gemini_answers():
        parts = [] if recording.integer_enums or recording.id in special else wanted_parts(recording)
        if not any(part.get("text") for part in parts) or "inlineData" in str([list(part) for part in parts]):
            continue
        message, issued = first_answer(recording)
        if message.get("tool_calls"):
            continue
        sent = {"role": "assistant", "content": message["content"]} if bare else message
        messages = [{"role": "user", "content": "hi"}, sent, {"role": "user", "content": "go on"}]
        request, _ = decode(
            json.dumps({"model": recording.model, "messages": messages}).encode(), ChatCompletionRequest
        )
        history = look_up(request, {one.key: one.signature for one in issued} if bare else {})
        context = Context(request=request, capabilities=row_of(recording.model), history=history)
        contents = json.loads(encode(chat.to_gemini(context)[0]))["contents"]
        texts = [part for part in parts if "text" in part and not part.get("thought")]
        if bare and texts != parts:
            # Words alone do not prove that what only Gemini saw belongs to this answer.
            assert [part.get("text") for part in contents[1]["parts"]] == [message["content"]], recording.id
            assert contents[1]["parts"][0].get("thoughtSignature") in [None, *map(signature_of, texts)], recording.id
            count("of words alone")
            continue
        assert merge_texts(contents[1]["parts"]) == parts, recording.id
        count("with signatures" if any("thoughtSignature" in part for part in parts) else "without signatures")
