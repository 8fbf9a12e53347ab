"""An answer in a client's history: what is sent to Gemini, by what is known of the answer and who issued it."""

import copy
from typing import Any

import msgspec
import pytest

from adapter.translate.chat import to_gemini
from adapter.translate.core.notes import Note
from adapter.translate.signatures.history import look_up
from adapter.translate.signatures.keys import call_key, legacy_call_key
from adapter.translate.signatures.prefix_digest import call_digest
from adapter.wire.base import encode
from adapter.wire.limits import DEFAULTS
from adapter.wire.signatures import Signature
from adapter.wire.surrogates import REPLACED
from tests.support.answering import Object, answer, context, translate_answer

HERE = {"upstream": "studio"}


def call(name: str, signature: str = "", **args: Any) -> Object:
    signed = {"thoughtSignature": signature} if signature else {}
    return {"functionCall": {"name": name, "args": args}, **signed}


def issue(*parts: Object) -> tuple[Object, dict[str, Signature]]:
    """An answer as the client has it, and the records that were stored."""
    completion, _, issued = translate_answer(answer(*parts), context(options=HERE))
    return completion["choices"][0]["message"], {one.key: one.signature for one in issued}


def send(
    message: Object, records: dict[str, Signature], *, upstream: str = "studio", **fields: Any
) -> tuple[list[Object], list[Note]]:
    """The parts that Gemini gets for a message of the history, and the notes."""
    results = [{"role": "tool", "tool_call_id": one["id"], "content": "r"} for one in message.get("tool_calls") or ()]
    messages = [{"role": "user", "content": "hi"}, message, *results, {"role": "user", "content": "on"}]
    at = context(options={"upstream": upstream}, messages=messages, **fields)
    at = msgspec.structs.replace(at, history=look_up(at.request, records))
    body, notes = to_gemini(at)
    return msgspec.json.decode(encode(body))["contents"][1]["parts"], notes


def codes(notes: list[Note]) -> set[str]:
    return {note.code for note in notes}


def signatures(parts: list[Object]) -> list[str | None]:
    return [part.get("thoughtSignature") for part in parts]


def parallel(*places: int) -> tuple[Object, dict[str, Signature]]:
    """Three calls in the order in which Gemini made them, and a record of each that has this place."""
    message, _ = issue(call("f", "c2ln", a=1), call("f", a=2), call("g"))
    records = {}
    for one, place in zip(message["tool_calls"], places, strict=True):
        digest = call_digest(one["function"]["name"], one["function"]["arguments"])
        value = "" if records else "c2ln"
        records[call_key(one["id"])] = Signature(value=value, origin="studio", digest=digest, position=place)
    return message, records


def test_parallel_calls_go_back_in_the_order_in_which_they_were_made_however_the_client_orders_them() -> None:
    message, records = parallel(0, 1, 2)
    message["tool_calls"].reverse()
    parts, _ = send(message, records)
    assert [part["functionCall"]["args"] for part in parts] == [{"a": 1}, {"a": 2}, {}]
    assert signatures(parts) == ["c2ln", None, None]


def test_a_call_of_which_nothing_is_known_takes_the_place_that_is_left() -> None:
    message, records = parallel(0, 1, 2)
    del records[call_key(message["tool_calls"][1]["id"])]
    message["tool_calls"].reverse()
    parts, _ = send(message, records)
    assert [part["functionCall"]["args"] for part in parts] == [{"a": 1}, {"a": 2}, {}]


@pytest.mark.parametrize("places", [(0, 1, 1), (0, 1, 7)], ids=["one place twice", "a place that there is not"])
def test_calls_whose_places_contradict_each_other_stay_in_the_clients_order(places: tuple[int, int, int]) -> None:
    message, records = parallel(*places)
    message["tool_calls"].reverse()
    parts, _ = send(message, records)
    assert [part["functionCall"]["name"] for part in parts] == ["g", "f", "f"]


