"""The view of a Responses request as a chat request: paths, items for storing, what travels without a store."""

import json

import pytest

from adapter.translate import chat
from adapter.translate.core.errors import AnswerError
from adapter.translate.core.notes import Fate, Note, Rejected
from adapter.translate.responses import fields as responses
from adapter.translate.signatures.carriers import seal, seal_summary, summary, unseal
from adapter.wire.base import decode, encode
from adapter.wire.gemini.generate import GenerateContentResponse
from adapter.wire.openai.responses_request import ResponsesRequest
from adapter.wire.signatures import Issued, Signature
from tests.support.responding import (
    STAMP,
    Object,
    context_of,
    gemini,
    make_answer,
    make_request,
    make_view,
    translate_answer,
)

CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
HI = {"role": "user", "content": "hi"}


def call(name: str, args: Object | None = None, *, signature: str = "", id_: str = "") -> Object:
    part: Object = {"functionCall": {"name": name, "args": args or {}, **({"id": id_} if id_ else {})}}
    return {**part, "thoughtSignature": signature} if signature else part


def test_a_path_of_chat_is_the_clients_own():
    view = make_view(
        input=[HI, {"role": "assistant", "content": "a"}, CALL, {**CALL, "call_id": "call_2"}],
        tools=[
            {"type": "web_search"},
            {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f"}]},
            {"type": "crystal_ball"},
            {"google_maps": {}},
        ],
    )
    assert view.path("messages[0].content[2].text") == "input[0].content[2].text"
    assert view.path("messages[1].content[0].text") == "input[1].content.text"
    assert view.path("messages[1].tool_calls[1].function.arguments") == "input[3].arguments"
    assert view.path("messages") == "input"
    assert view.path("messages[1]") == "input[1]"
    assert view.path("tools[1].function.parameters.a") == "tools[1].tools[0].parameters.a"
    assert view.path("tools[2]") == "tools[3]"
    assert view.path("temperature") == "temperature"
    assert view.path("elsewhere[0].messages[0]") == "elsewhere[0].messages[0]"


def test_paths_that_are_remembered_are_those_of_the_first_messages_alone():
    view = make_view(input=[HI, {"role": "assistant", "content": "a"}, HI])
    for path in ("messages[0].content", "messages[1].content[0]", "messages[2].content", "tools[0].function", "seed"):
        view.path(path)
    assert view.paths.before(2) == {
        "messages[0].content": "input[0].content",
        "messages[1].content[0]": "input[1].content",
    }
    assert view.paths.before(0) == {}


def test_the_ledger_is_the_views_and_then_chats_under_the_clients_paths():
    view = make_view(truncation="auto", instructions="x")
    moved = Note("messages[1].content", Fate.DROPPED, "empty-content-dropped", "why")
    ledger = view.ledger([moved, Note("seed", Fate.EXACT)])
    assert ledger == [
        Note("truncation", Fate.DROPPED, "truncation-unsupported", view.notes[0].reason),
        Note("input", Fate.DROPPED, "empty-content-dropped", "why"),
        Note("seed", Fate.EXACT),
    ]


def test_a_rejection_of_chat_names_the_clients_path():
    image = {"type": "input_image", "image_url": "data:image/png;base64,%%%"}
    view = make_view(input=[HI, {"role": "user", "content": [image]}])
    with pytest.raises(Rejected) as raised:
        chat.to_gemini(context_of(view))
    rejected = view.with_client_path(raised.value)
    assert rejected.note.path == "input[1].content[0].image_url"
    assert rejected.note in rejected.notes


def test_records_come_back_as_they_were_sealed():
    record = Signature(value="U0lH", id="g1", origin="studio")
    assert unseal(seal([Issued("id:call_1", record)])) == {"id:call_1": record}


@pytest.mark.parametrize("content", ["", "gAAAA", "gemini_1.%%%", "gemini_1.W10", "gemini_1.e30x", "gemini_1.ž"])
def test_what_was_not_sealed_here_is_not_read(content):
    assert unseal(content) is None
    assert summary(content) is None


def test_a_summary_comes_back_as_it_was_sealed():
    assert summary(seal_summary("We said hi. 😀")) == "We said hi. 😀"
    assert summary(seal([])) is None


def list_items(request: ResponsesRequest, owner: str = "") -> list[Object]:
    """The input's items as they are listed."""
    return [json.loads(encode(item)) for item in responses.input_items(request, owner)]


def test_a_string_is_stored_as_a_message_with_an_id_and_parts():
    [item] = list_items(make_request(input="hi")[0], "seed")
    assert item == {
        "type": "message",
        "id": "msg_seed0000",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_text", "text": "hi"}],
    }


def test_items_are_stored_with_types_and_ids():
    given = [HI, {"role": "assistant", "content": "a"}, CALL, {"id": "rs_1"}, {"type": "compaction_trigger"}]
    items = list_items(make_request(input=given)[0], "seed")
    assert [item["type"] for item in items] == [
        "message", "message", "function_call", "item_reference", "compaction_trigger",
    ]  # fmt: skip
    assert items[1]["content"] == [{"type": "output_text", "text": "a", "annotations": []}]
    assert items[2]["arguments"] == "{}"
    assert items[3]["id"] == "rs_1"
    assert [item["id"].partition("_")[0] for item in items] == ["msg", "msg", "fc", "rs", "item"]
    assert len({item["id"] for item in items}) == len(items)


def test_items_of_other_requests_have_other_ids():
    request, _ = make_request()
    assert list_items(request, "a")[0]["id"] != list_items(request, "b")[0]["id"]
    assert responses.input_items(request, "a") == responses.input_items(request, "a")


def test_a_part_without_a_type_is_stored_as_text():
    given = [{"role": "user", "content": [{"text": "a"}]}]
    [item] = list_items(make_request(input=given)[0])
    assert item["content"] == [{"text": "a", "type": "input_text"}]


def test_parts_of_other_kinds_are_stored_as_they_are():
    parts = [
        {"type": "input_image", "image_url": "data:image/png;base64,QUJD", "detail": "low"},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_text", "text": "a"},
    ]
    [item] = list_items(make_request(input=[{"role": "user", "content": parts}])[0])
    assert item["content"] == parts


def test_an_answers_items_are_known_by_the_ids_that_were_issued_here():
    own, text, image = f"msg_{'a' * 48}", {"type": "output_text", "text": "a"}, f"ig_{'b' * 48}"
    items = [
        {"type": "message", "role": "assistant", "id": own, "content": [text]},
        {"type": "image_generation_call", "id": image, "status": "completed", "result": "QUJD"},
        {"type": "message", "role": "assistant", "id": "msg_1", "content": [text]},
    ]
    view = make_view(input=[HI, *items, HI, items[0], HI, items[2]])
    assert view.carried.items == {1: [own, image], 3: [own]}
    assert view.carried.from_index(2).items == {3: [own]}


def test_no_input_is_no_items():
    assert responses.input_items(make_request(input=None)[0]) == []


def test_a_conversation_is_told_in_the_response():
    for conversation in ("conv_1", {"id": "conv_1"}):
        response, _, _ = translate_answer(make_answer({"text": "ok"}), make_view(conversation=conversation))
        assert response["conversation"] == {"id": "conv_1"}


def replay(answer: Object, *more: Object, **fields: object) -> tuple[Object, dict[str, str]]:
    """Gemini's request when the client sends a response back, where nothing is stored."""
    response, _, _ = translate_answer(answer, make_view(store=False, **fields))
    return gemini(make_view(input=[HI, *response["output"], *more], store=False, **fields))


def output(call_id: str) -> Object:
    return {"type": "function_call_output", "call_id": call_id, "output": "1"}


def test_a_signature_travels_without_a_store():
    answer = make_answer({"text": "hm", "thought": True}, call("f", {"a": 1}, signature="U0lH", id_="g1"))
    response, _, _ = translate_answer(answer, make_view(store=False))
    view = make_view(input=[HI, *response["output"], output(response["output"][-1]["call_id"])])
    body, _ = gemini(view)
    assert body["contents"][1]["parts"] == [call("f", {"a": 1}, signature="U0lH", id_="g1")]


def test_a_signature_of_a_text_travels_without_a_store():
    body, _ = replay(make_answer({"text": "hello"}, {"text": "", "thoughtSignature": "U0lH"}), HI)
    assert body["contents"][1]["parts"] == [{"text": "hello", "thoughtSignature": "U0lH"}]


def test_parts_that_openai_has_no_place_for_travel_without_a_store():
    parts = [
        {"text": "see: "},
        {"executableCode": {"language": "PYTHON", "code": "2"}, "thoughtSignature": "U0lH"},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
        {"text": "two"},
    ]
    body, _ = replay(make_answer(*parts), HI, tools=[{"type": "code_interpreter"}])
    assert body["contents"][1]["parts"] == parts


def test_calls_without_a_signature_make_no_items_of_thoughts():
    answer = make_answer(call("f", signature="U0lH", id_="g1"), call("g", id_="g2"), call("f", id_="g3"))
    response, _, _ = translate_answer(answer, make_view(store=False))
    kinds = [item["type"] for item in response["output"]]
    assert kinds == ["reasoning", "function_call", "function_call", "function_call"]


def test_a_cut_answer_ends_with_its_last_item():
    answer = make_answer({"text": "hello", "thoughtSignature": "U0lH"}, finish="MAX_TOKENS")
    response, _, _ = translate_answer(answer, make_view(store=False))
    assert [item["type"] for item in response["output"]] == ["message"]


def test_tools_too_large_to_be_remembered_are_converted_all_the_same():
    tools = [{"type": "function", "name": f"f{i}", "description": "x" * 600, "parameters": None} for i in range(500)]
    view = make_view(tools=tools)
    body, _ = gemini(view)
    assert len(body["tools"][0]["functionDeclarations"]) == 500
    response, _, _ = translate_answer(make_answer({"text": "ok"}), view)
    assert len(response["tools"]) == 500


def test_the_view_of_a_request_is_the_same_each_time():
    one, other = (make_view(input=[HI, CALL], store=False) for _ in range(2))
    assert encode(one.request) == encode(other.request)
    assert json.loads(encode(one.request))["messages"][1]["tool_calls"][0]["id"] == "call_1"


BROKEN = [
    ("arguments", '{"type":"function_call","call_id":"c","name":"f","arguments":1e999}'),
    ("arguments", '{"type":"mcp_call","id":"c","name":"f","server_label":"s","arguments":1e999}'),
    ("error", '{"type":"mcp_call","id":"c","name":"f","server_label":"s","arguments":"{}","error":1e999}'),
    ("output", '{"type":"mcp_call","id":"c","name":"f","server_label":"s","arguments":"{}","output":1e999}'),
    ("output", '{"type":"function_call_output","call_id":"c","output":1e999}'),
    ("output", '{"type":"custom_tool_call_output","call_id":"c","output":1e999}'),
    ("output", '{"type":"shell_call_output","call_id":"c","output":1e999}'),
    ("output", '{"type":"local_shell_call_output","id":"c","output":1e999}'),
    ("output", '{"type":"apply_patch_call_output","call_id":"c","output":1e999}'),
    ("output", '{"type":"computer_call_output","call_id":"c","output":1e999}'),
    ("action", '{"type":"shell_call","call_id":"c","action":{"timeout_ms":1e999}}'),
    ("operation", '{"type":"apply_patch_call","call_id":"c","operation":{"path":1e999}}'),
    ("outputs", '{"type":"code_interpreter_call","id":"c","code":"","outputs":[{"logs":1e999}]}'),
    ("tools", '{"type":"additional_tools","tools":[{"type":"web_search","filters":1e999}]}'),
    ("tools", '{"type":"tool_search_output","call_id":"c","tools":[{"type":"web_search","filters":1e999}]}'),
]


@pytest.mark.parametrize(("field", "item"), BROKEN)
def test_numbers_that_cannot_be_read_are_refused_with_their_path(field, item):
    request, unknown = decode(b'{"model":"m","input":[%s]}' % item.encode(), ResponsesRequest)
    with pytest.raises(Rejected) as raised:
        responses.to_chat(request, unknown)
    assert raised.value.note.path.startswith(f"input[0].{field}")


def test_tools_that_cannot_be_read_are_refused_with_their_path():
    body = b'{"model":"m","input":"hi","tools":[{"type":"web_search","filters":{"a":1e999}}]}'
    with pytest.raises(Rejected) as raised:
        responses.to_chat(*decode(body, ResponsesRequest))
    assert raised.value.note.path.startswith("tools[0]")


def test_an_answer_that_cannot_be_read_is_an_error():
    view = make_view(tools=[{"type": "code_interpreter"}])
    body = b'{"candidates":[{"content":{"parts":[{"executableCode":{"code":1e999}}]},"finishReason":"STOP"}]}'
    answer, unknown = decode(body, GenerateContentResponse)
    with pytest.raises(AnswerError):
        responses.from_gemini(answer, context_of(view), STAMP, unknown, view)


def test_grounding_that_cannot_be_read_is_no_search():
    view = make_view(tools=[{"type": "web_search"}])
    metadata = b'{"webSearchQueries":[1e999]}'
    body = b'{"candidates":[{"content":{"parts":[{"text":"a"}]},"groundingMetadata":%s}]}' % metadata
    answer, unknown = decode(body, GenerateContentResponse)
    response, _, _ = responses.from_gemini(answer, context_of(view), STAMP, unknown, view)
    assert [type(item).__name__ for item in response.output] == ["MessageItem"]


HUGE = b"18446744073709551616"


def of_bytes(rest: bytes) -> ResponsesRequest:
    return decode(b'{"model":"gemini-3.5-flash",%b}' % rest, ResponsesRequest)[0]


def test_a_number_beyond_64_bits_as_the_name_of_a_found_tool_is_refused():
    call = b'{"type":"tool_search_call","call_id":"c","execution":"client","arguments":{}}'
    found = b'{"type":"tool_search_output","call_id":"c","execution":"client","tools":[{"type":"function","name":%b}]}'
    with pytest.raises(Rejected) as refused:
        responses.to_chat(of_bytes(b'"input":[%b,%b]' % (call, found % HUGE)), {})
    assert refused.value.note.path.startswith("input[1].tools")


def test_a_number_beyond_64_bits_in_a_filter_of_files_is_no_crash():
    store = b'{"type":"file_search","vector_store_ids":["fileSearchStores/a"],"filters":{"value":%b}}' % HUGE
    view = responses.to_chat(of_bytes(b'"input":"hi","tools":[%b]' % store), {})
    assert view.request.tools


@pytest.mark.parametrize("is_first", [True, False])
def test_a_sealed_record_of_a_whole_answer_belongs_to_it_before_its_items_and_behind_them(is_first):
    answer = make_answer({"text": "a", "thoughtSignature": "c2ln"})
    output = translate_answer(answer, make_view(store=False))[0]["output"]
    [sealed] = [item for item in output if item["type"] == "reasoning"]
    items = [item for item in output if item is not sealed]
    items.insert(0 if is_first else len(items), sealed)
    body, _ = gemini(
        make_view(store=False, input=[{"role": "user", "content": "hi"}, *items, {"role": "user", "content": "on"}])
    )
    assert body["contents"][1]["parts"] == [{"text": "a", "thoughtSignature": "c2ln"}]
