"""Tools that are converted once for equal bytes."""

import datetime
from typing import Any

import msgspec

from adapter import settings
from adapter.translate.core.context import Context
from adapter.translate.tools.toolbox import Toolbox, toolbox
from adapter.wire.base import encode
from adapter.wire.openai.chat_request import ChatCompletionRequest

NAME = "gemini-3.5-flash"
ROW = settings.find_served_model(NAME, settings.catalogue(settings.Settings(), datetime.date(2026, 11, 30)))[1]


def converted(description: str) -> Toolbox:
    function: dict[str, Any] = {"name": "look", "description": description, "parameters": {"title": "t" * 200}}
    tools = msgspec.Raw(encode([{"type": "function", "function": function}]))
    return toolbox(Context(request=ChatCompletionRequest(model=NAME, messages=[], tools=tools), capabilities=ROW))


def test_equal_tools_are_converted_once():
    assert converted("d" * 200) is converted("d" * 200)


def test_tools_that_differ_in_their_middle_alone_are_not_taken_for_each_other():
    first, second = converted("d" * 200 + "a" + "d" * 200), converted("d" * 200 + "b" + "d" * 200)
    assert [box.declarations[0].description[200] for box in (first, second)] == ["a", "b"]
