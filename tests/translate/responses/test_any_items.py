"""Whatever clients send as items and tools is understood, or refused with the client's own path."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from adapter.translate import chat
from adapter.translate.core.notes import Rejected
from adapter.translate.responses import fields as responses
from adapter.translate.responses.tool_calls import SPECIAL
from adapter.wire.base import decode, encode
from adapter.wire.openai.responses_request import ResponsesRequest
from tests.support.oracles import check_gemini_request
from tests.support.responding import Object, context_of

DATA = "data:image/png;base64,AAAA"
TYPES = [
    "message", "reasoning", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output",
    "local_shell_call", "local_shell_call_output", "shell_call", "shell_call_output", "apply_patch_call",
    "apply_patch_call_output", "computer_call", "computer_call_output", "tool_search_call", "tool_search_output",
    "additional_tools", "mcp_call", "image_generation_call", "code_interpreter_call", "compaction", "item_reference",
    "web_search_call", "unheard_of",
]  # fmt: skip
TOOLS = [
    *SPECIAL, "function", "custom", "namespace", "web_search", "code_interpreter", "file_search", "image_generation",
    "tool_search", "mcp", "unheard_of",
]  # fmt: skip

word = st.sampled_from(["", "AAAA", "call_1", "gemini_1.e30"])
leaf = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["", "x", "{}", "[", '{"a":1}', DATA]))
keys = st.sampled_from(["type", "text", "name", "query", "command", "tools", "path", "image_url", "logs"])
anything = st.recursive(
    leaf, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)), max_leaves=5
)
parts = st.fixed_dictionaries(
    {"type": st.sampled_from(["input_text", "output_text", "refusal", "input_image", "reasoning_text"])},
    optional={"text": st.sampled_from(["", "t"]), "refusal": st.just("r"), "image_url": st.just(DATA)},
)
texts = dict.fromkeys(["id", "call_id", "name", "namespace", "input", "encrypted_content", "code", "execution"], word)
free = dict.fromkeys(["arguments", "output", "action", "actions", "operation", "outputs", "error", "tools"], anything)
items = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES)},
    optional={
        **texts,
        **free,
        "role": st.sampled_from(["user", "assistant", "developer", "tool"]),
        "content": st.one_of(st.sampled_from([None, "", "hey"]), st.lists(parts, max_size=3)),
        "summary": st.lists(st.just({"type": "summary_text", "text": "s"}), max_size=2),
    },
)
tools = st.fixed_dictionaries(
    {"type": st.sampled_from(TOOLS)},
    optional={
        "name": st.sampled_from(["f", "g", ""]),
        "parameters": anything,
        "execution": st.sampled_from(["client", "server"]),
        "vector_store_ids": st.lists(st.sampled_from(["vs_1", "fileSearchStores/a"]), max_size=2),
        "tools": st.lists(st.just({"type": "function", "name": "h"}), max_size=2),
    },
)
choices = st.one_of(
    st.sampled_from([None, "auto", "none", "required"]),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["function", "custom", "allowed_tools", "shell", "mcp", "web_search"])},
        optional={
            "name": st.sampled_from(["f", "g"]),
            "mode": st.sampled_from(["auto", "required"]),
            "tools": st.lists(st.just({"type": "function", "name": "f"}), max_size=2),
        },
    ),
)


def understood(body: Object) -> Object:
    """Gemini's request. Raises `Rejected` with the client's path."""
    request, unknown = decode(json.dumps(body).encode(), ResponsesRequest)
    responses.input_items(request, "seed")
    view = responses.to_chat(request, unknown)
    try:
        gemini, notes = chat.to_gemini(context_of(view))
    except Rejected as error:
        raise view.with_client_path(error) from None
    assert not [note for note in view.ledger(notes) if note.path.startswith("messages")]
    found: Object = json.loads(encode(gemini))
    return found


def refusal(body: Object) -> str | None:
    """The path with which a request is refused, if it is."""
    try:
        check_gemini_request(understood(body))
    except Rejected as error:
        return error.note.path
    except msgspec.ValidationError as error:
        return str(error).partition(" - at `$.")[2]
    return None


@given(st.lists(items, max_size=5), st.one_of(st.none(), st.lists(tools, max_size=3)), choices)
def test_a_request_is_understood_or_refused_with_its_own_path(said: Any, declared: Any, choice: Any) -> None:
    path = refusal({"model": "asked", "input": said, "tools": declared, "tool_choice": choice})
    assert path is None or path.startswith(("input", "tools", "tool_choice"))
