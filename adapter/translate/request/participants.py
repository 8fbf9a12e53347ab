"""Names of participants: OpenAI tells speakers of one role apart by them, Gemini has none."""

from collections.abc import Iterable

from adapter.translate.core.notes import Fate, Note


def shared_roles(speakers: Iterable[tuple[str | None, str]]) -> frozenset[str | None]:
    """The roles in which several names speak, from the role and name of each message that has a name."""
    names: dict[str | None, set[str]] = {}
    for role, name in speakers:
        names.setdefault(role, set()).add(name)
    return frozenset(role for role, several in names.items() if len(several) > 1)


def name_note(path: str, role: str | None, shared: frozenset[str | None]) -> Note:
    """The note on a message's name. Where a role has one name alone, who speaks is plain without it."""
    if role in shared:
        reason = f"Gemini knows no names: it cannot tell the participants of the role {role!r} apart"
        return Note(f"{path}.name", Fate.DROPPED, "participants-merged", reason)
    return Note(f"{path}.name", Fate.DROPPED, "participant-name-dropped", "Gemini knows no participants' names")
