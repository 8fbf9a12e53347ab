"""The usual steps of a tool loop in one pass: an answer that is a text and calls, then its results as texts, in order.

An agent's history is hundreds of these, and what `messages` does for any history costs several times as much for each.
So all plain steps in a row are added together, column by column: what must be known of their texts is asked of all of
them at once, and their turns are written as JSON at once. Whatever else a step has is left to the rules: a step is
added whole or not at all, and both ways give the same.
"""

from collections.abc import Sequence
from itertools import chain

from adapter.translate.core.arguments import plain_objects
from adapter.translate.core.notes import Fate, Note
from adapter.translate.request.assistant_message import arguments_of
from adapter.translate.request.tool_results import output_of, plain_outputs
from adapter.translate.signatures.known_answers import KnownAnswer
from adapter.translate.tools.names import upstream_name
from adapter.translate.turns.plain_turns import PlainTurns, escape
from adapter.translate.turns.turn_builder import SENT_BACK, Turns
from adapter.wire.signatures import NOTHING


class PlainSteps:
    """Adds plain steps to the turns of one request."""

    __slots__ = ("_is_off", "_longest_name", "_most_values", "_origins", "_takes_ids", "_turns")

    def __init__(self, turns: Turns) -> None:
        context, options = turns.context, turns.context.options
        self._turns = turns
        self._takes_ids = context.capabilities.call_ids
        self._longest_name = options.limits.name_length
        self._most_values = options.limits.json_values
        self._origins = ("", options.upstream)
        # The OpenAPI dialect has a spelling of its own for arguments, and what is written cannot be restricted.
        self._is_off = turns.is_traced or options.schema == "openapi" or options.fields is not None

    def add(self, index: int) -> int:
        """Add the plain steps in a row that begin with the answer at this index; return the index after them, else 0.

        Raises `Rejected` for arguments that cannot be sent.
        """
        contents = self._turns.contents
        if self._is_off or not contents or contents[-1].role == "model":
            return 0
        cut = self._turns.context.cut
        end = cut if cut > index else 0
        steps = self._turns.history.plain_steps(index, self._origins, self._longest_name, end)
        if not steps:
            return 0
        self._add(steps)
        return index + sum([1 + len(known.found) for known in steps])

    def _add(self, steps: list[KnownAnswer]) -> None:
        """Add the turns of answers and of their results."""
        turns = self._turns
        ids, names, arguments, results, paths, places = zip(
            *chain.from_iterable([known.plain or () for known in steps]), strict=True
        )
        found = list(chain.from_iterable([known.found for known in steps]))
        records = [one.record if one is not None else NOTHING for one in found]
        signatures = [record.value for record in records]
        noted = len(turns.notes)
        known_names = {name: upstream_name(name).encode() for name in set(names)}
        own_ids = [record.id or id_ for record, id_ in zip(records, ids, strict=True)]
        added = PlainTurns(
            ids=escape(own_ids) if self._takes_ids else None,
            names=list(map(known_names.__getitem__, names)),
            arguments=self._objects(arguments, paths),
            outputs=self._outputs(results, places),
            signatures=signatures,
            paths=paths,
            texts=[text if type(text := known.message.content) is str else "" for known in steps],
            sizes=[len(known.found) for known in steps],
        )
        if len(turns.notes) > noted:
            # Column by column they come; told they are step by step, wherever the history is cut.
            turns.notes[noted:] = sorted(turns.notes[noted:], key=_index)
        turns.contents.append(added)
        turns.unsigned = turns.unsigned or not all(signatures)
        turns.placed += [
            Note(path, _EXACT, reason=SENT_BACK, signature=one.source)
            for path, one, value in zip(paths, found, signatures, strict=True)
            if value and one is not None
        ]

    def _objects(self, texts: Sequence[str], paths: Sequence[str]) -> list[bytes]:
        """Return calls' arguments as JSON objects. Raises `Rejected` for some that cannot be sent."""
        written = [text or "{}" for text in texts]
        return [
            one
            if one is not None
            else bytes(arguments_of(text, f"{path.removeprefix('messages')}.function.arguments", self._turns))
            for text, one, path in zip(written, plain_objects(written, self._most_values), paths, strict=True)
        ]

    def _outputs(self, texts: Sequence[str], places: Sequence[int]) -> list[bytes]:
        """Return results as the objects that Gemini wants; `places` are the indexes of their messages."""
        turns, messages = self._turns, self._turns.context.request.messages
        return [
            output if output is not None else bytes(output_of(text, messages[place], place, turns))
            for output, text, place in zip(plain_outputs(texts, self._most_values), texts, places, strict=True)
        ]


def _index(note: Note) -> int:
    """Return the index of a message that a note is about."""
    return int(note.path[1 : note.path.index("]")])


_EXACT = Fate.EXACT
