"""Thoughts that come as text, behind the word THOUGHT: and with nothing else that tells them from an answer.

Vertex AI and relays return some (github.com/googleapis/python-genai/issues/2121). The word is no sure sign, and agents
write `Thought:` on purpose: only the operator can know what a text is that begins with it.
"""

import re

from adapter.translate.core.notes import Fate, Note
from adapter.translate.core.part_kinds import is_plain
from adapter.wire.gemini.content import Part

MARK = "THOUGHT:"
NOTE = Note(
    "content.parts[].text", Fate.APPROXIMATED, "leaked-thought-moved", f"began with {MARK} and is told as a thought"
)

_BLANK_LINE = re.compile(r"\r?\n[ \t]*\r?\n")
_MAY_BE_BLANK = re.compile(r"\r?\n[ \t]*\r?$|\r$")


class LeakedThoughts:
    """Feed it each part of an answer, then close it; both give the parts to go on with.

    A leaked thought begins where a text does: at the start, behind another thought, behind a part that is no text. It
    ends at the first blank line. A text may come in pieces: what could still become the one or the other is held back.
    """

    def __init__(self) -> None:
        self.found = False
        self._may_begin = True
        self._thinking = False
        self._behind_thought = False
        self._held = ""

    def feed(self, part: Part) -> list[Part]:
        """The parts that a part stands for so far."""
        if part.text is None or part.thought or not is_plain(part):
            return [*self.close(), part]
        parts = self._split(part.text)
        if not part.thought_signature:
            return parts
        parts += self.close() or ([] if parts else [Part(text="")])
        parts[-1].thought_signature = part.thought_signature
        return parts

    def close(self) -> list[Part]:
        """What was held back; the next text begins anew."""
        held = "" if self._behind_thought and not self._held.strip() else self._held
        parts = [_part(held, thought=self._thinking)] if held else []
        self._may_begin, self._thinking, self._behind_thought, self._held = True, False, False, ""
        return parts

    def _split(self, piece: str) -> list[Part]:
        text, self._held = self._held + piece, ""
        parts: list[Part] = []
        while text:
            if self._thinking:
                thought, text = self._thought(text)
                if thought:
                    parts.append(_part(thought, thought=True))
            elif self._may_begin:
                text = self._beginning(text)
            else:
                parts.append(_part(text, thought=False))
                break
        return parts

    def _beginning(self, text: str) -> str:
        """What follows once it is known how a text begins; nothing while it is not."""
        bare = text.lstrip()
        rest = bare.removeprefix(MARK).lstrip(" \t")
        if MARK.startswith(bare) or (bare.startswith(MARK) and not rest):
            self._held = text
            return ""
        self._may_begin = False
        if bare.startswith(MARK):
            self.found = self._thinking = True
            return rest
        return bare if self._behind_thought else text

    def _thought(self, text: str) -> tuple[str, str]:
        """The thought in a text that goes on with one, and what follows it."""
        end = _BLANK_LINE.search(text)
        if end is not None:
            self._thinking, self._may_begin, self._behind_thought = False, True, True
            return text[: end.start()], text[end.end() :]
        open_end = _MAY_BE_BLANK.search(text)
        known = len(text) if open_end is None else open_end.start()
        self._held = text[known:]
        return text[:known], ""


def _part(text: str, *, thought: bool) -> Part:
    return Part(text=text, thought=True if thought else None)


def without_leaks(parts: list[Part]) -> tuple[list[Part], list[Note]]:
    """All parts of an answer, leaked thoughts as thoughts."""
    leaks = LeakedThoughts()
    told = [one for part in parts for one in leaks.feed(part)] + leaks.close()
    return told, [NOTE] if leaks.found else []
