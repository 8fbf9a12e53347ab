"""Voices by OpenAI's names and by Gemini's."""

_OPENAIS = {
    "alloy": "Kore",
    "ash": "Orus",
    "ballad": "Charon",
    "coral": "Leda",
    "echo": "Puck",
    "fable": "Umbriel",
    "onyx": "Iapetus",
    "sage": "Aoede",
    "shimmer": "Zephyr",
    "verse": "Fenrir",
    "marin": "Aoede",
    "cedar": "Charon",
}
"""OpenAI's voices, and one of Gemini's for each. Gemini takes `nova` as it is (LiteLLM 1.110.2, 2026-10)."""

_GEMINIS = (
    "Achernar", "Achird", "Algenib", "Algieba", "Alnilam", "Aoede", "Autonoe", "Callirrhoe", "Charon", "Despina",
    "Enceladus", "Erinome", "Fenrir", "Gacrux", "Iapetus", "Kore", "Laomedeia", "Leda", "Orus", "Puck", "Pulcherrima",
    "Rasalgethi", "Sadachbia", "Sadaltager", "Schedar", "Sulafat", "Umbriel", "Vindemiatrix", "Zephyr",
    "Zubenelgenubi",
)  # fmt: skip
"""Gemini's prebuilt voices (ai.google.dev, speech generation, 2026-10)."""

_BY_LOWER_NAME = {name.lower(): name for name in _GEMINIS}


def gemini_voice(name: str) -> str:
    """Return Gemini's voice for a name of OpenAI's. Other names are taken for Gemini's own."""
    return _OPENAIS.get(name) or _BY_LOWER_NAME.get(name.lower(), name)


def is_same_voice(name: str, voice: str) -> bool:
    """Return whether a name is that of this voice, in whatever case."""
    return name.lower() == voice.lower()
