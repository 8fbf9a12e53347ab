"""Each part is traced to the message that it came from."""

import json
from datetime import date
from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from adapter.settings import Settings, catalogue, options
from adapter.translate.ledger import value_at
from adapter.translate.request.trace import trace_messages
from adapter.wire.base import decode, encode
from adapter.wire.openai.chat_request import ChatCompletionRequest
from tests.support.planning import plan_for

NAMES, OPTIONS = catalogue(Settings(), date(2026, 11, 30)), options(Settings())

KINDS = st.lists(st.tuples(st.sampled_from(["user", "system", "assistant", "tool"]), st.integers(0, 2)))
"""Roles of messages, with the numbers of their text parts; 0 is a plain text."""


@given(KINDS)
@example([("system", 0), ("user", 0)] * 20)
@example([("tool", 0), ("user", 0)] * 20)
def test_each_part_is_traced_to_the_message_whose_words_it_has(kinds):
    """A part that is made on the way and does not stay must not lend its path to one that gets its memory."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "(0)"}]
    for index, (role, count) in enumerate(kinds, 1):
        pieces = [{"type": "text", "text": f"({index}) {number}"} for number in range(count)]
        messages.append({"role": role, "content": pieces or f"({index})"})
    body = orjson.dumps({"model": "gemini-3.5-flash", "messages": messages})
    plan = plan_for(*decode(body, ChatCompletionRequest), NAMES, OPTIONS)
    sent, seen = orjson.loads(encode(plan.body)), set()
    for path, pointer in trace_messages(plan.context):
        words = json.dumps(value_at(sent, pointer)) if "/parts/" in pointer else ""
        if "(" in words:
            message = int(path.removeprefix("messages[").partition("]")[0])
            assert f"({message})" in words
            seen.add(message)
    assert seen == set(range(len(messages)))
