"""Messages to contents: one function per role, and the rules of turns that Gemini enforces.

Gemini wants a call's turn right after a user's, its results right after it, all in one turn and in the calls' order
(ai.google.dev, function calling; the 400s are quoted in google-gemini/gemini-cli issues 3814, 16543 and 26486).
OpenAI's histories keep none of that: results come in any order, are missing, or belong to no call. So the messages
are read in blocks: one or more assistant messages, and what follows until the next one.
"""

from collections.abc import Iterator, Sequence
from itertools import count
from operator import attrgetter
from typing import Any, assert_never

from adapter.translate.core.context import Context
from adapter.translate.core.earlier_turns import EarlierTurns, StaleTurns, TurnsOutcome
from adapter.translate.core.notes import Fate, Outcome, Rejected, exact
from adapter.translate.request.assistant_message import answer
from adapter.translate.request.plain_steps import PlainSteps
from adapter.translate.request.tool_results import orphan, results
from adapter.translate.turns.cut import turns_before_cut
from adapter.translate.turns.stand_ins import stand_in
from adapter.translate.turns.turn_builder import HistoryCall, Turns, parts_of, shared_roles, speakers_of
from adapter.wire.gemini.content import Content, Part
from adapter.wire.gemini.generate import GenerateContentRequest
from adapter.wire.openai.chat_request import Message

_UNREADABLE = "the store could not be read: thought signatures that it holds may be missing"

_EMPTY = "Gemini takes no empty turn"

SYSTEM_ROLES = ("system", "developer")
CONTINUE = "Continue."


def messages(value: Sequence[Message], context: Context) -> Outcome:
    """All messages: systemInstruction and contents."""
    turns = Turns(context, context.known_history(), context.earlier)
    try:
        try:
            read_messages(value, turns)
        except StaleTurns:
            turns = Turns(context, context.known_history())
            read_messages(value, turns)
    except Rejected as rejection:
        raise Rejected(f"messages{rejection.note.path}", rejection.note.code, rejection.note.reason) from None
    if not turns.history.is_complete and turns.history.misses_records:
        turns.note("", Fate.APPROXIMATED, "signature-store-unreadable", _UNREADABLE)
    system = Content(parts=turns.system) if turns.system else None
    earlier = None if turns.sizes_at_cut is None else turns_before_cut(turns)
    contents: list[Any] = [one if isinstance(one, Content) else one.encode_turn() for one in turns.contents]
    outcome = exact(GenerateContentRequest(system_instruction=system, contents=contents), turns.notes, turns.placed)
    return outcome if earlier is None else TurnsOutcome(outcome.fragment, outcome.notes, outcome.placed, earlier)


def read_messages(value: Sequence[Message], turns: Turns) -> None:
    """Read all messages as turns. Raises `Rejected` with a path that starts below `messages`; `StaleTurns`."""
    if not value:
        raise Rejected("", "value-missing", "there must be at least one message")
    if turns.earlier is not None:
        index = _go_on(turns.earlier, value, turns)
    else:
        if turns.history.earlier is not None:
            turns.history.recall()
        if any(map(_NAME, value)):
            turns.shared_roles = shared_roles(speakers_of(value))
        index = _leading_system(value, turns) if value[0].role in SYSTEM_ROLES else 0
    # The first answer needs it; most small requests have none.
    steps: PlainSteps | None = None
    while index < len(value):
        if value[index].role != "assistant":
            index = _other(value, index, turns)
            continue
        if index == turns.context.cut:
            turns.mark_cut()
        steps = steps or PlainSteps(turns)
        # Plain steps first, since a block takes any answer.
        index = steps.add(index) or _block(value, index, turns)
    _ends(turns)
    if turns.unsigned:
        stand_in(turns)


def _go_on(earlier: EarlierTurns, value: Sequence[Message], turns: Turns) -> int:
    """Begin after the messages whose turns are already known; return the index. Raises `StaleTurns`."""
    turns.contents.append(earlier)
    turns.system += earlier.system
    turns.unsigned = earlier.is_unsigned
    turns.shared_roles = earlier.shared_roles
    turns.notes += earlier.notes
    turns.placed += earlier.placed
    rest = value[earlier.count :]
    if earlier.speakers and shared_roles(earlier.speakers | speakers_of(rest)) != earlier.shared_roles:
        raise StaleTurns
    if not earlier.speakers and any(map(_NAME, rest)):
        turns.shared_roles = shared_roles(speakers_of(rest))
    return earlier.count


def _leading_system(value: Sequence[Message], turns: Turns) -> int:
    """Put the first run of system messages into systemInstruction; return the index after it."""
    index = 0
    while index < len(value) and value[index].role in SYSTEM_ROLES:
        turns.system.extend(parts_of(value[index], index, turns))
        index += 1
    if turns.system and not turns.context.capabilities.system_instruction:
        turns.say("user", turns.system)
        turns.system = []
        reason = "the model takes no system instruction: sent as a user's turn"
        turns.note("[0]", Fate.APPROXIMATED, "system-as-user", reason)
    elif index == len(value) and turns.system:
        turns.say("user", [turns.system.pop()])
        reason = "Gemini wants a user's turn: the last system text is sent as one"
        turns.note(f"[{index - 1}]", Fate.APPROXIMATED, "system-as-user", reason)
    return index


