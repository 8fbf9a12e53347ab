"""Names of participants matter where several of them speak in one role.

OpenAI: "provides the model information to differentiate between participants of the same role" (openai-python 3.54.0).
"""

import msgspec
import pytest

from adapter.translate.chat import to_gemini
from adapter.translate.core.codes import Severity
from adapter.translate.responses.fields import to_chat
from adapter.wire.openai.responses_request import ResponsesRequest
from tests.support.answering import context

SPEAKERS = {
    "one name in a role": ([("user", "bob"), ("assistant", "host"), ("user", "bob")], Severity.COSMETIC),
    "one name and none": ([("user", "bob"), ("assistant", None), ("user", None)], Severity.COSMETIC),
    "two names in a role": ([("user", "bob"), ("assistant", None), ("user", "eve")], Severity.CHANGES_ANSWERS),
    "a dialogue told in system messages": (
        [("system", "example_user"), ("system", "example_assistant"), ("user", None)],
        Severity.CHANGES_ANSWERS,
    ),
}


def chat_severities(speakers):
    messages = [{"role": role, "content": "hi", **({"name": name} if name else {})} for role, name in speakers]
    _, notes = to_gemini(context(messages=messages), {})
    return {note.severity for note in notes if note.path.endswith(".name")}


def response_severities(speakers):
    items = [{"role": role, "content": "hi", **({"name": name} if name else {})} for role, name in speakers]
    view = to_chat(msgspec.convert({"model": "gemini-3.5-flash", "input": items}, ResponsesRequest))
    return {note.severity for note in view.notes if note.path.endswith(".name")}


@pytest.mark.parametrize("severities", [chat_severities, response_severities])
@pytest.mark.parametrize(("speakers", "severity"), SPEAKERS.values(), ids=SPEAKERS)
def test_names_change_answers_only_where_they_tell_speakers_of_one_role_apart(severities, speakers, severity):
    assert severities(speakers) == {severity}


def test_each_role_is_looked_at_alone():
    speakers = [("user", "bob"), ("assistant", "host"), ("user", "eve")]
    assert chat_severities(speakers) == {Severity.CHANGES_ANSWERS, Severity.COSMETIC}
