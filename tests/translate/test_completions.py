"""/v1/completions as a view of chats: what each choice says, whole and streamed, and what is refused."""

import msgspec
import pytest

from adapter.translate.completions import (
    CompletionStream,
    CompletionView,
    echo_prompts,
    from_chat,
    path_of,
    source_of,
    to_chat,
)
from adapter.translate.core.capabilities import ModelCapabilities
from adapter.translate.core.catalogue import CODES
from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.wire.openai.chat_answer import ChatCompletion, ChatCompletionChunk
from adapter.wire.openai.completions import Completion, CompletionRequest
from tests.support.answering import Object

ROW = ModelCapabilities(pattern="*", source="", date="")


def view_of(**fields: object) -> CompletionView:
    return to_chat(CompletionRequest(model="m", **fields), ROW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"prompt": "a", "max_tokens": -1}, "max_tokens"),
        ({"prompt": "a", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "a", "logprobs": 6}, "logprobs"),
        ({"prompt": "a", "n": 3, "best_of": 2}, "best_of"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt[1]"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": ["a", [1, 2]]}, "prompt[1]"),
    ],
)
def test_what_openai_refuses_is_refused_at_its_field(fields: Object, path: str) -> None:
    with pytest.raises(Rejected) as raised:
        view_of(**fields)
    assert [note.path for note in raised.value.notes] == [path]
    assert {note.code for note in raised.value.notes} <= set(CODES)


def test_tokens_are_the_texts_that_they_stand_for() -> None:
    def text_of(tokens: list[int]) -> str:
        if 7 in tokens:
            raise ValueError("no token")
        return "".join(map(chr, tokens))

    def texts(prompt: list[str | int | list[int]]) -> list[object]:
        made = to_chat(CompletionRequest(model="m", prompt=prompt), ROW, text_of)
        return [one.messages[-1].content for one in made.requests]

    assert texts([97, 98]) == ["ab"]
    assert texts([[97, 98], "c", [100], ""]) == ["ab", "c", "d", "\n"]
    for wrong, path in (([[97], [7]], "prompt[1]"), ([7], "prompt")):
        with pytest.raises(Rejected, match="no tokens of OpenAI's: no token") as raised:
            texts(wrong)  # type: ignore[arg-type]
        assert (raised.value.note.path, raised.value.note.code) == (path, "malformed-value")


def test_the_first_answers_are_the_best_ones_and_as_many_as_asked_for_need_no_note() -> None:
    codes = [[note.code for note in view_of(prompt="a", n=2, best_of=most, max_tokens=5).notes] for most in (2, 3)]
    assert [("best-of-unavailable" in one) for one in codes] == [False, True]


@pytest.mark.parametrize(
    ("path", "source", "note"),
    [
        ("messages[0].content", "prompt", "prompt"),
        ("max_completion_tokens", "max_tokens", "max_tokens"),
        ("top_logprobs", "logprobs", "logprobs"),
        ("reasoning_effort", "model", "reasoning_effort"),
        ("seed", "seed", "seed"),
    ],
)
def test_a_field_of_the_chat_has_the_name_of_the_field_it_stands_for(path: str, source: str, note: str) -> None:
    request = CompletionRequest(model="m", prompt="a")
    assert (source_of(request, 0, path), path_of(path)) == (source, note)


def test_a_prompt_of_several_is_named_with_its_place_and_a_suffix_by_its_own_name() -> None:
    request = CompletionRequest(model="m", prompt=["a", "b"], suffix="c")
    places = [source_of(request, 1, path) for path in ("messages[0].content", "messages[1].content")]
    assert places == ["suffix", "prompt[1]"]
    one_prompt: list[str | list[str | int | list[int]]] = ["a", [1, 2]]
    for prompt in one_prompt:
        assert source_of(CompletionRequest(model="m", prompt=prompt), 0, "messages[0].content") == "prompt"


def test_notes_of_a_chat_are_told_once_and_not_those_on_fields_that_no_client_sent() -> None:
    view = view_of(prompt="a")
    chat = [
        Note("max_completion_tokens", Fate.EXACT),
        Note("reasoning_effort", Fate.DROPPED, "thinking-unavailable", "none"),
        Note("top_logprobs", Fate.EXACT),
        Note("messages[0].content", Fate.DROPPED, "part-empty", "no text"),
    ]
    told = [(note.path, note.fate) for note in view.ledger(chat)]
    own = [(note.path, note.fate) for note in view.notes]
    assert "max_tokens" in [path for path, _ in own]
    assert told == [*own, ("logprobs", Fate.EXACT), ("prompt", Fate.DROPPED)]


