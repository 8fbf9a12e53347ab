"""One rule per field: how rules are applied and how their fragments add up to Gemini's request.

Fragments add up in the order of the rules: messages within messages, lists by concatenation, equal scalars merge.
Unequal scalars are rejected, except where `WINS` says who wins; the loser's field then has a dropped note.
"""

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from itertools import takewhile
from operator import attrgetter
from typing import Any, TypeVar

import msgspec
from msgspec.structs import astuple, replace

from adapter.translate.core.context import Context
from adapter.translate.core.earlier_turns import EarlierTurns, TurnsOutcome
from adapter.translate.core.notes import ARRIVED, Fate, Ledger, Note, Outcome, Rejected, SharedNotes
from adapter.wire.base import ABSENT, decode, present
from adapter.wire.gemini.generate import GenerateContentRequest, GenerationConfig
from adapter.wire.openai.chat_request import ChatCompletionRequest

_GROUP = 8

Rule = Callable[[Any, Context], Outcome]
S = TypeVar("S", bound=msgspec.Struct)
T = TypeVar("T")

EXTENSIONS = ("google", "extra_body")
"""Google's own extensions: more specific than any standard field, so they win over all of them."""

WINS = {("max_completion_tokens", "max_tokens")}
"""Pairs (winner, loser) of standard fields that may set the same Gemini field (OpenAI: max_tokens is deprecated)."""


class Fields:
    """Two or more fields of one kind of message.

    Most fields of most messages are absent, and to tell that of one is much of a small request's cost: so they are
    compared all at once, then in groups. Fields that must be sent, and come first, are not compared.
    """

    def __init__(self, message: type[msgspec.Struct], names: Sequence[str]) -> None:
        everything = tuple(names) == message.__struct_fields__
        self._values: Callable[[Any], tuple[Any, ...]] = astuple if everything else attrgetter(*names)
        defaults = {field.name: field.default for field in msgspec.structs.fields(message)}
        self._required = tuple(takewhile(lambda name: defaults[name] is msgspec.NODEFAULT, names))
        # A message of a subclass has further fields behind these.
        self._optional = slice(len(self._required), len(names))
        nothing = tuple(defaults[name] for name in names)
        self._nothing = nothing[self._optional]
        starts = range(len(self._required), len(names), _GROUP)
        places = [slice(start, min(start + _GROUP, len(names))) for start in starts]
        self._groups = [(place, names[place], nothing[place]) for place in places]

    def list_sent(self, message: msgspec.Struct) -> list[tuple[str, Any]]:
        """Return the fields that were sent, with their values."""
        values = self._values(message)
        sent: list[tuple[str, Any]] = list(zip(self._required, values, strict=False))
        if values[self._optional] == self._nothing:
            return sent
        for place, names, nothing in self._groups:
            group = values[place]
            if group != nothing:
                sent += [
                    (names[at], value)
                    for at, value in enumerate(group)
                    if value is not None and value is not ABSENT and not absent(value)
                ]
        return sent


@cache
def all_fields(message: type[msgspec.Struct]) -> Fields:
    """Return all fields of one kind of message."""
    return Fields(message, message.__struct_fields__)


class Rules(dict[str, Rule]):
    """Rules by the field of `ChatCompletionRequest` that they are for, in the order in which they are applied."""

    @cached_property
    def fields(self) -> Fields:
        """The fields that have a rule."""
        return Fields(ChatCompletionRequest, tuple(self))


def config(**fields: Any) -> GenerateContentRequest:
    """Make a fragment that sets fields of Gemini's `generationConfig`."""
    return GenerateContentRequest(generation_config=GenerationConfig(**fields))


class Contribution(msgspec.Struct, frozen=True, gc=False):
    """The fragment of one field."""

    field: str
    fragment: GenerateContentRequest


class Conflict(Exception):
    """Two fragments disagree on one scalar, at this attribute path."""

    def __init__(self, path: tuple[str, ...]) -> None:
        super().__init__(".".join(path))
        self.path = path


Sum = tuple[GenerateContentRequest, Ledger, EarlierTurns | None]
"""The sum of all fragments, the notes, and what is to be remembered of the first messages."""


def apply(rules: Rules, context: Context) -> Sum:
    """Apply each rule to its field of `context.request`; return the sum of the fragments, and the notes.

    A rule that raises `Rejected` leaves its note, so that one answer can tell of all of them.
    """
    body = GenerateContentRequest()
    notes = Ledger()
    contributions: list[Contribution] = []
    earlier: EarlierTurns | None = None
    for field, value in rules.fields.list_sent(context.request):
        try:
            outcome = rules[field](value, context)
        except Rejected as rejection:
            notes.extend(note for note in rejection.notes if note not in notes)
            continue
        if outcome.notes is ARRIVED:
            notes.append(_note_exact(field))
        else:
            notes += [_at(field, note) for note in outcome.notes]
        placed = outcome.placed
        if type(placed) is SharedNotes:
            notes.add_shared(placed)
        else:
            notes += placed
        fragment = outcome.fragment
        if fragment is not None:
            if type(outcome) is TurnsOutcome:
                earlier = outcome.earlier
            if context.options.fields is not None:
                fragment, lost = restrict(fragment, context.options.fields)
                notes += [
                    Note(field, Fate.DROPPED, "upstream-field-unsupported", f"the upstream takes no {path}")
                    for path in lost
                ]
            new = Contribution(field, fragment)
            if contributions:
                body = _sum(body, new, contributions, notes)
            else:
                body = replace(fragment)
                contributions.append(new)
    return body, notes, earlier


