"""The usual steps of a tool loop in one pass: an answer that is a text and calls, then its results as texts, in order.

An agent's history is hundreds of these, and what `messages` does for any history costs several times as much for each.
So all plain steps in a row are added together, column by column: each check runs over all of their texts at once, and
their turns are written as JSON at once. A step that has anything else is left to the rules: it is added whole or not
at all, and both ways give the same.
"""

from collections.abc import Sequence

from adapter.translate.core.arguments import plain_objects
from adapter.translate.core.notes import Fate, Note
from adapter.translate.request.assistant_message import arguments_of
from adapter.translate.request.tool_results import output_of, plain_outputs
from adapter.translate.signatures.step_columns import StepColumns
from adapter.translate.tools.names import upstream_name
from adapter.translate.turns.plain_turns import PlainTurns, escape
from adapter.translate.turns.turn_builder import SENT_BACK, Turns
from adapter.wire.signatures import NOTHING


class PlainSteps:
    """Adds plain steps to the turns of one request."""

    __slots__ = ("_most_values", "_runs", "_takes_ids", "_turns")

    def __init__(self, turns: Turns) -> None:
        context, options = turns.context, turns.context.options
        self._turns = turns
        self._takes_ids = context.capabilities.call_ids
        self._most_values = options.limits.json_values
        # The OpenAPI dialect has a spelling of its own for arguments, and what is written cannot be restricted.
        is_off = turns.is_traced or options.schema == "openapi" or options.fields is not None
        runs = () if is_off else turns.history.plain_steps(("", options.upstream), options.limits.name_length)
        self._runs = {part.index: part for run in runs for part in run.split_at(context.cut)}

    def add(self, index: int) -> int:
        """Add the plain steps in a row that begin with the answer at this index; return the index after them, else 0.

        Raises `Rejected` for arguments that cannot be sent.
        """
        run, contents = self._runs.get(index), self._turns.contents
        if run is None:
            return 0
        if not contents or contents[-1].role == "model":
            # What stands before the first step changes how it is sent.
            # The steps behind the first one can be added together again, from their own index on.
            if len(run) > 1:
                rest = run.part(1, len(run))
                self._runs[rest.index] = rest
            return 0
        self._add(run)
        return run.end

    def _add(self, run: StepColumns) -> None:
        """Add the turns of answers and of their results."""
        turns = self._turns
        noted, paths = len(turns.notes), run.paths()
        # An agent calls few functions many times.
        names = {name: upstream_name(name).encode() for name in set(run.names)}
        signatures, own_ids = [""] * len(paths), run.ids
        if any(run.found):
            records = [NOTHING if one is None else one.record for one in run.found]
            signatures = [record.value for record in records]
            own_ids = [record.id or id_ for record, id_ in zip(records, run.ids, strict=True)]
            turns.placed += [
                Note(path, _EXACT, reason=SENT_BACK, signature=one.source)
                for path, one in zip(paths, run.found, strict=True)
                if one is not None and one.record.value
            ]
        added = PlainTurns(
            ids=escape(own_ids) if self._takes_ids else None,
            names=list(map(names.__getitem__, run.names)),
            arguments=self._objects(run.arguments, paths),
            outputs=self._outputs(run),
            signatures=signatures,
            paths=paths,
            texts=run.texts,
            sizes=run.sizes,
        )
        if len(turns.notes) > noted:
            # Column by column they come; told they are step by step, wherever the history is cut.
            turns.notes[noted:] = sorted(turns.notes[noted:], key=_index)
        turns.contents.append(added)
        turns.unsigned = turns.unsigned or not all(signatures)

    def _objects(self, texts: Sequence[str], paths: Sequence[str]) -> list[bytes]:
        """Return calls' arguments as JSON objects. Raises `Rejected` for some that cannot be sent."""
        written = [text or "{}" for text in texts]
        return [
            one
            if one is not None
            else bytes(arguments_of(text, f"{path.removeprefix('messages')}.function.arguments", self._turns))
            for text, one, path in zip(written, plain_objects(written, self._most_values), paths, strict=True)
        ]

    def _outputs(self, run: StepColumns) -> list[bytes]:
        """Return results as the objects that Gemini wants."""
        turns, messages = self._turns, self._turns.context.request.messages
        outputs = plain_outputs(run.results, self._most_values)
        return [
            output
            if output is not None
            else bytes(output_of(run.results[call], messages[index := run.result_index(call)], index, turns))
            for call, output in enumerate(outputs)
        ]


def _index(note: Note) -> int:
    """Return the index of a message that a note is about."""
    return int(note.path[1 : note.path.index("]")])


_EXACT = Fate.EXACT
