"""Ten times as many items cost about ten times as much: no client makes the others wait by their square."""

import base64
import gc
import time
from datetime import date

import pytest

from adapter.settings import Settings, catalogue, options
from adapter.translate.responses import fields as responses
from adapter.wire.base import decode, encode
from adapter.wire.openai.chat_request import ChatCompletionRequest
from adapter.wire.openai.responses_request import ResponsesRequest
from tests.support.planning import plan_for
from tests.support.size import IS_LARGE

SETTINGS = Settings()
NAMES, OPTIONS = catalogue(SETTINGS, date(2026, 11, 30)), options(SETTINGS)
FEW, FACTOR = 3_000 if IS_LARGE else 300, 10
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()

ITEMS = {
    "calls in a row": lambda n: {"type": "function_call", "call_id": f"c{n}", "name": "f", "arguments": "{}"},
    "shell calls in a row": lambda n: {
        "type": "local_shell_call", "id": f"i{n}", "call_id": f"c{n}", "status": "completed",
        "action": {"type": "exec", "command": ["ls"], "env": {}},
    },
    "images in a row": lambda _: {"type": "image_generation_call", "status": "completed", "result": PNG},
    "code in a row": lambda _: {"type": "code_interpreter_call", "code": "1", "outputs": [], "status": "completed"},
    "words of the user": lambda _: {"role": "user", "content": "x"},
    "words of the model": lambda _: {"role": "assistant", "content": "x"},
    "system messages": lambda _: {"role": "system", "content": "x"},
    "results without calls": lambda n: {"type": "function_call_output", "call_id": f"c{n}", "output": "x"},
}  # fmt: skip

MESSAGES = {
    "words of the model": lambda _: {"role": "assistant", "content": "x"},
    "calls": lambda n: {
        "role": "assistant",
        "tool_calls": [{"id": f"c{n}", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
}


def translate_items(items):
    body = encode({"model": "gemini-3.5-flash", "input": [{"role": "user", "content": "x"}, *items]})

    def run():
        view = responses.to_chat(*decode(body, ResponsesRequest))
        plan_for(view.request, {}, NAMES, OPTIONS)

    return run


def translate_messages(messages):
    body = encode({"model": "gemini-3.5-flash", "messages": messages})
    return lambda: plan_for(*decode(body, ChatCompletionRequest), NAMES, OPTIONS)


def cost(run):
    """Seconds of CPU, the less of two tries."""
    tries = []
    for _ in range(2):
        gc.collect()
        gc.disable()
        begun = time.thread_time()
        run()
        tries.append(time.thread_time() - begun)
        gc.enable()
    return min(tries)


@pytest.mark.parametrize(
    ("translate", "make"),
    [
        *(pytest.param(translate_items, make, id=f"items: {name}") for name, make in ITEMS.items()),
        *(pytest.param(translate_messages, make, id=f"messages: {name}") for name, make in MESSAGES.items()),
    ],
)
def test_ten_times_as_many_cost_about_ten_times_as_much(translate, make):
    few = cost(translate([make(number) for number in range(FEW)]))
    many = cost(translate([make(number) for number in range(FEW * FACTOR)]))
    # By the square of their number it would be a hundred times as much.
    assert many < few * FACTOR * 2, f"{few:.3f} s and {many:.3f} s"
