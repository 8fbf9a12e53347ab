"""What a code of the ledger is, and how much a loss matters."""

from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How much a loss matters, the gravest first."""

    BREAKS = "breaks"
    CHANGES_ANSWERS = "changes-answers"
    COSTS = "costs"
    COSMETIC = "cosmetic"


class Code(msgspec.Struct, frozen=True, gc=False):
    """A kind of loss: its public name, its severity, what it means, and what one can do about it."""

    name: str
    severity: Severity
    sentence: str
    advice: str

    @property
    def doc(self) -> str:
        """Where the documentation tells of it."""
        return f"docs/codes.md#{self.name}"
