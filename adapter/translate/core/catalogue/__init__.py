"""The catalogue of losses: every code that a note may carry, by how much the loss matters.

A code names a loss, not a path: chat, Responses and every other endpoint share it. Codes are a public contract (clients
and operators allow or refuse them by name): a code is never renamed, and one that moves to another severity moves in a
commit that argues for it. There is a file for each severity.
"""

from adapter.translate.core.catalogue import breaks, changes_answers, cosmetic, costs
from adapter.translate.core.codes import Code, Severity

_BY_SEVERITY = {
    Severity.BREAKS: breaks.ROWS,
    Severity.CHANGES_ANSWERS: changes_answers.ROWS,
    Severity.COSTS: costs.ROWS,
    Severity.COSMETIC: cosmetic.ROWS,
}

CODES = {
    name: Code(name, severity, sentence, advice)
    for severity, rows in _BY_SEVERITY.items()
    for name, (sentence, advice) in rows.items()
}
"""Every code, most severe first."""
