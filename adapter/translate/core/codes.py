"""Codes of the ledger, and their severities."""

from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """Severities of losses, the gravest first."""

    BREAKS = "breaks"
    CHANGES_ANSWERS = "changes-answers"
    COSTS = "costs"
    COSMETIC = "cosmetic"


class Code(msgspec.Struct, frozen=True, gc=False):
    """A kind of loss: its public name, its severity, its meaning, and the advice."""

    name: str
    severity: Severity
    sentence: str
    advice: str

    @property
    def doc(self) -> str:
        """Return the place of the code in the documentation."""
        return f"docs/codes.md#{self.name}"
