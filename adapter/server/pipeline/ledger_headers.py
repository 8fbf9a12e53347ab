"""The ledger for clients: a header, the whole on request, and strict mode."""

from collections import Counter
from collections.abc import Mapping, Sequence

from adapter.server.observe.ledger_entries import notes_as_json
from adapter.server.pipeline.errors import Malformed, StrictLoss
from adapter.settings import LossSettings
from adapter.translate.core.catalogue import CODES
from adapter.translate.core.notes import Note, own_notes
from adapter.translate.core.strictness import (
    Policy,
    Strictness,
    count_losses,
    how_to_allow,
    refused_losses,
    strictness_of,
)
from adapter.translate.signatures.sources import SignatureSource
from adapter.wire.openai.chat_answer import Extra

HEADER = "x-adapter-notes"
_HEADER = HEADER.encode()
SIGNATURES_HEADER = "x-adapter-signatures"
STRICT_HEADER = b"x-adapter-strict"
# A proxy limits all headers of an answer together, and answers 502 beyond (nginx: 4 or 8 KB, `proxy_buffer_size`).
MAX_HEADER = 1_024


def summary(notes: Sequence[Note], more: Sequence[Note] = ()) -> str:
    """Return the header: how many losses of each severity, then their codes, the gravest first, as far as they fit."""
    losses = count_losses(notes, more)
    if not losses:
        return _NO_LOSSES
    counts: dict[str, int] = {}
    for code, number in losses.items():
        severity = CODES[code].severity.value
        counts[severity] = counts.get(severity, 0) + number
    text = ", ".join([f"{severity}={count}" for severity, count in counts.items()])
    for code in losses:
        if len(text) + len(code) + len(_CUT) + 2 > MAX_HEADER:
            return text + _CUT
        text += f"; {code}"
    return text


_CUT = "; ..."
_NO_LOSSES = "none"


def wants_all(fields: Mapping[bytes, bytes]) -> bool:
    """Return whether the client asked for the whole ledger in the answer's body."""
    return fields.get(_HEADER, b"").lower() == b"full"


def headers(model: str, request_notes: Sequence[Note], reply_notes: Sequence[Note] = ()) -> dict[str, str]:
    """Return the headers: the model that answered, the ledger, and how many thought signatures came from which source.

    The last one is missing if there were no signatures.
    """
    values = {"x-adapter-model": model, HEADER: summary(request_notes, reply_notes)}
    sources = [note.signature for note in own_notes(request_notes) if note.signature is not None]
    if sources:
        counts = Counter(sources)
        values[SIGNATURES_HEADER] = ", ".join([f"{one}={counts[one]}" for one in SignatureSource if counts[one]])
    return values


def with_ledger(extra: Extra | None, ledger: Sequence[Note]) -> Extra:
    """Return the body's extra fields together with the whole ledger."""
    return {**(extra or {}), "adapter": {"notes": notes_as_json(ledger)}}


def strictness(fields: Mapping[bytes, bytes], operators: LossSettings) -> Strictness:
    """Return the client's level, else the operator's. Raises `Malformed` for a word that is no level."""
    wanted = fields.get(STRICT_HEADER)
    if wanted is None:
        return Strictness(operators.strict)
    level = strictness_of(wanted.decode("latin-1"))
    if level is None:
        levels = ", ".join(Strictness)
        raise Malformed(f"x-adapter-strict must be one of {levels}, true or false", "x-adapter-strict", "invalid_value")
    return level


def check(notes: Sequence[Note], level: Strictness, policy: Policy) -> None:
    """Raise `StrictLoss` with every loss that is not allowed."""
    refused = refused_losses(notes, level, policy)
    if refused:
        lines = [
            f"{note.path}: {note.code} ({note.severity}): {note.reason}. {note.advice} Lets it pass: "
            f"{how_to_allow(note, level)}"
            for note in refused
        ]
        text = "Strict mode refused the request, because Gemini would not get all of it:\n"
        raise StrictLoss(text + "\n".join(lines), refused[0].path)