RAN = (
    {"executableCode": {"language": "PYTHON", "code": "print(1)"}, "thoughtSignature": "Y29kZQ=="},
    {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
    {"text": "so", "thoughtSignature": "dGV4dA=="},
)


def test_code_that_gemini_ran_goes_back_signed_from_the_clients_own_carrier() -> None:
    message, _ = issue(*RAN)
    parts, _ = send(message, {})
    assert signatures(parts) == ["Y29kZQ==", None, "dGV4dA=="]


def test_thoughts_among_the_clients_own_parts_go_back_with_the_code_beside_a_call() -> None:
    message, _ = issue(*RAN[:-1], call("f", "c2ln"))
    google = message["extra_content"]["google"]
    google["parts"].insert(0, {"text": "hm", "thought": True})
    parts, _ = send(message, {})
    assert parts[0] == {"text": "hm", "thought": True}
    assert signatures(parts[1:]) == ["Y29kZQ==", None, "c2ln"]


def test_what_another_upstream_signed_goes_back_without_its_signatures() -> None:
    message, records = issue(*RAN, call("f", "c2ln"))
    parts, notes = send(message, records, upstream="relay")
    assert parts[0]["executableCode"]["code"] == "print(1)"
    assert "Y29kZQ==" not in signatures(parts)
    assert "dGV4dA==" not in signatures(parts)
    assert "signature-foreign" in codes(notes)


def test_code_of_the_clients_history_that_is_not_what_was_run_is_not_replaced_by_what_was() -> None:
    """The history is the client's: an edited one wins over the store."""
    message, records = issue(*RAN)
    edited = copy.deepcopy(message)
    google = edited["extra_content"]["google"]
    google["parts"][0]["executableCode"]["code"] = "print(2)"
    for part in google["parts"]:
        part.pop("thoughtSignature", None)
    parts, _ = send(edited, records)
    assert [part["executableCode"]["code"] for part in parts if "executableCode" in part] == ["print(2)"]


def test_an_answer_with_another_call_than_it_had_is_the_clients_history() -> None:
    message, records = issue(*RAN, call("f", "c2ln", a=1))
    message["tool_calls"][0]["function"]["name"] = "g"
    parts, notes = send(message, records)
    assert [part["functionCall"]["name"] for part in parts if "functionCall" in part] == ["g"]
    assert "code-run-not-replayed" in codes(notes)


def test_equal_calls_of_an_answer_with_code_are_each_taken_once() -> None:
    message, records = issue(*RAN, call("f", "c2ln"), call("f"))
    parts, _ = send(message, records)
    assert [part["functionCall"]["name"] for part in parts if "functionCall" in part] == ["f", "f"]
    message["tool_calls"].pop()
    assert "code-run-not-replayed" in codes(send(message, records)[1])


def test_a_record_of_version_0_1_counts_only_where_the_calls_words_prove_it() -> None:
    message, _ = issue(call("f", a=1))
    one = message["tool_calls"][0]
    old = Signature(value="b2xk", origin="studio")
    unproven, notes = send(message, {call_key(one["id"]): old})
    assert signatures(unproven) != ["b2xk"]
    assert "signature-unproven" in codes(notes)
    by_words = legacy_call_key("f", one["function"]["arguments"], "", "hi")
    proven, _ = send(message, {call_key(one["id"]): old, by_words: old})
    assert signatures(proven) == ["b2xk"]


@pytest.mark.parametrize("arguments", ["{", "[" + "1," * 1_000_000 + "1]"], ids=["no JSON", "very many values"])
def test_the_words_of_a_call_whose_arguments_are_not_read_prove_it_too(arguments: str) -> None:
    assert legacy_call_key("f", arguments, "", "") == legacy_call_key("f", arguments, "", "")
    assert legacy_call_key("f", arguments, "", "") != legacy_call_key("f", arguments + " ", "", "")


def test_a_call_that_gemini_told_without_arguments_is_found_by_its_name_and_taken_once() -> None:
    message, records = issue(*RAN, {"functionCall": {"name": "f"}}, call("f"))
    parts, notes = send(message, records)
    assert [part["functionCall"]["name"] for part in parts if "functionCall" in part] == ["f", "f"]
    assert "executableCode" in parts[0]
    assert "code-run-not-replayed" not in codes(notes)


def test_the_sources_of_a_history_name_each_call_and_where_its_record_was_found() -> None:
    message, records = issue(call("f", "c2ln", a=1), call("g"))
    results = [{"role": "tool", "tool_call_id": one["id"], "content": "r"} for one in message["tool_calls"]]
    request = context(messages=[{"role": "user", "content": "hi"}, message, *results]).request
    first, second = look_up(request, records).sources()
    assert (first["name"], first["source"], first["upstream"]) == ("f", "id", "studio")
    assert (second["message"], second["call"], second["source"]) == (1, message["tool_calls"][1]["id"], "")


def test_the_note_on_a_signature_names_its_source() -> None:
    """The client's own comes first, then the record of the call's id, then that of the words, then the stand-in."""
    message, records = issue(call("f", "c2ln", a=1))
    [one] = message["tool_calls"]
    bare = {**one, "extra_content": None}
    by_words = {key: record for key, record in records.items() if key != call_key(one["id"])}
    for given, known, source in (
        (one, records, "client"),
        (one, {}, "client"),
        (bare, records, "id"),
        ({**bare, "id": "other"}, by_words, "hash"),
        (bare, {}, "stand-in"),
    ):
        asked = {**message, "tool_calls": [given], "extra_content": None}
        messages = [
            {"role": "user", "content": "hi"},
            asked,
            {"role": "tool", "tool_call_id": given["id"], "content": "r"},
        ]
        at = context(options=HERE, messages=messages)
        _, notes = to_gemini(msgspec.structs.replace(at, history=look_up(at.request, known)))
        assert [(note.path, note.signature) for note in notes if note.signature] == [
            ("messages[1].tool_calls[0]", source)
        ]


@pytest.mark.parametrize("options", [[], {"google": []}, {"google": {"thoughtSignature": 1}}])
def test_options_that_are_none_of_the_ai_sdks_carry_no_signature(options: Any) -> None:
    message, _ = issue(call("f", a=1))
    message["tool_calls"][0]["provider_options"] = options
    assert "c2ln" not in signatures(send(message, {})[0])
    message["tool_calls"][0]["provider_options"] = {"google": {"thoughtSignature": "c2ln"}}
    assert signatures(send(message, {})[0]) == ["c2ln"]


def test_half_a_character_is_told_at_its_place() -> None:
    at = context(messages=[{"role": "user", "content": "\ufffd"}])
    _, notes = to_gemini(at, {"messages[0].content": REPLACED})
    assert ("messages[0].content", "character-replaced") in [(note.path, note.code) for note in notes]


def test_arguments_with_more_values_than_any_call_has_are_compared_as_text() -> None:
    many = "[" + "1," * DEFAULTS.json_values + "1]"
    assert call_digest("f", many) != call_digest("f", many + " ")
    assert call_digest("f", "[1, 1]") == call_digest("f", "[1,1]")


def unreadable(records: dict[str, Signature], message: Object) -> list[Note]:
    """The notes on a history whose store could not be read, or not wholly."""
    results = [{"role": "tool", "tool_call_id": one["id"], "content": "r"} for one in message["tool_calls"]]
    at = context(options=HERE, messages=[{"role": "user", "content": "hi"}, message, *results])
    history = look_up(at.request, records)
    history.is_complete = False
    _, notes = to_gemini(msgspec.structs.replace(at, history=history))
    return [note for note in notes if note.code == "signature-store-unreadable"]


def test_a_store_that_could_not_be_read_is_noted_where_it_may_hold_something() -> None:
    message, records = issue(call("f", "U0lH", a=1))
    assert [note.path for note in unreadable({}, message)] == ["messages"]
    assert unreadable(records, message) == []


def test_a_call_of_a_custom_tool_is_known_by_its_input() -> None:
    """Chat Completions, custom tools: the input is a text, which Gemini gets as an argument."""
    custom = {"id": "call_1", "type": "custom", "custom": {"name": "run", "input": "ls"}}
    records = {call_key("call_1"): Signature(value="c2ln", origin="studio", digest=call_digest("run", "ls"))}
    tools = [{"type": "custom", "custom": {"name": "run"}}]
    parts, _ = send({"role": "assistant", "content": None, "tool_calls": [custom]}, records, tools=tools)
    assert signatures(parts) == ["c2ln"]
    edited = {**custom, "custom": {"name": "run", "input": "rm"}}
    parts, _ = send({"role": "assistant", "content": None, "tool_calls": [edited]}, records, tools=tools)
    assert signatures(parts) != ["c2ln"]


def test_an_answer_with_its_own_signature_is_not_taken_for_another_one_with_the_same_words() -> None:
    """A trimmed history may say in one place what another turn said there."""
    message, records = issue(*RAN)
    own = {"role": "assistant", "content": message["content"]}
    assert "code-run-not-replayed" in codes(send(own, records)[1])
    own["extra_content"] = {"google": {"thought_signature": "b3du"}}
    assert send(own, records)[0] == [{"text": "so", "thoughtSignature": "b3du"}]
    own["extra_content"] = {"google": {"thought_signature": "dGV4dA=="}}
    assert "executableCode" in send(own, records)[0][0]


SEARCHED: list[Object] = [
    {
        "toolCall": {"id": "t", "toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["Ann"]}},
        "thoughtSignature": "U0lH",
    },
    {"toolResponse": {"id": "t", "toolType": "GOOGLE_SEARCH_WEB", "response": {}}},
    {"text": "so"},
]


def test_parts_that_the_client_carries_prove_what_gemini_ran_only_if_they_have_it() -> None:
    """Records that another conversation looked up stay there, also where the client keeps parts of its own."""
    message, records = issue(*SEARCHED)
    own = {"role": "assistant", "content": message["content"], "extra_content": {"google": {"parts": [{"text": "so"}]}}}
    parts, notes = send(own, records)
    assert [part["text"] for part in parts] == ["so"]
    assert "code-run-not-replayed" in codes(notes)
