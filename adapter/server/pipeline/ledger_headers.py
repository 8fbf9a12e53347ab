"""What clients are told of the ledger: a header, the whole on request, and strict mode."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from starlette.types import Scope

from adapter.server.http.asgi import fields_of
from adapter.server.pipeline.errors import StrictLoss
from adapter.settings import Settings
from adapter.translate.core.notes import Fate, Note, SignatureSource

HEADER = "x-adapter-notes"
_HEADER = HEADER.encode()
SIGNATURES_HEADER = "x-adapter-signatures"
STRICT_HEADER = b"x-adapter-strict"
MAX_HEADER = 1_024
LOSSES = (Fate.APPROXIMATED, Fate.INJECTED, Fate.DROPPED)


def summary(notes: Sequence[Note]) -> str:
    """The header: how many notes of each fate, and which, as far as they fit."""
    losses = [note for note in notes if note.fate in LOSSES]
    if not losses:
        return "none"
    fates = [note.fate for note in losses]
    text = ", ".join(f"{fate}={count}" for fate in LOSSES if (count := fates.count(fate)))
    for code in dict.fromkeys([note.old_code for note in losses]):
        if len(text) + len(code) + 2 > MAX_HEADER:
            return f"{text}; ..."
        text += f"; {code}"
    return text


def wants_all(scope: Scope) -> bool:
    """Whether the client asked for the whole ledger in the answer's body."""
    return fields_of(scope).get(_HEADER, b"").lower() == b"full"


def sources(notes: Sequence[Note]) -> str:
    """The header: how many thought signatures came from which source; empty where there were none."""
    found = [note.signature for note in notes if note.signature is not None]
    if not found:
        return ""
    counts = Counter(found)
    return ", ".join(f"{source}={counts[source]}" for source in SignatureSource if counts[source])


def listed(notes: Sequence[Note]) -> list[dict[str, str]]:
    """The ledger as JSON."""
    return [_entry(note) for note in notes]


def _entry(note: Note) -> dict[str, str]:
    entry = {"path": note.path, "fate": note.fate.value, "reason": note.reason}
    if note.severity is not None:
        entry |= {"code": note.code, "severity": note.severity.value, "advice": note.advice}
    return entry if note.signature is None else {**entry, "signature": note.signature.value}


def is_strict(scope: Scope, settings: Settings) -> bool:
    """The client's word, else the operator's."""
    asked = fields_of(scope).get(STRICT_HEADER)
    return settings.strict if asked is None else asked.lower() in (b"1", b"true", b"yes", b"on")


def check(notes: Sequence[Note], strict: bool, policy: Mapping[str, Literal["allow", "reject"]]) -> None:
    """Raise `StrictLoss` with every loss that is not allowed."""
    default = "reject" if strict else "allow"
    if not strict and "reject" not in policy.values():
        return
    losses = [note for note in notes if note.fate in LOSSES]
    refused = [note for note in losses if policy.get(note.code, policy.get(note.old_code, default)) == "reject"]
    if refused:
        lines = [f"{note.path}: {note.fate} ({note.reason})" for note in refused]
        raise StrictLoss("The request would not arrive as it was sent:\n" + "\n".join(lines), refused[0].path)