@cache
def _note_exact(field: str) -> Note:
    """Return the note on a field that arrives as it was meant; most do."""
    return Note(field, Fate.EXACT)


def decode_field(field: str, raw: msgspec.Raw, type_: type[T]) -> tuple[T, dict[str, msgspec.Raw]]:
    """Decode a free-form field. Raises `Rejected` with the JSON path."""
    try:
        return decode(raw, type_)
    except msgspec.DecodeError as error:
        text, _, path = str(error).partition(" - at `$")
        raise Rejected(field + path.rstrip("`"), "malformed-value", text) from None


def absent(value: Any) -> bool:
    """Return whether a field was not sent; `null` counts as not sent."""
    return value is None or value is ABSENT or (type(value) is msgspec.Raw and not present(value))


def _at(field: str, note: Note) -> Note:
    below = note.path
    path = field if not below else field + below if below[0] == "[" else f"{field}.{below}"
    return Note(path, note.fate, note.code, note.reason, note.signature)


def _sum(
    body: GenerateContentRequest, new: Contribution, contributions: list[Contribution], notes: list[Note]
) -> GenerateContentRequest:
    """Add one contribution; where it disagrees with an earlier one, ask `WINS` and leave the loser out."""
    fragment = new.fragment
    while True:
        try:
            total = add(body, fragment)
        except Conflict as conflict:
            owner = next(item.field for item in contributions if _value(item.fragment, conflict.path) is not None)
            loser, fate = _loser(owner, new.field)
            winner = owner if loser == new.field else new.field
            code = "field-overruled" if fate is Fate.DROPPED else "fields-contradict"
            notes.append(Note(loser, fate, code, f"{winner} asks for another {_join(conflict.path)}"))
            if loser == new.field:
                fragment = remove_field(fragment, conflict.path)
            else:
                body = remove_field(body, conflict.path)
        else:
            contributions.append(Contribution(new.field, fragment))
            return total


def _loser(owner: str, newcomer: str) -> tuple[str, Fate]:
    if newcomer in EXTENSIONS or (newcomer, owner) in WINS:
        return owner, Fate.DROPPED
    if (owner, newcomer) in WINS:
        return newcomer, Fate.DROPPED
    return newcomer, Fate.REJECTED


def add(target: S, fragment: S, path: tuple[str, ...] = ()) -> S:
    """Return a message with both contents; neither changes, since fragments may be cached. Raises `Conflict`."""
    total = replace(target)
    for name, value in all_fields(type(fragment)).list_sent(fragment):
        before = getattr(total, name)
        if absent(before):
            setattr(total, name, value)
        elif isinstance(value, msgspec.Struct):
            setattr(total, name, add(before, value, (*path, name)))
        elif isinstance(value, list):
            setattr(total, name, before + value)
        elif value != before:
            raise Conflict((*path, name))
    return total


def remove_field(message: S, path: tuple[str, ...]) -> S:
    """Return a copy of the message without the field at an attribute path."""
    name, *rest = path
    inner = remove_field(getattr(message, name), tuple(rest)) if rest else None
    result = replace(message)
    setattr(result, name, inner)
    return result


def _value(message: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        message = getattr(message, name, None)
    return None if absent(message) else message


def _join(path: tuple[str, ...]) -> str:
    return ".".join(camel(name) for name in path)


def camel(name: str) -> str:
    """Return a name such as `max_output_tokens` as Gemini's JSON writes it."""
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def restrict(fragment: S, allowed: frozenset[str] | None, path: tuple[str, ...] = ()) -> tuple[S, list[str]]:
    """Return the fragment without paths that are not under an allowed dotted path, and these paths."""
    if allowed is None or (path and _join(path) in allowed):
        return fragment, []
    lost: list[str] = []
    result = replace(fragment)
    for field in msgspec.structs.fields(fragment):
        value = getattr(fragment, field.name)
        at = (*path, field.name)
        if absent(value) or _join(at) in allowed:
            continue
        if isinstance(value, msgspec.Struct):
            allowed_value, inner = restrict(value, allowed, at)
            lost.extend(inner)
            setattr(result, field.name, allowed_value if _has_any(allowed_value) else field.default)
        elif isinstance(value, list) and value and isinstance(value[0], msgspec.Struct):
            pairs = [restrict(item, allowed, at) for item in value]
            lost.extend(dict.fromkeys(inner for _, inners in pairs for inner in inners))
            setattr(result, field.name, [item for item, _ in pairs if _has_any(item)] or None)
        else:
            lost.append(_join(at))
            setattr(result, field.name, field.default)
    return result, lost


def _has_any(message: msgspec.Struct) -> bool:
    return bool(all_fields(type(message)).list_sent(message))