def _other(value: Sequence[Message], index: int, turns: Turns) -> int:
    """Read one message that is not an assistant's; return the index after it."""
    message = value[index]
    match message.role:
        case "user":
            parts = parts_of(message, index, turns)
            if not parts:
                turns.note(f"[{index}].content", Fate.DROPPED, "empty-content-dropped", _EMPTY)
            turns.say("user", parts)
        case "system" | "developer":
            _later_system(message, index, turns)
        case "tool" | "function":
            orphan(message, index, turns)
        case role:
            raise Rejected(f"[{index}].role", "unknown-value", f"{role!r} is not a role")
    return index + 1


def _later_system(message: Message, index: int, turns: Turns) -> None:
    """Place a system message after the first turn where it stands, so that the prefix before it stays the same."""
    parts = parts_of(message, index, turns)
    if not parts:
        turns.note(f"[{index}].content", Fate.DROPPED, "empty-content-dropped", _EMPTY)
        return
    match turns.context.options.later_system:
        case "reject":
            raise Rejected(f"[{index}].role", "late-system-message", "a system message after the first turn")
        case "hoist":
            turns.system.extend(parts)
            reason = "moved to the system instruction, ahead of its place"
        case "wrap":
            opened = [Part(text="<system>"), *parts, Part(text="</system>")]
            text = "".join(part.text or "" for part in parts)
            marked = [Part(text=f"<system>\n{text}\n</system>")] if _only_text(parts) else opened
            turns.trace(index, marked)
            turns.say("user", marked)
            reason = "Gemini has one system instruction, at the start: sent as a marked user's turn at its place"
        case never:
            assert_never(never)
    turns.note(f"[{index}]", Fate.APPROXIMATED, "late-system-message", reason)


def _only_text(parts: list[Part]) -> bool:
    return all(part.text is not None for part in parts)


def _block(value: Sequence[Message], index: int, turns: Turns) -> int:
    """Read assistant messages, the results of their calls, and the other messages before the next assistant message."""
    calls: list[HistoryCall] = []
    parts: list[Part] = []
    while index < len(value) and value[index].role == "assistant":
        more_parts, more_calls = answer(value[index], index, turns)
        turns.trace(index, more_parts)
        parts += more_parts
        calls += more_calls
        turns.calls += more_calls
        index += 1
    if len(calls) > 1:
        _make_ids_unique(calls, turns)
    # A blank, and no empty text: newer models refuse it in a user's turn (ai.google.dev, gemini-3.6-flash, 2026-07-30).
    if parts and not turns.contents:
        _add_turn(" ", 0, turns)
        reason = "Gemini wants a user's turn first: a blank one stands before this message"
        turns.note("[0]", Fate.INJECTED, "blank-turn-added", reason)
    turns.say("model", parts)
    end = index
    while end < len(value) and value[end].role != "assistant":
        end += 1
    rest = results(calls, value, range(index, end), turns) if calls else list(range(index, end))
    for other in rest:
        _other(value, other, turns)
    return end


def _make_ids_unique(calls: list[HistoryCall], turns: Turns) -> None:
    """Give calls of one turn that share an id new ids: Gemini refuses equal ones without saying why.

    (github.com/TanStack/ai/issues/199, github.com/cloudwego/eino-ext/issues/652)
    """
    taken = {call.part.id for call in calls}
    if len(taken) == len(calls):
        return
    numbers: dict[str, Iterator[int]] = {}
    for call in calls:
        id_ = call.part.id
        if id_ in numbers:
            call.part.id = next(free for number in numbers[id_] if (free := f"{id_}_{number}") not in taken)
            reason = "another call of this turn has the same id: Gemini gets another one for it"
            turns.note(call.path, Fate.APPROXIMATED, "call-id-repeated", reason)
        elif id_ is not None:
            # Each id goes on where it ended: to count from the start again would be quadratic.
            numbers[id_] = count(2)


def _ends(turns: Turns) -> None:
    """Check that the last turn is a user's, unless the model continues its own turn (prefill)."""
    contents = turns.contents
    if not contents and not turns.context.capabilities.prefill:
        raise Rejected("", "value-missing", "all messages are empty, and the model answers no empty one")
    if not contents:
        _add_turn(" ", 0, turns)
        turns.note("", Fate.INJECTED, "blank-turn-added", "all messages are empty: a blank user's turn stands for them")
        return
    if contents[-1].role != "model" or turns.context.capabilities.prefill:
        return
    last = len(turns.context.request.messages) - 1
    if turns.context.options.trailing_assistant == "reject":
        raise Rejected(
            f"[{last}].role", "trailing-assistant", "the model takes no request that ends with an assistant's message"
        )
    _add_turn(CONTINUE, last, turns)
    reason = f"the model wants a user's turn last: {CONTINUE!r} follows this message"
    turns.note(f"[{last}]", Fate.APPROXIMATED, "trailing-assistant", reason)


def _add_turn(text: str, index: int, turns: Turns) -> None:
    """Add a user's turn that Gemini requires because of the message at this index."""
    parts = [Part(text=text)]
    turns.trace(index, parts)
    turns.say("user", parts)


_NAME = attrgetter("name")
