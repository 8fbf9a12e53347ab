"""Tools that are converted once for equal bytes."""

import datetime
from typing import Any
from unittest import mock

import msgspec
import orjson
from hypothesis import given
from hypothesis import strategies as st

from adapter import settings
from adapter.translate.chat import to_gemini
from adapter.translate.core.byte_cache import ByteCache
from adapter.translate.core.context import Context, Options
from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.translate.plan import plan
from adapter.translate.tools import toolbox as module
from adapter.translate.tools.toolbox import MAX_CACHED, MAX_CACHES, Toolbox, toolbox
from adapter.wire.base import decode, encode
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.reader import read

NAME = "gemini-3.5-flash"
ROW = settings.find_served_model(NAME, settings.catalogue(settings.Settings(), datetime.date(2026, 11, 30)))[1]


def convert(description: str) -> Toolbox:
    function: dict[str, Any] = {"name": "look", "description": description, "parameters": {"title": "t" * 200}}
    tools = msgspec.Raw(encode([{"type": "function", "function": function}]))
    return toolbox(Context(request=ChatCompletionRequest(model=NAME, messages=[], tools=tools), capabilities=ROW))


def test_equal_tools_are_converted_once():
    assert convert("d" * 200) is convert("d" * 200)


def test_tools_that_differ_in_their_middle_alone_are_not_taken_for_each_other():
    first, second = convert("d" * 200 + "a" + "d" * 200), convert("d" * 200 + "b" + "d" * 200)
    assert [box.declarations[0].description[200] for box in (first, second)] == ["a", "b"]


def test_declarations_that_are_written_at_once_are_those_that_are_written_one_by_one():
    box = convert("d" * 200)
    assert bytes(box.joined) == b",".join(map(encode, box.declarations))


def test_the_usual_size_of_a_searchs_context_is_exact_at_its_own_path():
    request = {"model": NAME, "messages": [{"role": "user", "content": "hi"}]}
    for field, value, path in (
        ("tools", [{"type": "web_search", "search_context_size": "medium"}], "tools[0].search_context_size"),
        ("web_search_options", {"search_context_size": "medium"}, "web_search_options.search_context_size"),
    ):
        asked = decode(encode({**request, field: value}), ChatCompletionRequest)[0]
        _, notes = to_gemini(Context(request=asked, capabilities=ROW))
        assert Note(path, Fate.EXACT) in notes


PARAMETERS = st.fixed_dictionaries(
    {"type": st.just("object")},
    optional={"title": st.just("t"), "properties": st.just({"a": {"type": "integer", "const": 3}}), "odd": st.just(1)},
)
FUNCTIONS = st.fixed_dictionaries(
    {"name": st.sampled_from(["look", "see", "a name"]), "parameters": PARAMETERS},
    optional={"strict": st.booleans(), "description": st.text(max_size=3), "odd": st.just(1)},
)
TOOLS = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("function"), "function": FUNCTIONS}, optional={"cache_control": st.just({}), "odd": st.just(1)}
    ),
    st.sampled_from([{"type": "web_search"}, {"google_search": {}}, {"type": "shell"}, {"type": "custom"}]),
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "tool_choice": st.sampled_from(["none", "auto", "required", {"type": "function", "function": {"name": "see"}}]),
        "parallel_tool_calls": st.booleans(),
        "response_format": st.just({"type": "json_object"}),
        "web_search_options": st.just({}),
        "google": st.just({"tools": [{"functionDeclarations": [{"name": "own"}]}]}),
    },
)
OPTIONS = st.builds(
    Options,
    schema=st.sampled_from(["json", "openapi"]),
    fields=st.sampled_from([None, frozenset({"contents", "tools.functionDeclarations.name"})]),
)
REQUESTS = st.tuples(
    st.sampled_from(["gemini-3.5-flash", "gemini-2.5-flash"]), st.integers(0, 3), FIELDS, OPTIONS, st.booleans()
)


def translate(model: str, tools: list[Any], fields: dict[str, Any], options: Options, is_old: bool) -> object:
    """Gemini's request as JSON with its notes, or those of a refusal."""
    sent = {"functions": [one["function"] for one in tools if "function" in one]} if is_old else {"tools": tools}
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], **sent, **fields}
    request, unknown = read(encode(body), ChatCompletionRequest)
    served = settings.find_served_model(model, settings.catalogue(settings.Settings(), datetime.date(2026, 11, 30)))
    try:
        made = plan(request, unknown, served, options)
    except Rejected as rejection:
        return rejection.notes
    return orjson.loads(encode(made.body)), made.notes


@given(st.lists(st.lists(TOOLS, max_size=4), min_size=4, max_size=4), st.lists(REQUESTS, min_size=1, max_size=8))
def test_what_equal_tools_became_is_what_they_become(lists, requests):
    def translate_all() -> list[object]:
        return [translate(model, lists[number], *more) for model, number, *more in requests]

    with mock.patch.object(module, "_CONVERTED", ByteCache(MAX_CACHES, 0)):
        alone = translate_all()
    with mock.patch.object(module, "_CONVERTED", ByteCache(MAX_CACHES, MAX_CACHED)):
        assert [translate_all(), translate_all()] == [alone, alone]
