"""Voices by OpenAI's names and by Gemini's."""

import pytest

from adapter.translate.voices import gemini_voice, is_same_voice

GEMINIS = [
    "Zephyr", "Puck", "Charon", "Kore", "Fenrir", "Leda", "Orus", "Aoede", "Callirrhoe", "Autonoe", "Enceladus",
    "Iapetus", "Umbriel", "Algieba", "Despina", "Erinome", "Algenib", "Rasalgethi", "Laomedeia", "Achernar", "Alnilam",
    "Schedar", "Gacrux", "Pulcherrima", "Achird", "Zubenelgenubi", "Vindemiatrix", "Sadachbia", "Sadaltager", "Sulafat",
]  # fmt: skip
"""In the order of ai.google.dev, speech generation (2026-10)."""

OPENAIS = ["alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "sage", "shimmer", "verse", "marin", "cedar"]


@pytest.mark.parametrize("spell", [str, str.lower, str.upper])
def test_a_voice_of_geminis_is_itself_in_whatever_case(spell):
    assert [gemini_voice(spell(name)) for name in GEMINIS] == GEMINIS


def test_each_voice_of_openais_is_one_of_geminis_and_other_names_are_taken_for_geminis_own():
    assert {gemini_voice(name) for name in OPENAIS} <= set(GEMINIS)
    assert [gemini_voice(name) for name in ("nova", "custom-1")] == ["nova", "custom-1"]


def test_names_of_one_voice_differ_at_most_in_their_case():
    assert is_same_voice("KORE", "kore")
    assert not is_same_voice("Kore", "Puck")
