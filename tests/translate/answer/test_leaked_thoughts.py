"""Leaked thoughts: wherever a text is cut it tells the same, and no word of it is lost."""

import re
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from adapter.translate.answer.stages import LeakedThoughts
from adapter.wire.gemini.content import FunctionCall, Part
from tests.support.answering import answer, context, notes_of, stream_answer, translate_answer
from tests.translate.answer.agreeing import both

TEXTS = st.lists(st.sampled_from(["THOUGHT:", "THO", "UGHT:", "\n", "\r\n", " ", "\t", "plan", "é"]), max_size=12).map(
    "".join
)


def without_leaks(*parts):
    """All parts of an answer, leaked thoughts as thoughts, and whether there were any."""
    leaks = LeakedThoughts()
    return [one for part in parts for one in leaks.feed(part)] + leaks.close(), leaks.found


def join_neighbours(parts):
    """Thoughts and texts, neighbours of one kind joined."""
    found = []
    for part in parts:
        if found and part.text is not None and found[-1][0] == bool(part.thought):
            found[-1] = (found[-1][0], found[-1][1] + part.text)
        else:
            found.append((bool(part.thought), part.text or ""))
    return found


@given(TEXTS, st.sets(st.integers(0, 60)))
def test_a_text_tells_the_same_wherever_it_is_cut(text, cuts):
    places = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    pieces = [text[start:end] for start, end in pairwise(places)]
    leaks = LeakedThoughts()
    in_pieces = [one for piece in pieces for one in leaks.feed(Part(text=piece))] + leaks.close()
    assert join_neighbours(in_pieces) == join_neighbours(without_leaks(Part(text=text))[0])


@given(TEXTS)
@example("THOUGHT:THOUGHT:THO\n\nTHOUGHT:THOUGHT:")
def test_only_the_mark_and_white_space_are_taken_away(text):
    parts, found = without_leaks(Part(text=text))
    kept = "".join(part.text or "" for part in parts)
    if not found:
        assert kept == text
    between = re.sub(r"\s", "", text).split("THOUGHT:")
    assert re.fullmatch("(?:THOUGHT:)?".join(map(re.escape, between)), re.sub(r"\s", "", kept))


def test_a_call_and_a_signature_end_a_text():
    call = Part(function_call=FunctionCall(name="f"))
    parts, _ = without_leaks(Part(text="THO"), call, Part(text="UGHT:", thought_signature="s"), Part(text="plan"))
    assert [(part.text, part.thought_signature) for part in parts] == [
        ("THO", None), (None, None), ("UGHT:", "s"), ("plan", None),
    ]  # fmt: skip


LEAKING = context(options={"leaked_thoughts": True})


def test_a_call_beside_a_text_in_one_part_is_not_lost():
    """Relays have been seen to put both into one part."""
    part = {"text": "THOUGHT: look", "functionCall": {"name": "f", "args": {}}}
    said = both(answer(part), LEAKING)
    assert said["message"]["reasoning_content"] == "look"
    assert [call["function"]["name"] for call in said["message"]["tool_calls"]] == ["f"]


def test_notes_name_the_parts_as_gemini_numbered_them():
    body = answer({"text": "THOUGHT: plan\n\nyes"}, {"executableCode": {"code": "1"}})
    assert "candidates[0].content.parts[1]" in notes_of(translate_answer(body, LEAKING)[1])
    assert "candidates[0].content.parts[].text" in notes_of(stream_answer([body], LEAKING)[1])