USAGE = {
    "prompt_tokens": 2,
    "completion_tokens": 3,
    "total_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0, "cache_write_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 0,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}


def logprobs(*tokens: str) -> Object:
    return {
        "content": [{"token": token, "logprob": -1.0, "bytes": [97], "top_logprobs": []} for token in tokens],
        "refusal": None,
    }


def chat_with_choices(text: str, **more: Object) -> Object:
    """One prompt's chat, with two choices."""
    choices = [
        {
            "index": number,
            "message": {"role": "assistant", "content": text * (number + 1), "refusal": None},
            "finish_reason": "stop",
        }
        | more
        for number in range(2)
    ]
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "g",
        "choices": choices,
        "usage": USAGE,
        "service_tier": None,
        "system_fingerprint": None,
    }


def test_choices_are_numbered_prompt_by_prompt_behind_their_echo() -> None:
    view = view_of(prompt=["a", "b"], n=2, echo=True, max_tokens=5)
    answers = [msgspec.convert(chat_with_choices(text, logprobs=logprobs(text)), ChatCompletion) for text in "xy"]
    made = from_chat(answers, view, "cmpl-1", 7, "asked")
    assert [(one.index, one.text) for one in made.choices] == [(0, "ax"), (1, "axx"), (2, "by"), (3, "byy")]
    assert [one.logprobs.text_offset for one in made.choices if one.logprobs] == [[1]] * 4
    assert (made.usage.prompt_tokens, made.usage.completion_tokens) == (4, 6) if made.usage else False
    assert (made.model, made.created) == ("g", 7)


def test_no_answer_at_all_keeps_the_name_asked_for() -> None:
    made = from_chat([], view_of(prompt="a", max_tokens=5), "cmpl-1", 7, "asked")
    assert (made.model, made.choices, made.usage) == ("asked", [], None)


def test_an_echo_alone_is_each_prompt_once_for_each_choice() -> None:
    view = view_of(prompt=["a", "b"], n=2, echo=True, max_tokens=0)
    assert view.only_echo
    made = echo_prompts(view, "cmpl-1", 7, "asked", prompt_tokens=4)
    assert [(one.index, one.text, one.finish_reason) for one in made.choices] == [
        (0, "a", "length"),
        (1, "a", "length"),
        (2, "b", "length"),
        (3, "b", "length"),
    ]
    assert made.usage is not None
    assert (made.usage.prompt_tokens, made.usage.completion_tokens, made.usage.total_tokens) == (4, 0, 4)


def chunk(index: int, finish: str | None = None, probabilities: Object | None = None, **delta: str) -> Object:
    choice = {"index": index, "delta": delta, "finish_reason": finish, "logprobs": probabilities}
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "g", "choices": [choice]}


def events_of(stream: CompletionStream, chunks: list[Object]) -> list[Completion]:
    return stream.feed([msgspec.convert(one, ChatCompletionChunk) for one in chunks])


def test_a_stream_says_what_the_whole_answer_says() -> None:
    view = view_of(prompt=["a", "b"], n=2, echo=True, max_tokens=5, stream=True)
    assert CompletionStream(view, 1, "cmpl-1", 7).usage is None
    stream = CompletionStream(view, 1, "cmpl-1", 7)
    made = events_of(
        stream,
        [
            chunk(0, role="assistant"),
            chunk(0, content="x", probabilities=logprobs("x")),
            chunk(0, content="y", probabilities=logprobs("y")),
            chunk(1, content="z"),
            chunk(0, role="assistant"),
            chunk(0, finish="length"),
            chunk(1, finish="tool_calls"),
            {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "g", "choices": [], "usage": USAGE},
        ],
    )
    told = [(one.choices[0].index, one.choices[0].text, one.choices[0].finish_reason) for one in made]
    assert told == [
        (2, "b", None),
        (2, "x", None),
        (2, "y", None),
        (3, "bz", None),
        (2, "", "length"),
        (3, "", "stop"),
    ]
    assert [one.choices[0].logprobs.text_offset for one in made if one.choices[0].logprobs] == [[1], [2]]
    assert stream.usage is not None
    assert stream.usage.completion_tokens == 3
