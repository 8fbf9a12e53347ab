"""Keys under which signatures are stored: other versions and replicas find them under the same ones.

The digests are written out here: whoever changes one forgets every signature that was stored under it.
"""

import json
from typing import Any

from adapter.translate.responses.earlier_items import named_items
from adapter.translate.signatures.earlier_answers import EarlierAnswers
from adapter.translate.signatures.history import History
from adapter.translate.signatures.keys import call_key, item_key, legacy_call_key
from adapter.translate.signatures.known_answers import FoundRecord, KnownAnswer
from adapter.translate.signatures.prefix_digest import PrefixDigest, call_digest, call_spelling
from adapter.translate.signatures.sources import SignatureSource
from adapter.wire.base import decode
from adapter.wire.openai.chat_request import ChatCompletionRequest, Message
from adapter.wire.openai.responses_request import InputItem
from adapter.wire.signatures import Signature


def call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
HISTORY: list[dict[str, Any]] = [
    {"role": "system", "content": "s"},
    {"role": "developer", "content": " d "},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "look"},
            IMAGE,
            {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
            {"type": "file", "file": {"file_id": "f1"}},
        ],
    },
    {
        "role": "assistant",
        "content": " so ",
        "tool_calls": [call("c1", "g", '{"b":1,"a":2.0}'), call("c2", "f", "{}")],
    },
    {"role": "tool", "tool_call_id": "c2", "content": "two"},
    {"role": "tool", "tool_call_id": "c1", "content": " one "},
    {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}},
    {"role": "function", "name": "f", "content": "r"},
    {"role": "assistant", "content": None, "tool_calls": [call("c3", "f", '{"a":1}')]},
    {"role": "tool", "tool_call_id": "c3", "content": "r"},
    {"role": "assistant", "content": "", "images": [IMAGE]},
    {"role": "user", "content": "thanks"},
    {"role": "assistant", "content": "bye"},
]


def test_answers_are_found_under_the_digest_of_all_before_them():
    request, _ = decode(json.dumps({"model": "m", "messages": HISTORY}).encode(), ChatCompletionRequest)
    assert History(request).words() == [
        "turn:843a359f9d15b945e602acf83f618901d838e09610753bcbed23ea841603b4bc",
        "turn:52689af09042edd7fc6c2040633e469afc62bd32de2e6bb4c3930752756bb853",
        "turn:549d4393922c8cf5f2e3e032c0f48200765dc04844f66bf1d8124168cebc9ee6",
        "turn:a5217271ab82af9b423d6740f25f11472be6a1cf24eb473d392c777c81dfe4d1",
        "turn:24053603f1164cc59d8dbbfe669e87c79c0db79cda085e8a5c7b6f586f8e73de",
    ]


def test_calls_and_items_are_found_under_their_ids():
    assert (call_key("call_1"), item_key("msg_1")) == ("id:call_1", "item:msg_1")


def test_a_call_has_a_digest_by_what_it_means_and_one_as_it_is_spelled():
    arguments = '{"b": 1, "a": 2.0}'
    assert call_digest("f", arguments) == call_digest("f", '{"a":2,"b":1}') == "39bdb71e1bd59e4bbb78091a19fa445b"
    assert call_spelling("f", arguments) == "93b13faa194a18a1cba5086a9395ca1c"


def test_version_0_1_found_calls_by_their_words():
    assert legacy_call_key("f", '{"b": 1, "a": 2.0}', "so", "hi") == "call:d00300b9b6501d36e0ff4c7d7acd4377"
    assert legacy_call_key("f", "no JSON", "", "") == "call:b18047e86b28222cb3d9c54410d58068"


def test_what_is_remembered_of_answers_counts_the_bytes_of_their_records():
    def size_of(*records: Signature | None) -> int:
        found = [None if record is None else FoundRecord(record, SignatureSource.ID) for record in records]
        answer = KnownAnswer(0, Message(role="assistant"), [], found)
        return EarlierAnswers(0, PrefixDigest(), size_bytes=7).extend(2, PrefixDigest(), [answer]).size_bytes

    bare = size_of()
    assert bare == 7
    assert size_of(None) > bare
    one = size_of(Signature(value="a" * 100))
    assert one > bare + 100
    assert size_of(Signature(value="a" * 101)) == one + 1
    assert size_of(Signature(value="a" * 100, images=["b" * 50])) == one + 50
    assert size_of(Signature(value="a" * 100, calls=[Signature(value="c" * 20)])) == one + 20
    assert size_of(Signature(value="a" * 100), Signature(value="a" * 100)) == 2 * one - bare


def test_an_item_with_an_id_of_the_clients_own_has_this_digest():
    item = InputItem(type="message", id="mine", role="user", content="hi")
    assert named_items([item]) == [("mine", "77ad40a905b81cab7fe8a8a7506b5d2a")]
