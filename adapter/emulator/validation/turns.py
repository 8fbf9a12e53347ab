"""The order of turns: calls follow users, results follow calls, and both have the same number."""

from itertools import pairwise

from adapter.emulator.core.conversation import Content, Run, calls, parts, results, role, runs, visible_text
from adapter.emulator.core.errors import OPAQUE
from adapter.emulator.core.models import Model

CALL_TURN = (
    "Please ensure that function call turn comes immediately after a user turn or after a function response turn."
)
RESULT_TURN = "Please ensure that function response turn comes immediately after a function call turn."
COUNTS = (
    "Please ensure that the number of function response parts is equal to the number of function call parts of the "
    "function call turn."
)
PREFILL = "Requests ending with a model turn are not supported."


def turn_violations(contents: list[Content], model: Model, *, require_ids: bool = False) -> list[str]:
    """Return all violations about turns, each text once."""
    conversation = runs(contents)
    violations = [
        *(CALL_TURN for index, run in enumerate(conversation) if misplaced_calls(run, index)),
        *(RESULT_TURN for index, run in enumerate(conversation) if misplaced_results(run, conversation[:index])),
        *(
            COUNTS
            for index, run in enumerate(conversation)
            if has_uneven_results(run, conversation[index + 1 :], model)
        ),
        *wrong_ids(conversation, require=require_ids and model.call_ids_required),
        *last_turn(contents, model),
    ]
    return list(dict.fromkeys(violations))


def misplaced_calls(run: Run, index: int) -> bool:
    """Return whether a call opens the conversation or comes after the model's own text."""
    if run.role != "model" or not run.calls:
        return False
    return index == 0 or any(
        calls(later) and visible_text(earlier) and not calls(earlier) for earlier, later in pairwise(run.contents)
    )


def misplaced_results(run: Run, before: list[Run]) -> bool:
    """Return whether a result does not come right after a call."""
    if run.role != "user" or not run.results:
        return False
    return not before or not before[-1].calls or not results(run.contents[0])


def has_uneven_results(run: Run, after: list[Run], model: Model) -> bool:
    """Return whether calls and results differ in number; the prefill rule covers calls at the end."""
    if run.role != "model" or not run.calls or (not after and not model.prefill):
        return False
    return len(run.calls) != (len(after[0].results) if after else 0)


def wrong_ids(conversation: list[Run], *, require: bool) -> list[str]:
    """Check that a result's id is a call's, and that no two calls of a turn share one.

    Equal ids were bisected to a 400 without a word (github.com/TanStack/ai/issues/199, 2026-07).
    ai.google.dev's function calling page (2026-09) wants one from 3.6 on; google-genai 3.4.0 sends none in its own
    tool loop, so leaving it out is refused only when `require` says so.
    """
    violations = []
    for before, run in pairwise(conversation):
        ids = [part["functionCall"]["id"] for part in before.calls if part["functionCall"].get("id")]
        call_ids = set(ids)
        if len(call_ids) < len(ids):
            violations.append(OPAQUE)
        for part in run.results if call_ids else ():
            answered = part["functionResponse"].get("id")
            if answered not in call_ids and (answered or require):
                violations.append(OPAQUE)
    return violations


def last_turn(contents: list[Content], model: Model) -> list[str]:
    """Check the last turn from 3.6 on: no prefill, and not empty (ai.google.dev release notes, 2026-07)."""
    last = contents[-1]
    if model.prefill:
        return []
    if role(last) == "model" or text_after_results(last):
        return [PREFILL]
    silent = all("text" in part and not part["text"].strip() for part in parts(last))
    return [OPAQUE] if silent else []


def text_after_results(content: Content) -> bool:
    """Return whether text follows a result: it reads as a prefill (github.com/google/oss-rebuild/pull/1559)."""
    kinds = ["functionResponse" in part for part in parts(content)]
    return any(kinds) and not kinds[-1] and "text" in parts(content)[-1]
