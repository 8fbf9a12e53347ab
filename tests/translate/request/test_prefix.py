"""Implicit caching: a longer chat starts with the bytes of the shorter one (ai.google.dev, context caching)."""

import datetime

from hypothesis import given
from hypothesis import strategies as st

from adapter import settings
from adapter.translate.core.capabilities import capabilities_of
from adapter.translate.core.context import Context
from adapter.translate.request.fields import to_gemini
from adapter.wire.base import decode, encode
from adapter.wire.openai.chat_request import ChatCompletionRequest

ROWS = settings.catalogue(settings.Settings(), datetime.date(2026, 11, 30)).model

TEXTS = st.sampled_from(["", "a", "čš"])
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
MESSAGES = st.one_of(
    st.builds(lambda text: {"role": "user", "content": text}, TEXTS),
    st.builds(lambda text: {"role": "system", "content": text}, TEXTS),
    st.builds(lambda text: {"role": "assistant", "content": text}, TEXTS),
    st.builds(lambda text: {"role": "assistant", "content": text, "tool_calls": [CALL]}, TEXTS),
    st.builds(lambda text: {"role": "tool", "tool_call_id": "c1", "content": text}, TEXTS),
)
STEPS = st.lists(MESSAGES, max_size=6)
SAID = [{"role": "system", "content": "S"}, {"role": "user", "content": "said"}]


def body_of(messages):
    request, _ = decode(encode({"model": "m", "messages": messages, "temperature": 1}), ChatCompletionRequest)
    context = Context(request=request, capabilities=capabilities_of("gemini-3.5-flash", ROWS))
    return encode(to_gemini(context)[0])


@given(STEPS, STEPS)
def test_a_longer_chat_starts_with_the_bytes_of_the_shorter_one(earlier, later):
    shorter = [*SAID, *earlier, {"role": "user", "content": "go on"}]
    end = b"]}"
    one, other = body_of(shorter), body_of([*shorter, {"role": "assistant", "content": "yes"}, *later])
    assert one.endswith(end)
    assert other.startswith(one[: -len(end)])
