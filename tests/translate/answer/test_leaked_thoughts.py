"""Leaked thoughts: wherever a text is cut it tells the same, and no word of it is lost."""

import re
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from adapter.translate.answer.leaked_thoughts import LeakedThoughts, without_leaks
from adapter.wire.gemini.content import FunctionCall, Part

TEXTS = st.lists(st.sampled_from(["THOUGHT:", "THO", "UGHT:", "\n", "\r\n", " ", "\t", "plan", "é"]), max_size=12).map(
    "".join
)


def told(parts):
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
    assert told(in_pieces) == told(without_leaks([Part(text=text)])[0])


@given(TEXTS)
@example("THOUGHT:THOUGHT:THO\n\nTHOUGHT:THOUGHT:")
def test_only_the_mark_and_white_space_are_taken_away(text):
    parts, notes = without_leaks([Part(text=text)])
    kept = "".join(part.text or "" for part in parts)
    if not notes:
        assert kept == text
    between = re.sub(r"\s", "", text).split("THOUGHT:")
    assert re.fullmatch("(?:THOUGHT:)?".join(map(re.escape, between)), re.sub(r"\s", "", kept))


def test_a_call_and_a_signature_end_a_text():
    call = Part(function_call=FunctionCall(name="f"))
    parts, _ = without_leaks([Part(text="THO"), call, Part(text="UGHT:", thought_signature="s"), Part(text="plan")])
    assert [(part.text, part.thought_signature) for part in parts] == [
        ("THO", None), (None, None), ("UGHT:", "s"), ("plan", None),
    ]  # fmt: skip
